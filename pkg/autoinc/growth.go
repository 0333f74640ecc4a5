package autoinc

import "time"

// The past of a column that is kept: a point an hour, two days long. Whoever looks
// at the growth sees a day and a night in it, and a month of samples is not kept.
const (
	growthEvery = time.Hour
	growthKept  = 49
	// growthLeast is the shortest past that a growth is read from.
	growthLeast = 10 * time.Minute
)

// Growth is the past of one column's next value. The zero value has none. It is
// a value: With returns another one.
type Growth struct {
	points []growthPoint // oldest first; the last one is replaced until it is growthEvery after the one before
}

type growthPoint struct {
	at   time.Time
	next uint64
}

// With returns g with one more reading. A value that went down (the table was
// emptied or made anew) begins a new past; a reading that is not newer than the
// last changes nothing.
func (g Growth) With(at time.Time, next uint64) Growth {
	n := len(g.points)
	switch {
	case n > 0 && !at.After(g.points[n-1].at):
		return g
	case n > 0 && next < g.points[n-1].next:
		return Growth{points: []growthPoint{{at, next}}}
	}
	points := append([]growthPoint{}, g.points...)
	if n >= 2 && points[n-1].at.Sub(points[n-2].at) < growthEvery {
		points = points[:n-1] // the last one was the newest, not a point of the past
	}
	points = append(points, growthPoint{at, next})
	if len(points) > growthKept {
		points = points[len(points)-growthKept:]
	}
	return Growth{points: points}
}

// PerSecond returns by how many values a second the next value rose over the past
// that is known, and how long that is; false: less than ten minutes are known.
func (g Growth) PerSecond() (values float64, over time.Duration, ok bool) {
	if len(g.points) < 2 {
		return 0, 0, false
	}
	first, last := g.points[0], g.points[len(g.points)-1]
	over = last.at.Sub(first.at)
	if over < growthLeast {
		return 0, over, false
	}
	return float64(last.next-first.next) / over.Seconds(), over, true
}
