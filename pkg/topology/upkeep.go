package topology

import (
	"fmt"
	"time"
)

// upkeep keeps an open ring as the intent says. What moves no data and no
// ownership is put right at once: a slot or setting that somebody changed, a
// member that somebody opened, a thread that somebody stopped. A member that is
// lost is healed, one that answers again is let back in, each as an operation.
func upkeep(s *Snapshot, o Observations, now time.Time) Step {
	if allRestarted(s, "", o, now) {
		return commit(BeginRestart{}, "every member was restarted, and each has its disk")
	}
	if step, lost := onLoss(s, nil, o, now); lost {
		return beside(s, step, o, now)
	}
	if step, ok := settleIsolation(s, o); ok {
		return step
	}
	waiting, needsPerson := Step{}, Step{}
	mends := false                               // something of a member that is in the ring
	for _, inRing := range []bool{true, false} { // the ring is made whole before it is made larger
		for _, m := range s.Members {
			if (m.State == MemberActive) != inRing {
				continue
			}
			step := upkeepMember(s, m, o, now)
			mends = mends || inRing && step.Kind != StepIdle
			switch {
			case step.Kind == StepIdle:
			case step.Kind == StepWait && waiting.Why == "":
				waiting = step
			case step.Kind == StepStuck && needsPerson.Why == "": // the others go on
				needsPerson = step
			case step.Kind != StepWait && step.Kind != StepStuck:
				return step
			}
		}
	}
	if !mends {
		step := upkeepPlanned(s, o, now, waiting)
		if step.Kind != StepWait && step.Kind != StepIdle {
			return step
		}
		waiting = step // it keeps nothing else from being done
	}
	return lastly(s, o, now, unsettled{needsPerson, waiting})
}

// upkeepPlanned is what was ordered and begins once nothing of the ring has to be mended: a
// drained member gives its units away, one that is to leave does, a resize goes on. It is
// waiting, which may be nothing, if there is no such thing.
func upkeepPlanned(s *Snapshot, o Observations, now time.Time, waiting Step) Step {
	if step, drains := drainMembers(s, o, now); drains {
		if step.Kind == StepWait && waiting.Why != "" {
			return wait("%s; %s", step.Why, waiting.Why) // who could own it may wait for a person's word
		}
		return step
	}
	if step, leaves := beginLeave(s, o, now); leaves {
		return step
	}
	if _, running := s.Running(); running {
		return waiting
	}
	if step, resizes := resumeResize(s); resizes && (step.Kind == StepCommit || waiting.Why == "") {
		return step
	}
	return waiting
}

// unsettled is what upkeep can not put right by itself; the zero steps: nothing.
type unsettled struct{ needsPerson, waiting Step }

// why says it, "" if there is nothing.
func (u unsettled) why() string {
	if u.needsPerson.Why != "" {
		return u.needsPerson.Why
	}
	return u.waiting.Why
}

// lastly is what upkeep comes to when there is nothing else to be done: the copies of the
// table of slots, which hide nothing of what is unsettled, and else that.
func lastly(s *Snapshot, o Observations, now time.Time, u unsettled) Step {
	if step := tendSlots(s, o, now, u.needsPerson.Why == ""); step.Kind == StepDo {
		if why := u.why(); why != "" {
			step.Why += "; besides: " + why
		}
		return step
	}
	if u.needsPerson.Why != "" {
		return u.needsPerson
	}
	if u.waiting.Why == "" {
		return untended(s, o, now)
	}
	for _, m := range s.Members {
		if out := heldOut(m); len(s.ownerless()) > 0 && out != "" {
			return stuck("%s; and %s", u.waiting.Why, out)
		}
	}
	return u.waiting
}

func upkeepMember(s *Snapshot, m Member, o Observations, now time.Time) Step {
	seen, good := o.Good(m.ID, now)
	if step, out := upkeepOut(s, m, o, now); out {
		return step
	}
	if !good {
		return wait("%s", judge(s, m, o, now).why)
	}
	if step, ok := answered(s, m, o, now); !ok { // to close it, and so to prepare it, waits behind its commits
		return step
	}
	inherits, holds := s.Inherits(m.ID), s.Owns(m.ID) || s.Inherits(m.ID)
	if why := unprepared(s, m, seen); why != "" {
		if !seen.ReadOnly {
			return do(m.ID, Action{Kind: ActClose}, "%s: it is closed until that is put right", why)
		}
		if step, still := standsStill(s, m, o, now); !still {
			return step
		}
		return do(m.ID, prepareAction(s, m, false), "%s", why)
	}
	if !s.CountsAs(m, seen.Layout) { // a part of what is meant: nobody is met by it
		layout := m.Layout(s.Ring.Stride)
		return do(m.ID, Action{Kind: ActSlot, Identity: m.Identity, Layout: layout}, "it gives out %s, which is a part of %s", seen.Layout, layout)
	}
	if !holds && !seen.ReadOnly && !m.Direct {
		return do(m.ID, Action{Kind: ActClose}, "it owns no unit and must not take writes")
	}
	link, fine := upkeepLink(s, m, seen, o, now)
	if !fine && (link.Kind == StepDo || link.Kind == StepCommit) {
		return link
	}
	refuses := s.Ring.Durability == DurabilitySemiSync && s.Ring.Degraded == DegradedRefuse
	semi, ok := upkeepSemiSync(s, m, o, now)
	if !ok {
		return semi
	}
	if !fine && !(inherits && s.leftToPerson(o)) { // it may follow one whose loss waits for a person
		return link
	}
	if step, proven := provenHeir(s, m, o, now); !proven {
		if !seen.ReadOnly && !s.Owns(m.ID) && !m.Direct {
			return do(m.ID, Action{Kind: ActClose}, "%s: it may have owned something else since, and is closed until that is known", step.Why)
		}
		return step
	}
	switch {
	case inherits && refuses && m.SemiSync != SemiSyncArmed && semi.Kind == StepStuck:
		return semi
	case inherits && refuses && m.SemiSync != SemiSyncArmed:
		return wait("%s has no acker, and degraded is refuse: writes wait until it has one%s", m.ID, roomOrStop(s, o, now))
	case inherits && !seen.ReadOnly:
		if step, over := leasesOver(s, o, now); !over {
			return step
		}
		why := "its commits wait for an acker, and it is open"
		if m.SemiSync != SemiSyncArmed {
			why = "it is open, and goes on without an acker"
		}
		return commit(GrantWithheld{Member: m.ID, Proxies: proxies(o)}, "%s", why)
	case holds && seen.ReadOnly:
		return do(m.ID, openAction(m), "it owns a unit and everything is verified")
	}
	if step := tendEvents(s, m, seen, o, now); step.Kind == StepDo {
		return step
	}
	return semi // idle, or for whom it acknowledges besides
}

// standsStill reports whether a member's identity and rules can be set, or else the step
// that brings it there: somebody has changed them while it follows another one, which it
// may not do meanwhile. Nobody may wait for its acks then.
func standsStill(s *Snapshot, m Member, o Observations, now time.Time) (Step, bool) {
	seen, _ := o.Of(m.ID)
	link := seen.Link
	idle := link.Upstream == "" || link.Receiver == ThreadStopped && link.Applier == ThreadStopped
	if idle || ruled(m, seen) {
		return Step{}, true
	}
	if step, off := ackersOff(s, m, Member{}, false, o, now); !off {
		return step, false
	}
	return detached(m, seen)
}

// ruled reports whether what may not change while a member follows another one is as it
// should be: its identity, and its rules for GTIDs and the applier.
func ruled(m Member, seen Observation) bool {
	v := seen.Settings
	return seen.Carries(m) && v.GTIDStrict && v.IgnoreDuplicates && v.StrictDDL && v.ParallelThreads == 0
}

// upkeepOut keeps a member that is out of the ring as it should be, and begins to let
// it back in; out is false if it is in the ring.
func upkeepOut(s *Snapshot, m Member, o Observations, now time.Time) (step Step, out bool) {
	seen, good := o.Good(m.ID, now)
	switch {
	case m.State == MemberMaintained:
		return maintained(m, seen, good, now), true
	case m.State == MemberDown && m.Leaving.forAWhile():
		return commit(MaintainMember{Member: m.ID}, "it is out already"), true
	case m.State == MemberDown && seen.Room.Waiting > 0 && now.Sub(seen.At) <= MaxAge:
		return fullOut(m), true
	case m.State == MemberDown && good:
		if _, step, known := roll(s, o, now); !known {
			return step, true
		}
		if losses, until := cooling(s, m.ID, now); !until.IsZero() {
			if step, closed := shut(m, seen); !closed {
				return step, true
			}
			return wait("member %s answers again, and was lost %d times within %s: it is let back in at %s; at once: sqlring master rejoin %s",
				m.ID, losses, flapWindow, until.UTC().Format("15:04:05 UTC"), m.ID), true
		}
		return commit(BeginRejoin{Member: m.ID, Same: seen.Boot == m.Boot && seen.Carries(m)}, "member %s answers again", m.ID), true
	case m.State == MemberDown:
		if todo := refill(m, seen); todo != "" {
			return stuck("member %s is out: %s; %s", m.ID, describeReach(seen, now), todo), true
		}
		return wait("member %s is out: %s%s", m.ID, describeReach(seen, now), goneForGood(m)), true
	case m.State == MemberHeld && good:
		if step, closed := shut(m, seen); !closed {
			return step, true
		}
		return wait("%s", heldOut(m)), true
	case m.State == MemberCopying:
		return upkeepCopying(s, m, o, now), true
	case heldOut(m) != "":
		return wait("%s", heldOut(m)), true
	}
	return Step{}, false
}

// heldOut says why a member stays out until a person lets it in, "" if it does not.
func heldOut(m Member) string {
	switch m.State {
	case MemberQuarantined:
		return fmt.Sprintf("member %s is in quarantine: %s", m.ID, m.Why)
	case MemberHeld:
		return fmt.Sprintf("member %s is held out: %s", m.ID, m.Why)
	case MemberCopying:
		if m.Copy.Halted {
			return fmt.Sprintf("member %s is half copied: %s; its data again: sqlring master reclone %s", m.ID, m.Why, m.ID)
		}
	case MemberJoining, MemberActive, MemberDown, MemberReturning, MemberLeaving, MemberMaintained:
	}
	return ""
}

// upkeepLink keeps m following the one before it, or nobody if it stands alone.
func upkeepLink(s *Snapshot, m Member, seen Observation, o Observations, now time.Time) (Step, bool) {
	if upstream, ok := s.Upstream(m.ID); ok {
		return follow(s, m, upstream, true, o, now)
	}
	return detached(m, seen)
}

// describeReach says in words why an observation can not be acted on.
func describeReach(seen Observation, now time.Time) string {
	switch {
	case seen.At.IsZero():
		return "not probed yet"
	case seen.Reach == ReachAnswers:
		return fmt.Sprintf("its last answer is %s old", now.Sub(seen.At).Round(time.Millisecond))
	case seen.Reach == ReachDenied && seen.Room.Waiting > 0:
		return fmt.Sprintf("its disk is full: %s", seen.Error)
	case seen.Reach == ReachDenied:
		return fmt.Sprintf("it refuses our login (%s): check the manager's account there and the node's manager.password_file; after a change of the file, restart the node", seen.Error)
	case seen.Error != "":
		return fmt.Sprintf("%s (%s)", seen.Reach, seen.Error)
	}
	return seen.Reach.String()
}
