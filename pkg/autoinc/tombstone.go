package autoinc

// Tombstone is the slot of a member that has left. Its numbers stand in the tables.
type Tombstone struct {
	Slot int
	// Stride is the one that it counted by; 0: the ring's.
	Stride int
	// Unread says that the member may have given out numbers which the others do not
	// have: nothing that produces one of them is given away.
	Unread bool
}

// AllocateBeside returns a slot as [Allocate] does, beside those in taken and those of
// members that have left, oldest first. If no other is free, it returns that of the
// oldest tombstone that is not Unread and not taken again: whoever joins has every
// number that was given out there, and goes on above it. It returns ErrFull if there is
// none.
func AllocateBeside(stride int, taken []int, left []Tombstone) (int, error) {
	used := make(map[int]bool, len(taken))
	all := append(make([]int, 0, len(taken)+len(left)), taken...)
	for _, slot := range taken {
		used[slot] = true
	}
	for _, t := range left {
		all = append(all, t.meets(stride)...)
	}
	slot, err := Allocate(stride, all)
	if err == nil {
		return slot, nil
	}
	unread := map[int]bool{}
	for _, t := range left {
		for _, met := range t.meets(stride) {
			unread[met] = unread[met] || t.Unread
		}
	}
	for _, t := range left {
		if t.Slot >= 1 && t.Slot <= stride && !unread[t.Slot] && !used[t.Slot] {
			return t.Slot, nil
		}
	}
	return 0, err
}

// meets returns the slots of a stride that could produce a value of t's: its own, and
// after a resize, if the values are not known, those that its class was divided into.
func (t Tombstone) meets(stride int) []int {
	if !t.Unread || t.Stride == 0 || t.Stride == stride {
		return []int{t.Slot}
	}
	var met []int
	for slot := 1; slot <= stride; slot++ {
		if (Layout{slot, stride}).Collides(Layout{t.Slot, t.Stride}) {
			met = append(met, slot)
		}
	}
	return met
}
