package lagguard

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// MemberLag is the level of a member: the worst of its own and of those with respect
// to each other member.
type MemberLag struct {
	Member topology.MemberID
	Level  Level
	Since  time.Time
	From   Level  // the level before
	Why    string // what moved it to Level
	// Behind is the origin with respect to which it is of that level; empty: it is
	// so by itself.
	Behind topology.MemberID
	Seen   time.Time // of the probe that this follows from
}

// PairLag is the lag of one member with respect to one origin.
type PairLag struct {
	Origin, Member topology.MemberID
	Lag            Lag // for showing: the sharpest of the last readings
	State          State
	Flow           Flow
}

// Picture is what a node knows of the lag of the members of a ring at one moment. It
// is immutable. A nil Picture stands for "nothing is known" and is valid.
type Picture struct {
	At         time.Time
	Ring       string
	Thresholds Thresholds
	Members    []MemberLag // the active ones, in ring order
	Pairs      []PairLag   // of those, by origin, then member, in ring order
	Hop        Hop         // the hop to blame; zero: none
	Admissions []Admission // what lag does to the members' places for writes, in ring order
}

// Member returns what is known of one member.
func (p *Picture) Member(id topology.MemberID) (MemberLag, bool) {
	if p != nil {
		for _, m := range p.Members {
			if m.Member == id {
				return m, true
			}
		}
	}
	return MemberLag{}, false
}

// Pair returns what is known of one pair.
func (p *Picture) Pair(origin, member topology.MemberID) (PairLag, bool) {
	if p != nil {
		for _, c := range p.Pairs {
			if c.Origin == origin && c.Member == member {
				return c, true
			}
		}
	}
	return PairLag{}, false
}

// Hop is one link of the ring, as the one that lag comes from. The zero value is
// none.
type Hop struct {
	From, To topology.MemberID
	Origin   topology.MemberID // whose transactions show it best
	Adds     time.Duration     // at least so much lag lies between From and To
	Flow     Flow              // to To, of the origin of which most is on its way there
}

// String says which hop it is, what it adds, and where the transactions are.
func (h Hop) String() string {
	if h.To == "" {
		return "none"
	}
	text := fmt.Sprintf("%s -> %s adds at least %d ms", h.From, h.To, h.Adds.Milliseconds())
	switch {
	case !h.Flow.Known || h.Flow.Behind == 0:
	case h.Flow.Queued > h.Flow.Behind/2:
		text += fmt.Sprintf(": %d transactions wait for its applier", h.Flow.Queued)
	default:
		text += fmt.Sprintf(": it has not received %d transactions", h.Flow.Behind-h.Flow.Queued)
	}
	return text
}

// Blame returns the hop that adds most lag, if that is at least least. order is the
// ring: each member pulls from the one before it, the first from the last.
//
// What an origin commits goes round; where the lag of a member is proven to be above
// what that of the member before it can be, it comes from the link between the two.
// Further on the lag is the same, and nobody else is to blame.
func Blame(order []topology.MemberID, pairs []PairLag, least time.Duration) Hop {
	at := make(map[[2]topology.MemberID]PairLag, len(pairs))
	for _, p := range pairs {
		at[[2]topology.MemberID{p.Origin, p.Member}] = p
	}
	var worst Hop
	most := map[topology.MemberID]Flow{} // by the end of the hop
	for i, origin := range order {
		before, above := origin, time.Duration(0) // the lag of before is at most above
		for j := 1; j < len(order); j++ {
			member := order[(i+j)%len(order)]
			p := at[[2]topology.MemberID{origin, member}]
			if !p.Lag.Known {
				break
			}
			adds := p.Lag.Low - above
			if adds >= least && p.Flow.Known && p.Flow.Behind > most[member].Behind {
				most[member] = p.Flow
			}
			if adds >= least && adds > worst.Adds {
				worst = Hop{From: before, To: member, Origin: origin, Adds: adds}
			}
			before, above = member, max(above, p.Lag.High)
		}
	}
	worst.Flow = most[worst.To]
	return worst
}

// Transition is one change of a member's level.
type Transition struct {
	At       time.Time
	Member   topology.MemberID
	From, To Level
	Why      string
	Evidence []string // its lag behind each origin, and the hop to blame
}

// Transitions returns how the levels of next differ from those of before, in ring
// order. A member that was not there before comes from LevelUnknown.
func Transitions(before, next *Picture) []Transition {
	if next == nil {
		return nil
	}
	var moved []Transition
	for _, m := range next.Members {
		was, _ := before.Member(m.Member)
		if was.Level == m.Level {
			continue
		}
		t := Transition{At: m.Since, Member: m.Member, From: was.Level, To: m.Level, Why: m.Why}
		t.Evidence = next.evidence(m.Member)
		moved = append(moved, t)
	}
	return moved
}

func (p PairLag) evidence() string {
	text := fmt.Sprintf("behind %s: %s", p.Origin, p.Lag)
	if p.Flow.Known {
		text += fmt.Sprintf(", %d transactions, %d of them received", p.Flow.Behind, p.Flow.Queued)
	}
	return text
}
