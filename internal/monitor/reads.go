package monitor

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Reads returns the picture that reads are routed by, replaced at every probe of a
// member; nil before there is a ring. It does not block, allocate or lock, and is
// safe for concurrent use.
func (m *Monitor) Reads() *balancer.Reads { return m.reads.Load() }

// ReadsChanged returns a channel that is closed when the picture is replaced. Take it
// before Reads is called, so that nothing is missed between the two.
func (m *Monitor) ReadsChanged() <-chan struct{} { return m.read.wait() }

// publishReads builds the picture anew and publishes it. It follows publishView,
// whose entries it shares.
func (m *Monitor) publishReads() {
	m.mu.Lock()
	// Stored inside the lock: of two that publish at a time the later one has the
	// newer state.
	m.reads.Store(m.buildReads(m.snapshots.Snapshot(), time.Now()))
	m.mu.Unlock()
	m.read.tell()
}

func (m *Monitor) buildReads(snap *topology.Snapshot, now time.Time) *balancer.Reads {
	view := m.view
	if view == nil {
		return nil
	}
	reads := &balancer.Reads{At: now, Members: make([]balancer.Readable, 0, len(view.Members))}
	for _, entry := range view.Members { // sorted by id
		member, ok := snap.Member(entry.ID)
		if !ok {
			continue
		}
		readable := balancer.Readable{Member: entry, Site: member.Site, Weight: member.Weight}
		state := m.level(snap, member.ID)
		readable.Level, readable.Why = state.Level, state.Why
		if seen, _ := m.obs.Of(member.ID); seen.Reach == topology.ReachAnswers {
			// As old as the question: what was answered may be as old as that.
			readable.At, readable.Position, readable.Domain = seen.Asked, seen.Visible(), seen.Domain
		}
		reads.Members = append(reads.Members, readable)
	}
	return reads
}

// level returns the worst state of a member: its own, and that with respect to each
// other member of the ring.
func (m *Monitor) level(snap *topology.Snapshot, id topology.MemberID) lagguard.State {
	worst := m.states[pair{id, id}]
	for _, origin := range snap.Members {
		if origin.ID != id && origin.State == topology.MemberActive {
			worst = lagguard.Worst(worst, m.states[pair{origin.ID, id}])
		}
	}
	return worst
}

// noteLevels moves the states of a member on by what a probe has found: that of the
// member itself, and of each pair.
func (m *Monitor) noteLevels(seen topology.Observation) {
	snap := m.snapshots.Snapshot()
	own := sampleOf(snap, seen)
	m.step(pair{seen.Member, seen.Member}, own, seen.At)
	for origin := range m.tracks {
		if key := (pair{origin, seen.Member}); origin != seen.Member {
			m.step(key, lagguard.Sample{Lag: m.lags[key], Why: own.Why}, seen.At)
		}
	}
	m.fast = m.lagging(snap)
}

func (m *Monitor) step(key pair, sample lagguard.Sample, now time.Time) {
	before := m.states[key]
	next := lagguard.Step(lagguard.DefaultThresholds(), before, sample, now)
	m.states[key] = next
	if next.Level != before.Level {
		m.cfg.Logger.Info("lag level", "origin", string(key.origin), "member", string(key.member),
			"from", before.Level.String(), "to", next.Level.String(), "why", next.Why)
	}
}

// sampleOf judges a member by itself: whether it can be believed, and whether its
// replication stands still. It lags behind nobody there.
func sampleOf(snap *topology.Snapshot, seen topology.Observation) lagguard.Sample {
	member, _ := snap.Member(seen.Member)
	unknown := lagguard.Lag{At: seen.At}
	switch {
	case seen.Reach != topology.ReachAnswers:
		return lagguard.Sample{Lag: unknown, Why: fmt.Sprintf("it is %s: %s", seen.Reach, seen.Error)}
	case seen.Boot != member.Boot:
		return lagguard.Sample{Lag: unknown, Why: "its process is not the one that was admitted: it was restarted"}
	}
	sample := lagguard.Sample{Lag: lagguard.Lag{Known: true, At: seen.At}}
	if upstream, ok := snap.Upstream(seen.Member); ok {
		sample.Halted, sample.Why = halted(seen.Link, upstream)
	}
	return sample
}

// halted reports whether a link stands still, and how.
func halted(link topology.Link, upstream topology.Member) (bool, string) {
	switch {
	case link.Upstream == "":
		return true, fmt.Sprintf("it follows nobody, it should follow %s", upstream.ID)
	case link.ApplierErrno != 0:
		return true, fmt.Sprintf("its applier stopped with error %d: %s", link.ApplierErrno, link.ApplierError)
	case link.Applier == topology.ThreadStopped:
		return true, "its applier is stopped"
	case link.Receiver == topology.ThreadStopped:
		return true, fmt.Sprintf("its receiver is stopped: %d %s", link.ReceiverErrno, link.ReceiverError)
	}
	return false, ""
}

// lagging reports whether a member of the ring lags, so that it pays to look often.
func (m *Monitor) lagging(snap *topology.Snapshot) bool {
	warn := lagguard.DefaultThresholds().Warn
	active := func(id topology.MemberID) bool {
		member, ok := snap.Member(id)
		return ok && member.State == topology.MemberActive
	}
	for key, state := range m.states {
		lag := state.Lag()
		if lag.Known && (lag.Low >= warn.Leave || state.Level.Lags()) && active(key.origin) && active(key.member) {
			return true
		}
	}
	return false
}

// pace returns an interval, or the fast one while a member lags.
func (m *Monitor) pace(usual time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fast {
		return min(usual, m.cfg.Fast)
	}
	return usual
}
