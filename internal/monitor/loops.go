package monitor

import (
	"context"
	"time"

	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// probeLoop observes one member until ctx ends: at every probe interval, a
// moment after each beat, and when poked.
func (m *Monitor) probeLoop(ctx context.Context, member topology.Member, poke <-chan struct{}) {
	for {
		m.probe(ctx, member)
		next := m.untilNextProbe(time.Now())
		if m.hurries(time.Now()) {
			next = min(next, m.cfg.Hurry)
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-poke:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// untilNextProbe keeps every loop on one grid: probes stand Settle after a
// multiple of the probe interval, beats on the multiples of theirs. A beat that
// was just sent to every member is then looked for on every member while the
// bounds of the lag are narrow.
func (m *Monitor) untilNextProbe(now time.Time) time.Duration {
	return untilGrid(now.Add(-m.cfg.Settle), m.pace(m.cfg.Probe))
}

// untilGrid returns the time from now to the next multiple of step.
func untilGrid(now time.Time, step time.Duration) time.Duration {
	return step - time.Duration(now.UnixNano())%step
}

func (m *Monitor) probe(ctx context.Context, member topology.Member) {
	pctx, cancel := context.WithTimeout(ctx, m.cfg.Timeout)
	defer cancel()
	knew := m.snapshots.Snapshot()
	seen := m.prober.Observe(pctx, member)
	if ctx.Err() != nil {
		return // the node stops: what was seen of it is our own doing
	}
	m.note(seen, knew)
}

// note takes an observation in, which was asked for when the node knew that state, and
// publishes what follows from it.
func (m *Monitor) note(seen topology.Observation, knew *topology.Snapshot) {
	m.mu.Lock()
	first, ok := m.since[seen.Member]
	if !ok || first.Reach != seen.Reach {
		m.since[seen.Member] = seen
		first = seen
	}
	seen.Since = first.At
	before, _ := m.obs.Of(seen.Member)
	seen = knew.Filled(seen.After(before))
	m.obs = m.obs.With(seen)
	for origin, track := range m.tracks {
		if origin != seen.Member {
			m.noteLag(origin, track, seen)
		}
	}
	m.noteLevels(seen)
	m.mu.Unlock()
	if first.At.Equal(seen.At) && down(seen) {
		m.pokeOthers(seen.Member)
	}
	if !ok || first.At.Equal(seen.At) {
		m.cfg.Logger.Info("member reach", "member", string(seen.Member), "reach", seen.Reach.String(), "error", seen.Error)
		if m.cfg.Turned != nil {
			m.cfg.Turned()
		}
	}
	m.publishView()
	m.publishLag()
	m.seen.tell()
}

func (m *Monitor) noteLag(origin topology.MemberID, track *lagguard.Track, seen topology.Observation) {
	key := pair{origin, seen.Member}
	if seen.Reach != topology.ReachAnswers {
		m.lags[key] = lagguard.Lag{At: seen.At}
		return
	}
	reading := lagguard.Reading{Asked: seen.Asked, Answered: seen.At}
	for _, b := range seen.Beats {
		if b.Origin == origin && b.Node == m.cfg.Node {
			reading.Seen = b.Seq
		}
	}
	m.lags[key] = lagguard.Sharper(m.lags[key], track.Estimate(reading), 2*m.cfg.Beat)
}

// beatLoop writes heartbeats on one member until ctx ends. A member without the
// ring's schema is not written to.
func (m *Monitor) beatLoop(ctx context.Context, member topology.Member) {
	// Numbers go on rising over a restart of the node: they start at the clock's
	// milliseconds, and no node beats a thousand times a second.
	seq := uint64(time.Now().UnixMilli())
	for {
		timer := time.NewTimer(untilGrid(time.Now(), m.pace(m.cfg.Beat)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		intent, ok := m.beats(member.ID)
		if !ok {
			continue
		}
		seq++
		member.Identity = intent.Identity // it may have been renewed since the loop began
		m.beat(ctx, member, seq)
	}
}

func (m *Monitor) beat(ctx context.Context, member topology.Member, seq uint64) {
	bctx, cancel := context.WithTimeout(ctx, m.cfg.Timeout)
	defer cancel()
	m.track(member.ID, func(t *lagguard.Track) { t.Send(seq, time.Now()) })
	if err := m.prober.Beat(bctx, member, seq); err != nil {
		m.cfg.Logger.Debug("heartbeat", "member", string(member.ID), "error", err)
		return
	}
	m.track(member.ID, func(t *lagguard.Track) { t.Ack(seq, time.Now()) })
}

// beats returns the intent for a member that may be written to: it answered last time,
// has the schema, and carries the identity that raft issued, so that no heartbeat is
// ever logged under a stranger's; and it lacks nothing of its own, whose numbers a
// MySQL would give out again.
func (m *Monitor) beats(id topology.MemberID) (topology.Member, bool) {
	intent, ok := m.snapshots.Snapshot().Member(id)
	if !ok || !intent.Linked() {
		return intent, false
	}
	seen, _ := m.Observations().Of(id)
	return intent, seen.Reach == topology.ReachAnswers && seen.HasRing && seen.Carries(intent) && seen.Binlog.Covers(intent.Regain)
}

func (m *Monitor) track(id topology.MemberID, edit func(*lagguard.Track)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.tracks[id]; t != nil {
		edit(t)
	}
}
