package topology

import "fmt"

// AdvanceOperation moves the cursor of the running operation by one step.
type AdvanceOperation struct {
	Operation OperationID `json:"operation"`
	From      Cursor      `json:"from"`
	To        Cursor      `json:"to"`
}

func (a AdvanceOperation) String() string {
	return fmt.Sprintf("advance %s from %q to %q", a.Operation, a.From, a.To)
}

func (a AdvanceOperation) apply(s *Snapshot, c Command) error {
	op, err := s.expect(a.Operation, a.From)
	if err != nil {
		return err
	}
	if !follows(op.Kind, a.From, a.To) {
		return fmt.Errorf("%w: %s has no step from %q to %q", ErrLaw, op.Kind, a.From, a.To)
	}
	if op.copies() && (a.To == AddBack || a.From == AddPrepare || a.From == AddCopy) {
		return fmt.Errorf("%w: %s does not come from %q to %q by itself", ErrLaw, op.Kind, a.From, a.To)
	}
	if op.Kind == OperationResize && a.From == ResizeMark {
		return fmt.Errorf("%w: %s is left by what the members have", ErrLaw, a.From)
	}
	op.Cursor, op.Moved = a.To, c.At.UTC()
	if op.Kind == OperationResize && a.To == ResizeSweep {
		s.switched(c.At)
	}
	if op.Kind == OperationRejoin && a.To == RejoinCatchUp {
		s.Members[s.memberIndex(op.Member)].Unproven = false
	}
	return nil
}

// cursors returns the steps of a plan, in order.
func cursors(kind OperationKind) []Cursor {
	switch kind {
	case OperationInit:
		return initCursors()
	case OperationHeal:
		return healCursors()
	case OperationRejoin:
		return rejoinCursors()
	case OperationRestart:
		return restartCursors()
	case OperationMove, OperationDivide, OperationJoin:
		return moveCursors()
	case OperationRemove:
		return removeCursors()
	case OperationDissolve:
		return dissolveCursors()
	case OperationMaintain:
		return removeCursors()[:3]
	case OperationAdd, OperationReclone:
		return addCursors()
	case OperationResize:
		return resizeCursors()
	case OperationAdopt:
		return adoptCursors()
	case OperationReplay:
		return replayCursors()
	case OperationNone:
	}
	return nil
}

func follows(kind OperationKind, from, to Cursor) bool {
	if kind == OperationMove && from == MoveFence && to == MoveCatchUp {
		return true // nobody has to be expelled
	}
	steps := cursors(kind)
	for i := 1; i < len(steps); i++ {
		if steps[i-1] == from && steps[i] == to {
			return true
		}
	}
	return false
}

// AbortOperation ends the running operation before its point of no return. What
// it leaves is safe: members that it closed stay closed, and a member that was
// being let back in stays out until the DBA lets it in.
type AbortOperation struct {
	Operation OperationID `json:"operation"`
}

func (a AbortOperation) String() string { return fmt.Sprintf("abort %s", a.Operation) }

func (a AbortOperation) apply(s *Snapshot, c Command) error {
	op, err := s.expect(a.Operation, "")
	if err != nil {
		return err
	}
	switch {
	case op.Kind == OperationRejoin && op.Cursor != RejoinSplice && op.Cursor != RejoinAdmit:
		s.record(c, "rejoin", op.Member, fmt.Sprintf("%s aborted at %q", op.ID, op.Cursor))
		c.Why = fmt.Sprintf("its return (%s) was aborted: %s; to let it in: sqlring master rejoin %s", op.ID, c.Why, op.Member)
		s.endRejoin(op, MemberHeld, c)
		return nil
	case op.copies() && op.suspendable():
		op.Cursor, op.Moved = AddBack, c.At.UTC()
		s.record(c, "operation", op.Member, fmt.Sprintf("%s %s is turned back", op.Kind, op.ID))
		return nil
	case op.Planned() && op.Cursor != MoveBack:
		s.turnBack(op, c)
		return nil
	case op.dissolving():
		s.endDissolve(c)
		return nil
	case op.Kind == OperationResize:
		s.takeResizeBack(c)
		return nil
	case op.leaves() && op.Cursor != RemoveClean:
		s.record(c, op.Kind.String(), op.Member, fmt.Sprintf("%s aborted at %q", op.ID, op.Cursor))
		s.stay(op.Member)
		s.endLeave(c)
		return nil
	case op.Kind == OperationReplay:
		op.State, op.Ended = OperationAborted, c.At.UTC()
		s.record(c, "replay", op.Member, fmt.Sprintf("%s aborted at %q: what was replayed stays", op.ID, op.Cursor))
		return nil
	case op.Kind == OperationAdopt && op.Cursor != AdoptBack:
		s.abortAdopt(op, c)
		return nil
	case op.Kind != OperationInit || op.Cursor == InitOpen: // the owner, or the tail, may be in use already
		return fmt.Errorf("%w: %s %s can not be aborted at %q: it is past its point of no return", ErrLaw, op.Kind, op.ID, op.Cursor)
	}
	op.State, op.Ended = OperationAborted, c.At.UTC()
	s.record(c, "operation", "", fmt.Sprintf("%s %s aborted at %q", op.Kind, op.ID, op.Cursor))
	s.Ring, s.Members, s.Units, s.Operations = nil, nil, nil, nil
	return nil
}
