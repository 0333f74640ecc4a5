package autoinc

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestWithinExhaustively holds Within to its definition.
func TestWithinExhaustively(t *testing.T) {
	const limit = 18
	for n1 := 1; n1 <= limit; n1++ {
		for n2 := 1; n2 <= limit; n2++ {
			for o1 := 1; o1 <= n1; o1++ {
				for o2 := 1; o2 <= n2; o2++ {
					a, b := Layout{o1, n1}, Layout{o2, n2}
					want := true
					for v := o1; v <= o1+n1*n2; v += n1 {
						want = want && b.Produces(uint64(v))
					}
					if got := a.Within(b); got != want {
						t.Fatalf("%v.Within(%v) = %v, want %v", a, b, got, want)
					}
				}
			}
		}
	}
	if (Layout{}).Within(Layout{1, 1}) || (Layout{1, 16}).Within(Layout{}) {
		t.Error("what is not known is within nothing, and holds nothing")
	}
}

// world is a ring with one table on each member, in which anybody inserts at any time and
// what is inserted arrives elsewhere later.
type world struct {
	from, to int
	members  []*member
	given    map[uint64]int // who gave a value out
	twice    string
}

type member struct {
	slot     int
	global   Layout
	sessions []Layout
	rows     map[uint64]bool // what has arrived
	counter  uint64
}

// begin has a session begin: it copies what the server gives.
func (m *member) begin() { m.sessions = append(m.sessions, m.global) }

// insert gives out the next value of a session's layout above the counter, as InnoDB does.
func (w *world) insert(i, session int) {
	m := w.members[i]
	l := m.sessions[session%len(m.sessions)]
	v := uint64(l.Offset)
	for v <= m.counter {
		v += uint64(l.Stride)
	}
	m.counter = v
	m.rows[v] = true
	if other, ok := w.given[v]; ok {
		w.twice = fmt.Sprintf("%d was given out by member %d and by member %d", v, other+1, i+1)
	}
	w.given[v] = i
}

func (w *world) arrive(from, at int) {
	for v := range w.members[from].rows {
		w.members[at].rows[v] = true
		w.members[at].counter = max(w.members[at].counter, v)
	}
}

// step is one event, drawn; opened is called at any time, and says whether the law allows
// the new slot to be opened.
func (w *world) step(t *rapid.T, law func(*world) bool) {
	i := rapid.IntRange(0, len(w.members)-1).Draw(t, "member")
	m := w.members[i]
	switch rapid.IntRange(0, 6).Draw(t, "event") {
	case 0:
		m.begin()
	case 1, 2:
		if len(m.sessions) > 0 {
			w.insert(i, rapid.IntRange(0, 100).Draw(t, "session"))
		}
	case 3:
		w.arrive(i, rapid.IntRange(0, len(w.members)-1).Draw(t, "at"))
	case 4: // in any order, at any time
		if m.slot <= w.from {
			m.global = Layout{m.slot, w.to}
		}
	case 5: // an old session ends
		if len(m.sessions) > 0 {
			m.sessions = m.sessions[1:]
		}
	case 6:
		w.open(law)
	}
}

// open gives the first new slot to somebody who has what member 1 has.
func (w *world) open(law func(*world) bool) {
	if last := w.members[len(w.members)-1]; last.slot > w.from || !law(w) {
		return
	}
	fresh := &member{slot: w.from + 1, global: Layout{w.from + 1, w.to}, rows: map[uint64]bool{}}
	w.members = append(w.members, fresh)
	w.arrive(0, len(w.members)-1)
	fresh.begin()
}

func (w *world) gone() bool {
	for _, m := range w.members {
		for _, l := range append([]Layout{m.global}, m.sessions...) {
			if l.Stride == w.from {
				return false
			}
		}
	}
	return true
}

// settled reports whether every member has what any has.
func (w *world) settled() bool {
	for _, m := range w.members {
		for v := range w.given {
			if !m.rows[v] {
				return false
			}
		}
	}
	return true
}

func resized() *world {
	w := &world{from: 2, to: 4, given: map[uint64]int{}}
	for slot := 1; slot <= 2; slot++ {
		w.members = append(w.members, &member{slot: slot, global: Layout{slot, 2}, rows: map[uint64]bool{}})
	}
	return w
}

// TestAResizeGivesNothingOutTwice draws events in any order; a new slot is opened when the
// law (S39) says so.
func TestAResizeGivesNothingOutTwice(t *testing.T) {
	opened := 0
	rapid.Check(t, func(t *rapid.T) {
		w := resized()
		for range rapid.IntRange(20, 120).Draw(t, "events") {
			w.step(t, func(w *world) bool { return w.gone() && w.settled() })
			if w.twice != "" {
				t.Fatal(w.twice)
			}
		}
		opened += len(w.members) - 2
	})
	if opened == 0 {
		t.Error("no slot was ever opened: nothing was tested")
	}
}

// TestEachHalfOfTheLawIsNeeded shows what happens without it.
func TestEachHalfOfTheLawIsNeeded(t *testing.T) {
	t.Run("an old session is left", func(t *testing.T) {
		w := resized()
		w.members[0].begin() // by 1/2
		for _, m := range w.members {
			m.global = Layout{m.slot, 4}
		}
		w.open(func(w *world) bool { return w.settled() })
		w.insert(2, 0) // 3
		w.insert(0, 0) // 1
		w.insert(0, 0) // 3
		if w.twice == "" {
			t.Error("nothing was given out twice: the half is not needed, or the model is wrong")
		}
	})
	t.Run("a member lacks what was given out before", func(t *testing.T) {
		w := resized()
		w.members[1].slot, w.members[0].slot = 1, 2 // who feeds the new one has not got it
		w.members[1].global, w.members[0].global = Layout{1, 2}, Layout{2, 2}
		w.members[1].begin()
		w.insert(1, 0) // 1
		w.insert(1, 0) // 3
		w.members[1].sessions = nil
		for _, m := range w.members {
			m.global = Layout{m.slot, 4}
		}
		w.open((*world).gone)
		w.insert(2, 0) // 3
		if w.twice == "" {
			t.Error("nothing was given out twice: the half is not needed, or the model is wrong")
		}
	})
}
