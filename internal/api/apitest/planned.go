package apitest

import (
	"slices"

	"github.com/sqlring/sqlring/pkg/topology"
)

// nextOfMove returns what ends the step that a move is at.
func nextOfMove(op topology.Operation) topology.Change {
	switch op.Cursor {
	case topology.MoveBack:
		return topology.EndMove{Operation: op.ID, From: op.Cursor, SemiSync: topology.SemiSyncArmed}
	case topology.MoveReady:
		return topology.DrainUnit{Operation: op.ID}
	case topology.MoveDrain:
		return topology.TakeUnit{Operation: op.ID}
	case topology.MoveFence:
		if op.Kind == topology.OperationDivide {
			return topology.EndDivide{Operation: op.ID, From: op.Cursor}
		}
		if op.Kind == topology.OperationJoin {
			return topology.EndJoin{Operation: op.ID, From: op.Cursor}
		}
		return topology.AdvanceOperation{Operation: op.ID, From: op.Cursor, To: topology.MoveCatchUp}
	}
	return topology.EndMove{Operation: op.ID, From: op.Cursor, SemiSync: topology.SemiSyncArmed}
}

// drain begins the move of a unit that a drained member owns.
func (n *Node) drain() {
	for _, u := range n.State.Units {
		owner, _ := n.State.Member(u.Owner)
		if !owner.Drained || u.Pinned {
			continue
		}
		for _, m := range n.State.Members {
			if m.State == topology.MemberActive && !m.Drained {
				n.apply(topology.BeginMove{Unit: u.ID, To: m.ID}, "controller@n1", string(owner.ID)+" is drained")
				return
			}
		}
	}
}

// nextOfLeave returns what ends the step that the taking out of a member is at.
func nextOfLeave(op topology.Operation) topology.Change {
	steps := []topology.Cursor{topology.RemoveClose, topology.RemoveCatchUp, topology.RemoveWire, topology.RemoveDetach, topology.RemoveVerify, topology.RemoveClean}
	switch op.Cursor {
	case topology.RemoveWire:
		return topology.Unlink{Operation: op.ID}
	case topology.RemoveClean:
		return topology.EndRemove{Operation: op.ID}
	}
	return topology.AdvanceOperation{Operation: op.ID, From: op.Cursor, To: steps[slices.Index(steps, op.Cursor)+1]}
}

// begin begins to take a member out that is to leave and owns nothing.
func (n *Node) begin() {
	if _, running := n.State.Running(); running {
		return
	}
	for _, m := range n.State.Members {
		if m.Leaving != nil && m.State == topology.MemberActive && !n.State.Owns(m.ID) {
			n.apply(topology.BeginLeave{Member: m.ID}, "controller@n1", string(m.ID)+" is to leave, and owns nothing")
			return
		}
	}
}

// nextOfDissolve returns what ends the step that the end of a ring is at.
func nextOfDissolve(op topology.Operation) topology.Change {
	steps := []topology.Cursor{topology.DissolveFence, topology.DissolveSettle, topology.DissolveDetach, topology.DissolveClean, topology.DissolveOpening}
	switch op.Cursor {
	case topology.DissolveDrain:
		return topology.TakeUnits{Operation: op.ID}
	case topology.DissolveOpening:
		return topology.EndDissolve{Operation: op.ID}
	}
	return topology.AdvanceOperation{Operation: op.ID, From: op.Cursor, To: steps[slices.Index(steps, op.Cursor)+1]}
}
