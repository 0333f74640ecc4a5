package monitor

import (
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// maxTransitions bounds the changes of level that are remembered.
const maxTransitions = 512

// Reads returns the picture that reads are routed by, replaced at every probe of a
// member; nil before there is a ring. It does not block, allocate or lock, and is
// safe for concurrent use.
func (m *Monitor) Reads() *balancer.Reads { return m.reads.Load() }

// ReadsChanged returns a channel that is closed when the picture is replaced. Take it
// before Reads is called, so that nothing is missed between the two.
func (m *Monitor) ReadsChanged() <-chan struct{} { return m.read.wait() }

// Picture returns what is known of the lag of every member and pair, replaced
// together with Reads; nil before there is a ring. It does not block, and is safe for
// concurrent use.
func (m *Monitor) Picture() *lagguard.Picture { return m.picture.Load() }

// Transitions returns the newest changes of a member's level that this node has seen,
// oldest first, at most 512. It is safe for concurrent use.
func (m *Monitor) Transitions() []lagguard.Transition {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.moved)
}

// publishLag builds both pictures anew and publishes them. It follows publishView,
// whose entries it shares.
func (m *Monitor) publishLag() {
	m.mu.Lock()
	// Stored inside the lock: of two that publish at a time the later one has the
	// newer state.
	snap, now := m.snapshots.Snapshot(), time.Now()
	before := m.picture.Load()
	picture := m.buildPicture(snap, before, now)
	moved := lagguard.Transitions(before, picture)
	if n := len(m.moved) + len(moved) - maxTransitions; n > 0 {
		m.moved = slices.Clone(m.moved[min(n, len(m.moved)):])
	}
	m.moved = append(m.moved, moved...)
	m.picture.Store(picture)
	m.reads.Store(m.buildReads(snap, picture, now))
	m.mu.Unlock()
	m.read.tell()
	for _, t := range moved {
		m.cfg.Logger.Info("lag level", "member", string(t.Member), "from", t.From.String(), "to", t.To.String(), "why", t.Why)
	}
}

func (m *Monitor) buildPicture(snap *topology.Snapshot, before *lagguard.Picture, now time.Time) *lagguard.Picture {
	if snap.Ring == nil {
		return nil
	}
	p := &lagguard.Picture{At: now, Ring: snap.Ring.Name, Thresholds: snap.LagThresholds()}
	var order []topology.MemberID
	for _, origin := range snap.Members {
		if origin.State != topology.MemberActive {
			continue
		}
		order = append(order, origin.ID)
		p.Members = append(p.Members, m.memberLag(snap, origin.ID, before, now))
		for _, member := range snap.Members {
			if member.State == topology.MemberActive && member.ID != origin.ID {
				key := pair{origin.ID, member.ID}
				p.Pairs = append(p.Pairs, lagguard.PairLag{
					Origin: origin.ID, Member: member.ID,
					Lag: m.lags[key], State: m.states[key], Flow: m.flow(origin, member, now),
				})
			}
		}
	}
	p.Hop = lagguard.Blame(order, p.Pairs, p.Thresholds.Warn.Leave)
	var was []lagguard.Admission
	if before != nil {
		was = before.Admissions
	}
	p.Admissions = lagguard.Admit(p, was, now)
	return p
}

// memberLag is the worst state of a member: its own, and that with respect to each
// other member of the ring.
func (m *Monitor) memberLag(snap *topology.Snapshot, id topology.MemberID, before *lagguard.Picture, now time.Time) lagguard.MemberLag {
	own, behind := m.states[pair{id, id}], topology.MemberID("")
	worst := own
	for _, origin := range snap.Members {
		if origin.ID == id || origin.State != topology.MemberActive {
			continue
		}
		state := m.states[pair{origin.ID, id}]
		if worst == own && !own.Level.Worse(state.Level) || lagguard.Worst(worst, state) != worst { // a lag says more
			worst, behind = state, origin.ID
		}
	}
	if worst.Level == lagguard.LevelFresh {
		behind = ""
	}
	seen, _ := m.obs.Of(id)
	lag := lagguard.MemberLag{
		Member: id, Level: worst.Level, Since: now, From: worst.From, Why: worst.Why, Behind: behind, Seen: seen.At,
	}
	if was, ok := before.Member(id); ok {
		if lag.From = was.Level; was.Level == lag.Level {
			lag.Since, lag.From = was.Since, was.From
		}
	}
	return lag
}

func (m *Monitor) buildReads(snap *topology.Snapshot, picture *lagguard.Picture, now time.Time) *balancer.Reads {
	view := m.view
	if view == nil {
		return nil
	}
	reads := &balancer.Reads{At: now, Members: make([]balancer.Readable, 0, len(view.Members))}
	for _, entry := range view.Members { // sorted by id
		member, ok := snap.Member(entry.ID)
		lag, active := picture.Member(entry.ID)
		if !ok || !active {
			continue
		}
		readable := balancer.Readable{
			Member: entry, Level: lag.Level, Why: lag.Why, Site: member.Site, Weight: member.Weight, Drained: member.Drained,
		}
		if seen, _ := m.obs.Of(member.ID); seen.Reach == topology.ReachAnswers {
			// As old as the question: what was answered may be as old as that.
			readable.At, readable.Position, readable.Domain = seen.Asked, seen.Visible(), seen.Domain
		}
		reads.Members = append(reads.Members, readable)
	}
	return reads
}
