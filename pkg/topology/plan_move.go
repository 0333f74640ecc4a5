package topology

import (
	"fmt"
	"slices"
	"time"
)

// The steps of operation move, in order. A division, and a join, goes from drain to fence, and
// expel where it has to, with the same member as old and new owner. Writes of the unit wait from drain to the
// end, and at no other time. Until take, which leads to fence, nothing has changed
// but that they wait; from there on the unit has no owner, and the way ends with
// the new one or, through back, with the old one. A crash between any two steps
// leaves a unit whose writes wait and the same step to be taken again; a loss of any
// member ends the move, and its heal decides (BeginHeal).
const (
	MoveReady   Cursor = "ready"    // the new owner is linked, has caught up, and is open; its acker is there
	MoveDrain   Cursor = "drain"    // proxies let what was begun end, and begin nothing
	MoveFence   Cursor = "fence"    // no lease is left (S3), nothing of the ended epoch is on its way (S14)
	MoveExpel   Cursor = "expel"    // where proxies can not say so: connections that may carry such a write are gone
	MoveCatchUp Cursor = "catch up" // the new owner has all that the old one has, and is armed
	MoveBack    Cursor = "back"     // the old owner is opened again, and gets the unit back
)

func moveCursors() []Cursor {
	return []Cursor{MoveReady, MoveDrain, MoveFence, MoveExpel, MoveCatchUp}
}

// How long a move may take. Past the first a new owner that is not ready is not
// worth waiting for; past the second the unit goes back: its writes wait.
const (
	readyFor    = 30 * time.Second
	handOverFor = 5 * time.Second
	// graceOver is how long after Grace a proxy is still believed to be cutting.
	graceOver = 100 * time.Millisecond
	// settleFor is how long after the take proxies may become quiet: an answer may be
	// on its way just then, and to end connections costs every client on them more.
	settleFor = 100 * time.Millisecond
)

// DefaultGrace is how long transactions in flight may take to end in a move.
const DefaultGrace = time.Second

// move is what the steps of a move look at.
type move struct {
	s        *Snapshot
	op       Operation
	units    []Unit // whose writes wait
	from, to Member
	old, new Observation // of from and to; they answer with the admitted process
	o        Observations
	now      time.Time
}

func nextMove(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	if allRestarted(s, "", o, now) {
		return commit(BeginRestart{}, "every member was restarted, and each has its disk")
	}
	if step, lost := lossInMove(s, op, o, now); lost {
		return step
	}
	mv := move{s: s, op: op, o: o, now: now}
	for _, id := range op.stopped() {
		unit, _ := s.Unit(id)
		mv.units = append(mv.units, unit)
	}
	mv.from, _ = s.Member(op.Former)
	mv.to, _ = s.Member(op.Heir)
	var oldGood, newGood bool
	mv.old, oldGood = o.Good(op.Former, now)
	mv.new, newGood = o.Good(op.Heir, now)
	for _, unit := range mv.units {
		if mv.early() && unit.Owner != op.Former {
			return commit(TurnBack{Operation: op.ID, From: op.Cursor}, "unit %s was taken from %s meanwhile", unit.ID, op.Former)
		}
	}
	if step, late := mv.late(); late {
		return step
	}
	switch {
	case !oldGood:
		return mv.asks(unheard(op.Former, mv.old, now), op.Former, op.Heir) // what the new one has by now may do
	case !newGood && op.Cursor != MoveBack:
		return mv.asks(unheard(op.Heir, mv.new, now), op.Heir)
	}
	if op.Cursor != MoveBack {
		if step, ok := ackersConnected(s, []Member{mv.from, mv.to}, o, now); !ok {
			return step
		}
	}
	switch op.Cursor {
	case MoveReady:
		return mv.relinked(mv.ready())
	case MoveDrain:
		return mv.drain()
	case MoveFence:
		return mv.fence()
	case MoveExpel:
		return mv.expel()
	case MoveCatchUp:
		return mv.catchUp()
	case MoveBack:
		return mv.back()
	}
	return stuck("operation %s stands at %q, which is not a step of move", op.ID, op.Cursor)
}

// early reports whether the unit is still the old owner's.
func (mv move) early() bool { return mv.op.Cursor == MoveReady || mv.op.Cursor == MoveDrain }

// asks has the members asked at once while writes of the unit wait.
func (mv move) asks(step Step, members ...MemberID) Step {
	if step.Kind == StepWait && mv.op.Cursor != MoveReady {
		step.Probe = members
	}
	return step
}

// late gives a move up that takes too long.
func (mv move) late() (Step, bool) {
	limit := handOverFor
	switch mv.op.Cursor {
	case MoveReady:
		limit = readyFor
	case MoveDrain:
		limit += mv.op.Grace
	case MoveBack:
		return Step{}, false // there is nowhere else to go
	}
	// Moved is when the step began; from the take on, the epoch's beginning counts.
	began := mv.op.Moved
	if !mv.early() {
		began = mv.units[0].Since
	}
	if mv.now.Sub(began) <= limit {
		return Step{}, false
	}
	why := mv.lacks()
	return commit(TurnBack{Operation: mv.op.ID, From: mv.op.Cursor}, "step %q took more than %s: %s", mv.op.Cursor, limit, why), true
}

// lacks says what the present step still waits for.
func (mv move) lacks() string {
	for _, seen := range []Observation{mv.old, mv.new} {
		if seen.Reach != ReachAnswers || mv.now.Sub(seen.At) > MaxAge {
			return fmt.Sprintf("member %s does not answer: %s", seen.Member, describeReach(seen, mv.now))
		}
	}
	switch mv.op.Cursor {
	case MoveReady:
		return mv.ready().Why
	case MoveFence:
		return mv.fence().Why
	case MoveExpel:
		return mv.expel().Why
	case MoveCatchUp:
		return mv.catchUp().Why
	}
	return "proxies do not answer"
}

// ready prepares the new owner as far as can be done while the old one writes.
func (mv move) ready() Step {
	if why := unprepared(mv.s, mv.to, mv.new); why != "" {
		return commit(TurnBack{Operation: mv.op.ID, From: MoveReady}, "%s is not set up: %s", mv.to.ID, why)
	}
	link := mv.new.Link
	upstream, _ := mv.s.Upstream(mv.to.ID)
	if link.Upstream != upstream.Addr || link.Receiver != ThreadRunning || link.Applier != ThreadRunning {
		return wait("%s does not follow %s: receiver %s, applier %s", mv.to.ID, upstream.ID, link.Receiver, link.Applier)
	}
	if step, ok := mv.ackerThere(); !ok {
		return step
	}
	if step, ok := caughtUp(mv.to, mv.from, mv.o); !ok {
		return step
	}
	if mv.old.Events.More {
		return commit(TurnBack{Operation: mv.op.ID, From: MoveReady}, "%s has more than %d events, and which of them are to run at %s can not be told; drop or part some", mv.from.ID, MaxEventsSeen, mv.to.ID)
	}
	if mv.new.ReadOnly {
		return do(mv.to.ID, openAction(mv.to), "it is to own %s, and is opened before writes have to wait for that", stoppedNames(mv.op))
	}
	return commit(DrainUnit{Operation: mv.op.ID}, "%s is open and has caught up", mv.to.ID)
}

// relinked is step, or what mends a link of the ring while that waits (S98): it may wait for
// just that, and upkeep does not run beside a move.
func (mv move) relinked(step Step) Step {
	if step.Kind != StepWait {
		return step
	}
	for _, m := range mv.s.Members {
		seen, good := mv.o.Good(m.ID, mv.now)
		if !good || m.State != MemberActive || seen.Boot != m.Boot || unprepared(mv.s, m, seen) != "" {
			continue
		}
		link, fine := upkeepLink(mv.s, m, seen, mv.o, mv.now)
		if !fine && (link.Kind == StepDo || link.Kind == StepCommit) {
			return link
		}
	}
	return step
}

// ackerThere reports whether the new owner can be armed once it has everything.
func (mv move) ackerThere() (Step, bool) {
	if mv.s.Ring.Durability != DurabilitySemiSync {
		return Step{}, true
	}
	acker, ok := mv.s.Downstream(mv.to.ID)
	if !ok {
		return wait("%s has nobody who could acknowledge its commits", mv.to.ID), false
	}
	down, _ := mv.o.Good(acker.ID, mv.now)
	linked := down.Link.Upstream == mv.to.Addr && down.Link.Receiver == ThreadRunning
	if step, is := mv.outsiderAcks(); is {
		return step, false
	}
	if !linked || !down.Settings.AckerEnabled || mv.new.SemiSync.Ackers != 1 {
		return wait("%s, which is to acknowledge the commits of %s, is not connected to it as its only acker", acker.ID, mv.to.ID), false
	}
	return Step{}, true
}

// outsiderAcks finds a member that is out of the ring, answers again, and acknowledges to
// the new owner as it did before: it is shut (S8), and let back in when the move is over.
func (mv move) outsiderAcks() (Step, bool) {
	for _, m := range mv.s.Members {
		seen, good := mv.o.Good(m.ID, mv.now)
		out := m.State == MemberDown || m.State == MemberHeld || m.State == MemberQuarantined || m.State == MemberMaintained
		if !good || !out || seen.Link.Upstream != mv.to.Addr || !seen.SemiSync.Acking {
			continue
		}
		if step, closed := shut(m, seen); !closed {
			return step, true
		}
	}
	return Step{}, false
}

// drain waits until proxies have nothing under way in the unit, or Grace is over.
func (mv move) drain() Step {
	take := TakeUnit{Operation: mv.op.ID}
	names := stoppedNames(mv.op)
	if mv.calm() {
		return commit(take, "nothing is under way in %s", names)
	}
	if waited := mv.now.Sub(mv.op.Moved); waited > mv.op.Grace+graceOver {
		if node := unanswerable(mv.s, mv.o, mv.now); node != "" {
			return commit(TurnBack{Operation: mv.op.ID, From: mv.op.Cursor}, "node %s is silent, and its lease does not end by itself: %s would have no owner until it speaks", node, names)
		}
		return commit(take, "work in %s has not ended within %s, it is cut", names, mv.op.Grace)
	}
	return wait("proxies let work in %s end", names)
}

// calm reports whether every proxy has said that nothing is under way in the units.
func (mv move) calm() bool {
	return !slices.ContainsFunc(mv.units, func(u Unit) bool { return !quiet(u, mv.o, mv.now) })
}

// remembered reports whether all that was acknowledged in the units is known.
func (mv move) remembered() bool {
	return !slices.ContainsFunc(mv.units, func(u Unit) bool { return !remembered(u, mv.o, mv.now) })
}

// quiet reports whether every proxy has said that nothing is under way in the unit,
// in its present epoch.
func quiet(unit Unit, o Observations, now time.Time) bool {
	for _, node := range o.Nodes {
		found := false
		for _, w := range o.Writers {
			found = found || w.Node == node && w.Unit == unit.ID && w.Epoch == unit.Epoch && w.Quiet && now.Sub(w.At) <= LeaseTTL
		}
		if !found {
			return false
		}
	}
	return len(o.Nodes) > 0
}

// fence sees to it that nobody acknowledges a write of the ended epoch any more (S3),
// and none is on its way (S14).
func (mv move) fence() Step {
	if step, over := leasesOver(mv.s, mv.o, mv.now); !over {
		return step
	}
	calm, names := mv.calm(), stoppedNames(mv.op)
	switch {
	case !calm && mv.remembered() && mv.now.Sub(mv.units[0].Since) < settleFor:
		return wait("proxies are about to say that nothing is under way in %s", names)
	case !calm || !mv.remembered():
		return advance(mv.op, MoveExpel, "no lease on %s is left, but not every proxy can say that nothing of it is under way at %s", names, mv.from.ID)
	case mv.op.Kind != OperationMove:
		return mv.repartition()
	case mv.s.Owns(mv.from.ID):
		return advance(mv.op, MoveCatchUp, "no lease on %s is left, and nothing is under way in it", names)
	}
	return mv.closed()
}

// expel ends the connections at the old owner that were there when no lease was left:
// one of them may carry a write that no proxy answers for.
func (mv move) expel() Step {
	switch {
	case mv.op.Below == 0 && !mv.old.Asked.After(mv.op.Moved):
		return mv.asks(wait("the connections at %s were counted before the leases were over", mv.from.ID), mv.from.ID)
	case mv.op.Below == 0 && mv.old.Apps > 0:
		return commit(FenceUnit{Operation: mv.op.ID, Below: mv.old.AppsTo}, "%d connections of applications are at %s", mv.old.Apps, mv.from.ID)
	case mv.old.Apps > 0 && mv.old.AppsFrom <= mv.op.Below:
		return do(mv.from.ID, Action{Kind: ActExpel, Below: mv.op.Below}, "connections up to %d may carry a write of the ended epoch", mv.op.Below)
	}
	if mv.op.Kind != OperationMove {
		return mv.repartition()
	}
	return advance(mv.op, MoveCatchUp, "no connection is left that could carry a write of the ended epoch")
}

// repartition ends a division, or a join: nobody writes by the old partition any more.
func (mv move) repartition() Step {
	if mv.s.refuses(mv.from.ID) {
		return commit(TurnBack{Operation: mv.op.ID, From: mv.op.Cursor}, "%s has no acker, and degraded is refuse", mv.from.ID)
	}
	var end Change = EndDivide{Operation: mv.op.ID, From: mv.op.Cursor, Proxies: proxies(mv.o)}
	if mv.op.Kind == OperationJoin {
		end = EndJoin{Operation: mv.op.ID, From: mv.op.Cursor, Proxies: proxies(mv.o)}
	}
	return commit(end, "no lease by the old partition is left, and nothing is under way in %s", stoppedNames(mv.op))
}

// catchUp is the rest of the way where that could not be gone at once.
func (mv move) catchUp() Step {
	if !mv.s.Owns(mv.from.ID) {
		return mv.closed()
	}
	if !mv.old.Asked.After(mv.op.Moved) {
		return mv.asks(wait("the position of %s was read before the unit was fenced", mv.from.ID), mv.from.ID)
	}
	return mv.handOver()
}

// closed closes an old owner that keeps no unit. The position of one that is seen to
// be closed is its last; that of one that keeps another unit counts once it was read
// after the step before.
func (mv move) closed() Step {
	if !mv.old.ReadOnly {
		return do(mv.from.ID, Action{Kind: ActClose}, "no lease on %s is left: what it has then is all that it wrote", stoppedNames(mv.op))
	}
	return mv.handOver()
}

// handOver waits until the new owner has everything that the old one has (S4), arms
// it, and grants.
func (mv move) handOver() Step {
	if step, ok := mv.eventsHandedOver(); !ok {
		return step
	}
	switch {
	case !mv.new.Position().Covers(mv.old.Position()):
		return mv.asks(wait("%s catches up with %s: %s", mv.to.ID, mv.from.ID, mv.new.Position().Missing(mv.old.Position())), mv.to.ID)
	case mv.new.ReadOnly:
		return do(mv.to.ID, openAction(mv.to), "somebody has closed it meanwhile")
	}
	order := SemiSyncOff
	if mv.s.Ring.Durability == DurabilitySemiSync {
		acker, _ := mv.s.Downstream(mv.to.ID)
		if step, ok := armed(mv.s, mv.to, mv.o); !ok {
			return mv.asks(step, acker.ID, mv.to.ID)
		}
		order = SemiSyncArmed
	}
	return commit(EndMove{Operation: mv.op.ID, From: mv.op.Cursor, SemiSync: order, Proxies: proxies(mv.o)}, "%s has all that %s wrote", mv.to.ID, mv.from.ID)
}

// back gives the unit back to its old owner, which has everything.
func (mv move) back() Step {
	if why := unprepared(mv.s, mv.from, mv.old); why != "" {
		if step, ok := answered(mv.s, mv.from, mv.o, mv.now); !ok {
			return step // of another unit: to close it waits behind them
		}
		return do(mv.from.ID, prepareAction(mv.s, mv.from, false), "%s", why)
	}
	if mv.old.ReadOnly {
		return do(mv.from.ID, openAction(mv.from), "it gets %s back", stoppedNames(mv.op))
	}
	if step, over := leasesOver(mv.s, mv.o, mv.now); !over {
		return step
	}
	return commit(EndMove{Operation: mv.op.ID, From: MoveBack, SemiSync: mv.from.SemiSync, Proxies: proxies(mv.o)}, "%s has everything, and is open", mv.from.ID)
}
