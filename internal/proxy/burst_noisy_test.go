package proxy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

// TestFigureProcess is the clients of TestFigureQuietAccount, in a process of their own: what
// their runtime makes them wait is not the proxy's.
func TestFigureProcess(t *testing.T) {
	of := os.Getenv("SQLRING_BURST_CLIENTS")
	if of == "" {
		t.Skip("a process of TestFigureQuietAccount")
	}
	var l struct {
		Addr, User, Columns string
		Clients             int
		Lasts, After        time.Duration
	}
	if err := json.Unmarshal([]byte(of), &l); err != nil {
		t.Fatal(err)
	}
	f := load{addr: l.Addr, user: l.User, clients: l.Clients, lasts: l.Lasts, after: l.After, texts: func() []string {
		return []string{fmt.Sprintf("SELECT %s FROM shop.t WHERE id=%d", l.Columns, 1+rand.IntN(10000))}
	}}.run(t)
	fmt.Printf("RESULT %.0f %d %d %d\n", f.rate, f.p50, f.p99, f.errors)
}

// clientsOf starts the process, and returns what came of it once it has ended.
func clientsOf(t *testing.T, addr, user, columns string, clients int, lasts, after time.Duration) func() figure {
	t.Helper()
	of, err := json.Marshal(map[string]any{"Addr": addr, "User": user, "Columns": columns, "Clients": clients, "Lasts": lasts + after, "After": after})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFigureProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "SQLRING_BURST_CLIENTS="+string(of))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (f figure) {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		_, result, _ := strings.Cut(out.String(), "RESULT ")
		if _, err := fmt.Sscan(result, &f.rate, &f.p50, &f.p99, &f.errors); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		return f
	}
}

// TestFigureQuietAccount is five clients of one account, alone and beside 1 500 of another
// one; and where their time goes: to the queue, to the member, to the rest.
func TestFigureQuietAccount(t *testing.T) {
	if os.Getenv("SQLRING_BURST") == "" {
		t.Skip("figures for docs/performance.md: make burst")
	}
	limit := envInt("SQLRING_BURST_LIMIT", 0) // 0: as the gate finds it
	settings := gate.Settings{Floor: limit, Ceiling: limit}
	r := startReal(t, Config{MaxSessions: 8000, Limits: Limits{PerAddress: -1, PerAccount: -1, Pending: -1}, Gates: func() gate.Settings { return settings }}, "max_connections=200")
	r.server.Exec(t, "USE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, k INT NOT NULL) ENGINE=InnoDB; INSERT INTO shop.t SELECT seq, 0 FROM seq_1_to_10000; CREATE USER quiet@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO quiet@'%'")
	r.world.setAccounts(native("app", "%", appPassword), native("quiet", "%", appPassword))
	if percent := envInt("SQLRING_BURST_CPU", 0); percent > 0 {
		r.server.Hold(t, percent)
	}
	lasts := time.Duration(envInt("SQLRING_BURST_SECONDS", 6)) * time.Second
	show := func(what string, f figure, before Digest) {
		var d Digest
		for _, found := range r.Digests(50) {
			if strings.Contains(found.Text, "`quiet`") {
				d = found
			}
		}
		g := r.Gates()[0]
		n := max(d.Statements-before.Statements, 1)
		t.Logf("FIGURE a quiet account %-22s %6.0f/s  p50 %8s  p99 %8s  queue %8s and member %8s on average, longest wait %8s; limit %d, inflation %.2f",
			what, f.rate, f.p50.Round(10*time.Microsecond), f.p99.Round(10*time.Microsecond), ((d.WaitTime - before.WaitTime) / time.Duration(n)).Round(10*time.Microsecond),
			((d.ServerTime - before.ServerTime) / time.Duration(n)).Round(10*time.Microsecond), d.Longest.Round(100*time.Microsecond), g.Limit, g.Inflation)
	}
	const quiet = "k AS quiet"
	alone := clientsOf(t, r.Addr(), "quiet", quiet, 5, lasts, 0)()
	show("alone:", alone, Digest{})
	var before Digest
	for _, d := range r.Digests(50) {
		if strings.Contains(d.Text, "`quiet`") {
			before = d
		}
	}
	noisy := clientsOf(t, r.Addr(), "app", "k", 1500, lasts+settles+time.Second, 0)
	beside := clientsOf(t, r.Addr(), "quiet", quiet, 5, lasts, settles)()
	show("beside 1500 clients:", beside, before)
	f := noisy()
	t.Logf("FIGURE a noisy account of 1500 clients: %.0f/s, p50 %s, p99 %s; the quiet one's p99 is %.1f times what it is alone", f.rate, f.p50.Round(time.Millisecond), f.p99.Round(time.Millisecond), float64(beside.p99)/float64(alone.p99))
}
