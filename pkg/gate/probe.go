package gate

import "time"

// probe finds whether fewer places carry as much. What statements usually take may not be
// known rightly: if a member was never seen with little to do, all that it does looks as
// usual. So while somebody waits all the time, every few seconds the limit is lowered for
// a moment; if the member does as much as before, it stays so.
type probe struct {
	cap    float64 // the limit is not above this; 0: there is none
	phase  probePhase
	since  Instant
	lasted time.Duration // of the phase
	left   int           // places given back in it
	rate   float64       // of the phase before, in places per second
	was    float64       // limit before
	eager  bool          // the last one has found less to be enough: there may be less still
}

type probePhase uint8

const (
	probeRests   probePhase = iota
	probeBefore             // counts what is done by the limit
	probeLowered            // counts what is done by less
)

const (
	probeEvery   = 4 * time.Second
	probeAgain   = 300 * time.Millisecond // while each finds less to be enough
	probeEnough  = 200                    // places given back, for a rate to be one
	probeLongest = 2 * time.Second
	probeLower   = 0.7
	probeAsMuch  = 0.97
	probeFreer   = 1.02 // by which the cap grows in a window
)

func newProbe(now Instant) probe { return probe{since: now, eager: true} }

// bound returns the limit as the probe has it at the end of a window in which it was was
// before.
func (p *probe) bound(l *limiter, now Instant, lasted time.Duration, was float64, demand bool) float64 {
	if !demand {
		p.phase, p.since = probeRests, now
		if p.cap = p.cap * probeFreer; p.cap >= l.ceilng {
			p.cap = 0
		}
		return p.capped(l.limit)
	}
	p.lasted += lasted
	p.left += l.left
	switch p.phase {
	case probeRests:
		if pause := now.Sub(p.since); l.limit > l.floor && (pause >= probeEvery || p.eager && pause >= probeAgain) {
			p.begin(probeBefore, now)
		}
	case probeBefore:
		if rate, ok := p.counted(); ok {
			p.rate, p.was = rate, was
			p.begin(probeLowered, now)
			return max(l.floor, was*probeLower)
		} else if p.lasted >= probeLongest {
			p.begin(probeRests, now)
		}
	case probeLowered:
		rate, ok := p.counted()
		if !ok && p.lasted < probeLongest {
			return was
		}
		p.begin(probeRests, now)
		if p.eager = ok && rate >= probeAsMuch*p.rate; p.eager {
			p.cap = was
			return was
		}
		p.cap = 0
		return p.was
	}
	return p.capped(l.limit)
}

func (p *probe) begin(phase probePhase, now Instant) {
	p.phase, p.since, p.lasted, p.left = phase, now, 0, 0
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
