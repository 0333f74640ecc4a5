package proxy

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

// settles is how long a crowd has to come, and a gate to find how many it lets in.
const settles = 5 * time.Second

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
		t.Logf("FIGURE a quiet account %-22s %6.0f/s  p50 %8s  p99 %8s  queue %8s and member %8s on average, longest wait %8s; limit %d, inflation %.2f; %s",
			what, f.Rate, f.P50.Round(10*time.Microsecond), f.P99.Round(10*time.Microsecond), ((d.WaitTime - before.WaitTime) / time.Duration(n)).Round(10*time.Microsecond),
			((d.ServerTime - before.ServerTime) / time.Duration(n)).Round(10*time.Microsecond), d.Longest.Round(100*time.Microsecond), g.Limit, g.Inflation, f.wrong())
	}
	const quiet = "k AS quiet"
	account := load{Addr: r.Addr(), User: "quiet", Clients: 5, Lasts: lasts, Does: "SELECT " + quiet + " FROM shop.t WHERE id=%d"}
	alone := account.start(t)()
	show("alone:", alone, Digest{})
	var before Digest
	for _, d := range r.Digests(50) {
		if strings.Contains(d.Text, "`quiet`") {
			before = d
		}
	}
	noisy := load{Addr: r.Addr(), User: "app", Clients: 1500, Lasts: lasts + settles + time.Second, Does: "SELECT k FROM shop.t WHERE id=%d"}.start(t)
	account.Lasts, account.After = lasts+settles, settles
	beside := account.start(t)()
	show("beside 1500 clients:", beside, before)
	f := noisy()
	t.Logf("FIGURE a noisy account of 1500 clients: %.0f/s, p50 %s, p99 %s, %s; the quiet one's p99 is %.1f times what it is alone", f.Rate, f.P50.Round(time.Millisecond), f.P99.Round(time.Millisecond), f.wrong(), float64(beside.P99)/float64(alone.P99))
}
