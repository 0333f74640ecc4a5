package gate

import (
	"cmp"
	"time"
)

// probe finds the fewest places that carry as much. What statements usually take may not be
// known rightly: if a member was never seen with little to do, all that it does looks as
// usual. So while somebody waits all the time, every few seconds the limit is lowered for
// a moment; if the member does as much as before, it stays so, else more places are tried
// the next time, and kept if they carry more. A step down that costs a little is so taken
// back by a step up: losses do not add up. What a member does changes for reasons that are
// not ours, too: unless the difference is large it has to be seen twice.
type probe struct {
	cap    float64 // the limit is not above this; 0: there is none
	phase  probePhase
	since  Instant
	lasted time.Duration // of the phase
	left   int           // places given back in it
	before [2]float64    // what was done by the limit, in places per second, each time
	moved  [2]float64    // and by what was tried
	round  int           // 1: it is looked at for the second time
	was    float64       // limit before
	up     bool          // the next one tries more places
	eager  bool          // there is reason not to wait with the next one
	clear  bool          // the last one was right beyond doubt
}

type probePhase uint8

const (
	probeRests  probePhase = iota
	probeBefore            // counts what is done by the limit
	probeMoved             // counts what is done by less, or by more
)

const (
	probeEvery   = 2 * time.Second
	probeAgain   = 300 * time.Millisecond // while each finds less to be enough
	probeEnough  = 200                    // places given back, for a rate to be one
	probeSettles = 100 * time.Millisecond // until those who had a place before have left
	probeLongest = 2 * time.Second
	probeLower   = 0.7
	probeFar     = 0.5 // after one that was right beyond doubt
	probeAsMuch  = 0.98
	probeMore    = 1.02
	probeClear   = 1.15
	probeFreer   = 1.02 // by which the cap grows in a window
)

func newProbe(now Instant) probe { return probe{since: now, eager: true} }

// bound returns the limit as the probe has it at the end of a window in which it was was
// before.
func (p *probe) bound(l *limiter, now Instant, lasted time.Duration, was float64, demand bool) float64 {
	if !demand {
		p.rest(now)
		if p.cap = p.cap * probeFreer; p.cap >= l.ceilng {
			p.cap = 0
		}
		return p.capped(l.limit)
	}
	if p.lasted += lasted; p.lasted > 0 {
		p.left += l.left
	}
	switch p.phase {
	case probeRests:
		if pause := now.Sub(p.since); pause >= probeEvery || p.eager && pause >= probeAgain {
			p.begin(probeBefore, now)
			p.up = p.up || l.limit <= l.bottom(now)
		}
	case probeBefore:
		if rate, ok := p.counted(); ok {
			p.before[p.round], p.was, p.up = rate, was, p.up && was < probeAsMuch*l.ceilng
			p.begin(probeMoved, now)
			step := probeLower
			if p.clear {
				step = probeFar
			}
			if p.up {
				return min(l.ceilng, was/step)
			}
			return max(l.bottom(now), was*step)
		}
		if p.lasted >= probeLongest {
			p.begin(probeRests, now)
			p.round = 0
		}
	case probeMoved:
		rate, ok := p.counted()
		if !ok && p.lasted < probeLongest {
			return was
		}
		return p.judge(l, ok, rate, was, now)
	}
	return p.capped(l.limit)
}

// judge keeps what was tried, looks again, or takes it back and tries the other way the next
// time.
func (p *probe) judge(l *limiter, counted bool, rate, tried float64, now Instant) float64 {
	wanted := probeAsMuch
	if p.up {
		wanted = probeMore
	}
	p.moved[p.round] = rate
	worst := rate / max(p.before[0], p.before[p.round])
	if p.round > 0 {
		worst = min(worst, p.moved[0]/p.before[1])
	}
	if counted && p.round == 0 && worst >= wanted && worst < probeClear {
		p.begin(probeBefore, now)
		p.round = 1
		return p.was
	}
	p.begin(probeRests, now)
	p.round = 0
	p.eager, p.clear, p.cap = counted && worst >= wanted, counted && worst >= probeClear, tried
	if !p.eager {
		p.eager = p.up // if it is not more that is wanted it may be less
		p.up, p.cap = !p.up, p.was
	}
	if p.cap >= l.ceilng {
		p.cap = 0
	}
	return max(l.bottom(now), min(l.ceilng, cmp.Or(p.cap, l.ceilng)))
}

// rest gives up what is being tried.
func (p *probe) rest(now Instant) {
	p.phase, p.since, p.round = probeRests, now, 0
}

func (p *probe) begin(phase probePhase, now Instant) {
	p.phase, p.since, p.lasted, p.left = phase, now, -probeSettles, 0
}

// counted returns the rate of the phase, if enough was seen.
func (p *probe) counted() (float64, bool) {
	if p.left < probeEnough || p.lasted < 2*window {
		return 0, false
	}
	return float64(p.left) / p.lasted.Seconds(), true
}

func (p *probe) capped(limit float64) float64 {
	if p.cap > 0 {
		return min(limit, p.cap)
	}
	return limit
}
