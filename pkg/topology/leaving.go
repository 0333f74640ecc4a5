package topology

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// Leaving is the DBA's word that a member is to leave the ring. It stands until it is
// carried out or taken back, over losses and returns of the member too. It is never
// changed in place.
type Leaving struct {
	// Until is when a maintenance ends by itself; zero: it leaves for good.
	Until time.Time `json:"until,omitzero"`
	// Grace is how long statements that run on it may take to end.
	Grace time.Duration `json:"grace,omitempty"`
	// Keep leaves the schema sqlring and the replication account on it.
	Keep bool `json:"keep,omitempty"`
	// Alone accepts that one member is left, whose commits nobody acknowledges.
	Alone bool `json:"alone,omitempty"`
	// Drained says that it was drained before: it is so again when it is back.
	Drained bool `json:"drained,omitempty"`
}

// forAWhile reports whether it is a maintenance; nil is none.
func (l *Leaving) forAWhile() bool { return l != nil && !l.Until.IsZero() }

// forGood reports whether it is a removal; nil is none.
func (l *Leaving) forGood() bool { return l != nil && l.Until.IsZero() }

// Tombstone is what is kept of a member that has left: its slot and identities are not
// given out as if they were new.
type Tombstone struct {
	Member   MemberID  `json:"member"`
	Slot     int       `json:"slot"`
	Stride   int       `json:"stride,omitempty"` // that it counted by; 0: the ring's
	Identity uint32    `json:"identity"`
	Retired  []uint32  `json:"retired,omitempty"`
	Last     Position  `json:"last,omitempty"` // of its own transactions, those that the ring has
	At       time.Time `json:"at"`
	// Unread says that its disk may hold transactions which the ring does not have.
	Unread bool `json:"unread,omitempty"`
}

// FreeSlot returns the slot that the next member gets: one that nobody has had, or else
// that of a tombstone that may be reused (see [autoinc.AllocateBeside]).
func (s *Snapshot) FreeSlot() (int, error) {
	taken := make([]int, 0, len(s.Members))
	for _, m := range s.Members {
		taken = append(taken, m.Slot)
	}
	left := make([]autoinc.Tombstone, 0, len(s.Tombstones))
	for _, t := range s.Tombstones {
		left = append(left, autoinc.Tombstone{Slot: t.Slot, Stride: t.Stride, Unread: t.Unread})
	}
	return autoinc.AllocateBeside(s.Ring.Stride, taken, left)
}

// own returns what p holds of a member's own transactions, under all its identities.
func (m Member) own(p Position) Position {
	var own Position
	for _, id := range append([]uint32{m.Domain()}, m.Retired...) { // of a MySQL nothing stands under an identity
		if last, ok := p.Last(id); ok {
			own = own.With(last)
		}
	}
	return own
}

// bury takes a member out of the state and leaves a tombstone.
func (s *Snapshot) bury(id MemberID, last Position, unread bool, at time.Time) error {
	i := s.memberIndex(id)
	if i < 0 {
		return fmt.Errorf("%w: %s is not a member", ErrStale, id)
	}
	if len(s.Tombstones) >= MaxTombstones {
		return fmt.Errorf("%w: %d members have left, more are not remembered", ErrLaw, MaxTombstones)
	}
	m := s.Members[i]
	s.Tombstones = append(s.Tombstones, Tombstone{
		Member: m.ID, Slot: m.Slot, Identity: m.Identity, Retired: m.Retired, Last: last, Unread: unread, At: at.UTC(),
	})
	s.Members = append(s.Members[:i:i], s.Members[i+1:]...)
	return nil
}

// MaxTombstones bounds how many members that have left are remembered.
const MaxTombstones = 1024

// LeftAlone returns the member that would be alone in the ring without id; ok is false
// if there would be several, or none.
func (s *Snapshot) LeftAlone(id MemberID) (alone MemberID, ok bool) {
	n := 0
	for _, m := range s.Members {
		if m.ID != id && m.State == MemberActive {
			alone, n = m.ID, n+1
		}
	}
	return alone, n == 1
}
