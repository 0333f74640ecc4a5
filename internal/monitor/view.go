package monitor

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// View returns the picture that the proxy routes from; nil before there is a
// ring. It is safe for concurrent use.
func (m *Monitor) View() *balancer.View {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view
}

// ViewChanged returns a channel that is closed when the view is replaced by one
// that differs.
func (m *Monitor) ViewChanged() <-chan struct{} { return m.routed.wait() }

// publishView builds the view anew and publishes it if it differs.
func (m *Monitor) publishView() {
	m.mu.Lock()
	// Read inside the lock: of two that publish at a time the later one has the
	// newer state, so that a view never goes back to an epoch that has ended.
	view := m.buildView(m.snapshots.Snapshot())
	same := reflect.DeepEqual(view, m.view)
	if !same {
		m.view = view
	}
	m.mu.Unlock()
	if !same {
		m.routed.tell()
	}
}

func (m *Monitor) buildView(snap *topology.Snapshot) *balancer.View {
	if snap.Ring == nil {
		return nil
	}
	view := &balancer.View{Ring: snap.Ring.Name}
	for _, member := range snap.Members {
		if member.State != topology.MemberActive {
			continue
		}
		seen, _ := m.obs.Of(member.ID)
		entry := balancer.Member{
			ID: member.ID, Network: "tcp", Addr: member.Addr,
			Version: m.greeting(member.ID, seen), Layout: member.Layout(snap.Ring.Stride), Boot: member.Boot, Drained: member.Drained,
		}
		if socket := m.cfg.Sockets[member.ID]; socket != "" {
			entry.Network, entry.Addr = "unix", socket
		}
		view.Members = append(view.Members, entry)
	}
	for _, u := range snap.Units {
		view.Units = append(view.Units, balancer.Unit{ID: u.ID, Owner: u.Owner, Epoch: u.Epoch, Draining: u.Draining, Grace: u.Grace})
	}
	slices.SortFunc(view.Members, func(a, b balancer.Member) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(view.Units, func(a, b balancer.Unit) int { return cmp.Compare(a.ID, b.ID) })
	return view
}

// greeting is the version text of a member; while it does not answer, the one
// that it had, so that a short silence does not change what clients are told.
func (m *Monitor) greeting(id topology.MemberID, seen topology.Observation) string {
	if seen.Greeting != "" {
		return seen.Greeting
	}
	if m.view == nil {
		return ""
	}
	for _, old := range m.view.Members {
		if old.ID == id {
			return old.Version
		}
	}
	return ""
}
