package app_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestGrow gives a ring of two a third master and a fourth under writes and reads
// through the proxy: no client error, nothing lost or given out twice, equal rows.
func TestGrow(t *testing.T) {
	servers := mysqltest.StartRing(t, 4)
	r := openRig(t, &rig{servers: servers[:2]})
	w := r.startWorkload(t)
	for n := 2; n < 4; n++ {
		began := time.Now()
		r.add(t, servers[n])
		r.servers = servers[:n+1]
		r.untilHealthy(t, 30*time.Second)
		t.Logf("FIGURE ring of %d -> %d in %d ms", n, n+1, time.Since(began).Milliseconds())
	}
	w.end()
	r.grown(t, w)
}

// add adds a server, and waits until it is in the ring.
func (r *rig) add(t *testing.T, s *mysqltest.Server) {
	t.Helper()
	started, err := r.client.AddMember(t.Context(), api.AddRequest{InitMember: api.InitMember{ID: s.Name, Addr: s.Addr}, Why: "test"}, false)
	if err != nil {
		t.Fatalf("add %s: %v", s.Name, err)
	}
	r.untilIn(t, s.Name, 120*time.Second)
	if started.Operation == nil {
		t.Error("its operation was not shown")
	}
}

// untilIn waits until a member is in the ring.
func (r *rig) untilIn(t *testing.T, name string, limit time.Duration) {
	t.Helper()
	eventually(t, limit, name+" is in the ring", func() error {
		st, err := r.client.Status(t.Context())
		if err != nil {
			return err
		}
		why := "no step"
		if st.Step != nil {
			why = st.Step.Why
		}
		for _, m := range st.Members {
			if m.Name == name && m.State == "active" {
				return nil
			}
		}
		return fmt.Errorf("operation %+v: %s", st.Operation, why)
	})
}

// grown compares what clients were told with what is on every server.
func (r *rig) grown(t *testing.T, w *workload) {
	t.Helper()
	okN, failedN, unknownN, broken := w.counts()
	if failedN+unknownN+broken > 0 {
		t.Errorf("%d writes failed, %d are unknown, %d connections broke", failedN, unknownN, broken)
	}
	r.untilEqual(t, "faults.w", "faults.account", "faults.move")
	for _, s := range r.servers {
		w.account(t, s)
	}
	var layouts []string
	for _, s := range r.servers {
		layouts = append(layouts, s.Query(t, "SELECT CONCAT(@@global.auto_increment_offset,'/',@@global.auto_increment_increment)"))
	}
	if slices.Sort(layouts); len(slices.Compact(layouts)) != len(r.servers) {
		t.Errorf("slots %v are not disjoint", layouts)
	}
	t.Logf("FIGURE %d acknowledged, longest pause of a client %d ms", okN, w.longestPause().Milliseconds())
}

// longestPause is the longest that an inserting client went without an acknowledged
// write.
func (w *workload) longestPause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, worst := map[int]time.Time{}, time.Duration(0)
	for _, done := range w.writes {
		if done.outcome != ok {
			continue
		}
		if before, known := last[done.client]; known {
			worst = max(worst, done.end.Sub(before))
		}
		last[done.client] = done.end
	}
	return worst
}

var _ = context.Background
