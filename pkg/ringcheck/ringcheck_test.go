package ringcheck_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

var update = flag.Bool("update", false, "rewrite docs/checks.md")

// TestNothingIsFoundOnAGoodRing: the facts that each case below spoils are fine.
func TestNothingIsFoundOnAGoodRing(t *testing.T) {
	for name, f := range map[string]ringcheck.Facts{"mariadb": goodMariaDB(), "mysql": goodMySQL()} {
		r := ringcheck.Run(ringcheck.Catalog(), f)
		if r.Ran != len(ringcheck.Catalog()) || len(r.Unknown) > 0 {
			t.Errorf("%s: %d of %d checks ran, unknown: %v", name, r.Ran, len(ringcheck.Catalog()), r.Unknown)
		}
		for _, found := range r.Findings {
			if name == "mariadb" && found.Check == "boots-unlinked" && found.Severity == ringcheck.Notice {
				continue // nobody can look at it
			}
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// TestEveryCheckFires spoils one fact for each check, and wants that check to say so of
// the member that was spoiled, or of the node.
func TestEveryCheckFires(t *testing.T) {
	told := map[string]bool{}
	for _, c := range cases() {
		t.Run(c.check, func(t *testing.T) {
			f := c.facts()
			r := ringcheck.Run(ringcheck.Catalog(), f)
			told[c.check] = true
			i := slices.IndexFunc(r.Findings, func(found ringcheck.Finding) bool {
				return found.Check == c.check && (c.severity == nil || found.Severity == *c.severity) && strings.Contains(found.Found, c.says)
			})
			if i < 0 {
				t.Fatalf("it does not fire; found: %+v", r.Findings)
			}
			found := r.Findings[i]
			if found.Why == "" || found.Mend == "" || found.Found == "" || found.Object == "" {
				t.Errorf("it does not say what, why, and what to do: %+v", found)
			}
			if c.spoil != nil && found.Member != "m2" {
				t.Errorf("it speaks of %q, and m2 was spoiled", found.Member)
			}
			for _, other := range r.Findings {
				if other.Check != c.check && other.Severity > ringcheck.Notice && !slices.Contains(c.with, other.Check) {
					t.Errorf("this was found besides: %+v", other)
				}
			}
		})
	}
	for _, check := range ringcheck.Catalog() {
		if !told[check.Name] {
			t.Errorf("no case makes %s fire", check.Name)
		}
	}
}

func TestNamesAreUniqueAndStable(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range ringcheck.Catalog() {
		if seen[c.Name] || c.Looks == "" || c.Why == "" || strings.ToLower(c.Name) != c.Name || strings.ContainsAny(c.Name, " _") {
			t.Errorf("check %+v", c)
		}
		seen[c.Name] = true
	}
	if len(seen) < 40 {
		t.Errorf("%d checks", len(seen))
	}
	if _, err := ringcheck.Named([]string{"engines", "primary-key"}); err == nil || !strings.Contains(err.Error(), "primary-keys") {
		t.Errorf("a name that is not known: %v", err)
	}
}

// TestWhatWasNotReadIsUnknown: each check of members says so of a member of which
// nothing was read, and none says that it is fine or wrong.
func TestWhatWasNotReadIsUnknown(t *testing.T) {
	f := goodMariaDB()
	m := &f.Members[1]
	*m = ringcheck.Member{Name: "m2", Addr: m.Addr, Intent: m.Intent, Unread: map[ringcheck.Part]string{}}
	for _, part := range ringcheck.Parts() {
		m.Unread[part] = "it does not answer"
	}
	r := ringcheck.Run(ringcheck.Catalog(), f)
	for _, c := range ringcheck.Catalog() {
		if c.Scope() == "node" && c.Name != "node-clock" || strings.HasPrefix(c.Name, "version") {
			continue
		}
		if !slices.ContainsFunc(r.Unknown, func(u ringcheck.Unread) bool { return u.Check == c.Name && u.Member == "m2" && u.Why != "" }) {
			t.Errorf("%s says nothing of a member that was not read", c.Name)
		}
	}
	for _, found := range r.Findings {
		if found.Member == "m2" {
			t.Errorf("of a member that was not read it was found: %+v", found)
		}
	}
}

// TestAChecksNeedsAreAllThatItReads: asked for alone, a check is given the parts that it
// needs and no others, and finds what it finds among all checks.
func TestAChecksNeedsAreAllThatItReads(t *testing.T) {
	for _, c := range cases() {
		f := c.facts()
		var want []ringcheck.Finding
		for _, found := range ringcheck.Run(ringcheck.Catalog(), f).Findings {
			if found.Check == c.check {
				want = append(want, found)
			}
		}
		checks, err := ringcheck.Named([]string{c.check})
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Members {
			f.Members[i] = only(f.Members[i], ringcheck.Needs(checks))
		}
		if got := ringcheck.Run(checks, f).Findings; !slices.Equal(got, want) {
			t.Errorf("%s alone finds %+v, among all %+v", c.check, got, want)
		}
	}
}

// only returns the member without what was not asked for.
func only(m ringcheck.Member, parts []ringcheck.Part) ringcheck.Member {
	left := ringcheck.Member{
		Name: m.Name, Addr: m.Addr, Intent: m.Intent, Upstream: m.Upstream, AwayFor: m.AwayFor, Unread: m.Unread, Version: m.Version,
	}
	for _, part := range parts {
		switch part {
		case ringcheck.PartSettings:
			left.Variables, left.TLS = m.Variables, m.TLS
		case ringcheck.PartStatus:
			left.Status = m.Status
		case ringcheck.PartClock:
			left.Clock = m.Clock
		case ringcheck.PartReplication:
			left.Link, left.Receivers, left.Replicas, left.BinlogBytes = m.Link, m.Receivers, m.Replicas, m.BinlogBytes
		case ringcheck.PartAccounts:
			left.Accounts, left.From = m.Accounts, m.From
		case ringcheck.PartSessions:
			left.Transactions = m.Transactions
		case ringcheck.PartPrepared:
			left.Prepared = m.Prepared
		case ringcheck.PartDisk:
			left.Disk = m.Disk
		case ringcheck.PartTables:
			left.Tables = m.Tables
		case ringcheck.PartObjects:
			left.Objects = m.Objects
		case ringcheck.PartColumns:
			left.Columns = m.Columns
		case ringcheck.PartTies:
			left.Ties = m.Ties
		}
	}
	return left
}

func TestTheWorstComesFirstAndListsEnd(t *testing.T) {
	f := goodMariaDB()
	f.Members[1].Variables["skip_name_resolve"] = ringcheck.Variable{Value: "OFF"}
	f.Members[0].Variables["log_bin"] = ringcheck.Variable{Value: "OFF"}
	for i := range 30 {
		f.Members[1].Prepared = append(f.Members[1].Prepared, string(rune('a'+i)))
	}
	r := ringcheck.Run(ringcheck.Catalog(), f)
	if r.Findings[0].Check != "binlog-on" || r.Findings[0].Member != "m1" {
		t.Errorf("first: %+v", r.Findings[0])
	}
	if worst, any := r.Worst(); !any || worst != ringcheck.Critical {
		t.Errorf("worst: %v, %v", worst, any)
	}
	listed := 0
	for _, found := range r.Findings {
		if found.Check == "prepared-xa" {
			listed++
			if !strings.HasSuffix(found.Found, "(one of 30)") {
				t.Errorf("it does not say how many there are: %q", found.Found)
			}
		}
	}
	if listed != 20 {
		t.Errorf("%d of 30 are listed, want 20", listed)
	}
	var first []string
	for _, found := range r.First(3) {
		first = append(first, found.Check)
	}
	if want := []string{"binlog-on", "name-lookups", "prepared-xa"}; !slices.Equal(first, want) {
		t.Errorf("to be done first: %q, want %q", first, want)
	}
}

// TestChecksDocument holds docs/checks.md to the catalog, and to what the cases' findings say
// mends them.
func TestChecksDocument(t *testing.T) {
	const file = "../../docs/checks.md"
	want := document()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is not what the checks say: go test ./pkg/ringcheck -update", file)
	}
}

func document() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Checks

The %d checks of `+"`sqlring ring check` and `sqlring doctor`"+`, made of pkg/ringcheck by `+"`go test ./pkg/ringcheck -update`"+`. How to
use them: [checking.md](checking.md). *notice*: to be known, nothing is wrong. *warning*: it will hurt one day. *critical*: data
can be lost or differ, or the ring does not work. A finding may be milder or worse than its check where the text says why. What mends it
is that of one finding, in a ring of m1 and m2; yours names your members and values.
`, len(ringcheck.Catalog()))
	mends := mended()
	cell := strings.NewReplacer("|", "\\|", "\n", " ")
	for _, g := range ringcheck.Groups() {
		fmt.Fprintf(&b, "\n## %s\n\n| check | severity | what is looked at | why it matters | what mends it, for instance |\n|---|---|---|---|---|\n", g.Title)
		for _, c := range g.Checks {
			about := c.Looks
			if c.Flavour != topology.FlavourUnknown {
				about += " (" + map[topology.Flavour]string{topology.FlavourMariaDB: "MariaDB", topology.FlavourMySQL: "MySQL"}[c.Flavour] + ")"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c.Name, c.Severity, cell.Replace(about), c.Why, cell.Replace(mends[c.Name]))
		}
	}
	return b.String()
}

// mended is the mending line of each check's first case.
func mended() map[string]string {
	lines := map[string]string{}
	for _, c := range cases() {
		for _, found := range ringcheck.Run(ringcheck.Catalog(), c.facts()).Findings {
			if found.Check == c.check && lines[c.check] == "" && (c.severity == nil || found.Severity == *c.severity) {
				lines[c.check] = found.Mend
			}
		}
	}
	return lines
}

// TestACandidateIsNoMember: what only a member owes is not asked of a server that is none.
func TestACandidateIsNoMember(t *testing.T) {
	f := goodMariaDB()
	c := f.Members[1]
	c.Name, c.Addr, c.Intent, c.Upstream, c.Link, c.Receivers = "db3:3306", "db3:3306", nil, "", nil, 0
	c.Tables, c.Objects = nil, nil
	c.Variables = clone(c.Variables)
	for name, value := range map[string]string{"server_id": "1", "gtid_domain_id": "0", "auto_increment_offset": "1", "auto_increment_increment": "1", "rpl_semi_sync_master_timeout": "10000", "rpl_semi_sync_master_wait_point": "AFTER_COMMIT"} {
		c.Variables[name] = ringcheck.Variable{Value: value, Origin: ringcheck.OriginDefault}
	}
	c.Accounts = slices.DeleteFunc(slices.Clone(c.Accounts), func(a ringcheck.Account) bool { return a.User == "sqlring_repl" })
	f.Members = append(f.Members, c)
	for _, found := range ringcheck.Run(ringcheck.Catalog(), f).Findings {
		if found.Severity > ringcheck.Notice {
			t.Errorf("%+v", found)
		}
	}
}

func clone(of map[string]ringcheck.Variable) map[string]ringcheck.Variable {
	made := make(map[string]ringcheck.Variable, len(of))
	for name, v := range of {
		made[name] = v
	}
	return made
}

func began() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// goodMariaDB is a ring of two members without a fault: m1 owns all.
func goodMariaDB() ringcheck.Facts { return good(topology.FlavourMariaDB, mariaDBVariables()) }

func goodMySQL() ringcheck.Facts { return good(topology.FlavourMySQL, mySQLVariables()) }
