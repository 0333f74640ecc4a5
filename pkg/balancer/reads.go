package balancer

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Readable is what is known of a member as one that reads may go to.
type Readable struct {
	Member Member
	Level  lagguard.Level
	Why    string    // why it is of that level
	At     time.Time // of the observation that this was read from

	// Position is what a read there sees: what it has applied of others, and what
	// it has written itself. Never what only stands in its binlog.
	Position topology.Position
	Domain   uint32 // of its own transactions; 0: not known
	Site     string // "": not known
	Weight   int    // share of reads, relative to the others'; 0 counts as 1
	Drained  bool   // the DBA has taken it out
}

// Reads is an immutable picture of the members that reads may go to, at one moment.
// Members has at most [topology.MaxMembers] entries, sorted by id. A nil Reads stands
// for "nothing is known" and is valid.
type Reads struct {
	At      time.Time
	Members []Readable
}

// Consistency says what a read has to see. The zero value is the default.
type Consistency uint8

// The consistencies.
const (
	ConsistencyAccount  Consistency = iota // whatever its account has written through this proxy
	ConsistencyEventual                    // what any member has that is not far behind
	ConsistencySession                     // whatever its own session has written
	ConsistencyStrong                      // whatever anybody has written: the owner
)

var consistencyNames = [...]string{"account", "eventual", "session", "strong"}

func (c Consistency) String() string {
	if int(c) < len(consistencyNames) {
		return consistencyNames[c]
	}
	return fmt.Sprintf("consistency %d", uint8(c))
}

// ParseConsistency reads a consistency's name. The error lists the names.
func ParseConsistency(text string) (Consistency, error) {
	for i, name := range consistencyNames {
		if name == text {
			return Consistency(i), nil
		}
	}
	return 0, fmt.Errorf("consistency %q is not one of eventual, session, account, strong", text)
}

// Ask is one question for a member to read from.
type Ask struct {
	Consistency Consistency
	// Token is what the read has to see: what the session, or its account, has
	// written. Eventual and strong reads do not look at it.
	Token topology.Position
	Site  string // of the proxy; members there come first. "": no preference
	// Load is how busy a member is now, by the proxy's own count; nil: all alike.
	Load func(topology.MemberID) int
	// Draws are two independent random numbers, uniform over all of uint64.
	Draws  [2]uint64
	Owner  topology.MemberID // of the unit that is read; "": nobody owns it
	Now    time.Time
	MaxAge time.Duration // how old an observation may be; 0: topology.MaxAge
}

func (a *Ask) deadline() time.Duration {
	if a.MaxAge == 0 {
		return topology.MaxAge
	}
	return a.MaxAge
}

// needs returns what the member has to have for this read.
func (a *Ask) needs() topology.Position {
	if a.Consistency == ConsistencyEventual {
		return nil
	}
	return a.Token
}

// Choose returns the member that a read goes to, and why.
//
// It is one of those that are seen in time, fresh or warned of, not drained, and
// known to have the token: of the proxy's own site if there is one there, and of two
// drawn by weight the one with less to do for its weight. If there is none but the owner,
// and others lack nothing but the token, it is [ReadOwnerAhead]: one of them may get it
// soon. If there is none, the read
// goes to the owner ([ReadWhy.Owner]); what is written there is there. If the owner
// is not seen either, it goes to the least bad member that is known to have the
// token: the last one is never taken out. If ok is false no member of this picture
// may be read from: the read goes where a write would, by [View.OwnerOf].
//
// It allocates nothing and takes about 0.1 µs for three members.
func (r *Reads) Choose(ask Ask) (Member, ReadWhy, bool) {
	if r == nil {
		return Member{}, ReadNoPicture, false
	}
	if ask.Consistency == ConsistencyStrong {
		return r.owner(&ask, ReadOwnerStrong)
	}
	qualify, near, miss := r.qualify(&ask)
	switch {
	case miss && qualify != 0 && r.ownerAlone(&ask, qualify):
		return r.owner(&ask, ReadOwnerAhead)
	case near != 0:
		return r.Members[r.draw(&ask, near)].Member, ReadNear, true
	case qualify != 0:
		return r.Members[r.draw(&ask, qualify)].Member, ReadAny, true
	}
	why := ReadOwnerLevel
	if miss {
		why = ReadOwnerToken
	}
	if m, why, ok := r.owner(&ask, why); ok {
		return m, why, true
	}
	if i, ok := r.last(&ask); ok {
		return r.Members[i].Member, ReadLast, true
	}
	return Member{}, why, false
}

// set is a set of indexes of Members.
type set uint64

// qualify returns the members that may be drawn, those of them at the proxy's site,
// and whether a member fails for nothing but the token.
func (r *Reads) qualify(ask *Ask) (all, near set, miss bool) {
	for i := range r.Members {
		m := &r.Members[i]
		switch m.fails(ask) {
		case refusedNot:
			all |= 1 << i
			if ask.Site != "" && m.Site == ask.Site {
				near |= 1 << i
			}
		case refusedToken:
			miss = true
		case refusedAge, refusedDrained, refusedLevel:
		}
	}
	return all, near, miss
}

// ownerAlone reports whether the owner is all that a set has in it.
func (r *Reads) ownerAlone(ask *Ask, among set) bool {
	return among&(among-1) == 0 && r.Members[bits.TrailingZeros64(uint64(among))].Member.ID == ask.Owner
}

// Has reports whether a member is known to have a position, by this picture.
func (r *Reads) Has(id topology.MemberID, need topology.Position) bool {
	if r == nil {
		return false
	}
	for i := range r.Members {
		if m := &r.Members[i]; m.Member.ID == id {
			return m.Position.Covers(need)
		}
	}
	return false
}

// Since returns the position of a member by an observation that was begun after t, in which is
// whatever the member had said by then to be done. ok is false if this picture has none.
func (r *Reads) Since(id topology.MemberID, t time.Time) (p topology.Position, ok bool) {
	if r == nil {
		return nil, false
	}
	for i := range r.Members {
		if m := &r.Members[i]; m.Member.ID == id && m.At.After(t) {
			return m.Position, true
		}
	}
	return nil, false
}

// owner returns the owner, if it is seen in time.
func (r *Reads) owner(ask *Ask, why ReadWhy) (Member, ReadWhy, bool) {
	for i := range r.Members {
		m := &r.Members[i]
		if m.Member.ID == ask.Owner && m.seen(ask) {
			return m.Member, why, true
		}
	}
	return Member{}, why, false
}

// last returns the member that is read from when no other can be: seen in time,
// with a lag that is known, and with the token.
func (r *Reads) last(ask *Ask) (int, bool) {
	best, found := 0, false
	for i := range r.Members {
		m := &r.Members[i]
		switch {
		case !m.seen(ask) || m.Level == lagguard.LevelUnknown || !m.has(ask):
		case !found || r.Members[best].Level.Worse(m.Level):
			best, found = i, true
		}
	}
	return best, found
}

// draw returns one of the members of from, which is not empty: of two drawn by
// weight, the one with less to do.
func (r *Reads) draw(ask *Ask, from set) int {
	first := r.drawOne(from, ask.Draws[0])
	rest := from &^ (1 << first)
	if rest == 0 || ask.Load == nil {
		return first
	}
	second := r.drawOne(rest, ask.Draws[1])
	one, two := &r.Members[first], &r.Members[second]
	// With this read there, who has less to do for its weight?
	if (ask.Load(two.Member.ID)+1)*one.weight() < (ask.Load(one.Member.ID)+1)*two.weight() {
		return second
	}
	return first
}

func (r *Reads) drawOne(from set, number uint64) int {
	total := 0
	for i := range r.Members {
		if from&(1<<i) != 0 {
			total += r.Members[i].weight()
		}
	}
	at, chosen := int(number%uint64(total)), 0
	for i := range r.Members {
		if from&(1<<i) == 0 {
			continue
		}
		chosen = i
		if at -= r.Members[i].weight(); at < 0 {
			break
		}
	}
	return chosen
}

func (m *Readable) weight() int { return max(1, m.Weight) }

func (m *Readable) seen(ask *Ask) bool {
	return !m.At.IsZero() && ask.Now.Sub(m.At) <= ask.deadline()
}

// has reports whether the member is known to have what the read has to see. What
// stands under the owner's own identity was written there.
func (m *Readable) has(ask *Ask) bool {
	own := uint32(0)
	if m.Member.ID == ask.Owner {
		own = m.Domain
	}
	have, i := m.Position, 0
	for _, need := range ask.needs() { // both are sorted by domain
		if need.Domain == own && own != 0 {
			continue
		}
		for i < len(have) && have[i].Domain < need.Domain {
			i++
		}
		if i == len(have) || have[i].Domain != need.Domain || have[i].Seq < need.Seq {
			return false
		}
	}
	return true
}
