package app_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestReadsGoBySiteWeightAndDrain counts reads at each of three members: m1, and m2 of three times
// its weight, stand at the node's site; m3, which owns all, at another one. A member that is
// drained gets none, the other site only if nobody here is left, and who is resumed its share.
func TestReadsGoBySiteWeightAndDrain(t *testing.T) {
	beside(t)
	r := &rig{servers: mysqltest.StartRing(t, 3), memberSites: []string{"north", "north", "south"}, weights: []int{1, 3, 1}}
	r.cfg = nodeConfig(t)
	r.cfg.Site = "north"
	r.startNode(t)
	r.initRing(t)
	db := r.takeoverPool(t)
	for _, text := range []string{"CREATE TABLE seen (client INT PRIMARY KEY, n INT)", "INSERT INTO seen VALUES (1, 1)"} {
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	r.tellsWhere(t)
	places := 64 // nobody waits at a gate
	if _, err := r.client.SetGates(t.Context(), api.GateSetRequest{Floor: &places, Ceiling: &places}, false); err != nil {
		t.Fatal(err)
	}
	r.move(t, "*", "m3")
	r.untilHealthy(t, 30*time.Second)
	drained := func(member, verb string) {
		t.Helper()
		if _, err := r.client.ChangeMember(t.Context(), member, verb, false, "test"); err != nil {
			t.Fatal(err)
		}
	}
	byWeight := func(at map[string]int) bool { return at["m1"] > 0 && 2*at["m1"] < at["m2"] && at["m2"] < 5*at["m1"] }
	near := func(at map[string]int) bool { return byWeight(at) && at["m3"] == 0 }
	r.untilReads(t, db, "m1 a quarter, m2 the rest", near)
	drained("m2", "drain")
	r.untilReads(t, db, "all at m1", func(at map[string]int) bool { return at["m1"] == all })
	drained("m1", "drain")
	r.untilReads(t, db, "all at m3", func(at map[string]int) bool { return at["m3"] == all })
	drained("m2", "resume")
	r.untilReads(t, db, "all at m2", func(at map[string]int) bool { return at["m2"] == all })
	drained("m1", "resume")
	r.untilReads(t, db, "m1 a quarter, m2 the rest", near)

	_ = db.Close()
	r.stopNode(t)
	r.cfg.Site = ""
	r.startNode(t)
	r.untilHealthy(t, 30*time.Second)
	db = r.writersPool(t)
	r.untilReads(t, db, "m2 three fifths, the others the rest", func(at map[string]int) bool {
		return at["m1"] > all/10 && at["m3"] > all/10 && at["m2"] > all*2/5 && at["m2"] < all*4/5
	})
}

// all is how many reads untilReads counts at a time.
const all = 400

// untilReads reads until as many as are wanted are answered by each member: a change is known
// of at the next probe.
func (r *rig) untilReads(t *testing.T, db *sql.DB, wants string, ok func(at map[string]int) bool) {
	t.Helper()
	names := r.serverIDs(t)
	eventually(t, 20*time.Second, wants, func() error {
		at, err := r.readsBySixteen(t.Context(), db, names)
		if err == nil && !ok(at) {
			err = fmt.Errorf("reads at %s", shares(at))
		}
		if err == nil {
			t.Logf("%s: %s", wants, shares(at))
		}
		return err
	})
}

// readsBySixteen has sixteen clients read, all times in all, each for 5 ms, and counts by which
// member they are answered. A member's load is what is under way there: by one client at a time
// all would go to the heaviest.
func (r *rig) readsBySixteen(ctx context.Context, db *sql.DB, names map[string]string) (map[string]int, error) {
	const clients = 16
	type answer struct {
		server string
		err    error
	}
	answers := make(chan answer, all)
	for range clients {
		go func() {
			for range all / clients {
				var a answer
				var n, slept int
				a.err = db.QueryRowContext(ctx, "SELECT n, server, SLEEP(0.005) FROM cards.seen_at WHERE client=1").Scan(&n, &a.server, &slept)
				answers <- a
			}
		}()
	}
	at, failed := map[string]int{}, error(nil)
	for range all {
		a := <-answers
		if a.err != nil {
			failed = a.err
		}
		at[names[a.server]]++
	}
	return at, failed
}
