package topology

import (
	"strings"
	"time"
)

// The steps of operation adopt, in order. Applications write to the servers all the
// while; at each step the servers replicate in their circle, but for the one that is
// just being taken over.
const (
	AdoptPreflight Cursor = "preflight" // they answer, fit, and replicate in a circle
	AdoptSchema    Cursor = "schema"    // replication account and schema sqlring on each (S51)
	AdoptTake      Cursor = "take over" // one after the other: identity, slot, settings, link (S50, S52)
	AdoptVerify    Cursor = "verify"    // the heartbeat of each arrives at each
	AdoptOpen      Cursor = "open"      // semi-sync armed; then proxies may write
	AdoptBack      Cursor = "back"      // aborted: whoever does not receive is started again
)

func adoptCursors() []Cursor {
	return []Cursor{AdoptPreflight, AdoptSchema, AdoptTake, AdoptVerify, AdoptOpen}
}

func nextAdopt(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	if op.Cursor == AdoptBack {
		return adoptBack(s, op, o, now)
	}
	for _, m := range s.Members {
		if seen, ok := o.Good(m.ID, now); !ok {
			return unheard(m.ID, seen, now)
		}
	}
	switch op.Cursor {
	case AdoptPreflight:
		for _, check := range CheckAdoption(s.Members, o, op.Boots) {
			if check.Verdict == CopyRefused {
				return stuck("refused by the check %q: %s; %s; or: sqlring operation abort %s", check.Name, check.What, check.Remedy, op.ID)
			}
		}
		for _, m := range s.Members {
			seen, _ := o.Of(m.ID)
			if step, ok := initSource(s, op, m, seen); !ok {
				return step
			}
		}
		return advance(op, AdoptSchema, "all %d servers answer, fit, and replicate in a circle", len(s.Members))
	case AdoptSchema:
		for _, m := range s.Members {
			if seen, _ := o.Of(m.ID); !seen.HasRing {
				return do(m.ID, Action{Kind: ActSchema}, "each has the schema sqlring before the first heartbeat is written")
			}
		}
		return advance(op, AdoptTake, "each has the schema sqlring")
	}
	if step, ok := adoptTaken(s, op, o, now); !ok {
		return step
	}
	switch op.Cursor {
	case AdoptTake:
		return advance(op, AdoptVerify, "each has its identity, slot and settings, and follows the one before it")
	case AdoptVerify:
		for _, m := range s.Members {
			seen, _ := o.Of(m.ID)
			for _, origin := range s.Members {
				if !hasBeat(seen, origin.ID) {
					return wait("the heartbeat of %s has not arrived at %s", origin.ID, m.ID)
				}
			}
		}
		return advance(op, AdoptOpen, "the heartbeat of each member arrives at each")
	case AdoptOpen:
		return adoptOpen(s, op, o)
	}
	return stuck("operation %s stands at %q, which is not a step of adopt", op.ID, op.Cursor)
}

// adoptTaken reports whether every server was taken over, follows the one before it and
// has caught up with it, or else the step that is due. A server that was restarted
// meanwhile carries no token: it is taken over again.
func adoptTaken(s *Snapshot, op Operation, o Observations, now time.Time) (Step, bool) {
	for _, m := range s.Members { // nothing may wait for an acker whose receiver is about to be stopped
		seen, _ := o.Of(m.ID)
		if seen.SemiSync.Enabled && (op.Cursor != AdoptOpen || seen.Boot != m.Boot) {
			return do(m.ID, Action{Kind: ActDisarm}, "nothing may wait for an acker that is taken over"), false
		}
	}
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		upstream, _ := s.Upstream(m.ID)
		if seen.Boot != m.Boot {
			if step, done := drained(m, seen); !done {
				return step, false
			}
			action := Action{Kind: ActAdopt, Identity: m.Identity, Layout: m.Layout(s.Ring.Stride), Boot: m.Boot, Boots: op.Boots}
			return do(m.ID, action, "it has applied all that it received"), false
		}
		if why := unprepared(s, m, seen); why != "" {
			return stuck("member %s was changed by somebody while it was adopted: %s; end this (sqlring operation abort %s) and begin again", m.ID, why, op.ID), false
		}
		if step, ok := pull(s, m, upstream, true, o, now); !ok {
			return step, false
		}
		if step, ok := caughtUp(m, upstream, o); !ok {
			return step, false
		}
	}
	return Step{}, true
}

func adoptOpen(s *Snapshot, op Operation, o Observations) Step {
	owner := s.Members[0]
	if seen, _ := o.Of(owner.ID); seen.ReadOnly {
		return stuck("member %s is to own everything, and is read-only: SET GLOBAL read_only=0 there; or: sqlring operation abort %s", owner.ID, op.ID)
	}
	order := SemiSyncOff
	if s.Ring.Durability == DurabilitySemiSync {
		if step, ok := armed(s, owner, o); !ok {
			return step
		}
		order = SemiSyncArmed
	}
	var direct []MemberID
	for _, m := range s.Members[1:] {
		if seen, _ := o.Of(m.ID); !seen.ReadOnly {
			direct = append(direct, m.ID)
		}
	}
	return commit(OpenRing{Operation: op.ID, SemiSync: order, Proxies: proxies(o), Direct: direct}, "every member is taken over and verified")
}

// adoptBack has every server receive again, from whom it did or is meant to, and lets
// them go. One that can not be reached is left as it is, and named.
func adoptBack(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	var left []string
	for _, m := range s.Members {
		seen, good := o.Good(m.ID, now)
		upstream, _ := s.Upstream(m.ID)
		late := now.Sub(op.Moved) > unheardFor
		switch {
		case !good && (late || failing(seen, now)):
			left = append(left, string(m.ID)+", which does not answer")
			continue
		case !good:
			return unheard(m.ID, seen, now)
		case late:
			if seen.Link.Upstream == "" || seen.Link.Receiver == ThreadStopped || seen.Link.Applier == ThreadStopped {
				left = append(left, string(m.ID)+", whose threads do not run")
			}
			continue
		case seen.SemiSync.Enabled:
			return do(m.ID, Action{Kind: ActDisarm}, "nobody sees to its acker any more")
		case (seen.ServerID == m.Identity || seen.Domain == m.Identity || seen.Link.Upstream == "" && seen.HasRing) && seen.Boot != m.Boot:
			// Half taken over: under its new identity it does not know what it wrote before
			// for its own, until that is noted as applied; or its link is forgotten, and it may not
			// follow anybody without an identity. So this is brought to its end.
			if step, done := drained(m, seen); !done {
				return step
			}
			return do(m.ID, Action{Kind: ActAdopt, Identity: m.Identity, Layout: m.Layout(s.Ring.Stride), Boot: m.Boot, Boots: op.Boots}, "it was half taken over")
		case seen.Carries(m) && seen.Link.Upstream == "":
			if step, ok := pull(s, m, upstream, false, o, now); !ok {
				return step
			}
		case seen.Link.Upstream != "" && (seen.Link.Receiver == ThreadStopped || seen.Link.Applier == ThreadStopped):
			return do(m.ID, Action{Kind: ActStart}, "it is to receive as before")
		}
	}
	if len(left) > 0 {
		return commit(LeaveAdopt{Operation: op.ID}, "the servers receive as before, but for %s: see there that it follows whom it did, and start its replica threads; on a MariaDB, once what it holds is noted as applied (docs/adopt.md)", strings.Join(left, "; "))
	}
	return commit(LeaveAdopt{Operation: op.ID}, "each server receives as before")
}
