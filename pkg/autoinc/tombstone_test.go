package autoinc

import (
	"errors"
	"testing"
)

func TestAllocateBeside(t *testing.T) {
	for _, c := range []struct {
		name   string
		stride int
		taken  []int
		left   []Tombstone
		want   int
	}{
		{"nobody has left", 4, []int{1, 2}, nil, 3},
		{"a tombstone counts as taken", 4, []int{1, 2}, []Tombstone{{Slot: 3}}, 4},
		{"a gap comes before a tombstone", 4, []int{1, 4}, []Tombstone{{Slot: 2}}, 3},
		{"the oldest tombstone is reused", 4, []int{1, 2}, []Tombstone{{Slot: 4}, {Slot: 3}}, 4},
		{"an unread one is not", 4, []int{1, 2}, []Tombstone{{Slot: 4, Unread: true}, {Slot: 3}}, 3},
		{"one unread among several of a slot counts", 3, []int{1}, []Tombstone{{Slot: 2, Unread: true}, {Slot: 2}, {Slot: 3}}, 3},
		{"one that is taken again is not free", 3, []int{1, 3}, []Tombstone{{Slot: 3}, {Slot: 2}}, 2},
		{"none is left", 3, []int{1, 3}, []Tombstone{{Slot: 2, Unread: true}}, 0},
		{"what an unread one may have given out by a smaller stride", 4, []int{2, 4}, []Tombstone{{Slot: 1, Stride: 2, Unread: true}}, 0},
		{"what a read one has given out is known", 4, []int{2, 4}, []Tombstone{{Slot: 1, Stride: 2}}, 3},
		{"outside of the stride", 2, []int{1, 2}, []Tombstone{{Slot: 3}}, 0},
	} {
		got, err := AllocateBeside(c.stride, c.taken, c.left)
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("%s: slot %d, %v; want %d", c.name, got, err, c.want)
		}
		if c.want == 0 && !errors.Is(err, ErrFull) {
			t.Errorf("%s: %v is not ErrFull", c.name, err)
		}
	}
}
