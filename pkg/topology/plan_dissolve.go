package topology

import "time"

// The steps of operation dissolve, in order. Writes wait from drain on. Up to settle it
// can be given up: who owned a unit gets it back. From detach on it is gone through with,
// with whoever answers: each member has all that the others have by then.
const (
	DissolveDrain   Cursor = "drain"  // proxies let what was begun end, and begin nothing
	DissolveFence   Cursor = "fence"  // no lease is left (S3)
	DissolveSettle  Cursor = "settle" // all are closed, and each has all that the others have
	DissolveDetach  Cursor = "detach" // nobody follows anybody
	DissolveClean   Cursor = "clean"  // what sqlring has put there is taken away
	DissolveOpening Cursor = "open"   // who is to take writes is opened
)

func dissolveCursors() []Cursor {
	return []Cursor{DissolveDrain, DissolveFence, DissolveSettle, DissolveDetach, DissolveClean, DissolveOpening}
}

// settleWithin is how long writes may wait for the members to have the same.
const settleWithin = 30 * time.Second

func nextDissolve(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	if !op.dissolving() {
		return dissolveApart(s, op, o, now)
	}
	if allRestarted(s, "", o, now) {
		return commit(BeginRestart{}, "every member was restarted, and each has its disk")
	}
	if step, lost := onLoss(s, AbortOperation{Operation: op.ID}, o, now); lost {
		return step
	}
	if now.Sub(op.Moved) > settleWithin+op.Grace {
		return commit(AbortOperation{Operation: op.ID}, "step %q took more than %s, and writes wait", op.Cursor, settleWithin)
	}
	switch op.Cursor {
	case DissolveDrain:
		return dissolveDrain(s, op, o, now)
	case DissolveFence:
		if step, over := leasesOver(s, o, now); !over {
			return step
		}
		return advance(op, DissolveSettle, "no lease is left")
	}
	return dissolveSettle(s, op, o, now)
}

func dissolveDrain(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	for _, u := range s.Units {
		if !quiet(u, o, now) && now.Sub(op.Moved) <= op.Grace+graceOver {
			return wait("proxies let work in %s end", u.ID)
		}
	}
	if node := unanswerable(s, o, now); node != "" {
		return commit(AbortOperation{Operation: op.ID}, "node %s is silent, and its lease does not end by itself: the units would have no owner until it speaks", node)
	}
	return commit(TakeUnits{Operation: op.ID}, "nothing is under way, or it was given %s to end", op.Grace)
}

// dissolveSettle closes everybody, and waits until each has what each other one had when
// that was closed already.
func dissolveSettle(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	alive, step, ok := roll(s, o, now)
	if !ok {
		return step
	}
	for _, m := range alive {
		if step, off := disarmed(s, m, o, now); !off {
			return step
		}
		if seen, _ := o.Of(m.ID); !seen.ReadOnly {
			return do(m.ID, Action{Kind: ActClose}, "no lease is left: what it has then is all that it wrote")
		}
	}
	for _, m := range alive {
		if upstream, linked := s.Upstream(m.ID); linked {
			if step, ok := follow(s, m, upstream, true, o, now); !ok {
				return step
			}
		}
		for _, other := range alive {
			seen, _ := o.Of(m.ID)
			theirs, _ := o.Of(other.ID)
			if other.ID == m.ID {
				continue
			}
			if _, at, known := theirs.PositionBefore(seen.Asked); !known || at.Before(op.Moved) || !theirs.ReadOnly {
				return wait("the position of %s was not read since it was closed", other.ID)
			}
			if step, ok := caughtUp(m, other, o); !ok {
				return step
			}
		}
	}
	return advance(op, DissolveDetach, "each member has all that the others have")
}

// dissolveApart makes strangers of the members. One that does not answer is passed over:
// it is closed, and has everything; should it answer later, it gets what it has missed. Nobody
// is opened before that. Each is looked at once more before the end.
func dissolveApart(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	var left []MemberID
	var opening Step // of the first one to be opened
	for _, m := range s.Members {
		if m.State != MemberActive {
			left = append(left, m.ID)
			continue
		}
		seen, good := o.Good(m.ID, now)
		switch {
		case !good && !failing(seen, now) && now.Sub(op.Moved) <= settleWithin:
			return unheard(m.ID, seen, now)
		case !good:
			left = append(left, m.ID)
			continue
		}
		step, done := dissolveMember(s, op, m, seen)
		if done && op.Cursor == DissolveOpening && !seen.Asked.After(op.Moved) && !now.Before(op.Moved) {
			step, done = wait("%s was looked at before the last step", m.ID), false
			step.Probe = []MemberID{m.ID}
		}
		switch {
		case !done && step.Action.Kind == ActOpen && now.Sub(op.Moved) <= settleWithin:
			if opening.Why == "" {
				opening = step
			}
		case !done && now.Sub(op.Moved) <= settleWithin:
			return step
		case !done || op.Cursor == DissolveOpening && seen.Boot != m.Boot:
			left = append(left, m.ID)
		}
	}
	if opening.Why != "" {
		return opening
	}
	switch op.Cursor {
	case DissolveDetach:
		return advance(op, DissolveClean, "nobody follows anybody")
	case DissolveClean:
		return advance(op, DissolveOpening, "what sqlring had put there is gone, or is to stay")
	case DissolveOpening:
		return commit(EndDissolve{Operation: op.ID, Left: left}, "the members are strangers to each other")
	}
	return stuck("operation %s stands at %q, which is not a step of dissolve", op.ID, op.Cursor)
}

// dissolveMember returns what the present step still asks of a member, and what the ones
// before it did: it may not have answered then. Somebody may have opened it by hand since
// all were closed.
func dissolveMember(s *Snapshot, op Operation, m Member, seen Observation) (Step, bool) {
	opens := op.Open == OpenAll || op.Open == OpenOwners && s.Inherits(m.ID)
	switch {
	case !seen.ReadOnly && !(opens && op.Cursor == DissolveOpening):
		return do(m.ID, Action{Kind: ActClose}, "it was opened by hand, and the ring is being dissolved"), false
	case seen.SemiSync.Enabled:
		return do(m.ID, Action{Kind: ActDisarm}, "nobody will acknowledge its commits any more"), false
	case seen.Link.Upstream != "":
		return detached(m, seen)
	case op.Cursor != DissolveDetach && !op.Keep && seen.HasRing && seen.ReadOnly:
		return do(m.ID, Action{Kind: ActRetire}, "the ring is dissolved"), false
	case op.Cursor == DissolveOpening && opens && seen.ReadOnly && seen.Boot == m.Boot:
		return do(m.ID, openAction(m), "it takes writes from now on, past sqlring"), false
	}
	return Step{}, true
}
