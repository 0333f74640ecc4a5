package monitor

import (
	"fmt"
	"maps"
	"time"

	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// noteLevels moves the states of a member on by what a probe has found, that of the
// member itself and of each pair, and the meters of what it commits and applies.
func (m *Monitor) noteLevels(seen topology.Observation) {
	snap := m.snapshots.Snapshot()
	thresholds := snap.LagThresholds()
	if member, ok := snap.Member(seen.Member); !ok || member.State != topology.MemberActive {
		// What it was while it was out says nothing of what it is once it is in.
		maps.DeleteFunc(m.states, func(key pair, _ lagguard.State) bool { return key.member == seen.Member })
		m.fast = m.lagging(snap)
		return
	}
	own := sampleOf(snap, seen)
	m.step(thresholds, pair{seen.Member, seen.Member}, own, seen.At)
	for origin := range m.tracks {
		if key := (pair{origin, seen.Member}); origin != seen.Member {
			m.step(thresholds, key, lagguard.Sample{Lag: m.lags[key], Why: own.Why}, seen.At)
		}
	}
	if seen.Reach == topology.ReachAnswers {
		m.meter(snap, seen)
	}
	m.fast = m.lagging(snap)
}

func (m *Monitor) step(t lagguard.Thresholds, key pair, sample lagguard.Sample, now time.Time) {
	m.states[key] = lagguard.Step(t, m.states[key], sample, now)
}

// meter reads how far the transactions of each member are at the one that was seen.
func (m *Monitor) meter(snap *topology.Snapshot, seen topology.Observation) {
	visible := seen.Visible()
	for _, origin := range snap.Members {
		key := pair{origin.ID, seen.Member}
		m.meters[key] = m.meters[key].Read(origin.Identity, visible.Seq(origin.Domain()), seen.At)
	}
}

// flow returns how the transactions of an origin come to a member.
func (m *Monitor) flow(origin, member topology.Member, now time.Time) lagguard.Flow {
	from, good := m.obs.Good(origin.ID, now)
	to, also := m.obs.Good(member.ID, now)
	if !good || !also {
		return lagguard.Flow{}
	}
	place := lagguard.Place{
		Committed: from.Visible().Seq(origin.Domain()),
		Received:  to.Link.Received.Seq(origin.Domain()),
		Applied:   to.Visible().Seq(origin.Domain()),
	}
	return lagguard.FlowOf(place, m.meters[pair{origin.ID, origin.ID}], m.meters[pair{origin.ID, member.ID}])
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
	case link.Receiver == topology.ThreadStopped && link.ReceiverErrno != 0:
		return true, fmt.Sprintf("its receiver stopped with error %d: %s", link.ReceiverErrno, link.ReceiverError)
	case link.Receiver == topology.ThreadStopped:
		return true, "its receiver is stopped"
	}
	return false, ""
}

// lagging reports whether a member of the ring lags, so that it pays to look often.
func (m *Monitor) lagging(snap *topology.Snapshot) bool {
	warn := snap.LagThresholds().Warn
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
