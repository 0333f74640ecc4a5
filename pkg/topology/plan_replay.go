package topology

import (
	"fmt"
	"time"
)

// The steps of operation replay, in order. The member stays in quarantine; the ring is
// whole without it, and comes first.
const (
	ReplayJudge Cursor = "judge"  // it is shut, and stands still
	ReplayWrite Cursor = "replay" // transaction by transaction, at the owners (S54-S56)
)

func replayCursors() []Cursor { return []Cursor{ReplayJudge, ReplayWrite} }

func nextReplay(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	if step := upkeep(s, o, now); step.Kind == StepDo || step.Kind == StepCommit || waitsForWord(s, step, o, now) {
		return step
	}
	m, ok := s.Member(op.Member)
	if !ok {
		return stuck("operation %s is about %s, which is not a member", op.ID, op.Member)
	}
	seen, good := o.Good(m.ID, now)
	if !good {
		step := unheard(m.ID, seen, now)
		step.Until = time.Time{} // the ring is whole without it
		return step
	}
	alive, step, ok := roll(s, o, now)
	if !ok {
		return step
	}
	for _, other := range alive {
		if theirs, _ := o.Of(other.ID); theirs.Link.Upstream == m.Addr && theirs.Link.Receiver != ThreadStopped {
			return do(other.ID, Action{Kind: ActStopReceiver}, "nothing may come from %s: it is replayed", m.ID)
		}
	}
	if step, ok := shut(m, seen); !ok {
		return step
	}
	var held Position // how far the ring has come
	for _, other := range alive {
		theirs, _ := o.Of(other.ID)
		held = held.Union(theirs.Position())
	}
	cut, end := above(held, seen.Binlog, alive)
	switch op.Cursor {
	case ReplayJudge:
		return advance(op, ReplayWrite, "it is shut: what it holds does not grow")
	case ReplayWrite:
		return replayWrite(s, op, seen, cut, end, now)
	}
	return stuck("operation %s stands at %q, which is not a step of replay", op.ID, op.Cursor)
}

// ReplayTrial returns the action by which a replay of a member is tried, as things are
// now; why is set if it can not be.
func ReplayTrial(s *Snapshot, id MemberID, o Observations, now time.Time) (a Action, why string) {
	m, _ := s.Member(id)
	seen, good := o.Good(id, now)
	if !good {
		return a, fmt.Sprintf("%s does not answer: %s", id, describeReach(seen, now))
	}
	alive, step, ok := roll(s, o, now)
	if !ok {
		return a, step.Why
	}
	var held Position
	for _, other := range alive {
		theirs, _ := o.Of(other.ID)
		held = held.Union(theirs.Position())
	}
	order, lacks := ReplayOrderOf(s, "")
	cut, _ := above(held, seen.Binlog, alive)
	switch buried := Buried(s, id, o, now); {
	case lacks != "":
		return a, fmt.Sprintf("unit %s has no owner at present", lacks)
	case len(cut) == 0:
		return a, fmt.Sprintf("the ring has everything that %s has", id)
	case buried != "":
		return a, buried
	}
	order.Trial = true
	return Action{Kind: ActReplay, Identity: m.Identity, Retired: m.Retired, After: cut, Replay: order}, ""
}

// ownerlessFor is how long a replay waits for an owner.
const ownerlessFor = 30 * time.Second

func replayWrite(s *Snapshot, op Operation, seen Observation, cut, end Position, now time.Time) Step {
	m, _ := s.Member(op.Member)
	if len(cut) == 0 {
		return commit(EndReplay{Operation: op.ID}, "the ring has everything that it has")
	}
	if _, buried := unread(m, seen.Binlog, cut); len(buried) > 0 {
		return commit(AbortOperation{Operation: op.ID}, "%s", buriedWhy(m, buried))
	}
	if r := seen.Replay; r != nil && r.Operation == op.ID && r.Cut.Covers(cut) && cut.Covers(r.Cut) && r.End.Covers(end) {
		return commit(EndReplay{Operation: op.ID, Sum: r.Sum}, "%s", r.Sum)
	}
	order, lacks := ReplayOrderOf(s, op.ID)
	waits := op.Moved
	if u, _ := s.Unit(lacks); u.Since.After(waits) {
		waits = u.Since // it was lost while this was under way
	}
	switch {
	case lacks != "" && now.Sub(waits) > ownerlessFor:
		// Under degraded refuse, in a ring of two, it is m that is waited for.
		return commit(AbortOperation{Operation: op.ID}, "unit %s has had no owner for %s, and may get none before %s is back: sqlring master reclone %s, and what only it holds is kept; or: sqlring master rejoin %s --let-flow", lacks, ownerlessFor, m.ID, m.ID, m.ID)
	case lacks != "":
		return wait("unit %s has no owner at present", lacks)
	}
	return do(m.ID, Action{Kind: ActReplay, Identity: m.Identity, Retired: m.Retired, After: cut, Replay: order},
		"it holds %d transactions that the ring does not have", cut.Behind(end))
}
