package proxy

import (
	"context"
	"fmt"
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
	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The figures of docs/performance.md about bursts: `make burst`. They need a machine on
// which nothing else runs, and are printed, not judged.

// figure is what came of one run at one peer.
type figure struct {
	rate   float64 // transactions per second
	p50    time.Duration
	p99    time.Duration
	errors int
	served int
}

// load is clients without think time, each on a connection that it keeps.
type load struct {
	addr, user string
	clients    int
	lasts      time.Duration
	after      time.Duration            // what is answered sooner than this counts for nothing
	texts      func() []string          // of one transaction
	each       func(took time.Duration) // is told of each; may be nil
}

// run has the clients work for a while. Latency counts from the first attempt; who is never
// served counts with all his waiting. One that is told that there are too many connections
// comes back.
func (l load) run(t *testing.T) figure {
	t.Helper()
	var mu sync.Mutex
	var f figure
	var latency []time.Duration
	var all sync.WaitGroup
	began := time.Now()
	until := began.Add(l.lasts)
	for range l.clients {
		all.Go(func() {
			var own []time.Duration
			errors, asked := 0, time.Now()
			var c *raw
			for time.Now().Before(until) {
				if c == nil {
					if c = l.connect(t, until); c == nil {
						time.Sleep(time.Duration(50+rand.IntN(100)) * time.Millisecond)
						continue
					}
				}
				failed := false
				for _, text := range l.texts() {
					if n, _ := c.query(text); n != 0 {
						failed = true
						break
					}
				}
				switch {
				case !time.Now().Before(until):
				case failed:
					errors++
					_ = c.conn.Close()
					c = nil
				case time.Since(began) < l.after:
					asked = time.Now()
				default:
					own = append(own, time.Since(asked))
					if l.each != nil {
						l.each(time.Since(asked))
					}
					asked = time.Now()
				}
			}
			if c != nil {
				_ = c.conn.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			f.errors += errors
			if len(own) > 0 {
				f.served++
			} else {
				own = append(own, time.Since(began))
			}
			latency = append(latency, own...)
		})
	}
	all.Wait()
	slices.Sort(latency)
	f.rate = float64(len(latency)-l.clients+f.served) / (l.lasts - l.after).Seconds()
	f.p50, f.p99 = latency[len(latency)/2], latency[len(latency)*99/100]
	return f
}

// connect returns a client that is logged in, nil if there is no room for it.
func (l load) connect(t *testing.T, until time.Time) *raw {
	conn, err := net.DialTimeout("tcp", l.addr, 5*time.Second)
	if err != nil {
		return nil
	}
	_ = conn.SetDeadline(until.Add(10 * time.Millisecond))
	c := &raw{t: t, conn: conn, own: wire.NewConn(conn, 1<<24)}
	if err := c.login(l.user, appPassword, rawCaps); err != nil {
		_ = conn.Close()
		return nil
	}
	// Who waits as this ends is served: a crowd that hangs up is one without patience.
	_ = conn.SetDeadline(until.Add(3 * time.Second))
	return c
}

// startHAProxy puts HAProxy in front of a server, with at most 90 connections and a queue;
// "" if it is not installed.
func startHAProxy(t *testing.T, server string) string {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		return ""
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
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
	return addr
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
	// Its connections go while others are measured: they count in max_connections.
	r := startReal(t, Config{MaxSessions: 8000, LinkIdle: 300 * time.Millisecond, Limits: Limits{PerAddress: -1, PerAccount: -1, Pending: -1}, UniqueKeys: figureKeys}, "max_connections=100", "innodb_flush_log_at_trx_commit=2", "sync_binlog=0")
	r.server.Exec(t, "USE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, k INT NOT NULL) ENGINE=InnoDB; CREATE TABLE shop.hot (id INT PRIMARY KEY, c BIGINT NOT NULL) ENGINE=InnoDB; INSERT INTO shop.hot VALUES (1, 0); INSERT INTO shop.t SELECT seq, 0 FROM seq_1_to_10000; CREATE USER quiet@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO quiet@'%'")
	r.world.setAccounts(native("app", "%", appPassword), native("quiet", "%", appPassword))
	if percent := envInt("SQLRING_BURST_CPU", 0); percent > 0 {
		r.server.Hold(t, percent)
	}
	peers := map[string]string{"direct": r.server.Addr, "sqlring": r.Addr()}
	if addr := startHAProxy(t, r.server.Addr); addr != "" {
		peers["haproxy"] = addr
	}
	rounds, lasts := envInt("SQLRING_BURST_ROUNDS", 3), time.Duration(envInt("SQLRING_BURST_SECONDS", 6))*time.Second
	for _, c := range []struct {
		name    string
		clients int
		texts   func() []string
	}{
		{"2000 clients, a hot row", 2000, func() []string {
			id := 1 + rand.IntN(10000)
			return []string{"BEGIN", fmt.Sprintf("SELECT k FROM shop.t WHERE id=%d", id), fmt.Sprintf("UPDATE shop.t SET k=k+1 WHERE id=%d", id), "UPDATE shop.hot SET c=c+1 WHERE id=1", "COMMIT"}
		}},
		{"2000 clients, no hot row", 2000, func() []string {
			id := 1 + rand.IntN(10000)
			return []string{"BEGIN", fmt.Sprintf("SELECT k FROM shop.t WHERE id=%d", id), fmt.Sprintf("UPDATE shop.t SET k=k+1 WHERE id=%d", id), "COMMIT"}
		}},
		{"512 clients, one counter", 512, func() []string { return []string{"UPDATE shop.hot SET c=c+1 WHERE id=1"} }},
	} {
		got := map[string][]figure{}
		names := slices.Sorted(func(yield func(string) bool) {
			for name := range peers {
				if !yield(name) {
					return
				}
			}
		})
		for range rounds {
			for _, name := range names {
				got[name] = append(got[name], load{addr: peers[name], user: "app", clients: c.clients, lasts: lasts, texts: c.texts}.run(t))
				time.Sleep(1500 * time.Millisecond)
			}
			rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		}
		for _, name := range names {
			f := middle(got[name])
			t.Logf("FIGURE %-25s %-8s %7.0f/s  p50 %8s  p99 %8s  %d served, %d errors", c.name, name, f.rate, f.p50.Round(time.Millisecond), f.p99.Round(time.Millisecond), f.served, f.errors)
		}
		g := r.Gates()[0]
		t.Logf("FIGURE %-25s gate: limit %d, inflation %.2f, %d hot keys", c.name, g.Limit, g.Inflation, len(g.Hot))
	}
	figureNoisy(t, r, lasts)
}

func middle(figures []figure) figure {
	slices.SortFunc(figures, func(a, b figure) int { return int(a.rate - b.rate) })
	return figures[len(figures)/2]
}

// settles is how long a crowd has to come, and a gate to find how many it lets in.
const settles = 5 * time.Second

// figureNoisy is a quiet account of 5 clients, alone and beside one of 1 500.
func figureNoisy(t *testing.T, r *real, lasts time.Duration) {
	texts := func() []string { return []string{fmt.Sprintf("SELECT k FROM shop.t WHERE id=%d", 1+rand.IntN(10000))} }
	quiet := load{addr: r.Addr(), user: "quiet", clients: 5, lasts: lasts, texts: texts}
	alone := quiet.run(t)
	quiet.lasts, quiet.after = lasts+settles, settles
	var noisy sync.WaitGroup
	noisy.Go(func() {
		load{addr: r.Addr(), user: "app", clients: 1500, lasts: lasts + settles + time.Second, texts: texts}.run(t)
	})
	beside := quiet.run(t)
	noisy.Wait()
	t.Logf("FIGURE a quiet account: p99 %s alone, %s beside one with 1500 clients (%.1f times)", alone.p99.Round(10*time.Microsecond), beside.p99.Round(10*time.Microsecond), float64(beside.p99)/float64(alone.p99))
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
	var is bool // frozen
	took := map[bool][]time.Duration{}
	well := load{
		addr: p.Addr(), user: "app", clients: 8, lasts: 2*lasts + 2*time.Second, texts: func() []string { return []string{"UPDATE shop.t SET k=k+1 WHERE id=1"} },
		each: func(d time.Duration) {
			mu.Lock()
			took[is] = append(took[is], d)
			mu.Unlock()
		},
	}
	stuck := load{addr: p.Addr(), user: "app", clients: 300, lasts: 2*lasts + 3*time.Second, texts: func() []string { return []string{"SELECT k FROM other.t WHERE id=1", "DO SLEEP(0)"} }}
	var frozen, all sync.WaitGroup
	all.Go(func() { well.run(t) })
	frozen.Go(func() { stuck.run(t) }) // they connect while it is well
	time.Sleep(lasts)
	a.Freeze()
	mu.Lock()
	is = true
	mu.Unlock()
	all.Wait()
	a.Thaw()
	frozen.Wait()
	p99 := func(of []time.Duration) time.Duration {
		slices.Sort(of)
		return of[len(of)*99/100]
	}
	if len(took[false]) == 0 || len(took[true]) == 0 {
		t.Fatalf("%d statements before, %d while it was frozen", len(took[false]), len(took[true]))
	}
	t.Logf("FIGURE one member frozen: p99 of the other %s beside 300 clients at work there, %s when it is frozen (%.2f times); %d and %d statements",
		p99(took[false]).Round(10*time.Microsecond), p99(took[true]).Round(10*time.Microsecond), float64(p99(took[true]))/float64(p99(took[false])), len(took[false]), len(took[true]))
}
