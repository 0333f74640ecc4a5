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
	sure          reference
	left          int     // places given back in the window
	asked         bool    // somebody had to wait in it
	rivals        Instant // when several accounts waited last
	peak          int     // places taken in it at once, at the most
	growing       bool    // nothing has stood against growth for long
	quiet         int     // windows in which nobody had to wait
	probe         probe
	brake         brake
	floor, ceilng float64
	lowest        float64 // the floor while it is sure that one account is in the way of another
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
	disproved     = 4     // divides the step from what is normal down to less that was measured
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

// bounds sets floor and ceiling. A brake that holds nothing down does not, either, once the
// ceiling is higher.
func (l *limiter) bounds(s Settings) {
	held := l.brake.at < l.ceilng
	l.floor, l.ceilng = float64(s.Floor), float64(s.Ceiling)
	l.lowest = l.floor
	if s.floorIsDefault {
		l.lowest = max(1, math.Floor(l.floor/4))
	}
	l.limit = min(max(l.limit, l.floor), l.ceilng)
	l.brake.at = min(max(l.brake.at, l.floor), l.ceilng)
	if !held {
		l.brake.at = l.ceilng
	}
}

// places is the limit as a number of places, at least 1.
func (l *limiter) places() int { return max(int(min(l.limit, l.brake.at)), 1) }

// sample takes in that a statement took so long, where usual is known; sure says that it is
// from a time when the member had little to do.
func (l *limiter) sample(took time.Duration, usual float64, sure bool) {
	if usual <= 0 {
		return
	}
	t := min(float64(took), longestRatio*usual)
	l.took += t
	l.usual += usual
	l.samples++
	if sure {
		l.sure.took += t
		l.sure.usual += usual
		l.sure.samples++
	}
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
	ratio, sure, ok := l.measured(now)
	switch {
	case ok:
		l.inflation += (ratio - l.inflation) / 2
		if full {
			l.follow(now, ratio, sure, demand)
		}
		if sure && (l.limit < falls*was || l.descent.stands()) {
			l.probe.rest(now) // what fewer places are worth is being measured
		}
	case l.samples == 0 && demand && atMember <= taken/2: // who has places does not use them
		l.limit += l.step()
	}
	if l.quiet++; demand {
		l.quiet = 0
	} else {
		l.limit *= recovery
		l.growing = l.growing || l.quiet > forgets
	}
	l.limit = min(max(l.limit, l.bottom(now)), l.ceilng)
	l.limit = l.probe.bound(l, now, lasted, was, demand)
	l.began, l.took, l.usual, l.samples, l.left, l.asked, l.peak = now, 0, 0, 0, 0, false, taken
}

// reference is what statements of digests show that were seen while the member had little
// to do. A burst of a digest that was never seen before takes as long as it takes from its
// first statement on, and looks as usual; these do not.
type reference struct {
	began, ended Instant // of the last ratio
	took, usual  float64 // sums since, in nanoseconds
	samples      int
	ratio        float64
}

const referenceLasts = 2 * time.Second

// close reports whether there is a new ratio.
func (r *reference) close(now Instant) bool {
	old := now.Sub(r.began) > referenceLasts
	if r.samples < windowSamples && !old {
		return false
	}
	enough := r.samples >= windowSamples && !old
	if enough {
		r.ratio, r.ended = r.took/r.usual, now
	}
	r.began, r.took, r.usual, r.samples = now, 0, 0, 0
	return enough
}

// now returns the ratio, 0 if it is not of now.
func (r *reference) now(now Instant) float64 {
	if now.Sub(r.ended) > referenceLasts {
		return 0
	}
	return r.ratio
}

// measured returns how much longer statements took in the window than usual, and whether
// that is sure; ok is false if nothing is known of it. What is sure counts while several
// accounts want the member; of one alone the search for places finds out what carries most.
func (l *limiter) measured(now Instant) (ratio float64, sure, ok bool) {
	contested := l.contested(now)
	switch fresh := l.sure.close(now); {
	case contested && fresh:
		return l.sure.ratio, true, true
	case contested && l.sure.now(now) > 0 || l.samples == 0:
		return 0, false, false
	}
	return l.took / l.usual, false, true
}

// contested reports whether several accounts want the member: then one's statements are in the
// way of another's.
func (l *limiter) contested(now Instant) bool {
	return l.rivals != 0 && now.Sub(l.rivals) <= referenceLasts
}

// bottom is what the limit is not below now. On a member of two cores eight statements take
// four times as long as two, and are done no sooner: who is alone does not mind, but somebody
// else would wait for all of them. So the floor is lower where that is sure.
func (l *limiter) bottom(now Instant) float64 {
	if l.contested(now) && l.sure.now(now) > 0 {
		return l.lowest
	}
	return l.floor
}

// follow moves the limit by what the window has shown; by half of it where all that was
// measured may itself be unusual.
func (l *limiter) follow(now Instant, ratio float64, sure, demand bool) {
	l.normal = 1 + (l.normal-1)*forgiving
	if l.inflation < l.normal { // then it was no such thing
		l.normal = max(1, l.normal+(l.inflation-l.normal)/disproved)
	}
	gradient := min(max(tolerance*l.normal/max(l.inflation, 0.01), 0.5), 1)
	if l.vain(now, gradient, ratio) {
		return
	}
	target := l.limit * gradient
	switch {
	case demand && gradient < 1 && sure:
		target++ // one more at a time, to see whether that is borne; a step would be half of what few places are
	case demand:
		target += l.step()
	}
	if gradient < 1 {
		l.growing = false
		if !sure {
			target = l.limit + (target-l.limit)/2
		}
	}
	l.limit = target
}

// descent is where the limit has begun to be lowered, and what was measured since it has
// stood at half of that: not at first, when those are measured still who had a place before,
// and not in one window alone, for a few statements say little.
type descent struct {
	limit, inflation float64
	from             Instant // when most of those have left; 0: it is not at half yet
	stood            int
	sum              float64
}

const (
	standsFor = 3
	falls     = 0.95 // a limit that is lowered by more in a window is not at its place yet
)

// stands reports whether the limit stands at half to be measured there.
func (d *descent) stands() bool { return d.limit > 0 && d.from != 0 && d.stood < standsFor }

// vain reports whether the limit is to be let alone. If half of the places have changed
// nothing it is not because of us that statements take longer (a backup, DDL, more data than
// there was), and the places are given back.
func (l *limiter) vain(now Instant, gradient, ratio float64) bool {
	d := &l.descent
	switch {
	case gradient == 1:
		*d = descent{}
	case d.limit == 0:
		*d = descent{limit: l.limit, inflation: ratio}
	case l.limit > d.limit/2:
		d.inflation = max(d.inflation, ratio) // it rises still
	case d.from == 0:
		took := time.Duration(l.took / float64(max(l.samples, 1)))
		d.from = now.Add(min(max(window, 2*took), time.Second))
		return true
	case now < d.from:
		return true
	case d.stood < standsFor:
		d.stood++
		d.sum += ratio
		return true
	case d.sum/standsFor > unchanged*d.inflation && d.sum/standsFor < longestRatio/2:
		l.normal, l.limit = d.sum/standsFor, d.limit
		*d = descent{}
		return true
	default:
		*d = descent{limit: l.limit, inflation: d.sum / standsFor}
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
