package autoinc

import (
	"errors"
	"fmt"
)

// ErrFull is returned when every slot of a stride is taken. The remedy is to
// resize the ring to a multiple of its stride, or to free a tombstone.
var ErrFull = errors.New("every auto_increment slot is taken")

// Allocate returns the lowest slot of 1..stride that is not in taken. Slots of
// members that are down, leaving or remembered by a tombstone count as taken:
// the caller passes them too. It returns ErrFull if there is none.
//
// A spare slot of an unchanged stride is always safe: its class meets no other.
func Allocate(stride int, taken []int) (int, error) {
	if stride < 1 || stride > MaxStride {
		return 0, fmt.Errorf("%w: stride %d is not in 1..%d", ErrLayout, stride, MaxStride)
	}
	used := make(map[int]bool, len(taken))
	for _, slot := range taken {
		used[slot] = true
	}
	for slot := 1; slot <= stride; slot++ {
		if !used[slot] {
			return slot, nil
		}
	}
	return 0, fmt.Errorf("%w: stride %d", ErrFull, stride)
}
