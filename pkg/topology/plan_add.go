package topology

import (
	"slices"
	"strings"
	"time"
)

// The steps of the operations add and reclone, in order. Until splice nobody pulls
// from the member and it counts for nothing (S31), so anything else may come
// between: the operation gives way, and is resumed at preflight, where all that was
// reached is found done.
const (
	AddPreflight Cursor = "preflight" // it answers and fits; resumed: it is compared with the ring (S34)
	AddPrepare   Cursor = "prepare"   // closed; identity, slot, settings
	AddCopy      Cursor = "copy"      // a member's data, by a snapshot of it (S32, S33)
	AddCatchUp   Cursor = "catch up"  // follows the one before it
	AddSplice    Cursor = "splice"    // the one behind it follows it (S35)
	AddAdmit     Cursor = "admit"     // verified
	AddBack      Cursor = "back"      // aborted: it is detached, and leaves
)

func addCursors() []Cursor {
	return []Cursor{AddPreflight, AddPrepare, AddCopy, AddCatchUp, AddSplice, AddAdmit}
}

// reachesWithin is how long the member behind a new one may take to reach it: after
// that the ring is closed without it.
const reachesWithin = 10 * time.Second

func nextAdd(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	m, ok := s.Member(op.Member)
	if !ok {
		return stuck("operation %s adds %s, which is not a member", op.ID, op.Member)
	}
	if op.suspendable() || op.Cursor == AddBack {
		// The ring comes first: whatever it needs, this gives way to it.
		step := upkeep(s, o, now)
		if op.Cursor == AddBack && step.Kind == StepCommit {
			step = besideBack(op, m, o, now, step)
		}
		if step.Kind == StepDo || step.Kind == StepCommit || waitsForWord(s, step, o, now) {
			return step
		}
	} else if step, lost := lostMeanwhile(s, op, o, now); lost {
		return step
	}
	seen, good := o.Good(m.ID, now)
	if op.Cursor == AddBack {
		return addBack(s, op, m, seen, good, now)
	}
	if !good {
		return addUnheard(op, m, seen, now)
	}
	if seen.Boot != m.Boot || !seen.Carries(m) { // it was stamped by a leader that was deposed: see rejoin (S122)
		switch op.Cursor {
		case AddCopy, AddCatchUp:
			return commit(PrepareAgain{Operation: op.ID}, "member %s was restarted", m.ID)
		case AddSplice, AddAdmit:
			return commit(GiveUpAdd{Operation: op.ID}, "member %s was restarted", m.ID)
		}
	}
	alive, step, ok := roll(s, o, now)
	if !ok {
		return step
	}
	upstream, found := formerUpstream(s, m.ID)
	switch {
	case !found:
		return stuck("no member is left in the ring")
	case !among(alive, upstream.ID):
		return wait("member %s does not answer", upstream.ID)
	}
	a := adding{s: s, op: op, m: m, seen: seen, upstream: upstream, alive: alive, o: o, now: now}
	switch op.Cursor {
	case AddPreflight:
		return a.preflight()
	case AddPrepare:
		return a.prepare()
	case AddCopy:
		return a.copy()
	case AddCatchUp:
		return a.catchUp()
	case AddSplice:
		return a.splice()
	case AddAdmit:
		return a.admit()
	}
	return stuck("operation %s stands at %q, which is not a step of %s", op.ID, op.Cursor, op.Kind)
}

// lostMeanwhile ends an add that is past its point of no return when a member of
// the ring is lost: that is healed first.
func lostMeanwhile(s *Snapshot, op Operation, o Observations, now time.Time) (Step, bool) {
	for _, other := range s.Members {
		if verdict := judge(s, other, o, now); other.State == MemberActive && verdict.lost {
			return commit(GiveUpAdd{Operation: op.ID}, "%s; that is healed first", verdict.why), true
		}
	}
	return Step{}, false
}

// addUnheard waits for a member that does not answer; once somebody may pull from
// it, not for long.
func addUnheard(op Operation, m Member, seen Observation, now time.Time) Step {
	if op.suspendable() {
		step := unheard(m.ID, seen, now)
		step.Until = time.Time{} // the ring is whole without it
		if seen.Reach == ReachDenied {
			return stuck("%s", step.Why)
		}
		return step
	}
	if failing(seen, now) || seen.Reach == ReachDenied && now.Sub(seen.Since) > unheardFor {
		return commit(GiveUpAdd{Operation: op.ID}, "member %s is lost: %s", m.ID, describeReach(seen, now))
	}
	return unheard(m.ID, seen, now)
}

// addBack detaches the member, if it can be reached, and lets it go.
func addBack(s *Snapshot, op Operation, m Member, seen Observation, good bool, now time.Time) Step {
	switch {
	case good && seen.ServerID == m.Identity:
		if beingFilled(m, seen) {
			return do(m.ID, Action{Kind: ActEndCopy}, "nobody wants the copy any more")
		}
		if step, ok := detached(m, seen); !ok {
			return step
		}
		return commit(LeaveAdd{Operation: op.ID}, "it follows nobody")
	case good, failing(seen, now), seen.Reach == ReachDenied, now.Sub(op.Moved) > unheardFor:
		return commit(LeaveAdd{Operation: op.ID}, "it is left as it is")
	}
	return unheard(m.ID, seen, now)
}

// beingFilled reports whether a copy into the member is under way.
func beingFilled(m Member, seen Observation) bool {
	return seen.Copy != nil && seen.Copy.ID == m.Copy.ID && seen.Copy.State == CopyRunning
}

// adding is what the steps look at. alive are the members of the ring that answer.
type adding struct {
	s        *Snapshot
	op       Operation
	m        Member
	seen     Observation
	upstream Member
	alive    []Member
	o        Observations
	now      time.Time
}

func (a adding) preflight() Step {
	m, seen := a.m, a.seen
	first, _ := a.o.Of(a.upstream.ID)
	switch {
	case !seen.Version.fitsRing():
		return stuck("member %s is %s: a ring is made of MariaDB 10.5, or MySQL 8.0.26, or later", m.ID, seen.Version)
	case seen.Version.Series() != first.Version.Series():
		return stuck("member %s is %s, the ring has %s: a ring has one release series", m.ID, seen.Version, first.Version)
	}
	if missing := unsafeStatics(seen); len(missing) > 0 && seen.Boot != m.Boot {
		return stuck("member %s: its config file lacks %s; add the lines under [%s] and restart it", m.ID, strings.Join(missing, ", "), seen.Version.Section())
	}
	if step, ok := a.addSource(); !ok {
		return step
	}
	if m.Copy.Done || seen.ServerID == m.Identity {
		if step, ok := detached(m, seen); !ok {
			return step
		}
	}
	switch {
	case m.Copy.Done:
		if step, ok := a.within(); !ok {
			return step
		}
	case m.Copy.Discard || m.Copy.From != "" || seen.ServerID == m.Identity: // what it holds is given up, or of a copy
	case a.s.SlotTable().Strange(seen.Slots) != "":
		return stuck("member %s belongs to a ring: %s; if that ring is gone: sqlring operation abort %s, then SET SESSION sql_log_bin=0; DROP DATABASE sqlring on it",
			m.ID, a.s.SlotTable().Strange(seen.Slots), a.op.ID)
	case len(seen.Schemas) > 0:
		return stuck("member %s is not empty, it has the schema %s; if that is not needed: sqlring operation abort %s, then sqlring master add %s … --discard-data",
			m.ID, strings.Join(seen.Schemas, ", "), a.op.ID, m.ID)
	}
	if m.Copy.Discard && seen.ServerID != m.Identity {
		if step, ok := givenUp(m, seen); !ok {
			return step
		}
	}
	if seen.Link.Upstream != "" {
		return stuck("member %s follows %s: end that first (%s)", m.ID, seen.Link.Upstream, seen.Version.Unfollow())
	}
	return advance(a.op, AddPrepare, "%s answers and fits", m.ID)
}

// givenUp reports whether a member whose data is given up is closed and follows
// nobody, or else the step that is due. Nothing that it has received has to be
// applied.
func givenUp(m Member, seen Observation) (Step, bool) {
	switch {
	case seen.SemiSync.Enabled:
		return do(m.ID, Action{Kind: ActDisarm}, "it is out of the ring, nothing there may wait for an acker"), false
	case !seen.ReadOnly:
		return do(m.ID, Action{Kind: ActClose}, "it is out of the ring and must not take writes"), false
	case seen.Apps > 0:
		return do(m.ID, Action{Kind: ActExpel}, "%d connections of applications are left on it", seen.Apps), false
	case seen.Link.Upstream != "":
		return do(m.ID, Action{Kind: ActDetach, Full: true}, "what it holds is given up, and what it has received"), false
	}
	return Step{}, true
}

// within reports whether the ring has everything that the member has, while that
// stands still, or else the step that is due (S34). Of a member that is in the ring
// the ring has all.
func (a adding) within() (Step, bool) {
	seen := a.seen
	if seen.EarlierAt.IsZero() || !seen.Earlier.Covers(seen.Position()) {
		return wait("member %s comes to a standstill", a.m.ID), false
	}
	var held Position
	for _, other := range a.alive {
		theirs, _ := a.o.Of(other.ID)
		if !theirs.Asked.After(seen.EarlierAt) {
			return wait("the position of %s was read before that of %s", other.ID, a.m.ID), false
		}
		held = held.Union(theirs.Position())
	}
	cut, end := above(held, seen.Position(), a.alive)
	if len(cut) > 0 {
		return commit(CopyAgain{Operation: a.op.ID}, "%s holds %s, which the ring does not have", a.m.ID, end), false
	}
	return Step{}, true
}

func (a adding) catchUp() Step {
	if why := unprepared(a.s, a.m, a.seen); why != "" {
		return do(a.m.ID, prepareAction(a.s, a.m, false), "%s", why)
	}
	if link := a.seen.Link; link.Upstream == a.upstream.Addr && link.ReceiverErrno == errnoPurged && link.Receiver == ThreadStopped {
		return stuck("member %s can not follow %s: %s; give it up (sqlring operation abort %s), let the ring keep its binlogs longer (binlog_expire_logs_seconds), and begin again",
			a.m.ID, a.upstream.ID, link.ReceiverError, a.op.ID)
	}
	if step, ok := follow(a.s, a.m, a.upstream, false, a.o, a.now); !ok {
		return step
	}
	if step, ok := caughtUp(a.m, a.upstream, a.o); !ok {
		return step
	}
	down, _ := formerDownstream(a.s, a.m.ID)
	if step, ok := a.sendable(down); !ok {
		return step
	}
	return advance(a.op, AddSplice, "%s has what %s has", a.m.ID, a.upstream.ID)
}

// errnoPurged is ER_MASTER_FATAL_ERROR_READING_BINLOG.
const errnoPurged = 1236

// sendable reports whether the member behind has everything up to the copy's
// position, which the new one could not send it (S35).
func (a adding) sendable(down Member) (Step, bool) {
	theirs, _ := a.o.Of(down.ID)
	if theirs.Link.Upstream == a.m.Addr || theirs.Position().Covers(a.m.Copy.Position) {
		return Step{}, true
	}
	return wait("%s is to follow %s and has not yet what the copy begins with: %d transactions to go", down.ID, a.m.ID, theirs.Position().Behind(a.m.Copy.Position)), false
}

// splice makes the member behind follow the new one, and then that one
// acknowledge. If it is not reached the ring is closed without it.
func (a adding) splice() Step {
	if step, ok := ackersConnected(a.s, a.alive, a.o, a.now); !ok {
		return step
	}
	down, _ := formerDownstream(a.s, a.m.ID)
	theirs, _ := a.o.Of(down.ID)
	if step, ok := a.sendable(down); !ok {
		return step
	}
	if link := theirs.Link; link.Upstream == a.m.Addr && link.Receiver != ThreadRunning && a.now.Sub(link.Since) > reachesWithin && a.now.Sub(a.op.Moved) > reachesWithin {
		return commit(GiveUpAdd{Operation: a.op.ID, Hold: true}, "%s does not receive from %s: %s", down.ID, a.m.ID, orNothing(link.ReceiverError))
	}
	if step, ok := follow(a.s, down, a.m, true, a.o, a.now); !ok {
		return step
	}
	if step, ok := caughtUp(down, a.m, a.o); !ok {
		return step
	}
	if step, ok := follow(a.s, a.m, a.upstream, true, a.o, a.now); !ok {
		return step
	}
	return advance(a.op, AddAdmit, "%s follows %s, %s follows %s", a.m.ID, a.upstream.ID, down.ID, a.m.ID)
}

// admit verifies once more, and that nobody in the ring gives out numbers that the
// new member could give out too (I2).
func (a adding) admit() Step {
	if step, ok := ackersConnected(a.s, a.alive, a.o, a.now); !ok {
		return step
	}
	if why := unprepared(a.s, a.m, a.seen); why != "" {
		return do(a.m.ID, prepareAction(a.s, a.m, false), "%s", why)
	}
	own := a.m.Layout(a.s.Ring.Stride)
	for _, other := range a.alive {
		theirs, _ := a.o.Of(other.ID)
		if theirs.Layout.Effective().Collides(own) {
			return wait("%s gives out auto_increment values of %s, which collide with %s of %s", other.ID, theirs.Layout, own, a.m.ID)
		}
	}
	if step, ok := caughtUp(a.m, a.upstream, a.o); !ok {
		return step
	}
	return commit(Readmit{Operation: a.op.ID}, "%s is linked, caught up and verified", a.m.ID)
}

// upkeepCopying resumes what has given way, once nothing else is under way.
func upkeepCopying(s *Snapshot, m Member, o Observations, now time.Time) Step {
	seen, good := o.Good(m.ID, now)
	switch _, running := s.Running(); {
	case running:
		return idle("it is being seen to")
	case m.Copy.Halted && good && seen.ServerID == m.Identity:
		if step, ok := shut(m, seen); !ok {
			return step
		}
		return wait("%s", heldOut(m))
	case m.Copy.Halted:
		return wait("%s", heldOut(m))
	case !good:
		return wait("member %s is to be added: %s", m.ID, describeReach(seen, now))
	}
	first := slices.IndexFunc(s.Members, func(x Member) bool { return x.State == MemberCopying && !x.Copy.Halted })
	if s.Members[first].ID != m.ID {
		if _, answers := o.Good(s.Members[first].ID, now); answers {
			return idle("its turn comes")
		}
	}
	return commit(ResumeCopying{Member: m.ID}, "nothing else is under way")
}

// besideBack returns what becomes of a commit of upkeep while an add is on its way back, to
// which no operation can give way: what begins one waits for that, which is nothing here, but
// the loss of a member of the ring does not. Then the new one is left as it is, but for its copy.
func besideBack(op Operation, m Member, o Observations, now time.Time, step Step) Step {
	switch step.Change.(type) {
	case BeginHeal, BeginRestart:
		if seen, good := o.Good(m.ID, now); good && beingFilled(m, seen) {
			return do(m.ID, Action{Kind: ActEndCopy}, "nobody wants the copy any more, and the ring needs something else")
		}
		return commit(LeaveAdd{Operation: op.ID}, "%s is left as it is, and may still follow a member: %s", op.Member, step.Why)
	case BeginRejoin, BeginMove, BeginLeave, ResumeCopying, ResumeResize:
		return Step{}
	}
	return step
}
