package topology

import (
	"slices"
	"time"
)

// The steps of operation heal, in order. The lost member was taken out by the
// command that began it, so its units have no owner before the first step. A
// crash at any step leaves queued writes and closed members, never a second
// writer.
const (
	HealLeases Cursor = "leases" // every proxy has given its lease back, or it has run out (S3)
	HealFreeze Cursor = "freeze" // nothing more can come from the lost member (S2); nobody waits for its acks
	HealDrain  Cursor = "drain"  // survivors apply what they received (S1); the heir is chosen (S4)
	HealWire   Cursor = "wire"   // the ring is closed without it
	HealOpen   Cursor = "open"   // the heir is opened and granted (S5)
)

func healCursors() []Cursor {
	return []Cursor{HealLeases, HealFreeze, HealDrain, HealWire, HealOpen}
}

// LeaseTTL is how long a proxy that is not heard of may still act on a lease.
const LeaseTTL = 2 * time.Second

func nextHeal(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	lost, ok := s.Member(op.Member)
	if !ok {
		return stuck("operation %s heals the loss of %s, which is not a member", op.ID, op.Member)
	}
	switch op.Cursor {
	case HealLeases:
		return healLeases(s, op, o, now)
	case HealFreeze:
		return healFreeze(s, op, lost, o, now)
	case HealDrain:
		return healDrain(s, op, lost, o, now)
	case HealWire:
		return healWire(s, op, lost, o, now)
	case HealOpen:
		return healOpen(s, op, o, now)
	}
	return stuck("operation %s stands at %q, which is not a step of heal", op.ID, op.Cursor)
}

// healLeases waits until nobody can acknowledge a write of the epochs that have
// ended, and records how far such writes were acknowledged.
func healLeases(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	var mark Position
	if len(o.Nodes) == 0 {
		return wait("it is not known which nodes hold leases")
	}
	for _, unit := range s.ownerless() {
		for _, node := range o.Nodes {
			i := slices.IndexFunc(o.Writers, func(w Writer) bool { return w.Node == node && w.Unit == unit.ID })
			expired := now.Sub(op.Began) > LeaseTTL
			switch {
			case i < 0 && !expired:
				return wait("the proxy of node %s has not said that its lease on %s is over", node, unit.ID)
			case i < 0:
				continue
			}
			w := o.Writers[i]
			if over := w.Epoch >= unit.Epoch && !w.Holding; !over && !expired {
				return wait("the proxy of node %s still holds a lease on %s of epoch %d", node, unit.ID, w.Epoch)
			}
			mark = mark.Union(w.Acked)
		}
	}
	return commit(RecordMark{Operation: op.ID, Mark: mark}, "no lease of an ended epoch is left")
}

// healFreeze stops whoever pulls from the lost member from receiving more, and
// frees whoever waits for its acknowledgement.
func healFreeze(s *Snapshot, op Operation, lost Member, o Observations, now time.Time) Step {
	for _, m := range survivors(s, o, now) {
		acker, _ := s.nearest(m.ID, +1, func(x Member) bool { return x.State == MemberActive || x.ID == lost.ID })
		if m.SemiSync == SemiSyncArmed && acker.ID != lost.ID {
			continue
		}
		if step, off := disarmed(m, o); !off {
			return step
		}
	}
	for _, m := range survivors(s, o, now) {
		seen, _ := o.Of(m.ID)
		if seen.Link.Upstream == lost.Addr && seen.Link.Receiver != ThreadStopped {
			return do(m.ID, Action{Kind: ActStopReceiver}, "nothing more may come from %s", lost.ID)
		}
	}
	if down, ok := formerDownstream(s, lost.ID); ok {
		if seen, good := o.Good(down.ID, now); !good && !op.AcceptLoss {
			return stuck("member %s, which pulls from %s, does not answer either (%s): bring one of them back, or give up what only they have: sqlring ring heal --accept-loss",
				down.ID, lost.ID, describeReach(seen, now))
		}
	}
	return advance(op, HealDrain, "nothing more can come from %s", lost.ID)
}

// survivors returns the active members that answer with the process that was
// admitted, in ring order.
func survivors(s *Snapshot, o Observations, now time.Time) []Member {
	var alive []Member
	for _, m := range s.Members {
		if seen, ok := o.Good(m.ID, now); ok && m.State == MemberActive && seen.Boot == m.Boot {
			alive = append(alive, m)
		}
	}
	return alive
}

// formerDownstream returns the active member that stands after id in ring order,
// whether id itself is in the ring or not.
func formerDownstream(s *Snapshot, id MemberID) (Member, bool) { return s.nearest(id, +1, isActive) }

func formerUpstream(s *Snapshot, id MemberID) (Member, bool) { return s.nearest(id, -1, isActive) }

func isActive(m Member) bool { return m.State == MemberActive }

// healDrain waits until those who pulled from the lost member have applied what
// they received, and chooses the heir: the survivor that has most of it.
func healDrain(s *Snapshot, op Operation, lost Member, o Observations, now time.Time) Step {
	alive := survivors(s, o, now)
	for _, m := range alive {
		seen, _ := o.Of(m.ID)
		if seen.Link.Upstream != lost.Addr {
			continue
		}
		if step, done := drained(m, seen); !done {
			return step
		}
	}
	return chooseHeir(s, op, lost, alive, o)
}

func chooseHeir(s *Snapshot, op Operation, lost Member, alive []Member, o Observations) Step {
	if len(alive) == 0 {
		return wait("no survivor of the loss of %s answers", lost.ID)
	}
	heir, cut := MemberID(""), Position(nil)
	var best uint64
	order := alive
	if down, ok := formerDownstream(s, lost.ID); ok { // of equals, the one that pulled from it
		i := slices.IndexFunc(alive, func(m Member) bool { return m.ID == down.ID })
		order = append(slices.Clone(alive[max(i, 0):]), alive[:max(i, 0)]...)
	}
	for _, m := range order {
		seen, _ := o.Of(m.ID)
		last, _ := seen.Position().Last(lost.Identity)
		if heir == "" || last.Seq > best {
			heir, best = m.ID, last.Seq
		}
		if last.Seq > 0 {
			cut = cut.With(last)
		}
	}
	if op.Heir != "" { // an owner that only lost its acker stays the owner
		heir = op.Heir
	}
	if len(s.ownerless()) == 0 {
		heir = ""
	} else {
		seen, _ := o.Of(heir)
		if missing := seen.Position().Missing(op.Mark); len(missing) > 0 && !op.AcceptLoss {
			return stuck("acknowledged transactions up to %s are on no survivor (%s has %q); bring %s back, or give them up: sqlring ring heal --accept-loss",
				missing, heir, seen.Position(), lost.ID)
		}
	}
	return commit(ChooseHeir{Operation: op.ID, From: op.Cursor, Heir: heir, Cut: cut}, "it has the most of %s", lost.ID)
}

// healWire closes the ring without the lost member: its downstream follows its
// upstream. With one survivor left there is nothing to follow.
func healWire(s *Snapshot, op Operation, lost Member, o Observations, now time.Time) Step {
	alive := survivors(s, o, now)
	if step, ok := heirLives(s, op, lost, alive, o); !ok {
		return step
	}
	down, ok := formerDownstream(s, lost.ID)
	if !ok {
		return stuck("no member is left in the ring")
	}
	seen, good := o.Good(down.ID, now)
	if !good || seen.Boot != down.Boot {
		return advance(op, HealOpen, "%s is lost too, the ring is closed when that is healed", down.ID)
	}
	upstream, other := s.Upstream(down.ID)
	if !other || !slices.ContainsFunc(alive, func(m Member) bool { return m.ID == upstream.ID }) {
		if step, ok := detached(down, seen); !ok {
			return step
		}
		return advance(op, HealOpen, "%s stands alone", down.ID)
	}
	if step, ok := follow(s, down, upstream, true, o); !ok {
		return step
	}
	return advance(op, HealOpen, "%s follows %s", down.ID, upstream.ID)
}

// heirLives reports whether the heir still answers, or else chooses another.
func heirLives(s *Snapshot, op Operation, lost Member, alive []Member, o Observations) (Step, bool) {
	if op.Heir == "" || slices.ContainsFunc(alive, func(m Member) bool { return m.ID == op.Heir }) {
		return Step{}, true
	}
	op.Heir = ""
	return chooseHeir(s, op, lost, alive, o), false
}

// healOpen opens the heir and grants it the units.
func healOpen(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	lost, _ := s.Member(op.Member)
	if op.Heir == "" {
		return commit(EndHeal{Operation: op.ID}, "%s owned nothing, the ring goes on without it", lost.ID)
	}
	alive := survivors(s, o, now)
	if step, ok := heirLives(s, op, lost, alive, o); !ok {
		return step
	}
	heir, _ := s.Member(op.Heir)
	seen, _ := o.Of(heir.ID)
	if why := unprepared(s, heir, seen); why != "" {
		return do(heir.ID, prepareAction(s, heir, false), "%s", why)
	}
	order := SemiSyncOff
	if s.Ring.Durability == DurabilitySemiSync {
		order = SemiSyncDegraded
		if s.Ring.Degraded == DegradedRefuse {
			if _, ok := s.Downstream(heir.ID); !ok {
				return stuck("%s has no acker, and degraded is refuse: writes wait until %s is back", heir.ID, lost.ID)
			}
			if step, ok := armed(s, heir, o); !ok {
				return step
			}
			order = SemiSyncArmed
		}
	}
	if seen.ReadOnly {
		return do(heir.ID, Action{Kind: ActOpen, Boot: heir.Boot}, "it has everything that was acknowledged and takes over")
	}
	return commit(EndHeal{Operation: op.ID, SemiSync: order}, "%s is open and has everything that was acknowledged", heir.ID)
}
