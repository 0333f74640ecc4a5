package sim

import (
	"slices"
	"time"
)

// ailment is a fault of a member that is in force. Faults overlap: each ends by itself,
// and none ends another one.
type ailment struct {
	from      time.Duration
	ofProcess bool // it ends with the process, at the latest
}

// ailing reports whether a fault of the member is in force.
func (s *server) ailing() bool { return len(s.ailments) > 0 }

// ailingFor reports whether one has been for that long.
func (s *server) ailingFor(d time.Duration) bool {
	return slices.ContainsFunc(s.ailments, func(a *ailment) bool { return s.w.now-a.from >= d })
}

// ails has a fault of the member begin.
func (s *server) ails() *ailment {
	a := &ailment{from: s.w.now}
	s.ailments = append(s.ailments, a)
	return a
}

// cured ends a fault, and reports whether it was in force until now.
func (s *server) cured(a *ailment) bool {
	i := slices.Index(s.ailments, a)
	if i < 0 {
		return false
	}
	s.ailments = slices.Delete(s.ailments, i, i+1)
	return true
}

// well ends a fault by which the member was not to be reached. Who was not for long
// enough may be taken out a moment after that.
func (s *server) well(a *ailment) {
	if s.cured(a) && s.w.now-a.from >= needlessBelow {
		s.lostAt = s.w.now
	}
}

// endsWithProcess ends the faults that are the process's own: it is no more.
func (s *server) endsWithProcess() {
	s.ailments = slices.DeleteFunc(s.ailments, func(a *ailment) bool { return a.ofProcess })
}
