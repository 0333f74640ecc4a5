package apitest

import "github.com/sqlring/sqlring/pkg/topology"

// nextOfMove returns what ends the step that a move is at.
func nextOfMove(op topology.Operation) topology.Change {
	switch op.Cursor {
	case topology.MoveReady:
		return topology.DrainUnit{Operation: op.ID}
	case topology.MoveDrain:
		return topology.TakeUnit{Operation: op.ID}
	case topology.MoveFence:
		return topology.AdvanceOperation{Operation: op.ID, From: op.Cursor, To: topology.MoveCatchUp}
	}
	return topology.EndMove{Operation: op.ID, From: op.Cursor, SemiSync: topology.SemiSyncArmed}
}
