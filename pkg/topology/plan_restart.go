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
// without an acker, under DegradedAllow.
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
			return wait("member %s does not answer: %s", m.ID, describeReach(seen, now))
		}
	}
	switch op.Cursor {
	case RestartPrepare:
		return restartPrepare(s, op, o)
	case RestartLink:
		return restartLink(s, op, o, now)
	case RestartOpen:
		return restartOpen(s, op, o, now)
	}
	return stuck("operation %s stands at %q, which is not a step of restart", op.ID, op.Cursor)
}

func restartPrepare(s *Snapshot, op Operation, o Observations) Step {
	for _, m := range s.Members {
		if m.State != MemberActive {
			continue
		}
		seen, _ := o.Of(m.ID)
		if !seen.ReadOnly || seen.SemiSync.Enabled {
			if step, ok := shut(m, seen); !ok {
				return step
			}
		}
		for _, other := range o.Members {
			if held := other.Position().Seq(m.Identity); held > seen.Binlog.Seq(m.Identity) {
				return stuck("member %s has its own transactions up to %d, %s has them up to %d: its disk has lost some; stop it, and the ring goes on without it",
					m.ID, seen.Binlog.Seq(m.Identity), other.Member, held)
			}
		}
		if why := unprepared(s, m, seen); why != "" {
			return do(m.ID, prepareAction(s, m, false), "%s", why)
		}
	}
	return advance(op, RestartLink, "every member has its identity, slot and settings")
}

func restartLink(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	for _, m := range s.Members {
		upstream, ok := s.Upstream(m.ID)
		if !ok {
			continue
		}
		if step, ok := follow(s, m, upstream, true, o, now); !ok {
			return step
		}
	}
	return advance(op, RestartOpen, "each member follows the one before it")
}

func restartOpen(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	order := SemiSyncOff
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		if m.State == MemberActive && !s.Inherits(m.ID) && seen.Boot != m.Boot {
			return do(m.ID, Action{Kind: ActStamp, Boot: m.Boot}, "it is verified and stays closed: it owns no unit")
		}
	}
	for _, m := range s.Members {
		if !s.Inherits(m.ID) {
			continue
		}
		if s.Ring.Durability == DurabilitySemiSync {
			order = SemiSyncArmed
			step, ok := armed(s, m, o)
			waited := now.Sub(op.Moved) > restartArming && s.Ring.Degraded == DegradedAllow
			switch {
			case !ok && !waited:
				return step
			case !ok:
				order = SemiSyncDegraded
			}
		}
		if seen, _ := o.Of(m.ID); seen.ReadOnly || seen.Boot != m.Boot {
			return do(m.ID, Action{Kind: ActOpen, Boot: m.Boot}, "it owned a unit before, and everything is verified")
		}
	}
	return commit(EndRestart{Operation: op.ID, SemiSync: order}, "every member is verified")
}
