package topology

import (
	"slices"
	"time"
)

// LeaseTTL is how long a proxy that is not heard of may still act on a lease.
const LeaseTTL = 2 * time.Second

// healLeases waits until nobody can acknowledge a write of the epochs that have
// ended, and records how far such writes were acknowledged. The mark is not known
// if no acker stood behind the owner and a proxy has forgotten what it said.
func healLeases(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	if step, over := leasesOver(s, o, now); !over {
		return step
	}
	record := RecordMark{Operation: op.ID}
	for _, w := range o.Writers {
		unit, ok := s.Unit(w.Unit)
		if !ok { // it was joined, and the proxy has not heard of it
			unit, ok = s.Unit(UnitRest)
		}
		if !ok || unit.Owner == "" && !s.withheld(unit, op.Member) { // what others own goes on being acknowledged
			record.Mark = record.Mark.Union(w.Acked)
		}
	}
	for _, unit := range s.ownerless() {
		record.Unknown = record.Unknown || !s.withheld(unit, op.Member) && !remembered(unit, o, now)
	}
	record.Mark = s.kept(record.Mark, op.Member)
	record.Unknown = record.Unknown && !op.Armed && s.Ring.Durability == DurabilitySemiSync && len(s.ownerless()) > 0
	return commit(record, "no lease of an ended epoch is left")
}

// kept returns what is to be asked of an heir of all that proxies say to be acknowledged:
// what was cut off with another member than the lost one is not asked of its heirs' heirs,
// whether that is out, has another identity by now, or has left (S86). A proxy notes
// what it reads to be done before it knows whether its client may be told, and never forgets.
func (s *Snapshot) kept(mark Position, lost MemberID) Position {
	for _, m := range s.Members {
		if last, ok := m.Cut.Last(m.Domain()); ok && m.State != MemberActive && m.ID != lost {
			mark = mark.Without(m.Domain()).With(last)
		}
		for _, last := range m.Cuts {
			mark = mark.upTo(last)
		}
	}
	for _, left := range s.Tombstones {
		for _, last := range left.Last {
			back := func(m Member) bool { return m.Domain() == last.Domain } // a MySQL that has left may be a member again
			if !slices.ContainsFunc(s.Members, back) {
				mark = mark.upTo(last)
			}
		}
	}
	return mark
}

// withheld reports whether a unit waits for a member that is in the ring, and has all that
// was acknowledged in it: the one that wrote it. Of nobody else that is asked.
func (s *Snapshot) withheld(unit Unit, lost MemberID) bool {
	heir, ok := s.Member(unit.Heir)
	return ok && heir.State == MemberActive && heir.ID != lost && !unit.Restored
}

// remembered reports whether all that was acknowledged since the unit was granted is
// known: the proxies that were there then say it, and no others can have (S12).
func remembered(unit Unit, o Observations, now time.Time) bool {
	for _, w := range o.Writers {
		if w.Unit == unit.ID && !slices.ContainsFunc(unit.Proxies, w.began) {
			return false
		}
	}
	for _, node := range o.Nodes { // whoever has joined since, and is silent, may have acknowledged too
		if !slices.ContainsFunc(unit.Proxies, func(p ProxyStart) bool { return p.Node == node }) {
			return false
		}
	}
	for _, p := range unit.Proxies {
		says := func(w Writer) bool { return w.Unit == unit.ID && w.began(p) && now.Sub(w.At) <= LeaseTTL }
		if !slices.ContainsFunc(o.Writers, says) {
			return false
		}
	}
	return true
}

// speaks reports whether a proxy was heard of within the TTL, whatever it said. One
// that speaks, and not of a unit, has not heard that there is such a unit.
func speaks(o Observations, node NodeID, now time.Time) bool {
	return slices.ContainsFunc(o.Writers, func(w Writer) bool { return w.Node == node && now.Sub(w.At) <= LeaseTTL })
}

// leasesOver reports whether no proxy can acknowledge a write of an epoch that a
// unit without an owner has left behind (S3), or else for whom to wait.
func leasesOver(s *Snapshot, o Observations, now time.Time) (Step, bool) {
	if len(o.Nodes) == 0 {
		return wait("it is not known which nodes hold leases"), false
	}
	for _, unit := range s.ownerless() {
		for _, node := range o.Nodes {
			expired := !o.alive(node, unit, now)
			i := slices.IndexFunc(o.Writers, func(w Writer) bool { return w.Node == node && w.Unit == unit.ID })
			if i < 0 {
				if expired && !s.Ring.Unfenced && !speaks(o, node, now) {
					continue
				}
				return wait("the proxy of node %s has not said that its lease on %s is over", node, unit.ID), false
			}
			w := o.Writers[i]
			// A lease that does not end by itself is over when its proxy says so, or is
			// silent: one that speaks and has not taken the new epoch in still answers OK.
			over := expired && (w.timed(s.Ring) || now.Sub(w.At) > LeaseTTL && !s.Ring.Unfenced)
			if (w.Epoch < unit.Epoch || w.Holding) && !over {
				return wait("the proxy of node %s still holds a lease on %s of epoch %d", node, unit.ID, w.Epoch), false
			}
		}
	}
	return Step{}, true
}
