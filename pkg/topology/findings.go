package topology

import (
	"fmt"
	"time"
)

// How long something has to be seen before it is told.
const (
	checkHold = 5 * time.Second // of what may be a step of an operation
	nodeHold  = 3 * time.Second
	stuckHold = 3 * time.Second
)

// RingFindings returns what is not as the law of the ring says, as [Check] sees it.
func RingFindings(s *Snapshot, o Observations, now time.Time) []Finding {
	var found []Finding
	for _, v := range Check(s, o, now) {
		if v.Rule == "semi-sync" && v.Severity == SeverityWarning {
			continue // ordered by raft: of topic semi-sync
		}
		f := Finding{
			Topic: TopicRing, Subject: v.Rule, Member: v.Member, To: v.Severity.String(), Severity: UrgencyWarning,
			What: v.What, Remedy: v.Remedy, Hold: checkHold,
		}
		if v.Member != "" {
			f.Subject, f.What = v.Rule+"/"+string(v.Member), fmt.Sprintf("%s: %s", v.Member, v.What)
			if seen, ok := o.Of(v.Member); ok {
				f.Evidence = []string{describeReach(seen, now)}
			}
		} else if v.Rule == "owner" {
			f.Severity = UrgencyCritical
		}
		if f.Remedy == "" {
			f.Remedy = "sqlring why " + string(v.Member)
		}
		found = append(found, f)
	}
	return found
}

// StuckFinding returns that the controller can do nothing without a person; ok is false
// if it can.
func StuckFinding(s *Snapshot, step Step) (Finding, bool) {
	op, running := s.Running()
	if step.Kind != StepStuck {
		return Finding{}, false
	}
	f := Finding{
		Topic: TopicOperation, Subject: "controller", To: "stuck", Severity: UrgencyCritical, Hold: stuckHold,
		What: "the controller can do nothing without a person: " + step.Why, Remedy: "sqlring why",
	}
	if running {
		f.Subject, f.Member, f.What = string(op.ID), op.Member, fmt.Sprintf("%s (%s) is stuck at %q: %s", op.ID, op.Kind, op.Cursor, step.Why)
	}
	if step.Loss {
		f.Remedy = "wait for what is missing, or go on without it: sqlring ring heal --accept-loss"
	}
	return f, true
}

// NodeFinding is a node that the leader has not heard of for silent.
func NodeFinding(node NodeID, silent time.Duration, voter bool) Finding {
	f := Finding{
		Topic: TopicNode, Subject: string(node), To: "lost", Severity: UrgencyWarning, Hold: nodeHold,
		What:   fmt.Sprintf("node %s is not heard of", node),
		Remedy: fmt.Sprintf("look after the process and the network of %s: sqlring raft peers", node),
	}
	if silent > 0 {
		f.Evidence = []string{fmt.Sprintf("its last word was %s ago", silent.Round(time.Second))}
	}
	if voter {
		f.What += ", it is a voter: one more that is lost may end changes"
	}
	return f
}

// FullOutbox returns that notices were dropped lately; ok is false if none were.
func FullOutbox(o *Outbox, now time.Time) (Finding, bool) {
	const lately = 10 * time.Minute
	if o == nil || o.DroppedAt.IsZero() || now.Sub(o.DroppedAt) > lately {
		return Finding{}, false
	}
	return Finding{
		Topic: TopicHook, Subject: "outbox", To: "full", Severity: UrgencyWarning,
		What:     "the outbox was full: the oldest of the least urgent events were not told to every hook",
		Remedy:   "mend or remove the hook that does not work: sqlring hook list",
		Evidence: []string{fmt.Sprintf("dropped so far: %d critical, %d warning, %d info", o.Dropped[UrgencyCritical], o.Dropped[UrgencyWarning], o.Dropped[UrgencyInfo])},
	}, true
}
