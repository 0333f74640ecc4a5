package topology

import (
	"fmt"
	"slices"
	"time"
)

// The steps of operation rejoin, in order. Until splice nobody pulls from the
// returning member, and the ring is whole without it; afterwards it is whole
// with it.
const (
	RejoinJudge   Cursor = "judge"   // closed; what only it holds is read and judged (S8)
	RejoinPrepare Cursor = "prepare" // identity, slot, settings
	RejoinCatchUp Cursor = "catch up"
	RejoinSplice  Cursor = "splice" // its downstream follows it
	RejoinAdmit   Cursor = "admit"  // verified
)

func rejoinCursors() []Cursor {
	return []Cursor{RejoinJudge, RejoinPrepare, RejoinCatchUp, RejoinSplice, RejoinAdmit}
}

func nextRejoin(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	m, _ := s.Member(op.Member)
	for _, other := range s.Members { // a new loss comes first
		if verdict := judge(s, other, o, now); other.State == MemberActive && verdict.lost {
			return commit(GiveUpRejoin{Operation: op.ID}, "%s; that is healed first", verdict.why)
		}
	}
	seen, ok := o.Good(m.ID, now)
	if !ok {
		if now.Sub(seen.Since) > silentFor && (seen.Reach == ReachRefused || seen.Reach == ReachSilent) {
			return commit(GiveUpRejoin{Operation: op.ID}, "member %s is lost again: %s", m.ID, describeReach(seen, now))
		}
		if todo := refill(m, seen); todo != "" {
			return commit(GiveUpRejoin{Operation: op.ID}, "%s", todo)
		}
		if seen.Reach == ReachDenied && now.Sub(seen.Since) > unheardFor {
			return commit(GiveUpRejoin{Operation: op.ID}, "member %s can not be acted on: %s", m.ID, describeReach(seen, now))
		}
		if op.Cursor == RejoinSplice || op.Cursor == RejoinAdmit {
			return unheard(m.ID, seen, now) // its downstream follows it, which upkeep would undo
		}
		return meanwhile(s, m, unheard(m.ID, seen, now), o, now)
	}
	if seen.Room.full(now) {
		return commit(GiveUpRejoin{Operation: op.ID}, "the disk of member %s is full", m.ID)
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
	if op.Cursor != RejoinJudge && seen.Boot != m.Boot {
		return commit(GiveUpRejoin{Operation: op.ID}, "member %s was restarted meanwhile", m.ID)
	}
	if op.Cursor != RejoinJudge && op.Cursor != RejoinPrepare && !seen.Carries(m) {
		// Its token alone may be the work of a leader that was deposed before this process began, which
		// knows of no term (S122).
		return commit(GiveUpRejoin{Operation: op.ID}, "member %s was restarted meanwhile: it does not carry its identity", m.ID)
	}
	if op.Same && op.Cursor == RejoinJudge && seen.Boot != m.Boot {
		return commit(GiveUpRejoin{Operation: op.ID}, "member %s was restarted meanwhile", m.ID)
	}
	if step, ok := ackersConnected(s, alive, o, now); !ok {
		return step
	}
	switch op.Cursor {
	case RejoinJudge:
		return meanwhile(s, m, rejoinJudge(s, op, m, seen, alive, o, now), o, now)
	case RejoinPrepare:
		return meanwhile(s, m, rejoinPrepare(s, op, m, seen, o, now), o, now)
	case RejoinCatchUp:
		return meanwhile(s, m, rejoinCatchUp(s, op, m, upstream, o, now), o, now)
	case RejoinSplice:
		return rejoinSplice(s, op, m, upstream, o, now)
	case RejoinAdmit:
		return rejoinAdmit(op, m, upstream, o)
	}
	return stuck("operation %s stands at %q, which is not a step of rejoin", op.ID, op.Cursor)
}

// rejoinJudge closes the member for good and finds out what only it holds.
func rejoinJudge(s *Snapshot, op Operation, m Member, seen Observation, alive []Member, o Observations, now time.Time) Step {
	if seen.Asked.Before(op.Began) && !now.Before(op.Began) { // what a person has done to it just before counts
		return Step{Kind: StepWait, Why: fmt.Sprintf("member %s was looked at before this began", m.ID), Probe: []MemberID{m.ID}}
	}
	for _, other := range alive {
		if theirs, _ := o.Of(other.ID); theirs.Link.Upstream == m.Addr && theirs.Link.Receiver != ThreadStopped {
			return do(other.ID, Action{Kind: ActStopReceiver}, "nothing may come from %s before it is judged", m.ID)
		}
	}
	var held Position // how far the ring has come
	for _, other := range alive {
		theirs, _ := o.Of(other.ID)
		held = held.Union(theirs.Position())
	}
	cut, end := above(held, seen.Binlog, alive)
	own := known(m, o)
	step, isShut := shut(m, seen)
	if isShut || step.Kind == StepStuck { // what it applies breaks at its own transactions
		if why, emptied := emptiedBefore(s, op, m, seen, o, now); emptied {
			return commit(JudgeTail{Operation: op.ID, Tail: emptiedTail(m, why)}, "its binlog was emptied by hand")
		}
	}
	if !isShut {
		if applierBroke(seen) && len(cut) > 0 && held.Covers(seen.Unapplied()) {
			return do(m.ID, Action{Kind: ActStopReceiver, Elsewhere: held}, "its applier stopped at what only it holds: that is judged; what it received, the ring has")
		}
		return step
	}
	if seen.Boot != m.Boot {
		return do(m.ID, Action{Kind: ActStamp, Boot: m.Boot}, "what is judged is this process: another one would have to be judged again")
	}
	if m.Source != "" && seen.Domain != m.Domain() {
		return wait("member %s is another server: its server_uuid is %s, it was %s; bring the one back that it was", m.ID, seen.Settings.ServerUUID, m.Source)
	}
	if has := seen.Binlog.Seq(m.Domain()); has < own && m.Regain.Seq(m.Domain()) < own {
		return commit(RenewIdentity{Operation: op.ID, Old: m.Identity, Regain: m.regain(own)}, "%s has its own transactions up to %d, others have them up to %d", m.ID, has, own)
	}
	if len(cut) == 0 && op.Discard && !op.Renewed {
		return commit(RenewIdentity{Operation: op.ID, Old: m.Identity}, "the numbers of the transactions that were discarded are not given out again")
	}
	if len(cut) == 0 {
		tail := Tail{Cut: m.Cut, Verdict: TailEmpty, Why: "the ring has everything that it has"}
		return commit(JudgeTail{Operation: op.ID, Tail: tail}, "nothing is above the cut")
	}
	if from, buried := unread(m, seen.Binlog, cut); len(buried) > 0 {
		return judgeBuried(s, op, m, seen, from, buried, end)
	}
	if t := seen.Tail; t != nil && t.answers(cut, end) {
		return commit(JudgeTail{Operation: op.ID, Tail: *t}, "%s", t.Why)
	}
	return do(m.ID, Action{Kind: ActReadTail, Identity: m.Identity, Retired: m.Retired, After: cut, Layout: s.class(m)}, "it holds %d transactions that the ring does not have", cut.Behind(end))
}

// above returns where the ring ends and where the returning member does, in each
// domain in which that one has come further: its own, and those of members that are
// out, whose transactions may have been given up. What the ring does not have at
// all is cut at 0. A member that is in the ring has all of its own: where less was
// seen of it, that was seen earlier.
func above(held, has Position, alive []Member) (cut, end Position) {
	for _, g := range held.Missing(has) {
		if slices.ContainsFunc(alive, func(x Member) bool { return x.Domain() == g.Domain }) {
			continue
		}
		end = end.With(g)
		from, found := held.Last(g.Domain)
		if !found {
			from = GTID{Domain: g.Domain, Server: g.Server, Source: g.Source}
		}
		cut = cut.With(from)
	}
	return cut, end
}

// rejoinPrepare sets the member up. The disk of one that was restarted may be an
// older copy, and the only other member that knows out of reach: then it gets a new
// identity, under which it can give out no number twice.
func rejoinPrepare(s *Snapshot, op Operation, m Member, seen Observation, o Observations, now time.Time) Step {
	_, used := seen.Binlog.Last(m.Domain())
	if m.Source != "" && m.Unproven {
		if step, ok := proven(s, op, m, o, now); !ok {
			return step
		}
	} else if used && m.Unproven && !ownIsWhole(s, m, o, now) {
		if step, ok := detached(m, seen); !ok { // no identity changes while replication runs
			return step
		}
		return commit(RenewIdentity{Operation: op.ID, Old: m.Identity}, "not every other member can be asked whether it has later transactions of %s", m.ID)
	}
	if why := unprepared(s, m, seen); why != "" {
		if step, ok := detached(m, seen); op.Renewed && !ok {
			return step
		}
		return do(m.ID, prepareAction(s, m, false), "%s", why)
	}
	return advance(op, RejoinCatchUp, "identity, slot and settings are set")
}

// rejoinCatchUp lets the member follow, without acknowledging, until it has
// everything that its upstream had at an earlier look.
func rejoinCatchUp(s *Snapshot, op Operation, m, upstream Member, o Observations, now time.Time) Step {
	if step, ok := follow(s, m, upstream, false, o, now); !ok {
		return step
	}
	if step, ok := caughtUp(m, upstream, o); !ok {
		return step
	}
	return advance(op, RejoinSplice, "%s has what %s has", m.ID, upstream.ID)
}

// meanwhile is step, or what the others need while that waits: it may take hours,
// and the ring is whole without m. The one that m is about to leave is let alone.
func meanwhile(s *Snapshot, m Member, step Step, o Observations, now time.Time) Step {
	if step.Kind != StepWait && step.Kind != StepStuck {
		return step
	}
	seen, _ := o.Of(m.ID)
	upstream, _ := formerUpstream(s, m.ID)
	for _, other := range s.Members {
		leaves := seen.Link.Upstream == other.Addr && other.ID != upstream.ID
		if other.State != MemberActive || other.ID == m.ID || leaves {
			continue
		}
		if kept := upkeepMember(s, other, o, now); kept.Kind == StepDo || kept.Kind == StepCommit {
			return kept
		}
	}
	return step
}

// caughtUp reports whether m has everything that upstream was seen to have
// before. As heartbeats never stop, that also verifies the link.
func caughtUp(m, upstream Member, o Observations) (Step, bool) {
	seen, _ := o.Of(m.ID)
	up, _ := o.Of(upstream.ID)
	theirs, at, known := up.PositionBefore(seen.Asked)
	needed := theirs.Union(m.Regain)
	if m.Source == "" {
		needed = theirs.Without(m.Domain())
	}
	switch {
	case !known || at.Before(seen.Link.Since):
		return wait("the position of %s was read before that of %s", m.ID, upstream.ID), false
	case !seen.Position().Covers(needed):
		return wait("%s catches up with %s: %d transactions to go", m.ID, upstream.ID, seen.Position().Behind(theirs)), false
	}
	return Step{}, true
}

// rejoinSplice makes the member's downstream follow it: from here its tail, if
// it has one, flows. Then it acknowledges to its upstream.
func rejoinSplice(s *Snapshot, op Operation, m, upstream Member, o Observations, now time.Time) Step {
	down, _ := formerDownstream(s, m.ID)
	if step, ok := follow(s, down, m, true, o, now); !ok {
		return step
	}
	if step, ok := caughtUp(down, m, o); !ok {
		return step
	}
	if step, ok := follow(s, m, upstream, true, o, now); !ok {
		return step
	}
	return advance(op, RejoinAdmit, "%s follows %s, %s follows %s", m.ID, upstream.ID, down.ID, m.ID)
}

func rejoinAdmit(op Operation, m, upstream Member, o Observations) Step {
	if step, ok := caughtUp(m, upstream, o); !ok {
		return step
	}
	return commit(Readmit{Operation: op.ID}, "%s is linked, caught up and verified", m.ID)
}
