package gate

import (
	"cmp"
	"slices"
	"time"
)

// Tally is what statements of one digest have waited for and taken, since the tally was
// begun: the time before the member apart from the time at it.
type Tally struct {
	Digest uint64
	// Statements is how many there were: an estimate, since one of some is measured.
	Statements uint64
	ServerTime time.Duration // at the member until the answer began; of all Statements, estimated
	Waits      uint64        // those that waited for a place; exact, as all that follows
	WaitTime   time.Duration
	LaneWaits  uint64 // those that waited for a row
	LaneTime   time.Duration
	RuleWaits  uint64 // those that a rule of the DBA held back
	RuleTime   time.Duration
	Longest    time.Duration // the longest of all kinds of waiting
	Shed       uint64        // those that got an error instead
	Gone       uint64        // those whose client went while they waited
}

// QueueTime is how long the statements waited before they were sent to the member.
func (t *Tally) QueueTime() time.Duration { return t.WaitTime + t.LaneTime + t.RuleTime }

// whole is by what tallies are kept: who has cost most.
func (t *Tally) whole() time.Duration { return t.QueueTime() + t.ServerTime }

// Tallies are those of one member, by digest. It is a table of fixed size: a new digest
// takes the place of one that has cost little. The zero value is an empty one. It is not
// safe for concurrent use.
type Tallies struct {
	slots []Tally // nil: empty
}

const (
	tallySlots = 1024 // a power of two
	tallyWays  = 4    // of which a digest may have one
)

// of returns the tally of a digest, which may be a new one.
func (t *Tallies) of(digest uint64) *Tally {
	if t.slots == nil {
		t.slots = make([]Tally, tallySlots)
	}
	var free *Tally
	for i := range uint64(tallyWays) {
		e := &t.slots[(digest+i)%tallySlots]
		switch {
		case e.Digest == digest && e.used():
			return e
		case free == nil || free.used() && (!e.used() || e.whole() < free.whole()):
			free = e
		}
	}
	*free = Tally{Digest: digest}
	return free
}

func (t *Tally) used() bool { return t.Statements+t.Waits+t.LaneWaits+t.RuleWaits+t.Shed > 0 }

// Took takes in that a statement was at the member for so long, and stands for as many as
// it says, itself included.
func (t *Tallies) Took(digest uint64, took time.Duration, standsFor uint32) {
	e, n := t.of(digest), max(standsFor, 1)
	e.Statements += uint64(n)
	e.ServerTime += took * time.Duration(n)
}

// Refused takes in that a statement got an error at once.
func (t *Tallies) Refused(digest uint64) { t.of(digest).Shed++ }

// Waited takes in that a statement has waited for a place; refused says that it got an error
// then, gone that its client went meanwhile.
func (t *Tallies) Waited(digest uint64, waited time.Duration, refused, gone bool) {
	e := t.of(digest)
	e.Waits++
	e.WaitTime += waited
	e.ended(waited, refused, gone)
}

// Laned takes in that a statement has waited for a row; the rest is as in Waited.
func (t *Tallies) Laned(digest uint64, waited time.Duration, refused, gone bool) {
	e := t.of(digest)
	e.LaneWaits++
	e.LaneTime += waited
	e.ended(waited, refused, gone)
}

// Ruled takes in that a statement was held back by rules; the rest is as in Waited.
func (t *Tallies) Ruled(digest uint64, waited time.Duration, refused, gone bool) {
	e := t.of(digest)
	e.RuleWaits++
	e.RuleTime += waited
	e.ended(waited, refused, gone)
}

// ended takes in how a wait has ended.
func (t *Tally) ended(waited time.Duration, refused, gone bool) {
	t.Longest = max(t.Longest, waited)
	switch {
	case gone:
		t.Gone++
	case refused:
		t.Shed++
	}
}

// Most returns at most n tallies, those first that have cost most time, before the member
// and at it.
func (t *Tallies) Most(n int) []Tally {
	var list []Tally
	for i := range t.slots {
		if t.slots[i].used() {
			list = append(list, t.slots[i])
		}
	}
	slices.SortFunc(list, func(a, b Tally) int {
		return cmp.Or(cmp.Compare(b.whole(), a.whole()), cmp.Compare(a.Digest, b.Digest))
	})
	return slices.Clip(list[:min(n, len(list))])
}

// Crowd is how many statements of an account wait for a place.
type Crowd struct {
	Account string
	Waiting int
}

// Crowds returns at most n accounts of which statements wait, those first that have most.
func (g *Gate) Crowds(n int) []Crowd {
	list := make([]Crowd, 0, len(g.line.accounts))
	for account, of := range g.line.accounts {
		list = append(list, Crowd{account, of.waiting})
	}
	slices.SortFunc(list, func(a, b Crowd) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(a.Account, b.Account))
	})
	return list[:min(n, len(list))]
}
