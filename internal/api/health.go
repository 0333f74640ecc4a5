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
	if l.snap.Ring == nil && !l.hasLeader {
		return []string{"there is no ring yet, and no node leads: the first nodes wait for each other (raft.bootstrap_expect), others for one that lets them in"}
	}
	if l.snap.Ring == nil {
		return []string{"there is no ring yet: sqlring ring init NAME m1=host:port m2=host:port …"}
	}
	var why []string
	if op, ok := l.snap.Running(); ok && op.Kind == topology.OperationInit {
		why = append(why, fmt.Sprintf("the ring is being made: %s is at %q%s", op.ID, op.Cursor, l.because(op)))
	} else if len(l.snap.Units) == 0 {
		why = append(why, "the ring has no units: nothing can be written")
	}
	for _, u := range l.snap.Units {
		seen, good := l.obs.Good(u.Owner, l.now)
		switch {
		case u.Owner == "":
			why = append(why, l.ownerless(u))
		case !good:
			why = append(why, fmt.Sprintf("owner %s of unit %s does not answer: %s", u.Owner, u.ID, unseen(seen, l.now)))
		case seen.ReadOnly:
			why = append(why, fmt.Sprintf("owner %s of unit %s is read-only", u.Owner, u.ID))
		}
	}
	return why
}

func (l look) degradedBy() []string {
	var why []string
	if l.snap.Ring == nil {
		return nil
	}
	if !l.hasLeader {
		why = append(why, "no controller leads: reads and writes go on, changes and repairs wait")
	}
	why = append(why, l.busyWith()...)
	for _, m := range l.snap.Members {
		if m.State == topology.MemberCopying && !m.Copy.Again {
			continue // it has never been in the ring, which is as whole as before
		}
		if m.State != topology.MemberActive && m.State != topology.MemberJoining && m.State != topology.MemberMaintained {
			why = append(why, l.outText(m))
		}
	}
	for _, severity := range []topology.Severity{topology.SeverityBroken, topology.SeverityWarning} {
		for _, v := range topology.Check(l.snap, l.obs, l.now) {
			if v.Severity == severity && !l.said(v) {
				why = append(why, violationText(v))
			}
		}
	}
	why = append(why, l.lateLevels()...)
	return append(why, l.unknownLags()...)
}

// busyWith says what the controller is at, if nothing else has said so: a unit
// without an owner, and a ring that is being made, name it themselves.
func (l look) busyWith() []string {
	op, running := l.snap.Running()
	unowned := slices.ContainsFunc(l.snap.Units, func(u topology.Unit) bool { return u.Owner == "" })
	switch {
	case running && (op.Kind == topology.OperationInit || unowned && op.Kind != topology.OperationRejoin):
		return nil
	case running:
		return []string{fmt.Sprintf("operation %s is at %q%s", title(op), op.Cursor, l.because(op))}
	case !l.stepAt.IsZero() && l.step.Kind == topology.StepStuck:
		return []string{"the controller is stuck: " + l.step.Why}
	}
	return nil
}

// said reports whether a violation says what stands in the reasons already: that
// a unit has no owner, or that a member does not answer which is out.
func (l look) said(v topology.Violation) bool {
	m, ok := l.snap.Member(v.Member)
	return v.Rule == "owner" || v.Rule == "answers" && ok && m.State != topology.MemberActive && m.State != topology.MemberJoining
}

// outText says that a member is out, why, and how it is now.
func (l look) outText(m topology.Member) string {
	text := fmt.Sprintf("member %s is %s: %s", m.ID, m.State, m.Why)
	if seen, good := l.obs.Good(m.ID, l.now); !good {
		text += fmt.Sprintf("; now it is %s", seen.Reach)
		if !seen.Since.IsZero() {
			text += " for " + Span(l.now.Sub(seen.Since))
		}
	}
	return text
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
