package topology

import "time"

// The steps of operation restart, in order. No member takes a write before the
// last one.
const (
	RestartPrepare Cursor = "prepare" // identity, slot and settings, member by member
	RestartLink    Cursor = "link"    // each follows the one before it
	RestartOpen    Cursor = "open"    // stamped; semi-sync armed, the owners opened
)

func restartCursors() []Cursor { return []Cursor{RestartPrepare, RestartLink, RestartOpen} }

// restartArming is how long an owner waits to be armed before it goes on
// without an acker, or its units are withheld, as the ring's policy says.
const restartArming = 10 * time.Second

// allRestarted reports whether every member that counts answers, none of them
// with the process that was admitted. Of the lost member of a heal it is enough
// that it answers.
func allRestarted(s *Snapshot, lost MemberID, o Observations, now time.Time) bool {
	for _, m := range s.Members {
		if m.State != MemberActive && m.ID != lost {
			continue
		}
		seen, good := o.Good(m.ID, now)
		if !good || (seen.Boot == m.Boot && m.ID != lost) {
			return false
		}
	}
	return true
}

func nextRestart(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	for _, m := range s.Members {
		if seen, good := o.Good(m.ID, now); m.State == MemberActive && !good {
			if failing(seen, now) {
				return stuck("member %s does not answer (%s), and what it holds may be nowhere else: start it again, the ring comes up by itself then", m.ID, describeReach(seen, now))
			}
			return unheard(m.ID, seen, now)
		}
	}
	// Each step holds what the steps before it have reached: a member may restart
	// at any of them.
	if step, ok := restartPrepared(s, op, o); !ok {
		return step
	}
	if op.Cursor == RestartPrepare {
		return advance(op, RestartLink, "every member has its identity, slot and settings")
	}
	if step, ok := restartLinked(s, o, now); !ok {
		return step
	}
	switch op.Cursor {
	case RestartLink:
		return advance(op, RestartOpen, "each member follows the one before it")
	case RestartOpen:
		return restartOpen(s, op, o, now)
	}
	return stuck("operation %s stands at %q, which is not a step of restart", op.ID, op.Cursor)
}

func restartPrepared(s *Snapshot, op Operation, o Observations) (Step, bool) {
	for _, m := range s.Members {
		if m.State != MemberActive {
			continue
		}
		seen, _ := o.Of(m.ID)
		if loud := quiesce(seen); seen.Boot != m.Boot && (!seen.ReadOnly || !loud.empty()) { // it was frozen or cut off, and is let in by this
			return shut(m, seen)
		}
		if why := unprepared(s, m, seen); why != "" {
			if !seen.ReadOnly || seen.SemiSync.Enabled {
				return shut(m, seen)
			}
			if step, whole := diskWhole(s, op, m, seen, o); !whole {
				return step, false
			}
			return do(m.ID, prepareAction(s, m, false), "%s", why), false
		}
	}
	return Step{}, true
}

// diskWhole reports whether a member has all of its own transactions that others
// have, or that were acknowledged: an older copy of its disk must not go on under
// its identity.
func diskWhole(s *Snapshot, op Operation, m Member, seen Observation, o Observations) (Step, bool) {
	own, held := seen.Binlog.Seq(m.Domain()), op.Mark.Seq(m.Domain())
	for _, other := range o.Members {
		held = max(held, other.Position().Seq(m.Domain()))
	}
	for _, w := range o.Writers {
		held = max(held, w.Acked.Seq(m.Domain()))
	}
	switch {
	case held <= max(own, m.Regain.Seq(m.Domain())):
		return Step{}, true
	case held > op.Mark.Seq(m.Domain()):
		note := NoteHeld{Operation: op.ID, Held: Position{m.gtid(held)}}
		return commit(note, "%s has its own transactions up to %d only", m.ID, own), false
	}
	for _, other := range s.Members {
		theirs, _ := o.Of(other.ID)
		if canRegain(other, theirs) && other.ID != m.ID && (theirs.Position().Seq(m.Domain()) >= held || op.AcceptLoss) {
			renew := RenewInRestart{Operation: op.ID, Member: m.ID, Old: m.Identity, Heir: other.ID, Regain: m.regain(held)}
			return commit(renew, "%s has its own transactions up to %d, %s has them up to %d", m.ID, own, other.ID, theirs.Position().Seq(m.Domain())), false
		}
	}
	return missed("member %s has its own transactions up to %d, others have had them up to %d: its disk has lost some, and no active member has them; start the one that has them, or go on without: sqlring ring heal --accept-loss",
		m.ID, own, held), false
}

// canRegain reports whether a member that answers may be in the ring that comes
// up: it is in it, or it is out and holds nothing of its own above its cut.
func canRegain(m Member, seen Observation) bool {
	out := m.State == MemberDown || m.State == MemberReturning || m.State == MemberHeld
	return seen.Reach == ReachAnswers &&
		(m.State == MemberActive || out && seen.Binlog.Seq(m.Domain()) <= m.Cut.Seq(m.Domain()))
}

func restartLinked(s *Snapshot, o Observations, now time.Time) (Step, bool) {
	for _, m := range s.Members {
		upstream, ok := s.Upstream(m.ID)
		if !ok {
			continue
		}
		if seen, _ := o.Of(m.ID); s.Inherits(m.ID) && seen.SemiSync.Enabled && seen.Link.Upstream == upstream.Addr {
			continue // armed already: its own link is upkeep's, afterwards
		}
		if step, ok := follow(s, m, upstream, true, o, now); !ok {
			return step, false
		}
	}
	return Step{}, true
}

func restartOpen(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		if m.State == MemberActive && !s.Inherits(m.ID) && seen.Boot != m.Boot {
			return do(m.ID, Action{Kind: ActStamp, Boot: m.Boot}, "it is verified and stays closed: it owns no unit")
		}
	}
	for _, m := range s.Members {
		if step, ok := regained(s, m, o); s.Inherits(m.ID) && !ok {
			return step
		}
	}
	end := EndRestart{Operation: op.ID, Proxies: proxies(o)}
	for _, m := range s.Members {
		if !s.Inherits(m.ID) {
			continue
		}
		order, step, ok := restartOrder(s, op, m, o, now)
		if !ok {
			return step
		}
		if end.Orders == nil {
			end.Orders = map[MemberID]SemiSync{}
		}
		end.Orders[m.ID] = order
		seen, _ := o.Of(m.ID)
		switch {
		case order == SemiSyncDegraded && s.Ring.Degraded == DegradedRefuse, s.unproven():
			end.Withhold = true
			if seen.Boot != m.Boot {
				return do(m.ID, Action{Kind: ActStamp, Boot: m.Boot}, "it is verified and stays closed until its units are granted")
			}
		case seen.ReadOnly || seen.Boot != m.Boot:
			return do(m.ID, openAction(m), "it owned a unit before, and everything is verified")
		}
	}
	if step, over := leasesOver(s, o, now); !over {
		return step
	}
	return commit(end, "every member is verified")
}

// regained reports whether an heir has everything that the others in the ring have
// of the identities that were renewed. What is on one that is out is judged when
// that one returns.
func regained(s *Snapshot, heir Member, o Observations) (Step, bool) {
	seen, _ := o.Of(heir.ID)
	for _, m := range s.Members {
		if missing := seen.Position().Missing(m.Regain); len(missing) > 0 {
			return wait("member %s catches up: %s is to come", heir.ID, missing), false
		}
		for _, old := range m.Retired {
			for _, other := range o.Members {
				if in, _ := s.Member(other.Member); in.State != MemberActive {
					continue
				}
				if held := other.Position().Seq(old); held > seen.Position().Seq(old) {
					return wait("member %s catches up with %s: %d transactions to go", heir.ID, other.Member, held-seen.Position().Seq(old)), false
				}
			}
		}
	}
	return Step{}, true
}

// restartOrder says whether an owner's commits wait for an acker from now on, or
// what to do or to wait for first.
func restartOrder(s *Snapshot, op Operation, m Member, o Observations, now time.Time) (SemiSync, Step, bool) {
	if s.Ring.Durability != DurabilitySemiSync {
		return SemiSyncOff, Step{}, true
	}
	if _, paired := s.Downstream(m.ID); !paired {
		return SemiSyncDegraded, Step{}, true
	}
	step, ok := armed(s, m, o)
	switch {
	case ok:
		return SemiSyncArmed, Step{}, true
	case now.Sub(op.Moved) > restartArming:
		return SemiSyncDegraded, Step{}, true
	}
	return SemiSyncOff, step, false
}
