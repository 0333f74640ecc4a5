package api

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Unit is what has one writer.
type Unit struct {
	Name    string     `json:"name" doc:"a schema, or * for the rest"`
	Owner   string     `json:"owner" doc:"the member that its writes go to; empty: nobody, they wait"`
	Epoch   uint64     `json:"epoch" doc:"counts the changes of the owner"`
	Pinned  bool       `json:"pinned" doc:"nothing moves it but a heal"`
	Drains  bool       `json:"drains" doc:"it is about to move: what is under way in it may end, new writes wait"`
	Heir    string     `json:"heir" doc:"who gets it, while it has no owner; empty: not chosen yet, or it has an owner"`
	Since   *time.Time `json:"since" doc:"since when it has no owner; null: it has one, or that is not known"`
	SinceMS *int64     `json:"since_ms" doc:"the same, as how long ago"`
	Why     string     `json:"why" doc:"why it has no owner; empty: it has one"`
}

func (l look) units() []Unit {
	units := make([]Unit, 0, len(l.snap.Units))
	for _, u := range l.snap.Units {
		shown := Unit{Name: string(u.ID), Owner: string(u.Owner), Epoch: u.Epoch, Pinned: u.Pinned, Drains: u.Draining}
		if u.Owner == "" {
			if since, ok := l.ownerlessSince(u); ok {
				shown.Since, shown.SinceMS = &since, l.age(since)
			}
			shown.Heir, shown.Why = string(l.heirOf(u)), l.ownerlessWhy(u)
		}
		units = append(units, shown)
	}
	return units
}

// heirOf returns who gets a unit that has no owner.
func (l look) heirOf(u topology.Unit) topology.MemberID {
	if op, ok := l.snap.Running(); ok && u.Heir == "" {
		return op.Heir
	}
	return u.Heir
}

// ownerlessSince returns since when a unit has no owner: since the operation
// began that took it. A restart that ended a heal goes on for it.
func (l look) ownerlessSince(u topology.Unit) (time.Time, bool) {
	ops := l.snap.Operations
	for i := len(ops) - 1; i >= 0; i-- {
		op := ops[i]
		if op.State == topology.OperationRunning && op.Stops(u.ID) {
			return u.Since, true
		}
		took := op.State == topology.OperationRunning && (op.Kind == topology.OperationHeal || op.Kind == topology.OperationRestart)
		withheld := op.Kind == topology.OperationHeal && op.State == topology.OperationDone && op.Heir != "" && op.Heir == u.Heir
		if !took && !withheld {
			continue
		}
		if i > 0 && op.Kind == topology.OperationRestart && ops[i-1].Kind == topology.OperationHeal && ops[i-1].State == topology.OperationAborted && ops[i-1].Ended.Equal(op.Began) {
			op = ops[i-1]
		}
		return op.Began, true
	}
	return time.Time{}, false
}

// ownerlessWhy says why a unit has no owner, and what it waits for.
func (l look) ownerlessWhy(u topology.Unit) string {
	op, running := l.snap.Running()
	switch {
	case running && (op.Kind == topology.OperationHeal || op.Kind == topology.OperationRestart || op.Planned()):
		return fmt.Sprintf("%s %s, it is at %q%s", op.ID, purpose(op), op.Cursor, l.because(op))
	case u.Heir != "" && u.Restored:
		return fmt.Sprintf("the state was restored: its writes wait until %s has all that the other members have", u.Heir)
	case u.Heir != "":
		return fmt.Sprintf("degraded is refuse: its writes wait until %s has an acker", u.Heir)
	}
	return "nobody is meant to own it"
}

// ownerless says that a unit has no owner, since when and why, as a sentence.
func (l look) ownerless(u topology.Unit) string {
	since := ""
	if at, ok := l.ownerlessSince(u); ok {
		since = " for " + Span(l.now.Sub(at))
	}
	return fmt.Sprintf("unit %s has no owner%s, its writes wait: %s", u.ID, since, l.ownerlessWhy(u))
}
