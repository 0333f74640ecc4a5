package apitest

import "github.com/sqlring/sqlring/pkg/topology"

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
