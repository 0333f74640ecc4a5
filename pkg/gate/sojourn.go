package gate

import "time"

// standing watches whether the queue gets empty. One that does not for a while is a
// standing queue: it delays everybody and helps nobody. In shed mode those who wait may
// then wait for a tenth of the time only, and who came last is served first, since he is
// the one who is still there (Facebook, "Fail at Scale": controlled delay, adaptive LIFO).
type standing struct {
	since Instant // when somebody began to wait, and somebody has since
	any   bool
	rate  float64 // places given back per second, smoothed
}

const (
	standsAfter = 200 * time.Millisecond
	standingCut = 10
)

func (s *standing) arrives(now Instant) {
	if !s.any {
		s.any, s.since = true, now
	}
}

func (s *standing) departs(waiting int) {
	if waiting == 0 {
		s.any = false
	}
}

// stands reports whether it is a standing queue.
func (s *standing) stands(now Instant) bool { return s.any && now.Sub(s.since) > standsAfter }

// allows returns how long one may wait in shed mode.
func (s *standing) allows(longest time.Duration, now Instant) time.Duration {
	if s.stands(now) {
		return longest / standingCut
	}
	return longest
}

// count takes in how many places were given back in a while.
func (s *standing) count(left int, lasted time.Duration) {
	rate := float64(left) / lasted.Seconds()
	if s.rate == 0 {
		s.rate = rate
		return
	}
	s.rate += (rate - s.rate) / 4
}

// patiences are how long clients have waited before they went, by account: how their own
// time-outs are found out.
type patiences struct{ of map[string]*patience }

// patience is about the shortest and about the longest time: low is followed fast when one
// has gone sooner, high when one has gone later.
type patience struct {
	low, high time.Duration
	seen      int
}

const (
	patienceSeen = 8    // departures from when on one is to be believed
	patienceMost = 1024 // accounts that are remembered
	near, far    = 4, 32
)

// left takes in that a client has gone.
func (p *patiences) left(account string, waited time.Duration) {
	at := p.of[account]
	if at == nil {
		if len(p.of) >= patienceMost {
			clear(p.of)
		}
		if p.of == nil {
			p.of = make(map[string]*patience)
		}
		at = &patience{low: waited, high: waited}
		p.of[account] = at
	}
	at.seen++
	at.low += (waited - at.low) / speed(waited < at.low)
	at.high += (waited - at.high) / speed(waited > at.high)
}

func speed(outside bool) time.Duration {
	if outside {
		return near
	}
	return far
}

// exceeded reports whether clients of an account have always left before they would have
// waited for so long. A time-out of theirs is about the same for all; of clients that have
// left after any time at all (their server was restarted, people have had enough) nothing
// is learnt.
func (p *patiences) exceeded(account string, wait time.Duration) bool {
	at := p.of[account]
	return at != nil && at.seen >= patienceSeen && wait > at.low && at.low >= at.high/2
}
