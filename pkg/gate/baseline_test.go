package gate

import (
	"testing"
	"time"
)

// A report is known for heavy after three runs, not after the 32 that make a baseline; what
// takes long since others stand in its way is not taken for it.
func TestHeavyIsKnownSoon(t *testing.T) {
	for _, tt := range []struct {
		name  string
		took  time.Duration
		taken int
		runs  int
		want  Class
	}{
		{"twice", 10 * time.Second, 1, 2, Read},
		{"three times", 10 * time.Second, 1, 3, Heavy},
		{"short ones", 900 * time.Millisecond, 1, 3, Read},
		{"among many", 10 * time.Second, 40, 3, Heavy},
		{"for the others", 3 * time.Second, 40, 3, Read},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := New(Settings{Ceiling: 100}, 1)
			for range tt.taken {
				g.Force(Read)
			}
			for i := range tt.runs {
				g.Sample(7, tt.took, Instant(i+1))
			}
			if c := g.Class(Read, 7); c != tt.want {
				t.Errorf("%v", c)
			}
			if c := g.Class(Write, 7); c != Write {
				t.Errorf("a write is %v", c)
			}
			if g.Usual(7) != 0 {
				t.Error("it is no baseline yet")
			}
		})
	}
}
