package gate

import (
	"math"
	"time"
)

// limiter finds how many places a member has. In each window it compares what statements
// took with what they usually take (Gradient2 of Netflix's concurrency-limits, with a
// baseline for each digest instead of one for all, so that a change of the mix is none of
// the member's condition).
type limiter struct {
	limit     float64
	inflation float64 // what statements take ÷ what is usual, smoothed; 1: as usual

	began         Instant // of the window
	took, usual   float64 // sums, in nanoseconds
	samples       int
	left          int  // places given back in the window
	asked         bool // somebody had to wait in it
	peak          int  // places taken in it at once, at the most
	growing       bool // nothing has stood against growth yet
	probe         probe
	brake         brake
	floor, ceilng float64
}

// The numbers of the limiter. A window has windowSamples, or is closed after windowLong.
const (
	window        = 100 * time.Millisecond
	windowLong    = 500 * time.Millisecond
	windowSamples = 8
	tolerance     = 1.5 // how much longer statements may take
	seedPlaces    = 16
	longestRatio  = 32 // one statement that takes longer than that counts as if it did not
)

func newLimiter(s Settings, now Instant) limiter {
	l := limiter{inflation: 1, began: now, growing: true}
	l.bounds(s)
	l.limit = min(max(seedPlaces, l.floor), l.ceilng)
	l.brake.at = l.ceilng
	l.probe = newProbe(now)
	return l
}

// bounds sets floor and ceiling.
func (l *limiter) bounds(s Settings) {
	l.floor, l.ceilng = float64(s.Floor), float64(s.Ceiling)
	l.limit = min(max(l.limit, l.floor), l.ceilng)
	l.brake.at = min(max(l.brake.at, l.floor), l.ceilng)
}

// places is the limit as a number of places, at least 1.
func (l *limiter) places() int { return max(int(min(l.limit, l.brake.at)), 1) }

// sample takes in that a statement took so long, where usual is known.
func (l *limiter) sample(took time.Duration, usual float64) {
	if usual <= 0 {
		return
	}
	l.took += min(float64(took), longestRatio*usual)
	l.usual += usual
	l.samples++
}

// close ends the window if it is time to. atMember is how many of the taken places have a
// statement at the member now.
func (l *limiter) close(now Instant, taken, atMember int) {
	lasted := now.Sub(l.began)
	if lasted < window || lasted < windowLong && l.samples < windowSamples {
		return
	}
	demand := l.asked || l.peak >= l.places()
	full := l.peak >= l.places()/2
	was := l.limit
	switch {
	case l.samples > 0:
		l.inflation += (l.took/l.usual - l.inflation) / 2
		if full {
			l.follow(demand)
		}
	case demand && atMember <= taken/2: // who has places does not use them
		l.limit += l.step()
	}
	l.limit = min(max(l.limit, l.floor), l.ceilng)
	l.limit = l.probe.bound(l, now, lasted, was, demand)
	l.began, l.took, l.usual, l.samples, l.left, l.asked, l.peak = now, 0, 0, 0, 0, false, taken
}

// follow moves the limit by what the window has shown.
func (l *limiter) follow(demand bool) {
	gradient := min(max(tolerance/max(l.inflation, 0.01), 0.5), 1)
	target := l.limit * gradient
	if demand {
		target += l.step()
	}
	if gradient < 1 {
		l.growing = false
		target = l.limit + (target-l.limit)/2
	}
	l.limit = target
}

// step is by how much the limit grows in a window in which it was not enough.
func (l *limiter) step() float64 {
	if l.growing {
		return l.limit / 2
	}
	return math.Sqrt(l.limit)
}

// calm reports whether so few places are taken that statements do not stand in each
// other's way because of us.
func (l *limiter) calm(taken int) bool { return float64(taken) <= l.floor }
