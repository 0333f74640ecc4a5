package sim

import "github.com/sqlring/sqlring/pkg/topology"

// copySlots writes the member's copy of the table of slots. A crash keeps it.
func copySlots(d *deed, then func(error)) {
	d.s.disk.slots = d.a.Slots
	then(nil)
}

// slotsSeen is what a probe reads of the copy.
func (s *server) slotsSeen() topology.SlotsSeen {
	seen := topology.SlotsSeen{Looked: s.disk.hasRing}
	if t := s.disk.slots; seen.Looked && t.Ring != "" {
		seen.Sum, seen.Ring, seen.Stride, seen.Next = t.Sum(), t.Ring, t.Stride, t.Next
	}
	return seen
}

// unmirrored says that an active member's copy is not the table of the state, "" if it is.
func (w *World) unmirrored(s *server) string {
	if want := w.log.snap.SlotTable(); s.disk.slots.Sum() != want.Sum() {
		return "has another table of slots"
	}
	return ""
}
