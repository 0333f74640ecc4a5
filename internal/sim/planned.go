package sim

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// What a DBA orders in the midst of faults. It is no fault: nothing may be lost by
// it, and no client gets an error because of it.

// order commits a change in the name of the DBA.
func (w *World) order(change topology.Change) error {
	if w.lead.stopped {
		return errUnknown // he gets no answer
	}
	err := w.log.commit(topology.Command{At: w.clock(), By: "dba@n1", Why: "planned", Change: change})
	w.leader().wake()
	return err
}

// moveUnit gives a unit another owner.
func (n *nemesis) moveUnit() {
	w := n.w
	if len(w.log.snap.Units) == 0 {
		return
	}
	u := w.log.snap.Units[w.rng.IntN(len(w.log.snap.Units))]
	to := w.servers[w.rng.IntN(len(w.servers))]
	grace := w.between(10*time.Millisecond, 500*time.Millisecond)
	_ = w.order(topology.BeginMove{Unit: u.ID, To: to.id, Grace: grace}) // refused: there is nothing to move
}

// divide makes a schema a unit.
func (n *nemesis) divide() {
	schema := schemaOf(1+n.w.rng.IntN(n.w.opt.Units-1), n.w.opt.Units)
	_ = n.w.order(topology.BeginDivide{Unit: schema, Grace: n.w.between(10*time.Millisecond, 500*time.Millisecond)})
}

// join makes a unit a part of the rest again.
func (n *nemesis) join() {
	schema := schemaOf(1+n.w.rng.IntN(n.w.opt.Units-1), n.w.opt.Units)
	_ = n.w.order(topology.BeginJoin{Unit: schema, Grace: n.w.between(10*time.Millisecond, 500*time.Millisecond)}) // refused: it is no unit, or another's
}

// drainMember takes the load from a member, or lets it have some again.
func (n *nemesis) drainMember() {
	m := n.w.servers[n.w.rng.IntN(len(n.w.servers))].id
	if seen, _ := n.w.log.snap.Member(m); seen.Drained {
		_ = n.w.order(topology.ResumeMember{Member: m})
		return
	}
	_ = n.w.order(topology.DrainMember{Member: m})
}

// abort ends whatever is under way, if it may be.
func (n *nemesis) abort() {
	if op, ok := n.w.log.snap.Running(); ok && op.Planned() {
		_ = n.w.order(topology.AbortOperation{Operation: op.ID})
	}
}
