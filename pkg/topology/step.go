package topology

import (
	"fmt"
	"time"
)

// StepKind is what [Next] decided. The zero value is StepIdle.
type StepKind uint8

// The kinds of step.
const (
	StepIdle   StepKind = iota // all is as it should be
	StepWait                   // something is under way, or not known yet
	StepDo                     // one action on one member
	StepCommit                 // one change through raft
	StepStuck                  // nothing can be done without a person
)

var stepNames = [...]string{"idle", "wait", "do", "commit", "stuck"}

func (k StepKind) String() string { return enumName(stepNames[:], int(k)) }

// Step is exactly one thing to do next. Why is never empty: logs, status and
// tests show the same sentence.
type Step struct {
	Kind   StepKind
	Member MemberID  // StepDo
	Action Action    // StepDo
	Change Change    // StepCommit
	Until  time.Time // StepWait: when a person has to see to it; zero: it ends by itself
	Loss   bool      // StepStuck: accepting a loss ends it
	// Probe names the members whose next answer is waited for while writes of a
	// unit wait too: they are asked at once, not at the next interval. StepWait.
	Probe []MemberID
	Why   string
}

// String returns the step as one line.
func (s Step) String() string {
	switch s.Kind {
	case StepDo:
		return fmt.Sprintf("do %s on %s: %s", s.Action, s.Member, s.Why)
	case StepCommit:
		return fmt.Sprintf("commit %s: %s", s.Change, s.Why)
	}
	return fmt.Sprintf("%s: %s", s.Kind, s.Why)
}

func idle(why string) Step { return Step{Kind: StepIdle, Why: why} }

func wait(format string, args ...any) Step {
	return Step{Kind: StepWait, Why: fmt.Sprintf(format, args...)}
}

func stuck(format string, args ...any) Step {
	return Step{Kind: StepStuck, Why: fmt.Sprintf(format, args...)}
}

// missed is stuck for want of what the DBA can give up (AcceptLoss).
func missed(format string, args ...any) Step {
	step := stuck(format, args...)
	step.Loss = true
	return step
}

func do(member MemberID, action Action, format string, args ...any) Step {
	return Step{Kind: StepDo, Member: member, Action: action, Why: fmt.Sprintf(format, args...)}
}

func commit(change Change, format string, args ...any) Step {
	return Step{Kind: StepCommit, Change: change, Why: fmt.Sprintf(format, args...)}
}
