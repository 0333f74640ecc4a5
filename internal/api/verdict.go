package api

import (
	"fmt"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Verdict is what the controller makes of one member now.
type Verdict struct {
	Member   string   `json:"member"`
	State    string   `json:"state" doc:"joining, active, down, returning or quarantined"`
	Lost     bool     `json:"lost" doc:"an active member that is judged lost: it is healed"`
	Why      string   `json:"why"`
	Evidence []string `json:"evidence" doc:"what was seen, of the member and by the neighbour that pulls from it"`
	Severed  string   `json:"severed,omitempty" doc:"the member's site and this node's do not reach each other, and a third one reaches both: in words"`
}

// HealReport is the verdict on each member, and the heal that runs or would
// begin.
type HealReport struct {
	Ring     string    `json:"ring"`
	At       time.Time `json:"at"`
	Leader   string    `json:"leader" doc:"the node whose verdict counts; empty: nobody leads"`
	Verdicts []Verdict `json:"verdicts" doc:"by what this node sees, in ring order"`
	Step     *Step     `json:"step" doc:"what the controller decided last; null unless this node leads"`
	// Operation is whatever runs: nothing else begins before it is over.
	Operation *Operation `json:"operation" doc:"the operation that runs, of whatever kind; null: none"`
	Heal      *HealPlan  `json:"heal" doc:"the heal that runs, or would begin; null: nothing is lost"`
}

// HealPlan is a heal: what was done, what is under way, what comes.
type HealPlan struct {
	Operation string     `json:"operation" doc:"its id; empty: it has not begun"`
	Member    string     `json:"member" doc:"the lost member"`
	Heir      string     `json:"heir" doc:"who would inherit by what is seen now, or was chosen; empty: nobody is left, or nothing is to be inherited"`
	Units     []string   `json:"units" doc:"the units that wait for an owner"`
	Armed     bool       `json:"armed" doc:"whether the lost member's commits waited for its acker"`
	Mark      string     `json:"mark" doc:"position that was acknowledged to clients; empty until the leases are over"`
	Steps     []PlanStep `json:"steps"`
	Survivors []Survivor `json:"survivors"`
	Stuck     string     `json:"stuck" doc:"why it does not go on without a person; empty: it does"`
	Loss      *Loss      `json:"loss" doc:"what accepting the loss gives up; null: there is nothing to be accepted"`
}

// PlanStep is one step of an operation.
type PlanStep struct {
	Cursor string `json:"cursor"`
	What   string `json:"what"`
	State  string `json:"state" doc:"done, now or to come"`
}

// Survivor is a member that may inherit.
type Survivor struct {
	Member   string `json:"member"`
	Heir     bool   `json:"heir" doc:"it would be chosen now"`
	Position string `json:"position" doc:"everything that it has"`
	Missing  string `json:"missing" doc:"what it lacks of mark: to be reached; empty: nothing"`
	Lacks    uint64 `json:"lacks" doc:"the same, in transactions"`
}

// Loss is what is given up by accepting it.
type Loss struct {
	Heir         string `json:"heir" doc:"who inherits without it; empty: nobody is left"`
	Missing      string `json:"missing" doc:"acknowledged positions that the heir has not reached; empty: none is known of"`
	Transactions uint64 `json:"transactions" doc:"the same, as a number"`
	What         string `json:"what" doc:"the same, as a sentence"`
}

func (l look) verdicts() []Verdict {
	shown := []Verdict{}
	if l.snap.Ring == nil {
		return shown
	}
	for _, v := range topology.Verdicts(l.snap, l.obs, l.now) {
		m, _ := l.snap.Member(v.Member)
		why := v.Why
		if m.State != topology.MemberActive && m.Why != "" {
			why += ": " + m.Why
		}
		shown = append(shown, Verdict{Member: string(v.Member), State: m.State.String(), Lost: v.Lost, Why: why, Severed: v.Severed, Evidence: append([]string{}, v.Evidence...)})
	}
	return shown
}

func (l look) healReport() HealReport {
	r := HealReport{At: l.now.UTC(), Verdicts: l.verdicts(), Step: l.lastStep()}
	if l.hasLeader {
		r.Leader = string(l.leader)
	}
	if l.snap.Ring == nil {
		return r
	}
	r.Ring = l.snap.Ring.Name
	if op, ok := l.snap.Running(); ok {
		shown := l.operation(op)
		r.Operation = &shown
		if op.Kind == topology.OperationHeal {
			plan := l.healPlan(op)
			r.Heal = &plan
		}
		return r
	}
	next := topology.Next(l.snap, l.obs, l.now) // no operation runs: what begins depends on what is seen
	if begin, ok := next.Change.(topology.BeginHeal); ok {
		if plan, ok := l.tryHeal(begin, next.Why); ok {
			r.Heal = &plan
		}
	}
	return r
}

// tryHeal begins a heal on a copy of the state, so the plan is what the
// controller will be at.
func (l look) tryHeal(change topology.BeginHeal, why string) (HealPlan, bool) {
	next, err := topology.Apply(l.snap, topology.Command{Index: l.snap.Index + 1, At: l.now, Why: why, Change: change})
	if err != nil {
		return HealPlan{}, false
	}
	l.snap = next
	op, ok := next.Running()
	if !ok {
		return HealPlan{}, false
	}
	plan := l.healPlan(op)
	plan.Operation, plan.Stuck, plan.Loss = "", "", nil
	for i := range plan.Steps {
		plan.Steps[i].State = "to come"
	}
	return plan, true
}

// healPlan shows a running heal.
func (l look) healPlan(op topology.Operation) HealPlan {
	plan := HealPlan{
		Operation: string(op.ID), Member: string(op.Member), Armed: op.Armed, Mark: op.Mark.String(),
		Units: []string{}, Survivors: []Survivor{}, Heir: string(op.Heir),
	}
	for _, u := range l.snap.Units {
		if u.Owner == "" {
			plan.Units = append(plan.Units, string(u.ID))
		}
	}
	for _, s := range topology.Survivors(l.snap, op, l.obs, l.now) {
		plan.Survivors = append(plan.Survivors, Survivor{
			Member: string(s.Member), Heir: s.Heir && len(plan.Units) > 0,
			Position: s.Position.String(), Missing: s.Missing.String(), Lacks: s.Lacks,
		})
		if s.Heir && len(plan.Units) > 0 {
			plan.Heir = string(s.Member)
		}
	}
	plan.Steps = l.healSteps(op, plan)
	if l.stuck(op) {
		plan.Stuck = l.step.Why
		if l.step.Loss {
			loss := l.loss(op)
			plan.Loss = &loss
		}
	}
	return plan
}

// healSteps says the steps in words, with the names of this ring.
func (l look) healSteps(op topology.Operation, plan HealPlan) []PlanStep {
	lost, units := op.Member, strings.Join(plan.Units, ", ")
	leases := fmt.Sprintf("every proxy gives back its lease on %s, or %s pass; how far writes were acknowledged is recorded", units, Span(topology.LeaseTTL))
	open := fmt.Sprintf("%s is opened and owns %s", orNobody(plan.Heir), units)
	if l.snap.Ring.Durability == topology.DurabilitySemiSync {
		switch l.snap.Ring.Degraded {
		case topology.DegradedRefuse:
			open = fmt.Sprintf("%s gets %s once its commits wait for an acker (degraded is refuse)", orNobody(plan.Heir), units)
		case topology.DegradedAllow:
			open += "; its commits wait for nobody until it has an acker again"
		}
	}
	drain := fmt.Sprintf("the survivors apply what they received; %s inherits if it has everything that was acknowledged", orNobody(plan.Heir))
	if units == "" {
		leases, open = "no lease ends: it owned nothing, and writes go on", "nothing is to be inherited: the ring goes on without it"
		drain = "the survivors apply what they received"
	}
	text := map[topology.Cursor]string{
		topology.HealLeases: leases,
		topology.HealFreeze: fmt.Sprintf("nobody receives from %s any more, and nobody's commits wait for its acknowledgement", lost),
		topology.HealDrain:  drain,
		topology.HealWire:   l.wireWords(lost),
		topology.HealOpen:   open,
	}
	steps, state := []PlanStep{}, "done"
	for _, at := range []topology.Cursor{topology.HealLeases, topology.HealFreeze, topology.HealDrain, topology.HealWire, topology.HealOpen} {
		switch {
		case at == op.Cursor:
			state = "now"
		case state == "now":
			state = "to come"
		}
		steps = append(steps, PlanStep{Cursor: string(at), What: text[at], State: state})
	}
	return steps
}

// wireWords says who follows whom in a ring without lost.
func (l look) wireWords(lost topology.MemberID) string {
	n := len(l.snap.Members)
	at := 0
	for i, m := range l.snap.Members {
		if m.ID == lost {
			at = i
		}
	}
	for i := 1; i < n; i++ {
		down := l.snap.Members[(at+i)%n]
		if down.State != topology.MemberActive {
			continue
		}
		if up, ok := l.snap.Upstream(down.ID); ok {
			return fmt.Sprintf("%s follows %s: the ring is closed without %s", down.ID, up.ID, lost)
		}
		return fmt.Sprintf("%s follows nobody: it is alone in the ring", down.ID)
	}
	return "nobody is left to be linked"
}

// loss says what accepting it gives up, by what is seen now.
func (l look) loss(op topology.Operation) Loss {
	op.AcceptLoss, op.Without = true, topology.Accept(l.snap, op, l.obs, l.now).Without // whom the plan would count then
	for _, s := range topology.Survivors(l.snap, op, l.obs, l.now) {
		if !s.Heir {
			continue
		}
		loss := Loss{Heir: string(s.Member), Missing: s.Missing.String(), Transactions: s.Lacks}
		if s.Lacks == 0 {
			loss.What = fmt.Sprintf("%s has everything that a proxy is known to have acknowledged (%q); what else the members that are gone have received is given up unseen", s.Member, op.Mark)
		} else {
			loss.What = fmt.Sprintf("%s inherits without %s that were acknowledged to clients: it has %q, acknowledged was %q", s.Member, transactions(s.Lacks), s.Position, op.Mark)
		}
		return loss
	}
	return Loss{What: "nobody is left who could inherit: the word changes nothing before a member answers again"}
}

func orNobody(id string) string {
	if id == "" {
		return "nobody that answers"
	}
	return id
}
