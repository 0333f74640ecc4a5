package api

import (
	"fmt"
	"slices"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Health is the verdict over a ring, for people and for exit codes.
type Health string

// The verdicts.
const (
	HealthOK       Health = "ok"       // every promise holds
	HealthDegraded Health = "degraded" // it serves, with less than was promised
	HealthDown     Health = "down"     // something that applications ask for is not served
)

// health folds what is seen into one verdict and says why, the worst first.
// Whatever is not known counts as not fine.
func (l look) health() (Health, []string) {
	down := l.unready()
	degraded := l.degradedBy()
	switch {
	case len(down) > 0:
		return HealthDown, dedupe(append(down, degraded...))
	case len(degraded) > 0:
		return HealthDegraded, dedupe(degraded)
	}
	return HealthOK, []string{}
}

// unready returns why this node can not have reads and writes served: the ring
// is not open, or the owner of a unit is not known to take writes.
func (l look) unready() []string {
	if l.snap.Ring == nil {
		return []string{"there is no ring yet: sqlring ring init NAME m1=host:port m2=host:port …"}
	}
	var why []string
	if op, ok := l.snap.Running(); ok && op.Kind == topology.OperationInit {
		why = append(why, fmt.Sprintf("the ring is being made: %s is at %q%s", op.ID, op.Cursor, l.because()))
	} else if len(l.snap.Units) == 0 {
		why = append(why, "the ring has no units: nothing can be written")
	}
	for _, u := range l.snap.Units {
		seen, good := l.obs.Good(u.Owner, l.now)
		switch {
		case u.Owner == "":
			why = append(why, fmt.Sprintf("unit %s has no owner, its writes wait", u.ID))
		case !good:
			why = append(why, fmt.Sprintf("owner %s of unit %s does not answer: %s", u.Owner, u.ID, unseen(seen, l.now)))
		case seen.ReadOnly:
			why = append(why, fmt.Sprintf("owner %s of unit %s is read-only", u.Owner, u.ID))
		}
	}
	return why
}

// because says what the controller waits for, as a clause.
func (l look) because() string {
	if l.stepAt.IsZero() || l.step.Why == "" {
		return ""
	}
	return ", " + l.step.Kind.String() + ": " + l.step.Why
}

func (l look) degradedBy() []string {
	var why []string
	if l.snap.Ring == nil {
		return nil
	}
	if !l.hasLeader {
		why = append(why, "no controller leads: reads and writes go on, changes and repairs wait")
	}
	if !l.stepAt.IsZero() && l.step.Kind == topology.StepStuck {
		why = append(why, "the controller is stuck: "+l.step.Why)
	}
	if op, ok := l.snap.Running(); ok && op.Kind != topology.OperationInit {
		why = append(why, fmt.Sprintf("operation %s (%s %s) is at %q%s", op.ID, op.Kind, op.Member, op.Cursor, l.because()))
	}
	for _, m := range l.snap.Members {
		if m.State != topology.MemberActive && m.State != topology.MemberJoining {
			why = append(why, fmt.Sprintf("member %s is %s: %s", m.ID, m.State, m.Why))
		}
	}
	for _, severity := range []topology.Severity{topology.SeverityBroken, topology.SeverityWarning} {
		for _, v := range topology.Check(l.snap, l.obs, l.now) {
			if v.Severity == severity {
				why = append(why, violationText(v))
			}
		}
	}
	return append(why, l.unknownLags()...)
}

// unknownLags names the active members that answer and whose lag is not known.
func (l look) unknownLags() []string {
	var why []string
	for _, m := range l.snap.Members {
		if _, good := l.obs.Good(m.ID, l.now); !good || m.State != topology.MemberActive {
			continue
		}
		for _, origin := range l.snap.Members {
			if origin.ID == m.ID || origin.State != topology.MemberActive || l.lag(origin.ID, m.ID).Known {
				continue
			}
			why = append(why, fmt.Sprintf("member %s: its lag behind %s is not known", m.ID, origin.ID))
		}
	}
	return why
}

func violationText(v topology.Violation) string {
	text := v.What
	if v.Member != "" {
		text = fmt.Sprintf("member %s: %s", v.Member, v.What)
	}
	if v.Remedy != "" {
		text += " (" + v.Remedy + ")"
	}
	return text
}

// dedupe keeps the first of equal sentences.
func dedupe(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if !slices.Contains(kept, line) {
			kept = append(kept, line)
		}
	}
	return kept
}
