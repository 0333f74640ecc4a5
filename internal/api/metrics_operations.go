package api

import (
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlring/sqlring/pkg/topology"
)

// operationKinds are the kinds that metrics tell apart.
func operationKinds() []topology.OperationKind {
	return []topology.OperationKind{topology.OperationInit, topology.OperationHeal, topology.OperationRejoin, topology.OperationRestart, topology.OperationMove, topology.OperationDivide, topology.OperationJoin, topology.OperationRemove, topology.OperationMaintain, topology.OperationDissolve, topology.OperationAdd, topology.OperationReclone, topology.OperationResize, topology.OperationAdopt, topology.OperationReplay}
}

// tally counts operations for as long as the process lives. The state forgets
// the oldest, so its list alone would make a counter that goes back. It is safe
// for concurrent use.
type tally struct {
	mu     sync.Mutex
	newest uint64 // number of the newest operation that was counted
	begun  map[topology.OperationKind]uint64
}

// count adds what is new in ops, oldest first, and returns the sums by kind.
func (t *tally) count(ops []topology.Operation) map[topology.OperationKind]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun == nil {
		t.begun = map[topology.OperationKind]uint64{}
	}
	for _, op := range ops {
		n, err := strconv.ParseUint(strings.TrimPrefix(string(op.ID), "op"), 10, 64)
		if err != nil || n <= t.newest {
			continue
		}
		t.newest = n
		t.begun[op.Kind]++
	}
	sums := map[topology.OperationKind]uint64{}
	for _, kind := range operationKinds() {
		sums[kind] = t.begun[kind]
	}
	return sums
}

func (c *collector) collectOperations(e emitter, l look) {
	running, _ := l.snap.Running()
	begun := c.tally.count(l.snap.Operations)
	for _, kind := range operationKinds() {
		e.flag(c.descs.operation, running.Kind == kind, kind.String())
		e.counter(c.descs.operations, begun[kind], kind.String())
	}
	if running.ID != "" && !running.Moved.IsZero() {
		e.gauge(c.descs.stepAge, max(0, l.now.Sub(running.Moved).Seconds()), running.Kind.String())
	}
	if !l.stepAt.IsZero() {
		e.flag(c.descs.stuck, l.step.Kind == topology.StepStuck)
	}
}

func (c *collector) collectUnits(e emitter, l look) {
	for _, u := range l.snap.Units {
		unit := string(u.ID)
		e.gauge(c.descs.unitEpoch, float64(u.Epoch), unit)
		e.flag(c.descs.unitOwned, u.Owner != "", unit)
		if u.Owner != "" {
			e.gauge(c.descs.unitOwner, 1, unit, string(u.Owner))
			e.gauge(c.descs.unitWaits, 0, unit)
		} else if since, ok := l.ownerlessSince(u); ok {
			e.gauge(c.descs.unitWaits, max(0, l.now.Sub(since).Seconds()), unit)
		}
	}
}

// describeOperations are the metrics of this file.
func describeOperations(d func(name, help string, labels ...string) *prometheus.Desc) operationDescs {
	return operationDescs{
		operation:  d("operation_running", "Whether an operation runs.", "kind"),
		operations: d("operations_total", "Operations begun: those remembered when this process was first asked, and all since.", "kind"),
		stepAge:    d("operation_step_seconds", "For how long the operation that runs has been at its step; absent: none runs.", "kind"),
		stuck:      d("controller_stuck", "Whether the controller needs a person; absent unless it runs here."),
		unitOwner:  d("unit_owner", "1 for the member that the unit's writes go to.", "unit", "member"),
		unitOwned:  d("unit_owned", "Whether the unit has an owner; without one its writes wait.", "unit"),
		unitWaits:  d("unit_ownerless_seconds", "For how long the unit has had no owner; 0 if it has one, absent if not known.", "unit"),
		unitEpoch:  d("unit_epoch", "Counts the changes of the unit's owner.", "unit"),
	}
}

type operationDescs struct {
	operation, operations, stuck, stepAge      *prometheus.Desc
	unitOwner, unitOwned, unitWaits, unitEpoch *prometheus.Desc
}

func (d operationDescs) all() []*prometheus.Desc {
	return []*prometheus.Desc{d.operation, d.operations, d.stuck, d.stepAge, d.unitOwner, d.unitOwned, d.unitWaits, d.unitEpoch}
}
