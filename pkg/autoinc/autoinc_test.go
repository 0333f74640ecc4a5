package autoinc

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// TestCollidesExhaustively holds Collides to its definition: two layouts
// collide when some value up to the product of their strides is in both.
func TestCollidesExhaustively(t *testing.T) {
	const limit = 24
	for n1 := 1; n1 <= limit; n1++ {
		for n2 := 1; n2 <= limit; n2++ {
			for o1 := 1; o1 <= n1; o1++ {
				for o2 := 1; o2 <= n2; o2++ {
					a, b := Layout{o1, n1}, Layout{o2, n2}
					if got, want := a.Collides(b), meet(a, b); got != want {
						t.Fatalf("%v.Collides(%v) = %v, want %v", a, b, got, want)
					}
				}
			}
		}
	}
}

func meet(a, b Layout) bool {
	for v := a.Offset; v <= a.Offset+a.Stride*b.Stride; v += a.Stride {
		if b.Produces(uint64(v)) {
			return true
		}
	}
	return false
}

func TestCollidesIsSymmetricForLargeStrides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n1 := rapid.IntRange(1, MaxStride).Draw(t, "n1")
		n2 := rapid.IntRange(1, MaxStride).Draw(t, "n2")
		a := Layout{rapid.IntRange(1, n1).Draw(t, "o1"), n1}
		b := Layout{rapid.IntRange(1, n2).Draw(t, "o2"), n2}
		if a.Collides(b) != b.Collides(a) {
			t.Fatalf("%v and %v disagree", a, b)
		}
		if !a.Collides(a) {
			t.Fatalf("%v does not collide with itself", a)
		}
	})
}

func TestUnknownLayoutCollidesWithEverything(t *testing.T) {
	if !(Layout{}).Collides(Layout{1, 16}) {
		t.Fatal("the zero layout is not known, so it must collide")
	}
}

func TestOffsetAboveStrideCountsFromOne(t *testing.T) {
	l := Layout{Offset: 5, Stride: 4} // ring.md: offset 5, increment 4 gave 1, 5, 9
	for _, v := range []uint64{1, 5, 9} {
		if !l.Produces(v) {
			t.Errorf("%v should produce %d", l, v)
		}
	}
	if l.Produces(2) || l.Produces(0) {
		t.Errorf("%v produces a value outside its class", l)
	}
	if err := l.Validate(); !errors.Is(err, ErrLayout) {
		t.Errorf("Validate() = %v, want ErrLayout", err)
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name string
		l    Layout
		ok   bool
	}{
		{"first slot", Layout{1, 16}, true},
		{"last slot", Layout{16, 16}, true},
		{"single", Layout{1, 1}, true},
		{"zero", Layout{}, false},
		{"offset zero", Layout{0, 16}, false},
		{"offset above stride", Layout{17, 16}, false},
		{"stride too large", Layout{1, MaxStride + 1}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.l.Validate(); (err == nil) != tt.ok {
				t.Fatalf("Validate(%v) = %v, want ok=%v", tt.l, err, tt.ok)
			}
		})
	}
}

func TestAllocate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stride int
		taken  []int
		want   int
		err    error
	}{
		{"first", 16, nil, 1, nil},
		{"gap", 16, []int{1, 3}, 2, nil},
		{"last", 3, []int{1, 2}, 3, nil},
		{"full", 2, []int{2, 1}, 0, ErrFull},
		{"no stride", 0, nil, 0, ErrLayout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Allocate(tt.stride, tt.taken)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Fatalf("Allocate(%d, %v) = %d, %v; want %d, %v", tt.stride, tt.taken, got, err, tt.want, tt.err)
			}
		})
	}
}
