package topology

import (
	"fmt"
	"time"
)

// The steps of operation remove, in order; operation maintain ends after wire. When it
// begins the member owns nothing. Up to wire it is in the ring, and may stay there;
// after that the ring is whole without it, and a member that stays comes back as any
// other does. Clean is the point of no return.
const (
	RemoveClose   Cursor = "close"    // nothing is written on it, and what is read there has ended
	RemoveCatchUp Cursor = "catch up" // each other member has all that it has
	RemoveWire    Cursor = "wire"     // its downstream follows its upstream
	RemoveDetach  Cursor = "detach"   // it follows nobody
	RemoveVerify  Cursor = "verify"   // the others have all that it ever wrote
	RemoveClean   Cursor = "clean"    // what sqlring has put there is taken away
)

func removeCursors() []Cursor {
	return []Cursor{RemoveClose, RemoveCatchUp, RemoveWire, RemoveDetach, RemoveVerify, RemoveClean}
}

// wireFor is how long the new link may take; after it the old one is restored. It is
// long since what was received has to be applied first.
const wireFor = time.Minute

// cleanFor is how long a member that leaves is asked to let its state be removed.
const cleanFor = 30 * time.Second

// beginLeave begins to take a member out that is to leave and owns nothing any more. It
// is asked when nothing has to be mended.
func beginLeave(s *Snapshot, o Observations, now time.Time) (Step, bool) {
	for _, m := range s.Members {
		if m.State != MemberActive || m.Leaving == nil || s.Owns(m.ID) || s.Inherits(m.ID) {
			continue
		}
		if why := s.tooFew(m, m.Leaving.Alone); why != "" {
			return wait("%s is to leave, but %s; to have it stay: sqlring master resume %s", m.ID, why, m.ID), true
		}
		if step, ready := everybodyAnswers(s, o, now); !ready {
			return step, true
		}
		return commit(BeginLeave{Member: m.ID}, "%s is to leave, and owns nothing", m.ID), true
	}
	return Step{}, false
}

func everybodyAnswers(s *Snapshot, o Observations, now time.Time) (Step, bool) {
	for _, m := range s.Members {
		if seen, good := o.Good(m.ID, now); m.State == MemberActive && !good {
			return unheard(m.ID, seen, now), false
		}
	}
	return Step{}, true
}

// goneForGood says how a member is forgotten that was to leave, and was lost first.
func goneForGood(m Member) string {
	if !m.Leaving.forGood() {
		return ""
	}
	return fmt.Sprintf("; it was to leave: it does when it is back; if it does not come back: sqlring master remove %s --forget", m.ID)
}

// leave is what the steps look at.
type leave struct {
	s     *Snapshot
	op    Operation
	m     Member
	seen  Observation // of m
	alive []Member    // the active members, m among them up to wire
	o     Observations
	now   time.Time
}

func nextLeave(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	if allRestarted(s, "", o, now) {
		return commit(BeginRestart{}, "every member was restarted, and each has its disk")
	}
	if step, lost := onLoss(s, GiveUpLeave{Operation: op.ID}, o, now); lost {
		return step
	}
	l := leave{s: s, op: op, o: o, now: now}
	var good bool
	l.m, _ = s.Member(op.Member)
	l.seen, good = o.Good(op.Member, now)
	if step, gone := l.gone(good); gone {
		return step
	}
	alive, step, ok := roll(s, o, now)
	if !ok {
		return step
	}
	l.alive = alive
	if len(l.others()) == 0 {
		return wait("no other member answers")
	}
	if step, ok := ackersConnected(s, l.others(), o, now); !ok {
		return step
	}
	switch op.Cursor {
	case RemoveClose:
		return l.meanwhile(l.close())
	case RemoveCatchUp:
		return l.meanwhile(l.catchUp())
	case RemoveWire:
		return l.wire()
	case RemoveDetach:
		return l.meanwhile(l.detach())
	case RemoveVerify:
		return l.meanwhile(l.verify())
	case RemoveClean:
		return l.meanwhile(l.clean())
	}
	return stuck("operation %s stands at %q, which is not a step of remove", op.ID, op.Cursor)
}

// gone is what is done if the member that leaves does not answer, or was restarted.
// Up to wire that is a loss like any other.
func (l leave) gone(good bool) (Step, bool) {
	switch {
	case good && (l.seen.Boot == l.m.Boot || l.op.Cursor == RemoveClean):
		return Step{}, false
	case l.op.Cursor == RemoveClean && failing(l.seen, l.now):
		return commit(l.end(), "%s does not answer any more: what sqlring has put there stays", l.m.ID), true
	case good && l.m.State == MemberLeaving:
		return commit(GiveUpLeave{Operation: l.op.ID}, "member %s was restarted meanwhile", l.m.ID), true
	case l.m.State == MemberLeaving && failing(l.seen, l.now):
		return commit(GiveUpLeave{Operation: l.op.ID}, "member %s is lost: %s", l.m.ID, describeReach(l.seen, l.now)), true
	}
	return l.meanwhile(unheard(l.m.ID, l.seen, l.now)), true
}

// others are the members that stay and answer.
func (l leave) others() []Member {
	var others []Member
	for _, m := range l.alive {
		if m.ID != l.m.ID {
			others = append(others, m)
		}
	}
	return others
}

// meanwhile is step, or what the ring needs while that waits: it may take long, and the
// ring is whole, with the member up to wire, without it afterwards.
func (l leave) meanwhile(step Step) Step {
	if step.Kind != StepWait && step.Kind != StepStuck {
		return step
	}
	for _, m := range l.s.Members {
		if m.State != MemberActive {
			continue
		}
		if kept := upkeepMember(l.s, m, l.o, l.now); kept.Kind == StepDo || kept.Kind == StepCommit {
			return kept
		}
	}
	return step
}

// close sees that nothing is written on the member. Reads go elsewhere since it is
// drained; those that run may end.
func (l leave) close() Step {
	if step, off := disarmed(l.s, l.m, l.o, l.now); !off {
		return step
	}
	waited := l.now.Sub(l.op.Moved)
	switch {
	case !l.seen.ReadOnly:
		return do(l.m.ID, Action{Kind: ActClose}, "it leaves the ring and must not take writes")
	case l.seen.Busy > 0 && waited <= l.op.Grace:
		return wait("%d statements of applications still run on %s, for at most %s", l.seen.Busy, l.m.ID, (l.op.Grace - waited).Round(time.Second))
	}
	return advance(l.op, RemoveCatchUp, "%s is closed", l.m.ID)
}

// catchUp waits until each other member has all that the member had when it was closed
// already.
func (l leave) catchUp() Step {
	if !l.seen.ReadOnly {
		return do(l.m.ID, Action{Kind: ActClose}, "somebody has opened it meanwhile")
	}
	for _, other := range l.others() {
		theirs, _ := l.o.Of(other.ID)
		if _, at, known := l.seen.PositionBefore(theirs.Asked); !known || at.Before(l.op.Moved) {
			return wait("the position of %s was not read since it was closed", l.m.ID)
		}
		if step, ok := caughtUp(other, l.m, l.o); !ok {
			return step
		}
	}
	return advance(l.op, RemoveWire, "each member has what %s has", l.m.ID)
}

// wire closes the ring without the member. Its downstream has all that the upstream had
// after it has connected: that includes what the member alone has acknowledged.
func (l leave) wire() Step {
	if l.now.Sub(l.op.Moved) > wireFor {
		return commit(GiveUpLeave{Operation: l.op.ID, Stays: true}, "the new link has not come up within %s", wireFor)
	}
	up, _ := formerUpstream(l.s, l.m.ID)
	down, _ := formerDownstream(l.s, l.m.ID)
	seen, _ := l.o.Of(down.ID)
	if down.ID == up.ID {
		if step, off := disarmed(l.s, down, l.o, l.now); !off {
			return step
		}
		if step, ok := detached(down, seen); !ok {
			return step
		}
	} else {
		if step, ok := follow(l.s, down, up, true, l.o, l.now); !ok {
			return step
		}
		if step, ok := caughtUp(down, up, l.o); !ok {
			return step
		}
	}
	return commit(Unlink{Operation: l.op.ID, Cut: l.m.own(seen.Position())}, "the ring is whole without %s", l.m.ID)
}

// detach ends what the member follows, and every connection of an application there.
func (l leave) detach() Step {
	if step, ok := shut(l.m, l.seen); !ok {
		return step
	}
	if step := l.meanwhile(wait("")); step.Kind != StepWait {
		return step // an owner that has lost its acker has another one now
	}
	if step, ok := detached(l.m, l.seen); !ok {
		return step
	}
	return advance(l.op, RemoveVerify, "%s follows nobody, and is closed", l.m.ID)
}

// verify holds all that the member ever wrote, or passed on, against what the others
// have. What is more is read from its binlog: heartbeats are nobody's loss; anything
// else brings it back, to be judged as any member that returns.
func (l leave) verify() Step {
	if !l.seen.Asked.After(l.op.Moved) {
		step := wait("the binlog of %s was looked at before it was detached", l.m.ID)
		step.Probe = []MemberID{l.m.ID}
		return step
	}
	var held Position
	for _, other := range l.others() {
		theirs, _ := l.o.Of(other.ID)
		if !theirs.Position().Covers(l.m.own(l.m.Cut)) {
			return wait("%s catches up with what %s wrote: %s", other.ID, l.m.ID, theirs.Position().Missing(l.m.own(l.m.Cut)))
		}
		held = held.Union(theirs.Position())
	}
	cut, end := above(held, l.seen.Binlog, l.others())
	if len(cut) == 0 {
		return advance(l.op, RemoveClean, "the others have all that %s ever wrote", l.m.ID)
	}
	if _, buried := unread(l.m, l.seen.Binlog, cut); len(buried) > 0 { // it comes back, and is judged by that
		return commit(GiveUpLeave{Operation: l.op.ID}, "%s", buriedWhy(l.m, buried))
	}
	if t := l.seen.Tail; t != nil && t.answers(cut, end) {
		if t.Verdict == TailEmpty {
			return advance(l.op, RemoveClean, "the others have all that %s ever wrote: %s", l.m.ID, t.Why)
		}
		return commit(GiveUpLeave{Operation: l.op.ID}, "%s has written %d transactions that the others do not have: %s", l.m.ID, t.Transactions, t.Why)
	}
	read := Action{Kind: ActReadTail, Identity: l.m.Identity, Retired: l.m.Retired, After: cut, Layout: l.s.class(l.m)}
	return do(l.m.ID, read, "it holds %d transactions that the others do not have", cut.Behind(end))
}

// clean takes away what sqlring has put on the member.
func (l leave) clean() Step {
	keep := l.m.Leaving == nil || l.m.Leaving.Keep
	switch {
	case keep:
		return commit(l.end(), "%s has left; what sqlring has put there stays, as was ordered", l.m.ID)
	case !l.seen.HasRing:
		return commit(l.end(), "%s has left", l.m.ID)
	case l.now.Sub(l.op.Moved) > cleanFor:
		return commit(l.end(), "%s has left; what sqlring has put there could not be removed within %s", l.m.ID, cleanFor)
	}
	return do(l.m.ID, Action{Kind: ActRetire}, "it has left the ring")
}

// end is the command that ends a removal.
func (l leave) end() EndRemove {
	last := l.m.own(l.m.Cut)
	for _, other := range l.others() {
		theirs, _ := l.o.Of(other.ID)
		last = last.Union(l.m.own(theirs.Position()))
	}
	return EndRemove{Operation: l.op.ID, Last: last}
}
