package api

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Operation is a change of the ring that is under way or over.
type Operation struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind" doc:"init, heal, rejoin, restart, move, divide, add or reclone"`
	Member   string     `json:"member" doc:"whom it is about; empty: the ring, or a unit"`
	Unit     string     `json:"unit" doc:"move, divide: which unit; empty for other kinds"`
	State    string     `json:"state" doc:"running, done or aborted"`
	Cursor   string     `json:"cursor" doc:"the step that it is at"`
	Doing    string     `json:"doing" doc:"what that step is for, in words"`
	Began    time.Time  `json:"began"`
	Moved    time.Time  `json:"moved" doc:"when the cursor moved last"`
	Ended    *time.Time `json:"ended"`
	By       string     `json:"by"`
	Why      string     `json:"why"`
	Evidence []string   `json:"evidence"`
	Step     *Step      `json:"step" doc:"what the controller does for it, or waits for; null if it is over or another node leads"`

	Armed      *bool  `json:"armed" doc:"heal: whether the lost member's commits waited for its acker; null for other kinds"`
	Mark       string `json:"mark" doc:"heal: position that was acknowledged to clients, the heir must have it; empty until the leases are over"`
	Former     string `json:"former" doc:"heal, move: who owned the units before; empty: they had no owner, or none was touched"`
	Heir       string `json:"heir" doc:"heal, move: who gets the units; empty: not chosen, or none needs one"`
	Cut        string `json:"cut" doc:"heal: the last position of the lost member that a survivor had; empty once the member is back"`
	Tail       *Tail  `json:"tail" doc:"rejoin: what only the returning member held; null: not judged"`
	AcceptLoss bool   `json:"accept_loss" doc:"heal: the DBA has said that it may go on without what is missing of mark"`
	Copy       *Copy  `json:"copy" doc:"add, reclone: how far the copy of the data is; null: not begun, or another node leads, or it is over"`
	LetFlow    bool   `json:"let_flow" doc:"rejoin: the DBA has said that the tail flows, whatever it is"`
}

// Tail is what only a returning member held.
type Tail struct {
	Verdict      string `json:"verdict" doc:"unknown, empty, may flow or conflict"`
	Why          string `json:"why" doc:"what decided the verdict"`
	Transactions int    `json:"transactions" doc:"sqlring's own aside"`
	File         string `json:"file" doc:"where they were written to, on the node that led; empty: nowhere"`
	Cut          string `json:"cut" doc:"read from here"`
	End          string `json:"end" doc:"up to here"`
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
		ID: string(op.ID), Kind: op.Kind.String(), Member: string(op.Member), Unit: string(op.Unit), State: op.State.String(),
		Cursor: string(op.Cursor), Doing: cursorWords(op.Kind, op.Cursor),
		Began: op.Began, Moved: op.Moved, By: op.By, Why: op.Why,
		Evidence: append([]string{}, op.Evidence...),
		Mark:     op.Mark.String(), Former: string(op.Former), Heir: string(op.Heir), Cut: l.cut(op),
		Tail: tailOf(op), AcceptLoss: op.AcceptLoss, LetFlow: op.LetFlow,
	}
	if op.Kind == topology.OperationHeal {
		shown.Armed = &op.Armed
	}
	shown.Copy = l.copyOf(op)
	if !op.Ended.IsZero() {
		ended := op.Ended
		shown.Ended = &ended
	}
	if l.stepOf(op) {
		shown.Step = l.lastStep()
	}
	return shown
}

// cut returns the cut that a heal recorded, as long as the member keeps it: while
// it is out, and was not healed again since.
func (l look) cut(op topology.Operation) string {
	last, ok := l.newest(op.Member, topology.OperationHeal)
	m, there := l.snap.Member(op.Member)
	if !ok || !there || last.ID != op.ID {
		return ""
	}
	return m.Cut.String()
}

// newest returns the newest operation of a kind that is about a member.
func (l look) newest(id topology.MemberID, kind topology.OperationKind) (topology.Operation, bool) {
	for i := len(l.snap.Operations) - 1; i >= 0; i-- {
		if op := l.snap.Operations[i]; op.Member == id && op.Kind == kind {
			return op, true
		}
	}
	return topology.Operation{}, false
}

func tailOf(op topology.Operation) *Tail {
	if op.Tail == nil {
		return nil
	}
	return &Tail{
		Verdict: op.Tail.Verdict.String(), Why: op.Tail.Why, Transactions: op.Tail.Transactions,
		File: op.Tail.File, Cut: op.Tail.Cut.String(), End: op.Tail.End.String(),
	}
}

// stepOf reports whether the controller's last step was decided for op: it is
// not, if it is older.
func (l look) stepOf(op topology.Operation) bool {
	return op.State == topology.OperationRunning && !l.stepAt.Before(op.Began)
}

// stuck reports whether the controller can not go on with op without a person.
func (l look) stuck(op topology.Operation) bool {
	return l.stepOf(op) && l.step.Kind == topology.StepStuck
}

// operations returns all that are remembered, newest first.
func (l look) operations() []Operation {
	ops := make([]Operation, 0, len(l.snap.Operations))
	for i := len(l.snap.Operations) - 1; i >= 0; i-- {
		ops = append(ops, l.operation(l.snap.Operations[i]))
	}
	return ops
}

// because says what the controller does for op, or waits for, as a clause.
func (l look) because(op topology.Operation) string {
	if !l.stepOf(op) || l.step.Why == "" {
		return ""
	}
	return ", " + l.step.Kind.String() + ": " + l.step.Why
}

// title names an operation: "op2 (heal m1)".
func title(op topology.Operation) string {
	if op.Unit != "" {
		return fmt.Sprintf("%s (%s %s)", op.ID, op.Kind, op.Unit)
	}
	if op.Member == "" {
		return fmt.Sprintf("%s (%s)", op.ID, op.Kind)
	}
	return fmt.Sprintf("%s (%s %s)", op.ID, op.Kind, op.Member)
}
