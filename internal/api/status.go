package api

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Status is everything that one needs to see of a ring. docs/api.md explains
// each field; names are stable.
type Status struct {
	Ring           string      `json:"ring" doc:"name of the ring; empty: there is none yet"`
	Node           string      `json:"node" doc:"the node that answers"`
	Leader         string      `json:"leader" doc:"the node that leads the controllers; empty: nobody"`
	At             time.Time   `json:"at" doc:"when this was computed"`
	Health         Health      `json:"health" enum:"ok,degraded,down"`
	Reasons        []string    `json:"reasons" doc:"why health is not ok, the worst first"`
	Stride         int         `json:"stride" doc:"auto_increment_increment of every member; 0 without a ring"`
	Durability     string      `json:"durability" doc:"semisync or async; empty without a ring"`
	DegradedPolicy string      `json:"degraded_policy" doc:"allow or refuse; empty without a ring"`
	Members        []Member    `json:"members" doc:"in ring order"`
	Units          []Unit      `json:"units"`
	Operation      *Operation  `json:"operation" doc:"the operation that runs; null: none"`
	Step           *Step       `json:"step" doc:"what the controller decided last; null unless this node leads"`
	Violations     []Violation `json:"violations" doc:"where what is seen breaks what is meant"`
	Proxy          ProxyStats  `json:"proxy"`
}

// Unit is what has one writer.
type Unit struct {
	Name  string `json:"name" doc:"a schema, or * for the rest"`
	Owner string `json:"owner" doc:"the member that its writes go to; empty: nobody, they wait"`
	Epoch uint64 `json:"epoch" doc:"counts the changes of the owner"`
}

// Operation is a change of the ring that is under way or over.
type Operation struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind" doc:"init, heal or rejoin"`
	Member   string     `json:"member" doc:"whom it is about; empty: the ring"`
	State    string     `json:"state" doc:"running, done or aborted"`
	Cursor   string     `json:"cursor" doc:"the step that it is at"`
	Began    time.Time  `json:"began"`
	Moved    time.Time  `json:"moved" doc:"when the cursor moved last"`
	Ended    *time.Time `json:"ended"`
	By       string     `json:"by"`
	Why      string     `json:"why"`
	Evidence []string   `json:"evidence"`
	Step     *Step      `json:"step" doc:"what the controller does for it, or waits for; null if it is over or another node leads"`
}

// Step is what the controller decided last.
type Step struct {
	Kind   string     `json:"kind" doc:"idle, wait, do, commit or stuck"`
	Member string     `json:"member" doc:"on whom; empty: nobody"`
	What   string     `json:"what" doc:"the action or the change; empty: none"`
	Why    string     `json:"why"`
	At     time.Time  `json:"at"`
	Until  *time.Time `json:"until" doc:"when waiting is over the time usual for it"`
}

// Violation is one way in which what is seen breaks what is meant.
type Violation struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity" doc:"warning or broken"`
	Member   string `json:"member" doc:"empty: the ring"`
	What     string `json:"what"`
	Remedy   string `json:"remedy" doc:"what to type or change; empty: sqlring sees to it"`
}

func (l look) status() Status {
	s := Status{
		Node: string(l.node), At: l.now.UTC(), Members: l.members(), Units: l.units(),
		Step: l.lastStep(), Violations: l.violations(), Proxy: l.proxyStats(),
	}
	if l.hasLeader {
		s.Leader = string(l.leader)
	}
	if ring := l.snap.Ring; ring != nil {
		s.Ring, s.Stride = ring.Name, ring.Stride
		s.Durability, s.DegradedPolicy = ring.Durability.String(), ring.Degraded.String()
	}
	if op, ok := l.snap.Running(); ok {
		shown := l.operation(op)
		s.Operation = &shown
	}
	s.Health, s.Reasons = l.health()
	return s
}

func (l look) units() []Unit {
	units := make([]Unit, 0, len(l.snap.Units))
	for _, u := range l.snap.Units {
		units = append(units, Unit{Name: string(u.ID), Owner: string(u.Owner), Epoch: u.Epoch})
	}
	return units
}

func (l look) lastStep() *Step {
	if l.stepAt.IsZero() {
		return nil
	}
	s := Step{Kind: l.step.Kind.String(), Member: string(l.step.Member), Why: l.step.Why, At: l.stepAt.UTC()}
	switch {
	case l.step.Kind == topology.StepDo:
		s.What = l.step.Action.String()
	case l.step.Kind == topology.StepCommit && l.step.Change != nil:
		s.What = l.step.Change.String()
	}
	if !l.step.Until.IsZero() {
		until := l.step.Until.UTC()
		s.Until = &until
	}
	return &s
}

func (l look) operation(op topology.Operation) Operation {
	shown := Operation{
		ID: string(op.ID), Kind: op.Kind.String(), Member: string(op.Member), State: op.State.String(),
		Cursor: string(op.Cursor), Began: op.Began, Moved: op.Moved, By: op.By, Why: op.Why,
		Evidence: append([]string{}, op.Evidence...),
	}
	if !op.Ended.IsZero() {
		ended := op.Ended
		shown.Ended = &ended
	}
	if op.State == topology.OperationRunning {
		shown.Step = l.lastStep()
	}
	return shown
}

// operations returns all that are remembered, newest first.
func (l look) operations() []Operation {
	ops := make([]Operation, 0, len(l.snap.Operations))
	for i := len(l.snap.Operations) - 1; i >= 0; i-- {
		ops = append(ops, l.operation(l.snap.Operations[i]))
	}
	return ops
}

func (l look) violations() []Violation {
	found := []Violation{}
	for _, v := range topology.Check(l.snap, l.obs, l.now) {
		found = append(found, Violation{
			Rule: v.Rule, Severity: v.Severity.String(), Member: string(v.Member), What: v.What, Remedy: v.Remedy,
		})
	}
	return found
}

func (l look) proxyStats() ProxyStats {
	p := l.proxy
	if p.Refused == nil {
		p.Refused = map[string]uint64{}
	}
	return p
}
