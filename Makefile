# Each target is one line that calls a tool. `make` alone explains them.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
GO    ?= go
TOOL  := $(GO) tool -modfile=tools/go.mod

.PHONY: test-rings test-rest checks lag hooks disk grow help demo build servers test mysql mariadb118 race lint check sim faults verify nodes reads conformance conformance-quick conformance-churn hostile bench oracle fuzz clean rules alerts page package package-test burst cycles ids sites leader crashes night micro leave slips moves

help: ## say what the targets do
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## two MariaDB masters, one address, a light load; Ctrl-C ends it
	./bin/sqlring demo

build: ## build bin/sqlring
	$(GO) build -trimpath -o bin/sqlring ./cmd/sqlring

servers: ## install the database servers that the tests start (asks apt, only if they are missing)
	./scripts/install-servers.sh

# Two packages at a time, on two cores: the rings of internal/app take as long as all the rest.
test: servers ## all tests, on real servers too: rings of MariaDB 10.11, and beside them the rest and rings of MySQL 9.7
	$(MAKE) --no-print-directory -j2 test-rings test-rest

test-rings: servers ## the tests of internal/app, on MariaDB 10.11
	./scripts/test.sh ./internal/app -- -timeout 30m

test-rest: servers ## all others, then the ring's tests on MySQL 9.7
	./scripts/test.sh $$($(GO) list ./... | grep -v /internal/app$$) -- -p 1 -timeout 30m && $(MAKE) --no-print-directory mysql

# What the two flavours do not do alike, and every operation; rings of three and the rest: RUN=.
MYSQL_RUN := TestRingFromEmpty|TestFaults//2|TestMove/2|TestTakeover|TestNodeDiesBetweenTwoStepsOf(ATakeover|ARemoval|AMaintenance|ADissolution)|TestNodeDiesWhile|TestAFailed|TestReads(See|Go)|TestTwoOwners|TestPrepare|TestOpen|TestFollow|TestLink|TestObserve|TestArm|TestTail|TestBeat|TestReceiver|TestReplicas|TestHands|TestAStranger
MYSQL_RUN := $(MYSQL_RUN)|TestGrow|TestServersDie|TestReclone|TestInitFromData|TestRemove|TestMaintenance|TestDiscard|TestDissolve|TestDamagedRows|TestCopy|TestSnapshot|TestRetire|TestASlot|TestSessionsOverAResize|TestWhoIsStill|TestCycles|TestReplay|TestNodeDiesInTheMidstOfAReplay|TestBinlogIsEmptied|TestAnAcker|TestAdopt|TestNodeDiesBetweenTwoStepsOfAnAdoption|TestBursts|TestOperatorErrors|TestMemberClosed|TestSaturation|TestEveryMemberIsKilled|TestLagIsRead

mysql: servers ## the ring's tests on MySQL 9.7; RUN=pattern: others (10 min)
	SQLRING_TEST_FLAVOUR=mysql ./scripts/test.sh ./internal/mysqld ./internal/app -- -p 1 -timeout 30m -run "$(or $(RUN),$(MYSQL_RUN))"

mariadb118: servers ## the operations' tests on MariaDB 11.8, put beside the system; RUN=pattern: others (7 min)
	./scripts/get-mariadb118.sh && SQLRING_TEST_SERVERS="mariadb=$${SQLRING_SERVERS_DIR:-$$HOME/.cache/sqlring/servers}/mariadb-11.8/bin/mariadbd" SQLRING_REQUIRE_SERVERS=1 $(GO) test -timeout 20m ./internal/mysqld ./internal/app -run "$(or $(RUN),$(MYSQL_RUN))"

race: servers ## all tests with the race detector
	SQLRING_REQUIRE_SERVERS=1 $(GO) test -race -timeout 30m ./...

lint: ## vet, staticcheck, gofumpt
	$(GO) vet ./... && $(TOOL) staticcheck ./... && test -z "$$($(TOOL) gofumpt -l . | tee /dev/stderr)"

check: lint ## what every change passes: lint, 200 simulated rings, the tests that need no server; under 3 minutes
	$(GO) test -short -timeout 5m ./...

sim: ## 20 000 simulated rings with faults: FIRST=1500001 has all of the model's faults, SEEDS=20000
	$(GO) test ./internal/sim -run 'TestSim$$' -sim.first=$(or $(FIRST),1500001) -sim.seeds=$(or $(SEEDS),20000) -timeout 4h -v

faults: servers ## 20 rounds of each fault on real servers, 15 minutes of load; prints the figures of docs/reliability.md (40 min)
	SQLRING_FIGURES=1 SQLRING_FAULT_ROUNDS=20 SQLRING_QUIET=15m SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestFaults|TestMove|TestNodeDies|TestLagging|TestNoNeedless" -timeout 4h -v | grep -E "FIGURE|^ *---|FAIL|^ok"

crashes: servers ## the node killed -9 after every step of each operation, on real servers; FLAVOUR=mysql (40 min)
	SQLRING_TEST_FLAVOUR=$(or $(FLAVOUR),mariadb) SQLRING_FAULT_ROUNDS=1 SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestNodeDies|TestLeaderDies" -count=1 -timeout 4h -v | grep -aE "FIGURE|^ *---|FAIL|^ok"

verify: servers ## rows damaged under load are found, repaired and equal; checks of a ring that is made wrong; prints figures of docs/reliability.md (2 min)
	SQLRING_FIGURES=1 SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestDamagedRows|TestChecksOfARing" -count=1 -timeout 20m -v | grep -aE "FIGURE|^ *---|FAIL|^ok"

grow: servers ## a ring of 2 grows to 4 under load: rate of the copy and longest pause; MB=200 of data (2 min)
	SQLRING_FIGURES=1 SQLRING_GROW_MB=$(or $(MB),200) SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestGrow$$" -count=1 -timeout 30m -v | grep -E "FIGURE|^ *---|FAIL|^ok"

cycles: servers ## a ring goes 2-3-4-3-2 under 300 writes/s and reads, members come and go, of MariaDB, then of MySQL: CYCLES=3, MB=20; prints figures of docs/reliability.md (3 min)
	for flavour in $(or $(FLAVOUR),mariadb mysql); do SQLRING_TEST_FLAVOUR=$$flavour SQLRING_FIGURES=1 SQLRING_CYCLES=$(or $(CYCLES),3) SQLRING_GROW_MB=$(or $(MB),20) SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestCycles$$" -count=1 -timeout 30m -v | grep -aE "FIGURE|^ *---|FAIL|^ok" || exit 1; done

nodes: servers ## three nodes in network namespaces (root) that are killed, frozen, left alone, all dead: ROUNDS=5; FLAVOUR=mysql; prints figures of docs/reliability.md (6 min)
	SQLRING_TEST_FLAVOUR=$(or $(FLAVOUR),mariadb) SQLRING_FIGURES=1 SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestNodes|TestNoQuorum|TestNoVoters" -count=$(or $(ROUNDS),5) -timeout 1h -v | grep -E "FIGURE|^ *---|FAIL|^ok"

sites: servers ## two sites and a witness in network namespaces, parted for 43 s, four ways (root); FLAVOUR=mysql; prints figures of docs/reliability.md (6 min)
	SQLRING_TEST_FLAVOUR=$(or $(FLAVOUR),mariadb) SQLRING_PARTITION=$(or $(PARTED),43s) SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run TestSitesArePartedFrom -count=1 -timeout 1h -v | grep -aE "FIGURE|parted:|^ *---|FAIL|^ok"

moves: servers ## a unit moves back and forth, of everything, then of one schema, under 500 writes/s, 20 times each, no write waits for 100 ms: ROUNDS=20; MariaDB, then MySQL, or FLAVOUR=; prints figures of docs/reliability.md (6 min)
	status=0; for flavour in $(or $(FLAVOUR),mariadb mysql); do SQLRING_TEST_FLAVOUR=$$flavour SQLRING_FIGURES=1 SQLRING_FAULT_ROUNDS=$(or $(ROUNDS),20) SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestMove$$|TestSchemaMoves" -count=1 -timeout 30m -v | grep -aE "FIGURE|^ *---|FAIL|^ok" || status=1; done; exit $$status

disk: servers ## the disk of the owner, of its acker and of another member is full, and freed again (root); prints figures of docs/reliability.md (5 min)
	SQLRING_DISK_HEALS=1 SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run TestDiskFull -count=1 -timeout 20m -v | grep -aE "FIGURE|^ *---|FAIL|^ok"

leader: servers ## the node that leads three is killed after each step of each operation, and of the way back of those that are aborted; FLAVOUR=mysql; prints figures of docs/reliability.md (80 min)
	SQLRING_TEST_FLAVOUR=$(or $(FLAVOUR),mariadb) SQLRING_LEADER_STEPS=1-60 SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestLeaderDiesBetweenTwoSteps|TestLeaderDiesWhile" -count=1 -timeout 3h -v | grep -aE "FIGURE|^ *---|FAIL|^ok"

lag: servers ## lag by a lock, a stopped applier, a narrow link and load, held against the truth; how soon reads follow; fewer writes; FLAVOUR=mysql; prints figures of docs/lag.md (3 min)
	SQLRING_TEST_FLAVOUR=$(or $(FLAVOUR),mariadb) SQLRING_FIGURES=1 SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestLag[WUBI]|TestAFailedApplier|TestWritesAreHeldBack|TestASwingingLag|TestAReadThatIsAtWork" -count=1 -timeout 20m -v | grep -aE "FIGURE|^ *---|FAIL|^ok"

hooks: servers ## hooks beside others that hang and fail, the leader killed as a level is entered and as a member is lost: told within 2 s, with one id; prints figures of docs/hooks.md (1 min)
	SQLRING_FIGURES=1 SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestATakeoverIsTold|TestALevelIsTold" -count=1 -timeout 10m -v | grep -aE "FIGURE|^ *---|FAIL|^ok"

checks: servers ## /check of freno's paths, N=10000 of each of three nodes, beside a light load: p99 below 5 ms; prints figures of docs/lag.md (1 min)
	SQLRING_CHECKS=$(or $(N),10000) SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run TestChecksAreAnsweredByEveryNode -count=1 -timeout 10m -v | grep -aE "FIGURE|^ *---|FAIL|^ok"

reads: servers ## reads of two members against one's, 1.8 times or it fails (root, for the kernel's cpu controller), and PAIRS=100000 reads of what was just written; FLAVOUR=mysql; prints figures (4 min)
	SQLRING_TEST_FLAVOUR=$(or $(FLAVOUR),mariadb) SQLRING_FIGURES=1 SQLRING_READS_SCALE=1 SQLRING_READ_PAIRS=$(or $(PAIRS),100000) SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestReadsScale|TestReadsSeeWhatTheirAccountWrote" -count=1 -timeout 3h -v | grep -aE "FIGURE|^ *---|FAIL|^ok|_test.go"

conformance: build ## other people's suites, drivers and WordPress, directly and through the proxy; SUITE=name runs one (hours; apt-get, npm)
	cache=$$(./scripts/install-conformance.sh) && $(GO) run ./conformance -cache "$$cache" $(if $(SUITE),-suite $(SUITE))

conformance-quick: build ## 320 of the 2 480 files, samples of the protocols, all smaller suites whole; under 25 minutes
	cache=$$(./scripts/install-conformance.sh) && $(GO) run ./conformance -cache "$$cache" -results bin/conformance-quick -limit 12m -spread mysqltest=320,mysqltest-ps=40,mysqltest-cursor=40

conformance-churn: build ## as conformance-quick, with no session coming back to a connection that it has given back: what it has is set again at every statement
	cache=$$(./scripts/install-conformance.sh) && $(GO) run ./conformance -cache "$$cache" -churn -results bin/conformance-churn -limit 12m -spread mysqltest=320,mysqltest-ps=40,mysqltest-cursor=40

ids: servers ## ROWS=1000000 inserts through moves of the unit, a resize of the stride and a third master, and a direct session: ids given out twice, 1062 (3 to 10 min)
	SQLRING_IDS=$(or $(ROWS),1000000) SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run '^TestIDs$$' -count=1 -timeout 40m -v | grep -E "FIGURE|^ *---|FAIL|^ok|_test.go"

hostile: build servers ## strangers, guesses, bombs and floods at the proxy's port: panics, memory, other clients' p99 (3 min)
	$(GO) run ./hostile

bench: build servers ## what sqlring costs beside HAProxy: ROUNDS=3 SECONDS=5 (20 min)
	./scripts/install-bench.sh && $(GO) run ./bench -rounds $(or $(ROUNDS),3) -seconds $(or $(SECONDS),5)

oracle: servers ## our reading of SQL against MySQL's own digest, vitess and TiDB; COUNT=200000 random statements besides, in sessions of eight sql_modes and charsets (2 min)
	(cd internal/oracle && SQLRING_CORPUS=$$(../../scripts/get-corpus.sh) SQLRING_REQUIRE_SERVERS=1 $(GO) test -timeout 15m ./...) && SQLRING_DIGESTS=$(or $(COUNT),200000) SQLRING_REQUIRE_SERVERS=1 $(GO) test ./pkg/balancer -run TestDigestOfAServer -count=1 -timeout 4h -v | grep -aE "FIGURE|got  |want |^ *---|FAIL|^ok"

fuzz: ## each fuzz target for a minute
	./scripts/fuzz.sh 1m

clean: ## remove what was built
	rm -rf bin dist

rules: ## the alerting rules, by Debian's promtool (fetched, not installed)
	tools=$$(./scripts/get-prometheus.sh) && SQLRING_PROMETHEUS="$$tools" $(GO) test -count=1 ./deploy -run "TestPromtool|TestEveryAlert|Asks?ForWhatIsServed|TestSamples" -v | grep -E "^(---|ok|FAIL)|^    "

alerts: servers ## a member dies under Debian's Prometheus and Alertmanager: the alerts fire and resolve; and what hooks send it (4 min)
	tools=$$(./scripts/get-prometheus.sh) && SQLRING_PROMETHEUS="$$tools" SQLRING_ALERTS=1 $(GO) test -count=1 -timeout 15m ./deploy ./internal/hook -run "TestAlertsFireAndResolve|TestAlertmanagerItself" -v

page: servers ## the web page in Debian's Chromium, over a ring whose owner dies; PICTURES=docs takes the screenshots anew (2 to 6 min)
	browser=$$(./scripts/install-chromium.sh) && SQLRING_CHROMIUM="$$browser" SQLRING_SCREENSHOTS=$(abspath $(PICTURES)) $(GO) test -count=1 -timeout 15m ./deploy -run TestPage -v

package: ## dist/: a deb and an rpm, by nfpm; VERSION=0.1.0 names the release
	VERSION=$(VERSION) ./scripts/package.sh

package-test: package ## installs the deb on this machine, runs it, removes and purges it; reads the rpm (needs root)
	./scripts/test-package.sh

burst: servers ## bursts beside HAProxy, on a machine where nothing else runs: ROUNDS=3 SECONDS=6, CPU=30: the server has so many percent of a core; prints figures of docs/performance.md (4 min)
	./scripts/install-bench.sh && PATH="$$PATH:/usr/sbin:$${SQLRING_SERVERS_DIR:-$$HOME/.cache/sqlring/servers}/haproxy/bin" SQLRING_BURST=1 SQLRING_BURST_CPU=$(CPU) SQLRING_BURST_ROUNDS=$(or $(ROUNDS),3) SQLRING_BURST_SECONDS=$(or $(SECONDS),6) SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/proxy -run TestFigure -count=1 -timeout 30m -v | grep -E "FIGURE|^ *---|FAIL|^ok"

night: servers ## an open loop at 1, 2, 4 and 10 times of what a ring of two can do, and its midnight, beside one server (root, for the kernel's cpu controller); prints figures of docs/performance.md (6 min)
	SQLRING_NIGHT=1 SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestFigureOpenLoop|TestFigureMidnight" -count=1 -timeout 30m -v | grep -aE "FIGURE|^ *---|FAIL|^ok"

micro: ## what a point select costs in the proxy: reading and look-up, all SQL awareness, an idle gate, in ns (1 min)
	$(GO) test ./pkg/balancer ./internal/proxy -run '^$$' -bench '^(BenchmarkPlan|BenchmarkAwareness|BenchmarkGateOfASession)$$' -benchmem | grep -aE "^Benchmark|FAIL|^ok"

leave: servers ## members are removed, maintained and written anew, a circle is adopted, a ring dissolved; FLAVOUR=mysql; prints figures of docs/reliability.md
	SQLRING_TEST_FLAVOUR=$(or $(FLAVOUR),mariadb) SQLRING_FIGURES=1 SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestRemove|TestMaintenance|TestDissolve|TestAdopt|TestReplay" -count=1 -timeout 1h -v | grep -aE "FIGURE|^ *---|FAIL|^ok"

slips: servers ## slips of operators, a damaged raft log, binlogs emptied by hand; FLAVOUR=mysql; prints figures of docs/reliability.md
	SQLRING_TEST_FLAVOUR=$(or $(FLAVOUR),mariadb) SQLRING_FIGURES=1 SQLRING_REQUIRE_SERVERS=1 $(GO) test ./internal/app -run "TestOperatorErrors|TestDamagedRaftLog|TestBinlogIsEmptied" -count=1 -timeout 1h -v | grep -aE "FIGURE|^ *---|FAIL|^ok"
