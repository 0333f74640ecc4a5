package apitest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// walk moves a running operation on by one step, as a controller would that
// finds everything done at once; false: none runs, or it is stuck.
func (n *Node) walk() bool {
	op, ok := n.State.Running()
	if !ok {
		return false
	}
	change := n.nextChange(op)
	if change == nil {
		return false
	}
	n.apply(change, "controller@n1", "it is verified")
	n.Step = topology.Step{Kind: topology.StepIdle, Why: "the ring is as it should be"}
	if op, ok := n.State.Running(); ok {
		n.Step = topology.Step{Kind: topology.StepWait, Why: fmt.Sprintf("the members are at %q", op.Cursor)}
	}
	return true
}

// nextChange returns what ends the step that op is at; nil: it is stuck.
func (n *Node) nextChange(op topology.Operation) topology.Change {
	if op.Kind == topology.OperationAdd || op.Kind == topology.OperationReclone {
		if change := n.nextOfAdd(op); change != nil {
			return change
		}
	}
	if op.Planned() {
		return nextOfMove(op)
	}
	if op.Kind == topology.OperationRemove || op.Kind == topology.OperationMaintain {
		return nextOfLeave(op)
	}
	if op.Kind == topology.OperationResize {
		return n.nextOfResize(op)
	}
	if op.Kind == topology.OperationDissolve {
		return nextOfDissolve(op)
	}
	steps := map[topology.OperationKind][]topology.Cursor{
		topology.OperationInit:    {topology.InitPreflight, topology.InitPrepare, topology.InitLink, topology.InitVerify, topology.InitOpen},
		topology.OperationHeal:    {topology.HealLeases, topology.HealFreeze, topology.HealDrain, topology.HealWire, topology.HealOpen},
		topology.OperationRejoin:  {topology.RejoinJudge, topology.RejoinPrepare, topology.RejoinCatchUp, topology.RejoinSplice, topology.RejoinAdmit},
		topology.OperationAdd:     {topology.AddPreflight, topology.AddPrepare, topology.AddCopy, topology.AddCatchUp, topology.AddSplice, topology.AddAdmit},
		topology.OperationReclone: {topology.AddPreflight, topology.AddPrepare, topology.AddCopy, topology.AddCatchUp, topology.AddSplice, topology.AddAdmit},
		topology.OperationAdopt:   {topology.AdoptPreflight, topology.AdoptSchema, topology.AdoptTake, topology.AdoptVerify, topology.AdoptOpen},
		topology.OperationReplay:  {topology.ReplayJudge, topology.ReplayWrite},
		topology.OperationRestart: {topology.RestartPrepare, topology.RestartLink, topology.RestartOpen},
	}[op.Kind]
	switch op.Cursor {
	case topology.InitOpen:
		switch op.Kind {
		case topology.OperationInit, topology.OperationAdopt:
			return topology.OpenRing{Operation: op.ID, SemiSync: topology.SemiSyncArmed}
		case topology.OperationRestart:
			return topology.EndRestart{Operation: op.ID, SemiSync: topology.SemiSyncArmed}
		case topology.OperationHeal, topology.OperationRejoin, topology.OperationMove, topology.OperationDivide, topology.OperationJoin, topology.OperationRemove, topology.OperationMaintain, topology.OperationDissolve, topology.OperationAdd, topology.OperationReclone, topology.OperationResize, topology.OperationNone, topology.OperationReplay:
		}
		if n.State.Ring.Degraded == topology.DegradedRefuse {
			return topology.EndHeal{Operation: op.ID, Withhold: true}
		}
		return topology.EndHeal{Operation: op.ID, SemiSync: topology.SemiSyncDegraded}
	case topology.HealLeases:
		return topology.RecordMark{Operation: op.ID, Mark: n.Mark}
	case topology.HealDrain:
		return n.inherit(op)
	case topology.ReplayWrite:
		return topology.EndReplay{Operation: op.ID, Sum: topology.ReplaySum{Replayed: 3}}
	case topology.RejoinJudge:
		if op.Kind == topology.OperationReplay {
			return topology.AdvanceOperation{Operation: op.ID, From: topology.ReplayJudge, To: topology.ReplayWrite}
		}
		tail := n.Tail
		if tail.Verdict == topology.TailUnknown {
			tail = topology.Tail{Verdict: topology.TailEmpty, Why: "the ring has everything that it has"}
		}
		return topology.JudgeTail{Operation: op.ID, Tail: tail}
	case topology.RejoinAdmit:
		return topology.Readmit{Operation: op.ID}
	}
	at := slices.Index(steps, op.Cursor)
	return topology.AdvanceOperation{Operation: op.ID, From: op.Cursor, To: steps[at+1]}
}

// inherit chooses the first survivor, or is stuck if that lacks what was
// acknowledged.
func (n *Node) inherit(op topology.Operation) topology.Change {
	for _, m := range n.State.Members {
		if m.State != topology.MemberActive || n.Lost[m.ID] {
			continue
		}
		if missing := n.Has[m.ID].Missing(op.Mark); len(missing) > 0 && !op.AcceptLoss {
			n.Step = topology.Step{Kind: topology.StepStuck, Loss: true, Why: fmt.Sprintf("acknowledged transactions up to %s are on no survivor", missing)}
			return nil
		}
		return topology.ChooseHeir{Operation: op.ID, From: op.Cursor, Heir: m.ID, Cut: n.Has[m.ID]}
	}
	n.Step = topology.Step{Kind: topology.StepStuck, Loss: true, Why: fmt.Sprintf("no survivor of the loss of %s is left", op.Member)}
	return nil
}

// Lose lets members refuse connections, a second ago.
func (n *Node) Lose(ids ...topology.MemberID) {
	if n.Lost == nil {
		n.Lost = map[topology.MemberID]bool{}
	}
	for _, id := range ids {
		n.Lost[id] = true
	}
}

// BeginHeal takes a lost member out, and lets the heal come to a step. With an
// empty step it comes to its end, or to where it is stuck.
func (n *Node) BeginHeal(id topology.MemberID, to topology.Cursor) {
	n.Lose(id)
	n.apply(topology.BeginHeal{Member: id, Evidence: []string{fmt.Sprintf("%s refuses connections since 150ms", id)}},
		"controller@n1", fmt.Sprintf("member %s refuses connections", id))
	n.walkTo(to)
}

// BeginRejoin lets a member answer again, and its rejoin come to a step or, with
// an empty one, to its end.
func (n *Node) BeginRejoin(id topology.MemberID, to topology.Cursor) {
	delete(n.Lost, id)
	n.apply(topology.BeginRejoin{Member: id}, "controller@n1", fmt.Sprintf("member %s answers again", id))
	n.walkTo(to)
}

// BeginRestart lets all members be restarted at once, and the ring come up again
// as far as a step.
func (n *Node) BeginRestart(to topology.Cursor) {
	n.apply(topology.BeginRestart{}, "controller@n1", "every member was restarted")
	n.walkTo(to)
}

// Finish lets a running operation come to its end, or to where it is stuck.
func (n *Node) Finish() { n.walkTo("") }

func (n *Node) walkTo(to topology.Cursor) {
	for {
		if op, ok := n.State.Running(); !ok || op.Cursor == to {
			return
		}
		if !n.walk() {
			return
		}
	}
}

// observe is what a probe of a member finds: that all is as it is meant to be, or
// that the member is lost.
func (n *Node) observe(m topology.Member, now time.Time) topology.Observation {
	if n.Lost[m.ID] {
		return topology.Observation{
			Member: m.ID, Asked: now, At: now, Since: now.Add(-time.Second), Reach: topology.ReachRefused, Error: "connection refused",
		}
	}
	o := healthy(n.State, m, now)
	o.Applied = n.Has[m.ID]
	for _, up := range n.State.Members {
		if n.Lost[up.ID] && up.Addr == o.Link.Upstream {
			o.Link.Receiver, o.Link.ReceiverError = topology.ThreadConnecting, "error connecting to master"
		}
	}
	return o
}

// nextOfResize returns what ends the step that a resize is at.
func (n *Node) nextOfResize(op topology.Operation) topology.Change {
	switch op.Cursor {
	case topology.ResizeSwitch:
		for _, m := range n.State.Members {
			if m.State == topology.MemberActive && m.Stride != n.State.Ring.Resize.To {
				return topology.SwitchMember{Operation: op.ID, Member: m.ID}
			}
		}
		return topology.AdvanceOperation{Operation: op.ID, From: op.Cursor, To: topology.ResizeSweep}
	case topology.ResizeSweep:
		return topology.AdvanceOperation{Operation: op.ID, From: op.Cursor, To: topology.ResizeMark}
	case topology.ResizeMark:
		return topology.MarkResize{Operation: op.ID, Mark: n.Mark}
	}
	return topology.EndResize{Operation: op.ID}
}
