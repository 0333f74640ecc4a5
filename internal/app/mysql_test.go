package app_test

import (
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// TestMySQLRingServes makes a ring of two empty MySQL servers: what is written through
// the proxy is read on both, the lag is known, and ids are of the owner's slot.
func TestMySQLRingServes(t *testing.T) {
	r := startRigOf(t, topology.FlavourMySQL, 2)
	db := r.takeoverPool(t)
	for seq := range 20 {
		if _, err := db.ExecContext(t.Context(), "INSERT INTO card (client, seq) VALUES (1, ?)", seq); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM card").Scan(&n); err != nil || n != seq+1 {
			t.Fatalf("read %d rows after %d writes: %v", n, seq+1, err)
		}
	}
	eventually(t, 5*time.Second, "both have it", func() error { return sameRows(t, r, "cards.card") })
	if got := r.servers[1].Query(t, "SELECT CONCAT(COUNT(*), '/', COUNT(IF(id%16=1, 1, NULL))) FROM cards.card"); got != "20/20" {
		t.Errorf("rows and rows of slot 1: %s", got)
	}
	for _, pair := range [][2]string{{"m1", "m2"}, {"m2", "m1"}} {
		if low, bound := r.lag(t, pair[0], pair[1]); low > time.Second || bound > time.Second {
			t.Errorf("lag of %s from %s: %s +- %s", pair[1], pair[0], low, bound)
		}
	}
	status := r.status(t)
	t.Logf("proxy %+v", status.Proxy)
}
