package topology

import (
	"slices"
	"strings"
	"time"
)

// resumeAbove is how far the numbers of a restored state go on above those that it was
// saved with: more than are given out between two of the saves that anybody makes.
const resumeAbove = 1000

// Resume returns a saved state as a ring goes on from it: numbers that may have been
// given out since it was saved (identities, boot tokens, operations, epochs, events) are
// not given out again. Whoever owns a unit by it gets it in a new epoch, once it has all that
// the others have: one of them may have owned it since. An operation that gives way to a loss
// has given way. What the members say is looked at as always, and a process that it does not
// know counts as restarted.
func Resume(saved *Snapshot) *Snapshot {
	s := saved.clone()
	s.giveWay()
	s.NextIdentity += resumeAbove
	s.NextOperation += resumeAbove
	s.NextBoot += resumeAbove
	for i := range s.Units {
		unit := &s.Units[i]
		if unit.Owner != "" {
			*unit = unit.left(unit.Owner, unit.Since)
		}
		unit.Epoch, unit.Restored = unit.Epoch+resumeAbove, true
	}
	if s.Outbox != nil {
		s.Outbox.Next += resumeAbove
		s.Outbox.NextSilence += resumeAbove
		s.Outbox.Term = 0 // whatever raft's terms are from now on, the next leader says so
	}
	return s
}

// giveWay ends the operation that a saved state has under way, if the loss of a member would
// end or suspend it: upkeep, which sees to the units, stands still beside it.
func (s *Snapshot) giveWay() {
	op, running := s.Running()
	if !running {
		return
	}
	c := Command{Index: s.Index, At: op.Moved, By: op.By, Why: "the state was saved while it ran, and restored"}
	s.endMove("", c)
	s.endLeave(c)
	s.endDissolve(c)
	s.suspend(c)
	if at := len(s.Operations) - 1; s.Operations[at].State == OperationRunning {
		s.Operations[at].beginAnew()
	}
}

// beginAnew has an operation on a loss find out again what a restored state has found: who was
// back and owned since is not what it was, and a word that a person has given was about something else.
func (op *Operation) beginAnew() {
	op.AcceptLoss, op.Without = false, nil
	if op.Kind != OperationHeal {
		return
	}
	op.Cursor, op.Armed, op.Mark, op.MarkUnknown = HealLeases, false, nil, false
	op.Heir, op.Former, op.Counted = "", "", nil
}

// unproven reports whether a unit waits for a member that a restored state names.
func (s *Snapshot) unproven() bool {
	return slices.ContainsFunc(s.ownerless(), func(u Unit) bool { return u.Restored })
}

// provenHeir reports whether a member that a restored state gives units to has all that the
// others have, each of them read when it took no writes any more, or else for whom to wait.
func provenHeir(s *Snapshot, m Member, o Observations, now time.Time) (Step, bool) {
	if !slices.ContainsFunc(s.ownerless(), func(u Unit) bool { return u.Restored && u.Heir == m.ID }) {
		return Step{}, true
	}
	alive, step, ok := roll(s, o, now)
	if !ok {
		return step, false
	}
	for _, other := range s.Members {
		if theirs, _ := o.Of(other.ID); other.State == MemberActive && !among(alive, other.ID) {
			step := unheard(other.ID, theirs, now) // it may have owned since: it is lost, or has to be asked
			step.Why = "the state was restored: " + step.Why
			return step, false
		}
	}
	seen, _ := o.Of(m.ID)
	for _, other := range alive {
		theirs, _ := o.Of(other.ID)
		switch {
		case other.ID == m.ID:
			continue
		case !theirs.ReadOnly && !s.Owns(other.ID) && !other.Direct:
			return wait("the state was restored, and %s may have owned since it was saved: it is closed first", other.ID), false
		case !theirs.At.Before(seen.Asked):
			step := wait("the position of %s was read before that of %s", m.ID, other.ID)
			step.Probe = []MemberID{m.ID}
			return step, false
		}
		if step, ok := caughtUp(m, other, o); !ok {
			step.Why = "the state was restored: " + step.Why
			return step, false
		}
	}
	return Step{}, true
}

// Beginning says who had a stopped node go on alone, or begin with a saved state, when, why, and
// by what. It is done beside raft, so it is put into the very state that the node begins with:
// it can not be missing there, nor stand there twice.
type Beginning struct {
	At       time.Time
	By       string
	Why      string
	What     string
	Evidence []string
}

// Begun returns s as a node begins with it, at that index of raft's, which no command has had.
// Before the outbox was opened, lines of the audit have no evidence: there it stands in what was
// done.
func (s *Snapshot) Begun(b Beginning, index uint64) *Snapshot {
	next := s.clone()
	next.Index = index
	if s.Outbox == nil {
		b.What = strings.Join(append([]string{b.What}, b.Evidence...), "; ")
	}
	f := Finding{What: b.What, Why: b.Why, Evidence: b.Evidence}.Clip()
	next.record(Command{Index: index, At: b.At, By: cut(b.By, maxSubject), Why: f.Why, Evidence: f.Evidence}, "node", "", f.What)
	next.trim()
	return next
}
