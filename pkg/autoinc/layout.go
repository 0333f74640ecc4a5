package autoinc

import (
	"errors"
	"fmt"
)

// MaxStride is the largest auto_increment_increment that MySQL and MariaDB take
// (server manuals: 1 to 65535).
const MaxStride = 65535

// DefaultStride is the stride of a new ring: more slots than a ring will have
// members, so adding one never changes the layout of another.
const DefaultStride = 16

// ErrLayout is returned for an offset or stride that no server may be given.
// The remedy is a stride of 1 to 65535 and an offset of 1 to stride.
var ErrLayout = errors.New("auto_increment layout is not usable")

// Layout is the pair (auto_increment_offset, auto_increment_increment) of a
// server or a session. It produces the values Offset, Offset+Stride,
// Offset+2*Stride, … The zero value is not a valid layout; it means "not known".
type Layout struct {
	Offset int `json:"offset"` // first value, 1 to Stride; the member's slot
	Stride int `json:"stride"` // distance of two values, 1 to MaxStride
}

// String returns "offset/stride", for example "3/16".
func (l Layout) String() string { return fmt.Sprintf("%d/%d", l.Offset, l.Stride) }

// Validate returns ErrLayout, wrapped with the reason, if no server may be
// given l. An offset above the stride is refused because servers ignore such an
// offset silently and count from 1 (MariaDB manual, auto_increment_offset).
func (l Layout) Validate() error {
	switch {
	case l.Stride < 1 || l.Stride > MaxStride:
		return fmt.Errorf("%w: stride %d is not in 1..%d", ErrLayout, l.Stride, MaxStride)
	case l.Offset < 1 || l.Offset > l.Stride:
		return fmt.Errorf("%w: offset %d is not in 1..%d, the server would ignore it", ErrLayout, l.Offset, l.Stride)
	}
	return nil
}

// Effective returns the layout that a server with the variables of l really
// counts by: an offset above the stride is ignored, and counting starts at 1.
func (l Layout) Effective() Layout {
	if l.Stride >= 1 && l.Offset > l.Stride {
		return Layout{Offset: 1, Stride: l.Stride}
	}
	return l
}

// Produces reports whether l can give out value.
func (l Layout) Produces(value uint64) bool {
	e := l.Effective()
	if e.Validate() != nil || value < uint64(e.Offset) {
		return false
	}
	return (value-uint64(e.Offset))%uint64(e.Stride) == 0
}

// Collides reports whether some value is produced by both l and other: this is
// so exactly when their offsets are congruent modulo the greatest common
// divisor of their strides (Chinese remainder theorem). A layout that is not
// valid collides with everything: unknown is never folded into safe.
func (l Layout) Collides(other Layout) bool {
	a, b := l.Effective(), other.Effective()
	if a.Validate() != nil || b.Validate() != nil {
		return true
	}
	g := gcd(a.Stride, b.Stride)
	return a.Offset%g == b.Offset%g
}

// Within reports whether every value that l produces is one of other: a session that
// counts by l meets nobody whom one that counts by other would not meet. It is false if
// either is not valid.
func (l Layout) Within(other Layout) bool {
	a, b := l.Effective(), other.Effective()
	if a.Validate() != nil || b.Validate() != nil {
		return false
	}
	return a.Stride%b.Stride == 0 && a.Offset%b.Stride == b.Offset%b.Stride
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
