package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestMySQLRingServes makes a ring of two empty MySQL servers: what is written through
// the proxy is read on both, the lag is known, and ids are of the owner's slot.
func TestMySQLRingServes(t *testing.T) {
	beside(t)
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

// TestMySQLReplaysDocuments replays rows with JSON, which a MySQL logs in a form of its
// own: what that text can not say is never taken for equal.
func TestMySQLReplaysDocuments(t *testing.T) {
	beside(t)
	r := startRigOf(t, topology.FlavourMySQL, 2)
	db := r.pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE faults", "GRANT ALL ON faults.* TO " + mysqltest.Manager + "@'127.0.0.1'",
		"CREATE TABLE faults.doc (id INT PRIMARY KEY, n INT, j JSON)",
		`INSERT INTO faults.doc VALUES (1, 0, '{"a": 1.0, "bb": "é\\"", "c": [null, true, 18446744073709551615, -9223372036854775808, 1e300, 0.1]}')`,
		"INSERT INTO faults.doc VALUES (2, 0, JSON_OBJECT('d', DATE'2024-02-29')), (3, 0, JSON_OBJECT('n', 1.10)), (4, 0, NULL), (5, 0, 'null')",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	away := r.servers[1]
	eventually(t, 10*time.Second, "the rows are there", func() error {
		var n int
		return away.DB().QueryRowContext(t.Context(), "SELECT n FROM faults.doc WHERE id=5").Scan(&n)
	})
	r.away(t, away, func(write func(string)) {
		write("UPDATE faults.doc SET j=JSON_SET(j, '$.x', 2.0) WHERE id=1")
		write("UPDATE faults.doc SET n=1 WHERE id=2")
		write("UPDATE faults.doc SET n=1 WHERE id=3")
		write("UPDATE faults.doc SET j='null' WHERE id=4")
		write("DELETE FROM faults.doc WHERE id=5")
		write("INSERT INTO faults.doc VALUES (6, 0, '[]')")
	})
	plan, err := r.client.PlanRejoin(t.Context(), away.Name, api.RejoinRequest{Replay: true})
	if err != nil || plan.Trial == nil {
		t.Fatalf("%+v, %v", plan, err)
	}
	var fates []string
	for _, line := range plan.Trial.Lines {
		fates = append(fates, line.Fate)
	}
	t.Logf("%s: %+v", fates, plan.Trial.Lines)
	if got := strings.Join(fates, " "); got != "replayed conflict replayed replayed replayed replayed" {
		t.Errorf("the fates are %s", got)
	}
	if _, err := r.client.Rejoin(t.Context(), away.Name, api.RejoinRequest{Replay: true, Why: "test"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "it is replayed", func() error {
		if m := memberOf(r.status(t), away.Name); !strings.Contains(m.Why, "1 conflict") {
			return fmt.Errorf("%s: %s: %s", m.State, m.Why, r.why(t))
		}
		return nil
	})
	const whole = "SELECT id, n, j, JSON_TYPE(j->'$.a') FROM faults.doc WHERE id NOT IN (2, 3) ORDER BY id"
	if here, there := tableText(t, r.servers[0], whole), tableText(t, away, whole); here != there {
		t.Errorf("the ring has\n%sthe member had\n%s", here, there)
	}
}
