package lagguard

import (
	"math"
	"time"
)

// Never is the time until caught up of a member that does not catch up.
const Never = time.Duration(math.MaxInt64)

// meterTime is the time over which a rate is averaged: what is this old counts for
// a third of what is new.
const meterTime = 5 * time.Second

// Meter measures how fast one sequence of transactions moves on. The zero value has
// read nothing. It is a value: Read returns the next one.
type Meter struct {
	domain uint32
	seq    uint64
	at     time.Time
	rate   float64
	known  bool
}

// Read returns the meter after it was seen at seq of domain at a moment. Another
// domain, a sequence that went back, and one that was not there before begin anew: a
// position that was set is no transactions.
func (m Meter) Read(domain uint32, seq uint64, at time.Time) Meter {
	next := Meter{domain: domain, seq: seq, at: at}
	elapsed := at.Sub(m.at).Seconds()
	switch {
	case m.at.IsZero() || domain != m.domain || seq < m.seq || m.seq == 0:
		return next
	case elapsed <= 0:
		return m
	}
	now := float64(seq-m.seq) / elapsed
	if m.known {
		old := math.Exp(-elapsed / meterTime.Seconds())
		now = old*m.rate + (1-old)*now
	}
	next.rate, next.known = now, true
	return next
}

// Rate returns the transactions per second, averaged over about 5 s; ok is false if
// it was not read twice.
func (m Meter) Rate() (perSecond float64, ok bool) { return m.rate, m.known }

// Flow is how the transactions of an origin come to a member. The zero value is "not
// known". Heartbeats count as transactions: they are.
type Flow struct {
	Known  bool
	Behind uint64 // transactions that the origin has and the member has not applied
	Queued uint64 // of those, how many the member has received
	// Arrival and Apply are per second, averaged over about 5 s: what the origin
	// commits, and what the member applies of that.
	Arrival, Apply float64
	// ETA is the time until the member has caught up if both rates stay; 0: it has;
	// [Never]: it does not catch up.
	ETA time.Duration
}

// Place is where the three ends of a flow stand, in the origin's sequence.
type Place struct {
	Committed uint64 // at the origin
	Received  uint64 // by the member's receiver
	Applied   uint64 // by the member
}

// FlowOf returns the flow of a pair: where it stands, and the meters of what the
// origin commits and the member applies.
func FlowOf(p Place, commits, applies Meter) Flow {
	f := Flow{Known: true}
	if p.Committed > p.Applied {
		f.Behind = p.Committed - p.Applied
	}
	if p.Received > p.Applied {
		f.Queued = min(f.Behind, p.Received-p.Applied)
	}
	f.Arrival, _ = commits.Rate()
	f.Apply, _ = applies.Rate()
	f.ETA = eta(f)
	return f
}

// underway is how many transactions are on their way in a ring that is well: what
// was committed between the reading of the origin and that of the member.
const underway = 2

func eta(f Flow) time.Duration {
	gain := f.Apply - f.Arrival
	switch {
	case f.Behind == 0:
		return 0
	case f.Behind <= underway && f.Apply > 0:
		return time.Duration(float64(f.Behind) / f.Apply * float64(time.Second))
	case gain <= 0 || float64(f.Behind)/gain > (365*24*time.Hour).Seconds():
		return Never
	}
	return time.Duration(float64(f.Behind) / gain * float64(time.Second))
}
