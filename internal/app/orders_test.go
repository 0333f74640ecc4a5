package app_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/topology"
)

// lawIsRaised waits until every node is known to know this release's law.
func (n *nodesRig) lawIsRaised(t *testing.T, via *rig) {
	t.Helper()
	want := topology.RaiseLaw{To: topology.Law}.String()
	eventually(t, 20*time.Second, want, func() error {
		events, _, err := via.client.FindEvents(t.Context(), api.EventQuery{Observed: true, Limit: 1024})
		if err == nil && !slices.ContainsFunc(events, func(e api.Event) bool { return e.What == want }) {
			err = fmt.Errorf("it is not among %d events", len(events))
		}
		return err
	})
}

// audited wants a line of the audit: what was done, by whom, and why.
func (r *rig) audited(t *testing.T, what, by, why string) {
	t.Helper()
	var found []api.Event
	eventually(t, 5*time.Second, "the audit says: "+what, func() error {
		events, _, err := r.client.FindEvents(t.Context(), api.EventQuery{Limit: 1024, Kind: "node"})
		if err != nil {
			return err
		}
		found = slices.DeleteFunc(events, func(e api.Event) bool { return e.What != what })
		if len(found) != 1 {
			return fmt.Errorf("%d times among %+v", len(found), events)
		}
		return nil
	})
	if e := found[0]; e.By != by || e.Why != why || e.At.IsZero() || e.Index == 0 {
		t.Errorf("%s: it was by %q because %q, want %q because %q: %+v", what, e.By, e.Why, by, why, e)
	}
}
