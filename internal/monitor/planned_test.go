package monitor

import (
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/balancer"
)

// What a planned move asks of a proxy, and that a member is drained, reaches it.
func TestViewShowsWhatIsDraining(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, _ *servers, state *fixed) {
		next := ring()
		next.Index = 2
		next.Units[0].Draining, next.Units[0].Grace, next.Members[1].Drained = true, 3*time.Second, true
		changed, read := m.ViewChanged(), m.ReadsChanged()
		state.set(next)
		<-changed
		<-read
		view := m.View()
		want := balancer.Unit{ID: next.Units[0].ID, Owner: next.Units[0].Owner, Epoch: next.Units[0].Epoch, Draining: true, Grace: 3 * time.Second}
		if view.Units[0] != want {
			t.Errorf("got %+v, want %+v", view.Units[0], want)
		}
		if view.Members[0].Drained || !view.Members[1].Drained || !readable(t, m, "m2").Drained {
			t.Errorf("members %+v, reads of m2 %+v", view.Members, readable(t, m, "m2"))
		}
	})
}
