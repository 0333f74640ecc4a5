package topology

import "time"

// Next returns the one thing to do next: for the running operation if there is
// one, else to keep the ring as the intent says. It is level-triggered: asked
// again with the same arguments it gives the same answer, and an action that
// was done already is seen by its post-condition and not asked for again.
func Next(s *Snapshot, o Observations, now time.Time) Step {
	if s.Ring == nil {
		return idle("there is no ring yet")
	}
	if step, found := noteEmptied(s, o, now); found {
		return step
	}
	op, ok := s.Running()
	if !ok {
		return upkeep(s, o, now)
	}
	step := nextOf(s, op, o, now)
	if step.Kind == StepWait && !step.Until.IsZero() && now.After(step.Until) {
		return stuck("%s; it has been so for more than %s: mend that, or stop that server, and it counts as lost", step.Why, unheardFor)
	}
	return step
}

// nextOf is the next step of an operation.
func nextOf(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	switch op.Kind {
	case OperationInit:
		return nextInit(s, op, o, now)
	case OperationHeal:
		return nextHeal(s, op, o, now)
	case OperationRejoin:
		return nextRejoin(s, op, o, now)
	case OperationRestart:
		return nextRestart(s, op, o, now)
	case OperationMove, OperationDivide, OperationJoin:
		return nextMove(s, op, o, now)
	case OperationRemove, OperationMaintain:
		return nextLeave(s, op, o, now)
	case OperationDissolve:
		return nextDissolve(s, op, o, now)
	case OperationAdd, OperationReclone:
		return nextAdd(s, op, o, now)
	case OperationResize:
		return nextResize(s, op, o, now)
	case OperationAdopt:
		return nextAdopt(s, op, o, now)
	case OperationReplay:
		return nextReplay(s, op, o, now)
	case OperationNone:
	}
	return stuck("operation %s is of a kind that this release does not know: %s", op.ID, op.Kind)
}
