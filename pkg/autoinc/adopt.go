package autoinc

import "fmt"

// Adopt says by which stride, and in which slots, servers count that have counted by
// layouts so far: the stride is a multiple of all of theirs and of DefaultStride, and each
// server gives out a part of what it gave out before (2 → 16, 3 → 48, 10 → 80). So no
// session of before and none of after collide, in whatever order the servers change.
//
// A server of closed takes no writes of applications. Where its layout collides with
// another's it gets a free slot instead. It returns ErrLayout if the layouts of two
// servers that are open collide, or no stride can be had. The servers are named by
// their place in layouts, from 1.
func Adopt(layouts []Layout, closed []bool) (stride int, slots []int, err error) {
	stride = DefaultStride
	for i, l := range layouts {
		e := l.Effective()
		if err := e.Validate(); err != nil {
			return 0, nil, fmt.Errorf("server %d: %w", i+1, err)
		}
		if closed[i] && collides(layouts, i) {
			continue // it does not count by that
		}
		if stride = stride / gcd(stride, e.Stride) * e.Stride; stride > MaxStride {
			return 0, nil, fmt.Errorf("%w: the strides have no common multiple up to %d", ErrLayout, MaxStride)
		}
	}
	slots = make([]int, len(layouts))
	var taken []int
	for i, l := range layouts {
		if closed[i] && collides(layouts, i) {
			continue
		}
		for j := range i {
			if slots[j] != 0 && l.Collides(layouts[j]) {
				return 0, nil, fmt.Errorf("%w: %s of server %d collides with %s of server %d", ErrLayout, l, i+1, layouts[j], j+1)
			}
		}
		slots[i] = l.Effective().Offset
		taken = append(taken, slots[i])
	}
	for i := range slots {
		if slots[i] != 0 {
			continue
		}
		if slots[i], err = Allocate(stride, taken); err != nil {
			return 0, nil, err
		}
		taken = append(taken, slots[i])
	}
	return stride, slots, nil
}

func collides(layouts []Layout, i int) bool {
	for j, other := range layouts {
		if j != i && layouts[i].Collides(other) {
			return true
		}
	}
	return false
}
