package topology

import "time"

// moveAgain is how long after a move was turned back a drained member waits before
// its unit is moved again: what was in the way is still there at first.
const moveAgain = 30 * time.Second

// drainMembers begins the move of a unit that a drained member still owns. It is asked
// when nothing has to be mended.
func drainMembers(s *Snapshot, o Observations, now time.Time) (Step, bool) {
	for _, u := range s.Units {
		owner, ok := s.Member(u.Owner)
		if !ok || !owner.Drained || u.Pinned {
			continue
		}
		to, found := DrainsTo(s, owner.ID, o, now)
		if !found && owner.Leaving != nil {
			return wait("%s is to leave, but nobody else can own unit %s now; to have it stay: sqlring master resume %s", owner.ID, u.ID, owner.ID), true
		}
		if !found {
			return wait("%s is drained, and nobody else can own unit %s now", owner.ID, u.ID), true
		}
		if again := turnedBack(s, u.ID).Add(moveAgain); now.Before(again) {
			return wait("the move of unit %s away from %s was turned back: it is begun again at %s", u.ID, owner.ID, again.UTC().Format("15:04:05 UTC")), true
		}
		return commit(BeginMove{Unit: u.ID, To: to}, "%s is drained", owner.ID), true
	}
	return Step{}, false
}

// DrainsTo returns who gets a unit of a member that is drained: of those that answer
// and are not drained themselves the one with the fewest units, the next in ring order
// of equals.
func DrainsTo(s *Snapshot, from MemberID, o Observations, now time.Time) (MemberID, bool) {
	best, fewest := MemberID(""), MaxUnits+1
	at := s.memberIndex(from)
	for i := range s.Members {
		m := s.Members[(at+1+i)%len(s.Members)]
		seen, good := o.Good(m.ID, now)
		if m.ID == from || !m.takesUnits() || !good || seen.Boot != m.Boot {
			continue
		}
		owned := 0
		for _, u := range s.Units {
			if u.Owner == m.ID {
				owned++
			}
		}
		if owned < fewest {
			best, fewest = m.ID, owned
		}
	}
	return best, best != ""
}

// turnedBack returns when the last move of a unit ended, if it was turned back.
func turnedBack(s *Snapshot, id UnitID) time.Time {
	for i := len(s.Operations) - 1; i >= 0; i-- {
		if op := s.Operations[i]; op.Kind == OperationMove && op.Unit == id {
			if op.State == OperationAborted {
				return op.Ended
			}
			break
		}
	}
	return time.Time{}
}
