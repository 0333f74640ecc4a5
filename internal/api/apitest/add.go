package apitest

import (
	"context"

	"github.com/sqlring/sqlring/pkg/topology"
)

// nextOfAdd returns what ends a step of an add that is not just gone on from.
func (n *Node) nextOfAdd(op topology.Operation) topology.Change {
	m, _ := n.State.Member(op.Member)
	switch op.Cursor {
	case topology.AddPrepare:
		return topology.ChooseSource{Operation: op.ID, Source: n.State.Members[0].ID}
	case topology.AddCopy:
		sum := topology.CopySum{Tables: 12, Rows: 3400, Bytes: 5_600_000, Took: 780_000_000}
		return topology.Copied{Operation: op.ID, ID: m.Copy.ID, Position: n.Mark, Sum: sum}
	case topology.AddBack:
		return topology.LeaveAdd{Operation: op.ID}
	}
	return nil
}

// LookAt sees of servers what Strangers has.
func (n *Node) LookAt(context.Context, []topology.Member) topology.Observations {
	return n.Strangers
}

// TryReplay finds one transaction that can be replayed, and one that conflicts.
func (n *Node) TryReplay(context.Context, topology.Member, topology.Action) (topology.Replay, error) {
	return topology.Replay{
		Sum: topology.ReplaySum{Replayed: 1, Conflicts: 1, First: "101-101-9: the ring has such a row"},
		Lines: []topology.ReplayLine{
			{GTID: "101-101-8", Tables: []string{"insert shop.card (2)"}, Fate: "replayed"},
			{GTID: "101-101-9", Tables: []string{"insert shop.card (1)"}, Fate: "conflict", Why: "the ring has such a row"},
		},
	}, nil
}

// CheckCopy finds that all is as it has to be, or what Checks has instead.
func (n *Node) CheckCopy(_ context.Context, q topology.CopyInquiry) []topology.CopyCheck {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Checks != nil {
		return n.Checks
	}
	return []topology.CopyCheck{
		{Name: "answers", Verdict: topology.CopyFine, What: "MariaDB 10.11.19 answers at " + q.Target.Addr},
		{Name: "empty", Verdict: topology.CopyFine, What: "it holds nothing"},
		{Name: "disk", Verdict: topology.CopyUnknown, What: "the server does not tell how much is free; the data are about 5600 kB"},
	}
}
