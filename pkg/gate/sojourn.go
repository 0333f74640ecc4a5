package gate

import "time"

// standing watches whether those who wait are let in soon. If for a while even those whose
// turn it is have waited for long, the queue stands: it delays everybody and helps nobody. In
// shed mode those who wait may then wait for a tenth of the time only, and who came last is
// served first, since he is the one who is still there (CoDel, RFC 8289: a queue is judged by
// its least delay; Facebook, "Fail at Scale": controlled delay, adaptive LIFO). The times in
// which the member does nothing at all (it is held to a share of its cores, its log is
// flushed) do not count in that: else all who came in one would be told to go at its end, by a
// member that has places for them.
type standing struct {
	late   Instant // since when those whose turn it was have waited for long; 0: the last one has not
	stands bool
	rate   float64       // places given back per second, smoothed
	served Instant       // when it was somebody's turn at last, or somebody began to wait
	pause  time.Duration // the longest that was seen lately between two of those
}

const (
	standsAfter = 200 * time.Millisecond
	standingCut = 10
	pauseFades  = 8 // of the longest pause, which part is forgotten in a window
)

// arrives takes in that somebody begins to wait, as one of so many.
func (s *standing) arrives(waiting int, now Instant) {
	if waiting == 1 {
		s.served = now
	}
}

func (s *standing) departs(waiting int) {
	if waiting == 0 {
		s.late, s.stands = 0, false
	}
}

// turn takes in that it is the turn of one who has waited for so long, of at most longest.
func (s *standing) turn(waited, longest time.Duration, now Instant) {
	s.pause = max(s.pause, now.Sub(s.served))
	s.served = now
	switch much := s.much(longest); {
	case waited > much && s.late == 0:
		s.late = now
	case waited > much:
		s.stands = s.stands || now.Sub(s.late) > standsAfter
	case !s.stands || waited < much/2:
		s.late, s.stands = 0, false
	}
}

// much is a wait that is too long for all to have it.
func (s *standing) much(longest time.Duration) time.Duration {
	return min(longest, longest/standingCut+s.pause)
}

// allows returns how long one may wait in shed mode.
func (s *standing) allows(longest time.Duration) time.Duration {
	if s.stands {
		return s.much(longest)
	}
	return longest
}

// count takes in how many places were given back in a while.
func (s *standing) count(left int, lasted time.Duration) {
	s.pause -= s.pause / pauseFades
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
	seen      int     // departures that speak for it, less what speaks against it
	last      Instant // when one has gone
}

const (
	patienceSeen  = 8    // departures from when on one is to be believed
	patienceSure  = 16   // as many count at the most
	patienceStays = 2    // departures that one outweighs who was there for far longer
	patienceMost  = 1024 // accounts that are remembered
	patienceLasts = 5 * time.Minute
	near, far     = 4, 32
)

// left takes in that a client has gone.
func (p *patiences) left(account string, waited time.Duration, now Instant) {
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
	at.seen, at.last = min(at.seen+1, patienceSure), now
	at.low += (waited - at.low) / speed(waited < at.low)
	at.high += (waited - at.high) / speed(waited > at.high)
}

// stayed takes in that a client is there still. Where several are that by what is known
// should have gone long ago, it is known no more: others use the account now, or their
// time-out was changed.
func (p *patiences) stayed(account string, waited time.Duration) {
	if at := p.of[account]; at != nil && waited > at.high+at.high/2 {
		if at.seen -= patienceStays; at.seen <= 0 {
			delete(p.of, account)
		}
	}
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
// is learnt, and of what was long ago nothing is left.
func (p *patiences) exceeded(account string, wait time.Duration, now Instant) bool {
	at := p.of[account]
	return at != nil && at.seen >= patienceSeen && wait > at.low && at.low >= at.high/2 && now.Sub(at.last) <= patienceLasts
}
