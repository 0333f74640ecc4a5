package proxy

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The figures of docs/performance.md about bursts: `make burst`. They need a machine on
// which nothing else runs, and are printed, not judged.

// startHAProxy puts HAProxy in front of a server, with at most 90 connections and a queue;
// "" if it is not installed and servers are not required.
func startHAProxy(t *testing.T, server string) (addr string, pid int) {
	path, err := exec.LookPath("haproxy")
	if err != nil && os.Getenv("SQLRING_REQUIRE_SERVERS") == "1" {
		t.Fatalf("no haproxy on PATH: run scripts/install-bench.sh and put what it unpacks on PATH, as make burst does: %v", err)
	}
	if err != nil {
		return "", 0
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = free.Addr().String()
	_ = free.Close()
	cfg := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf("global\n maxconn 6000\n nbthread 1\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n timeout queue 1h\nlisten m\n bind %s\n server s %s maxconn 90\n", addr, server)
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "-db", "-f", cfg)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	time.Sleep(time.Second)
	return addr, cmd.Process.Pid
}

func envInt(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func TestFiguresOfBursts(t *testing.T) {
	if os.Getenv("SQLRING_BURST") == "" {
		t.Skip("figures for docs/performance.md: make burst")
	}
	places := envInt("SQLRING_BURST_LIMIT", 0) // 0: as many as the gate finds
	// Its connections go while others are measured: they count in max_connections.
	r := startReal(t, Config{MaxSessions: 8000, LinkIdle: 300 * time.Millisecond, Limits: Limits{PerAddress: -1, PerAccount: -1, Pending: -1}, UniqueKeys: figureKeys, Gates: func() gate.Settings { return gate.Settings{Floor: places, Ceiling: places} }}, "max_connections=100", "innodb_flush_log_at_trx_commit=2", "sync_binlog=0")
	r.server.Exec(t, "USE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, k INT NOT NULL) ENGINE=InnoDB; CREATE TABLE shop.hot (id INT PRIMARY KEY, c BIGINT NOT NULL) ENGINE=InnoDB; INSERT INTO shop.hot VALUES (1, 0); INSERT INTO shop.t SELECT seq, 0 FROM seq_1_to_10000; CREATE USER quiet@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO quiet@'%'")
	r.world.setAccounts(native("app", "%", appPassword), native("quiet", "%", appPassword))
	if percent := envInt("SQLRING_BURST_CPU", 0); percent > 0 {
		r.server.Hold(t, percent)
	}
	peers := map[string]string{"direct": r.server.Addr, "sqlring": r.Addr()}
	processes := map[string]int{"sqlring": os.Getpid()} // which of them are proxies
	if addr, pid := startHAProxy(t, r.server.Addr); addr != "" {
		peers["haproxy"], processes["haproxy"] = addr, pid
	}
	rounds, lasts := envInt("SQLRING_BURST_ROUNDS", 3), time.Duration(envInt("SQLRING_BURST_SECONDS", 6))*time.Second
	for _, c := range []load{
		{Clients: 2000, Does: "a hot row"},
		{Clients: 2000, Does: "no hot row"},
		{Clients: 512, Does: "one counter"},
		{Clients: 512, Does: "one counter, room for all"},
		{Clients: 1, Does: "one counter, nobody beside"}, // as much as one statement after the other can do
	} {
		if only := os.Getenv("SQLRING_BURST_ONLY"); only != "" && only != c.Does {
			continue
		}
		name := fmt.Sprintf("%d clients, %s", c.Clients, c.Does)
		c.User, c.Lasts = "app", lasts
		if c.Does == "one counter, room for all" { // 512 threads at one row: who has no queue in front of the server
			r.server.Exec(t, "SET GLOBAL max_connections=1000")
		}
		got := map[string][]figure{}
		spent := map[string]costs{}
		names := slices.Sorted(maps.Keys(peers))
		if only := os.Getenv("SQLRING_BURST_PEER"); only != "" {
			names = []string{only}
		}
		for range rounds {
			for _, peer := range names {
				c.Addr = peers[peer]
				before := costsOf(t, r.server.PID(), processes[peer])
				f := c.start(t)()
				after := costsOf(t, r.server.PID(), processes[peer])
				got[peer] = append(got[peer], f)
				spent[peer] = spent[peer].plus(after.less(before), f)
				time.Sleep(1500 * time.Millisecond)
			}
			rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		}
		for _, peer := range names {
			f := middle(got[peer])
			t.Logf("FIGURE %-25s %-8s %7.0f/s  p50 %8s  p99 %8s  %d served, %s; CPU us a transaction: %s", name, peer, f.Rate, f.P50.Round(time.Millisecond), f.P99.Round(time.Millisecond), f.Served, f.wrong(), spent[peer])
		}
		g := r.Gates()[0]
		t.Logf("FIGURE %-25s gate: limit %d, inflation %.2f, %d hot keys", name, g.Limit, g.Inflation, len(g.Hot))
	}
}

// middle returns the one of median rate, with what went wrong in all of them.
func middle(figures []figure) figure {
	slices.SortFunc(figures, func(a, b figure) int { return int(a.Rate - b.Rate) })
	f := figures[len(figures)/2]
	f.Errors, f.Refused = 0, map[string]int{}
	for _, one := range figures {
		f.Errors += one.Errors
		for why, n := range one.Refused {
			f.Refused[why] += n
		}
	}
	return f
}

func figureKeys(_ context.Context, _ topology.MemberID, _, table string) ([]balancer.UniqueKey, error) {
	return []balancer.UniqueKey{{Columns: []balancer.KeyColumn{{Name: "id", Compare: balancer.CompareInteger}}}}, nil
}

// TestFigureFrozen is reads of one member while another one is frozen.
func TestFigureFrozen(t *testing.T) {
	if os.Getenv("SQLRING_BURST") == "" {
		t.Skip("figures for docs/performance.md: make burst")
	}
	a, b := mysqltest.Start(t), mysqltest.Start(t)
	w := newWorld()
	w.setAccounts(native("app", "%", appPassword))
	for _, s := range []*mysqltest.Server{a, b} {
		s.Exec(t, "SET GLOBAL read_only=0; CREATE DATABASE shop; CREATE DATABASE other; CREATE TABLE shop.t (id INT PRIMARY KEY, k INT); CREATE TABLE other.t (id INT PRIMARY KEY, k INT); INSERT INTO shop.t VALUES (1,1); INSERT INTO other.t VALUES (1,1); CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO app@'%'")
	}
	view := owned("m1", 1, memberAt("m1", a, 3), memberAt("m2", b, 4))
	view.Units = append(view.Units, view.Units[0])
	view.Units[1].ID, view.Units[1].Owner = "shop", "m2"
	w.setView(view)
	p := serve(t, w, Config{Gates: func() gate.Settings { return gate.Settings{} }})
	lasts := time.Duration(envInt("SQLRING_BURST_SECONDS", 6)) * time.Second
	var mu sync.Mutex
	during := 0 // 0: nobody is beside; 1: 300 are at work at the other member; 2: it is frozen
	var took [3][]time.Duration
	next := func() {
		mu.Lock()
		during++
		mu.Unlock()
	}
	well := load{
		Addr: p.Addr(), User: "app", Clients: 8, Lasts: 3*lasts + 2*time.Second, Does: "UPDATE shop.t SET k=k+1 WHERE id=1",
		each: func(d time.Duration) {
			mu.Lock()
			took[during] = append(took[during], d)
			mu.Unlock()
		},
	}
	stuck := load{Addr: p.Addr(), User: "app", Clients: 300, Lasts: 2*lasts + 3*time.Second, Does: "elsewhere"}
	var all sync.WaitGroup
	var rest figure
	all.Go(func() { rest = well.run(t) })
	time.Sleep(lasts)
	next()
	frozen := stuck.start(t) // they connect while it is well
	time.Sleep(lasts)
	a.Freeze()
	next()
	all.Wait()
	a.Thaw()
	crowd := frozen()
	p99 := func(of []time.Duration) time.Duration {
		slices.Sort(of)
		return of[len(of)*99/100]
	}
	for i, t0 := range took {
		if len(t0) == 0 {
			t.Fatalf("no statement in phase %d", i)
		}
	}
	idle, busy, now := p99(took[0]), p99(took[1]), p99(took[2])
	t.Logf("FIGURE one member frozen: p99 of the other %s while nobody is beside, %s beside 300 clients at work there, %s when it is frozen: %.2f and %.2f times; %d, %d and %d statements",
		idle.Round(10*time.Microsecond), busy.Round(10*time.Microsecond), now.Round(10*time.Microsecond), float64(now)/float64(idle), float64(now)/float64(busy), len(took[0]), len(took[1]), len(took[2]))
	t.Logf("FIGURE one member frozen: its own 300 clients %.0f/s, %d served, %s; the 8 of the other %.0f/s, %d served, %s", crowd.Rate, crowd.Served, crowd.wrong(), rest.Rate, rest.Served, rest.wrong())
}
