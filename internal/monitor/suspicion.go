package monitor

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Proxy is this node's proxy, as the monitor reports on it.
type Proxy interface {
	// Writers returns how the proxy stands to its leases. It does not block.
	Writers() []topology.Writer
}

// Report has Observations carry what p says from now on, and this node as the one
// whose proxy holds leases. It is safe for concurrent use.
func (m *Monitor) Report(p Proxy) {
	m.mu.Lock()
	m.proxy = p
	m.mu.Unlock()
	m.seen.tell()
}

// LeasesChanged says that Writers of the proxy has something new.
func (m *Monitor) LeasesChanged() { m.seen.tell() }

// Suspect says that somebody lost a connection to the member. It is probed at
// once, and so are the others: the one that pulls from it is the witness. It never
// blocks.
func (m *Monitor) Suspect(id topology.MemberID) {
	m.Poke(id)
	m.pokeOthers(id)
}

func (m *Monitor) pokeOthers(id topology.MemberID) {
	for _, other := range m.snapshots.Snapshot().Members {
		if other.ID != id {
			m.Poke(other.ID)
		}
	}
}

// hurryFor is how long probes hurry after a member has ceased to answer. A verdict
// needs less; after that, hurrying is of no use to anybody.
const hurryFor = 3 * time.Second

// hurries reports whether a member has just ceased to answer.
func (m *Monitor) hurries(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, first := range m.since {
		if down(first) && now.Sub(first.At) < hurryFor {
			return true
		}
	}
	return false
}

func down(seen topology.Observation) bool {
	return seen.Reach == topology.ReachRefused || seen.Reach == topology.ReachSilent
}
