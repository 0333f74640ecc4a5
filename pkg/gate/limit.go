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
	normal    float64 // the inflation that fewer places do not change; 1: none
	descent   descent

	began         Instant // of the window
	took, usual   float64 // sums, in nanoseconds
	samples       int
	left          int  // places given back in the window
	asked         bool // somebody had to wait in it
	peak          int  // places taken in it at once, at the most
	growing       bool // nothing has stood against growth for long
	quiet         int  // windows in which nobody had to wait
	probe         probe
	brake         brake
	floor, ceilng float64
}

// The numbers of the limiter. A window has windowSamples, or is closed after windowLong.
const (
	window        = 100 * time.Millisecond
	windowLong    = 500 * time.Millisecond
	windowSamples = 8
	tolerance     = 1.5  // how much longer statements may take
	recovery      = 1.02 // by which the limit grows in a window in which nobody waits
	forgets       = 50   // windows in which nobody waits, after which it grows fast again
	unchanged     = 0.85
	forgiving     = 0.998 // of what is normal, how much is left after a window
	calmPlaces    = 4     // as many statements at once are few
	longestRatio  = 32    // one statement that takes longer than that counts as if it did not
)

// newLimiter returns one that begins with all places: who does not saturate the member is
// to notice nothing, and the first windows that show too many take them away.
func newLimiter(s Settings, now Instant) limiter {
	l := limiter{inflation: 1, normal: 1, began: now, growing: true, limit: float64(s.Ceiling)}
	l.brake.at = l.limit
	l.bounds(s)
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
	if l.quiet++; demand {
		l.quiet = 0
	} else {
		l.limit *= recovery
		l.growing = l.growing || l.quiet > forgets
	}
	l.limit = min(max(l.limit, l.floor), l.ceilng)
	l.limit = l.probe.bound(l, now, lasted, was, demand)
	l.began, l.took, l.usual, l.samples, l.left, l.asked, l.peak = now, 0, 0, 0, 0, false, taken
}

// follow moves the limit by what the window has shown.
func (l *limiter) follow(demand bool) {
	l.normal = 1 + (l.normal-1)*forgiving
	gradient := min(max(tolerance*l.normal/max(l.inflation, 0.01), 0.5), 1)
	if l.vain(gradient) {
		return
	}
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

// descent is where the limit has begun to be lowered.
type descent struct{ limit, inflation float64 }

// vain reports whether half of the places have changed nothing: then it is not because of
// us that statements take longer (a backup, DDL, more data than there was), and the
// places are given back.
func (l *limiter) vain(gradient float64) bool {
	d := &l.descent
	switch {
	case gradient == 1:
		*d = descent{}
	case d.limit == 0:
		*d = descent{l.limit, l.inflation}
	case l.limit > d.limit/2 && l.limit > l.floor:
		d.inflation = max(d.inflation, l.inflation) // it is smoothed, and rises still
	case l.inflation > unchanged*d.inflation && l.inflation < longestRatio/2:
		l.normal, l.limit = l.inflation, d.limit
		*d = descent{}
		return true
	default:
		*d = descent{l.limit, l.inflation}
	}
	return false
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
func (l *limiter) calm(taken int) bool { return float64(taken) <= min(l.floor, calmPlaces) }
