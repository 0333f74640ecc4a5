package topology

import "time"

// leftToPerson reports whether a loss is left to a person: isolation is continue, and a
// node that hears of no leader may still write to whoever is lost.
func (s *Snapshot) leftToPerson(o Observations) bool {
	return s.Ring.Isolation == IsolationContinue && len(o.Nodes) > 1
}

// onLoss is what is done about a lost member, by upkeep and by every operation that a loss
// ends; ok is false if none is lost. Where a loss is left to a person, an operation is given
// up by giveUp, which may be nil, and upkeep is stuck with what to do: nothing is moved.
func onLoss(s *Snapshot, giveUp Change, o Observations, now time.Time) (step Step, ok bool) {
	m, verdict, found := firstLost(s, o, now)
	if !found {
		return Step{}, false
	}
	_, heals := s.Upstream(m.ID)
	switch {
	case !heals:
		return stuck("%s, and it is the last member of the ring: bring it, or another one, back", verdict.why), true
	case !s.leftToPerson(o):
		return commit(BeginHeal{Member: m.ID, Evidence: verdict.evidence}, "%s", verdict.why), true
	case giveUp != nil:
		return commit(giveUp, "%s; isolation is continue, so it is not taken out by itself", verdict.why), true
	}
	return stuck("%s; isolation is continue, so it is not taken out by itself: another node may still write to it: sqlring raft isolation fence", verdict.why), true
}

// unanswerable names a node that is silent and whose lease does not end by itself: a unit
// that is taken now would have no owner until that node speaks. "" if there is none.
func unanswerable(s *Snapshot, o Observations, now time.Time) NodeID {
	if s.Ring.Unfenced && len(o.Nodes) > 1 {
		for _, node := range o.Nodes {
			if !speaks(o, node, now) {
				return node
			}
		}
	}
	return ""
}

// lossInMove is onLoss for a move, a division and a join. On the way back the unit returns to
// an owner that is there, whoever else is lost.
func lossInMove(s *Snapshot, op Operation, o Observations, now time.Time) (Step, bool) {
	if op.Cursor != MoveBack {
		return onLoss(s, TurnBack{Operation: op.ID, From: op.Cursor}, o, now)
	}
	if former, _ := s.Member(op.Former); s.leftToPerson(o) && !judge(s, former, o, now).lost {
		return Step{}, false
	}
	return onLoss(s, nil, o, now)
}

// beside is step, which waits for a person's word on a loss, or what the members that are
// there need meanwhile: as long as the lost one only did not answer, it was so too.
func beside(s *Snapshot, step Step, o Observations, now time.Time) Step {
	if step.Kind != StepStuck || !s.leftToPerson(o) {
		return step
	}
	for _, m := range s.Members {
		if m.State != MemberActive || judge(s, m, o, now).lost {
			continue
		}
		if kept := upkeepMember(s, m, o, now); kept.Kind == StepDo || kept.Kind == StepCommit {
			return kept
		}
	}
	return step
}

// waitsForWord reports whether step, which is upkeep's, waits for a person's word on a loss:
// what gives way to upkeep says so too.
func waitsForWord(s *Snapshot, step Step, o Observations, now time.Time) bool {
	_, _, lost := firstLost(s, o, now)
	return lost && step.Kind == StepStuck && s.leftToPerson(o)
}
