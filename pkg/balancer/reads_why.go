package balancer

import (
	"fmt"

	"github.com/sqlring/sqlring/pkg/topology"
)

// ReadWhy is the reason for the member that a read goes to.
type ReadWhy uint8

// The reasons.
const (
	ReadNoPicture   ReadWhy = iota // nothing is known of the members
	ReadNear                       // one of the members at the proxy's site
	ReadAny                        // one of the members that qualify
	ReadOwnerStrong                // the owner: a strong read
	ReadOwnerToken                 // the owner: nobody else is known to have what was written
	ReadOwnerLevel                 // the owner: nobody is fresh
	ReadOwnerAhead                 // the owner, which may be read from: nobody else is known yet to have what was written
	ReadLast                       // the owner is not seen, and this is the least bad
)

// String returns the reason as people read it.
func (w ReadWhy) String() string {
	switch w {
	case ReadNoPicture:
		return "nothing is known of the members yet: it goes to the owner"
	case ReadNear:
		return "a fresh member at this site"
	case ReadAny:
		return "a fresh member"
	case ReadOwnerStrong:
		return "the owner: a strong read sees what anybody has written"
	case ReadOwnerToken, ReadOwnerAhead:
		return "the owner: no other member is known to have what was written before"
	case ReadOwnerLevel:
		return "the owner: no member is fresh"
	case ReadLast:
		return "the owner is not seen: the least bad of those that answer"
	}
	return fmt.Sprintf("reason %d", uint8(w))
}

// Owner reports whether the read goes to the owner because it has to: then what
// holds for a write's route holds for it too.
func (w ReadWhy) Owner() bool {
	return w == ReadNoPicture || w == ReadOwnerStrong || w == ReadOwnerToken || w == ReadOwnerAhead || w == ReadOwnerLevel
}

// refusal is why a member does not qualify for a read.
type refusal uint8

const (
	refusedNot     refusal = iota
	refusedAge             // not seen in time
	refusedDrained         // taken out by the DBA
	refusedLevel           // neither fresh nor warn
	refusedToken           // not known to have what was written
)

func (m *Readable) fails(ask *Ask) refusal {
	switch {
	case !m.seen(ask):
		return refusedAge
	case m.Drained:
		return refusedDrained
	case !m.Level.Readable():
		return refusedLevel
	case !m.has(ask):
		return refusedToken
	}
	return refusedNot
}

// ReadVerdict is whether one member qualifies for a read, and why.
type ReadVerdict struct {
	Member    topology.MemberID
	Site      string
	Qualifies bool
	Why       string
}

// Explanation is the answer to an [Ask] with what it was made of.
type Explanation struct {
	Member  topology.MemberID // "": none of the picture
	Why     ReadWhy
	Members []ReadVerdict // in the order of Reads.Members
}

// Explain returns what Choose would choose, and for each member why it qualifies or
// not.
func (r *Reads) Explain(ask Ask) Explanation {
	chosen, why, _ := r.Choose(ask)
	e := Explanation{Member: chosen.ID, Why: why}
	if r == nil {
		return e
	}
	for i := range r.Members {
		m := &r.Members[i]
		refused := m.fails(&ask)
		e.Members = append(e.Members, ReadVerdict{
			Member: m.Member.ID, Site: m.Site, Qualifies: refused == refusedNot, Why: m.verdict(refused, &ask),
		})
	}
	return e
}

func (m *Readable) verdict(refused refusal, ask *Ask) string {
	switch refused {
	case refusedAge:
		if m.At.IsZero() {
			return "it was not seen yet"
		}
		return fmt.Sprintf("it was seen %d ms ago, at most %d are allowed",
			ask.Now.Sub(m.At).Milliseconds(), ask.deadline().Milliseconds())
	case refusedDrained:
		return "it is drained"
	case refusedLevel:
		return fmt.Sprintf("it is %s: %s", m.Level, m.Why)
	case refusedToken:
		return fmt.Sprintf("it is not known to have %s", m.Position.Missing(ask.needs()))
	case refusedNot:
	}
	return fmt.Sprintf("it is %s: %s", m.Level, m.Why)
}
