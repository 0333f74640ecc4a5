package app_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
)

// writesAt returns which share of its places for writes a member gives away, as
// the node says.
func (r *rig) writesAt(t *testing.T, member string) api.Admission {
	t.Helper()
	for _, a := range r.lags(t).Admissions {
		if a.Member == member {
			return a
		}
	}
	t.Fatalf("nothing is said of writes at %s", member)
	return api.Admission{}
}

// The applier of a peer is held by a lock: the places for writes at the owner's gate shrink
// by steps to an eighth, writes go on, all of it is told; and they come back by steps.
func TestWritesAreHeldBackWhileAPeerLags(t *testing.T) {
	r := startRig(t, 2)
	db := r.pool(t, nil)
	for _, statement := range []string{"CREATE DATABASE shop", "CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY)"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	r.untilLevel(t, 20*time.Second, "m2", "fresh")
	all := r.writesAt(t, "m1")
	if all.Ratio != 1 || all.Places == nil || *all.Places < 16 || all.SinceMS != nil {
		t.Fatalf("nobody lags: %+v", all)
	}
	_, _, release := holdApplier(t, r.servers[1])
	down := r.untilRatio(t, func(a api.Admission) bool { return a.Ratio <= 0.125 })
	t.Logf("FIGURE places for writes as the lag grows: %v", down)
	if !slices.IsSortedFunc(down, func(a, b int) int { return b - a }) || len(down) < 4 || down[len(down)-1] != *all.Places/8 {
		t.Errorf("places %v: at least four steps from %d down to an eighth are expected", down, *all.Places)
	}
	a := r.writesAt(t, "m1")
	if a.Peer != "m2" || a.SinceMS == nil || a.LowMS == nil || *a.LowMS < 2900 || !strings.Contains(a.What, "the lag of m2 behind m1 is") {
		t.Errorf("%+v", a)
	}
	if st := r.status(t); len(st.Admissions) != 1 || st.Admissions[0].SinceMS == nil {
		t.Errorf("status: %+v", st.Admissions)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO shop.t VALUES ()"); err != nil {
		t.Errorf("lag alone stops no write: %v", err)
	}
	if got := r.metric(t, `sqlring_write_admission_ratio{member="m1"}`); got != "0.125" {
		t.Errorf("the metric is %q", got)
	}
	eventually(t, 5*time.Second, "it is an event", func() error { return r.toldOfWrites(t, "squeezed") })

	release()
	up := r.untilRatio(t, func(a api.Admission) bool { return a.Ratio == 1 })
	t.Logf("FIGURE places for writes as the lag goes: %v", up)
	if !slices.IsSorted(up) || len(up) < 4 || up[len(up)-1] != *all.Places {
		t.Errorf("places %v: at least four steps up to %d are expected", up, *all.Places)
	}
	eventually(t, 10*time.Second, "its end is an event", func() error { return r.toldOfWrites(t, "over") })
	var shown string
	for _, line := range tableRows(t, db, "SHOW SQLRING GATES") {
		if line["member"] == "m1" {
			shown = line["for_writes"]
		}
	}
	if shown != fmt.Sprint(*all.Places) {
		t.Errorf("SHOW SQLRING GATES: %q places for writes", shown)
	}
}

// untilRatio looks at the places for writes at m1 until done, and returns the numbers that
// it has seen, each once. The gates take a change up at their next tick.
func (r *rig) untilRatio(t *testing.T, done func(api.Admission) bool) (seen []int) {
	t.Helper()
	ended := 0
	eventually(t, 60*time.Second, "the places for writes change", func() error {
		a := r.writesAt(t, "m1")
		if a.Places != nil && (len(seen) == 0 || seen[len(seen)-1] != *a.Places) {
			seen = append(seen, *a.Places)
		}
		if done(a) {
			ended++
		}
		if ended < 30 { // for longer than a tick
			return fmt.Errorf("%+v, seen %v", a, seen)
		}
		return nil
	})
	return seen
}

// toldOfWrites looks for an event about writes at m1.
func (r *rig) toldOfWrites(t *testing.T, to string) error {
	t.Helper()
	events, err := r.client.AllEvents(t.Context(), 512)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.Kind == "lag" && e.Member == "m1" && e.To == to && strings.Contains(e.What, "fewer writes are let in at m1") {
			return nil
		}
	}
	return fmt.Errorf("no event %q in %+v", to, events)
}

// metric returns the value of one series of the node's metrics; empty: it is not there.
func (r *rig) metric(t *testing.T, series string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.app.APIAddr()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return value
		}
	}
	return ""
}
