package autoinc

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestAdopt(t *testing.T) {
	for _, tt := range []struct {
		name    string
		layouts []Layout
		closed  []bool
		stride  int
		slots   string
		err     error
	}{
		{"2", []Layout{{1, 2}, {2, 2}}, []bool{false, false}, 16, "[1 2]", nil},
		{"3", []Layout{{3, 3}, {1, 3}, {2, 3}}, []bool{false, false, false}, 48, "[3 1 2]", nil},
		{"10", []Layout{{1, 10}, {7, 10}}, []bool{false, false}, 80, "[1 7]", nil},
		{"1, one of them open", []Layout{{1, 1}, {1, 1}, {1, 1}}, []bool{false, true, true}, 16, "[1 2 3]", nil},
		{"an offset that the server ignores", []Layout{{5, 4}, {2, 4}}, []bool{false, false}, 16, "[1 2]", nil},
		{"closed, with a class of its own", []Layout{{1, 2}, {2, 2}}, []bool{false, true}, 16, "[1 2]", nil},
		{"of different strides", []Layout{{1, 2}, {2, 4}}, []bool{false, false}, 16, "[1 2]", nil},
		{"1, both open", []Layout{{1, 1}, {1, 1}}, []bool{false, false}, 0, "", ErrLayout},
		{"the same offset", []Layout{{1, 2}, {1, 2}}, []bool{false, false}, 0, "", ErrLayout},
		{"not known", []Layout{{}, {1, 2}}, []bool{false, false}, 0, "", ErrLayout},
		{"too large", []Layout{{1, 65535}, {2, 65534}}, []bool{false, true}, 0, "", ErrLayout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stride, slots, err := Adopt(tt.layouts, tt.closed)
			if !errors.Is(err, tt.err) || stride != tt.stride || err == nil && fmt.Sprint(slots) != tt.slots {
				t.Errorf("Adopt = %d %v, %v; want %d %s, %v", stride, slots, err, tt.stride, tt.slots, tt.err)
			}
		})
	}
}

// What each open server gives out after is a part of what it gave out before, so no
// session of before meets one of after of another server.
func TestAdoptedLayoutsMeetNoOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(t, "servers")
		layouts, closed := make([]Layout, n), make([]bool, n)
		for i := range layouts {
			stride := rapid.IntRange(1, 12).Draw(t, "stride")
			layouts[i] = Layout{rapid.IntRange(1, stride).Draw(t, "offset"), stride}
			closed[i] = rapid.Bool().Draw(t, "closed")
		}
		stride, slots, err := Adopt(layouts, closed)
		if err != nil {
			return
		}
		for i := range layouts {
			after := Layout{slots[i], stride}
			if !closed[i] && !after.Within(layouts[i]) {
				t.Fatalf("%v becomes %v", layouts[i], after)
			}
			for j := range layouts {
				if i == j {
					continue
				}
				if after.Collides(Layout{slots[j], stride}) {
					t.Fatalf("slots %v of %d collide", slots, stride)
				}
				if !closed[i] && !closed[j] && after.Collides(layouts[j]) {
					t.Fatalf("%v meets sessions of %v", after, layouts[j])
				}
			}
		}
	})
}

func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		a, b Layout
		want bool
	}{
		{Layout{1, 16}, Layout{1, 2}, true},
		{Layout{2, 16}, Layout{1, 2}, false},
		{Layout{3, 48}, Layout{3, 3}, true},
		{Layout{1, 16}, Layout{1, 16}, true},
		{Layout{1, 2}, Layout{1, 16}, false},
		{Layout{5, 16}, Layout{1, 1}, true},
		{Layout{1, 16}, Layout{}, false},
	} {
		if got := tt.a.Within(tt.b); got != tt.want {
			t.Errorf("%v.Within(%v) = %v", tt.a, tt.b, got)
		}
	}
}
