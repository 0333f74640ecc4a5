package topology

import (
	"fmt"
	"time"
)

// How long a member must have failed to answer before it can be judged lost. A
// refused connection is quick evidence; silence is the evidence of nothing yet.
const (
	refusedFor = 150 * time.Millisecond
	silentFor  = time.Second
	// silenceAge is how old the newest failure to answer may be: a probe's deadline, the pause
	// before it, and a little. A node that was stopped has asked nobody meanwhile (S124).
	silenceAge = 1400 * time.Millisecond
	// witnessFor is how long a neighbour must have answered us before its having
	// lost a member counts: before that, it may have been the one that was cut off.
	witnessFor = 3 * time.Second
	// connectingFor is how long a neighbour's receiver must have been trying to have
	// back what it has lost, and beginningFor, if it never had it: one attempt may
	// fail, and the next comes a second later.
	connectingFor = 200 * time.Millisecond
	beginningFor  = 2500 * time.Millisecond
	// silentAlone is for a member that nobody pulls from, or whose neighbour is out of
	// reach itself. Meanwhile upkeep has the neighbour pull, or heals its loss first,
	// and the next one is asked: so the silence has to last.
	silentAlone = 10 * time.Second
)

// judgement is the controller's verdict on one member, with its reasons.
type judgement struct {
	lost     bool
	why      string // one sentence, whatever the verdict
	evidence []string
}

// judge decides whether an active member is lost (S7, S10). It never says so
// because of what is unknown: its own observation must be fresh, and so must be
// that of the neighbour that pulls from it.
func judge(s *Snapshot, m Member, o Observations, now time.Time) judgement {
	seen, _ := o.Of(m.ID)
	fresh := now.Sub(seen.At) <= MaxAge
	switch {
	case fresh && seen.Reach == ReachDenied && seen.Room.Waiting > 0:
		return judgeRoom(s, m, seen, o, now)
	case fresh && seen.Reach == ReachUnknown && seen.Gap != "" && seen.Boot == m.Boot:
		if emptied, is := judgeBinlog(s, m, seen, o, now); is {
			return emptied
		}
		return judgement{why: fmt.Sprintf("member %s does not answer: %s", m.ID, describeReach(seen, now))}
	case !fresh || seen.Reach == ReachUnknown || seen.Reach == ReachDenied:
		return judgement{why: fmt.Sprintf("member %s does not answer: %s", m.ID, describeReach(seen, now))}
	case seen.Reach == ReachAnswers && seen.Boot == m.Boot:
		if emptied, is := judgeBinlog(s, m, seen, o, now); is {
			return emptied
		}
		return judgeRoom(s, m, seen, o, now)
	case seen.Reach == ReachAnswers:
		return judgement{lost: true, why: fmt.Sprintf("member %s was restarted", m.ID), evidence: []string{
			fmt.Sprintf("%s answers with boot token %d, it was admitted with %d: another process", m.ID, seen.Boot, m.Boot),
		}}
	}
	needed, why := refusedFor, "refuses connections"
	if seen.Reach == ReachSilent {
		needed, why = silentFor, "is silent"
	}
	held := now.Sub(seen.Since)
	if !seen.justAsked(now) {
		return judgement{why: fmt.Sprintf("member %s %s, and is asked again", m.ID, why)}
	}
	if held < needed {
		return judgement{why: fmt.Sprintf("member %s %s, for %s so far", m.ID, why, held.Round(time.Millisecond))}
	}
	heard, pulls := neighbours(s, m, o, now)
	switch {
	case heard == 0:
		return judgement{why: fmt.Sprintf("member %s %s, and so does every other: perhaps it is us", m.ID, why)}
	case pulls.Member != "" && pulls.Link.Receiver == ThreadRunning:
		return judgement{why: fmt.Sprintf("member %s %s, but %s still receives from it", m.ID, why, pulls.Member)}
	}
	if seen.Reach == ReachSilent && !pulls.Link.lost(now) {
		if why := unasked(s, m, pulls, held, o, now); why != "" {
			return judgement{why: fmt.Sprintf("member %s is silent, %s", m.ID, why)}
		}
	}
	cut, isCut := severed(s, m.Site, o, now)
	if but := o.outvoted(m, seen, isCut, now); but != "" {
		return judgement{why: fmt.Sprintf("member %s %s, %s", m.ID, why, but)}
	}
	verdict := judgement{lost: true, why: fmt.Sprintf("member %s %s", m.ID, why), evidence: []string{
		fmt.Sprintf("%s %s since %s: %s", m.ID, why, held.Round(time.Millisecond), seen.Error),
	}}
	if isCut {
		verdict.evidence = append(verdict.evidence, cut.String())
	}
	if pulls.Link.lost(now) {
		verdict.evidence = append(verdict.evidence,
			fmt.Sprintf("%s, which pulls from it, has lost it: receiver %s %s", pulls.Member, pulls.Link.Receiver, pulls.Link.ReceiverError))
	}
	return verdict
}

// unasked says why the silence of m is no proof yet, "" if it is: no neighbour has
// lost m, and none has said that it has not.
func unasked(s *Snapshot, m Member, pulls Observation, held time.Duration, o Observations, now time.Time) string {
	down, _ := s.Downstream(m.ID)
	_, heard := o.Good(down.ID, now)
	switch {
	case pulls.Link.Receiver == ThreadConnecting:
		return fmt.Sprintf("and %s, which pulls from it, has only begun to try", pulls.Member)
	case held >= silentAlone:
	case heard:
		return "and no neighbour has tried to pull from it"
	default:
		return "and the neighbour that pulls from it can not be asked"
	}
	return ""
}

// lost reports whether the receiver has been trying to reach its upstream for a
// while.
func (l Link) lost(now time.Time) bool {
	tried := now.Sub(l.Since)
	return l.Receiver == ThreadConnecting && (tried >= beginningFor || l.Lost && tried >= connectingFor)
}

// firstLost returns the active member whose loss is to be healed first: one that
// was restarted, or whose disk is full, which are facts, before one that does not answer.
func firstLost(s *Snapshot, o Observations, now time.Time) (Member, judgement, bool) {
	for _, restarted := range []bool{true, false} {
		for _, m := range s.Members {
			seen, _ := o.Of(m.ID)
			if m.State != MemberActive || (seen.Reach == ReachAnswers) != restarted {
				continue
			}
			if verdict := judge(s, m, o, now); verdict.lost {
				return m, verdict, true
			}
		}
	}
	return Member{}, judgement{}, false
}

// Urgent reports whether an action that is under way on a member is better given
// up, and why: that member has fallen silent, or another one was lost meanwhile and
// no decision can be made before the action has ended. What is decided about a lost
// member needs the hands of the others first: to take them (ActSeize) is given up for
// nothing but their own member's silence.
func Urgent(s *Snapshot, acting MemberID, kind ActionKind, o Observations, now time.Time) (why string, urgent bool) {
	if seen, _ := o.Of(acting); failing(seen, now) {
		return fmt.Sprintf("member %s does not answer any more: %s", acting, describeReach(seen, now)), true
	}
	if op, under := s.Running(); kind == ActSeize || under && op.Kind != OperationRejoin && op.Kind != OperationReplay && !op.leaves() && !op.copies() {
		return "", false // an operation counts the others itself, with every step
	}
	m, verdict, found := firstLost(s, o, now)
	if _, heals := s.Upstream(m.ID); !found || !heals {
		return "", false
	}
	return verdict.why + "; that is healed first", true
}

// neighbours returns how many other members answer, and what was seen of the one
// that pulls from m: the zero Observation if none does. Only members that are in
// the ring with the process that was admitted can tell; of several the one that
// still receives counts.
func neighbours(s *Snapshot, m Member, o Observations, now time.Time) (heard int, pulls Observation) {
	for _, other := range s.Members {
		seen, ok := o.Good(other.ID, now)
		if !ok || other.ID == m.ID {
			continue
		}
		if other.State != MemberActive || seen.Boot != other.Boot {
			continue
		}
		heard++
		if seen.Link.Upstream != m.Addr {
			continue
		}
		if seen.Link.lost(now) && now.Sub(seen.Since) < witnessFor {
			continue // it was not to be reached itself a moment ago
		}
		if pulls.Member == "" || seen.Link.Receiver == ThreadRunning {
			pulls = seen
		}
	}
	return heard, pulls
}

// justAsked reports whether a probe that failed did so lately, and began not long before: one
// that spans a time in which the node was stopped has seen no more than its beginning (S124).
func (o Observation) justAsked(now time.Time) bool {
	return now.Sub(o.At) <= silenceAge && (o.Asked.IsZero() || o.At.Sub(o.Asked) <= silenceAge)
}

// failing reports whether a member has failed to answer for long enough that
// one need not wait for its next answer. Not to have been asked yet is not it.
func failing(seen Observation, now time.Time) bool {
	held := now.Sub(seen.Since)
	switch {
	case !seen.justAsked(now):
		return false
	case seen.Reach == ReachRefused:
		return held >= refusedFor
	case seen.Reach == ReachSilent:
		return held >= silentFor
	}
	return false
}

// roll calls the active members: alive are those that answer with the process
// that was admitted. ok is false, and step says for whom to wait, while one of
// the others is neither failing nor known to be another process.
func roll(s *Snapshot, o Observations, now time.Time) (alive []Member, step Step, ok bool) {
	for _, m := range s.Members {
		if m.State != MemberActive {
			continue
		}
		seen, good := o.Good(m.ID, now)
		switch {
		case good && seen.Boot == m.Boot:
			alive = append(alive, m)
		case !good && now.Sub(seen.At) <= MaxAge && judge(s, m, o, now).lost && seen.Gap != "": // S82: nothing can be done there
		case !good && !failing(seen, now):
			return nil, unheard(m.ID, seen, now), false
		}
	}
	return alive, Step{}, true
}

// unheardFor is how long a step waits for a member that neither answers nor is
// known to be lost before status asks for a person.
const unheardFor = 10 * time.Second

// unheard waits for a member that can not be acted on and not be counted out.
func unheard(id MemberID, seen Observation, now time.Time) Step {
	step, since := wait("member %s does not answer: %s", id, describeReach(seen, now)), seen.Since
	if seen.Reach == ReachAnswers {
		since = seen.At // its last answer is old
	}
	if !since.IsZero() {
		step.Until = since.Add(unheardFor)
	}
	return step
}

func among(members []Member, id MemberID) bool {
	for _, m := range members {
		if m.ID == id {
			return true
		}
	}
	return false
}
