package api

import (
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// A comparison that has nobody to compare with is refused at once, and does not wait for one.
func TestNothingToCompareWith(t *testing.T) {
	ring := &topology.Ring{Name: "demo"}
	for _, tt := range []struct {
		snap *topology.Snapshot
		want string // empty: it may begin
	}{
		{&topology.Snapshot{}, "there is no ring yet"},
		{&topology.Snapshot{Ring: ring, Members: make([]topology.Member, 1)}, "the ring has one member"},
		{&topology.Snapshot{Ring: ring, Members: make([]topology.Member, 2)}, ""},
	} {
		p := look{snap: tt.snap}.comparable()
		if got := p != nil; got != (tt.want != "") || got && !strings.Contains(p.Detail, tt.want) {
			t.Errorf("%d members: %v, want %q", len(tt.snap.Members), p, tt.want)
		}
	}
}
