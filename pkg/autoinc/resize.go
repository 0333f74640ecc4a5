package autoinc

import (
	"errors"
	"fmt"
)

// ErrResize is returned for a stride that a ring can not be resized to. The remedy
// is a multiple of its stride, up to MaxStride.
var ErrResize = errors.New("the ring can not be resized to this stride")

// Move is what a resize does to one slot: its values before and after. After gives
// out a part of what before did, so old and new sessions of one member never
// disturb those of another.
type Move struct {
	Slot   int
	Before Layout
	After  Layout
}

// Resize says how slots of stride from get to stride to, and which slots are new.
// A new slot shares its old class with one slot (its offset modulo from): it
// collides with whatever session of that one still counts by the old stride, and
// may be given away only when there is none, and the new member has everything.
// It returns ErrResize unless to is a larger multiple of from.
func Resize(from, to int, slots []int) ([]Move, []int, error) {
	switch {
	case from < 1 || from > MaxStride:
		return nil, nil, fmt.Errorf("%w: the present stride %d is not in 1..%d", ErrLayout, from, MaxStride)
	case to > MaxStride:
		return nil, nil, fmt.Errorf("%w: %d is larger than %d, which is the largest that servers take", ErrResize, to, MaxStride)
	case to == from:
		return nil, nil, fmt.Errorf("%w: it has the stride %d already; use %s", ErrResize, to, multiples(from))
	case to < from:
		return nil, nil, fmt.Errorf("%w: %d is smaller than %d, and it is never made smaller; use %s", ErrResize, to, from, multiples(from))
	case to%from != 0:
		return nil, nil, fmt.Errorf("%w: %d is not a multiple of %d: sessions of both strides would give out the same values; use %s", ErrResize, to, from, multiples(from))
	}
	moves := make([]Move, 0, len(slots))
	for _, slot := range slots {
		m := Move{Slot: slot, Before: Layout{slot, from}, After: Layout{slot, to}}
		if err := m.Before.Validate(); err != nil {
			return nil, nil, err
		}
		moves = append(moves, m)
	}
	fresh := make([]int, 0, to-from)
	for slot := from + 1; slot <= to; slot++ {
		fresh = append(fresh, slot)
	}
	return moves, fresh, nil
}

func multiples(n int) string {
	switch {
	case 4*n <= MaxStride:
		return fmt.Sprintf("%d or %d", 2*n, 4*n)
	case 2*n <= MaxStride:
		return fmt.Sprint(2 * n)
	}
	return "none: there is no larger one"
}
