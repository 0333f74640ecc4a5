package topology

import (
	"fmt"
	"slices"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// NewMember names a server that is to join a ring.
type NewMember struct {
	ID   MemberID `json:"id"`
	Addr string   `json:"addr"` // host:port
	Site string   `json:"site,omitempty"`
	// Weight is its share of the reads; 0 stands for 1.
	Weight int `json:"weight,omitempty"`
}

// InitRing declares a ring of empty servers and starts the operation that makes
// it: identities and slots are issued here, before any server is touched.
// Members are in ring order; the first one becomes the owner.
type InitRing struct {
	Name       string         `json:"name"`
	Stride     int            `json:"stride"` // 0: autoinc.DefaultStride
	Durability Durability     `json:"durability"`
	Degraded   DegradedPolicy `json:"degraded"`
	Members    []NewMember    `json:"members"`
	// Data says that the first member holds data, which the others get from it, one
	// after the other, once the ring of that one member is open.
	Data bool `json:"data,omitempty"`
	// Boots is the DBA's word that the first member's config file has read_only=1.
	Boots bool `json:"boots,omitempty"`
}

func (i InitRing) String() string {
	return fmt.Sprintf("init ring %s of %d members", i.Name, len(i.Members))
}

func (i InitRing) apply(s *Snapshot, c Command) error {
	if s.Ring != nil {
		return fmt.Errorf("%w: this node has the ring %q already", ErrLaw, s.Ring.Name)
	}
	if len(i.Members) < 2 {
		return fmt.Errorf("%w: a ring is made of 2 to %d members, not %d", ErrLaw, MaxMembers, len(i.Members))
	}
	if i.Stride == 0 {
		i.Stride = autoinc.DefaultStride
	}
	slots, err := allocateSlots(i.Stride, len(i.Members))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLaw, err)
	}
	s.Ring = &Ring{Name: i.Name, Stride: i.Stride, Durability: i.Durability, Degraded: i.Degraded}
	for n, m := range i.Members {
		s.Members = append(s.Members, Member{
			ID: m.ID, Addr: m.Addr, Site: m.Site, Weight: m.Weight, State: MemberJoining, Why: "the ring is being made",
			Identity: s.issueIdentity(), Slot: slots[n], Boot: s.issueBoot(),
		})
		if last := &s.Members[n]; i.Data && n > 0 {
			last.State, last.Why, last.Copy = MemberCopying, "it waits for the ring", &Copying{ID: s.issueBoot()}
		}
	}
	id, err := s.begin(c, Operation{Kind: OperationInit, Cursor: InitPreflight, Data: i.Data, Boots: i.Boots})
	if err != nil {
		return err
	}
	s.record(c, "operation", "", fmt.Sprintf("%s: %s", id, i))
	return nil
}

// OpenRing ends the operation init: every member is in the ring, and the first
// one owns the unit "*".
type OpenRing struct {
	Operation OperationID  `json:"operation"`
	SemiSync  SemiSync     `json:"semi_sync"`         // of the owner, as it was read back
	Proxies   []ProxyStart `json:"proxies,omitempty"` // who is there
	// Direct are the members that stay open past sqlring, of a ring that was adopted.
	Direct []MemberID `json:"direct,omitempty"`
}

func (o OpenRing) String() string { return fmt.Sprintf("open the ring (%s)", o.Operation) }

func (o OpenRing) apply(s *Snapshot, c Command) error {
	op, err := s.expect(o.Operation, InitOpen)
	if err != nil {
		return err
	}
	for n := range s.Members {
		if s.Members[n].State == MemberCopying {
			continue // its turn comes
		}
		s.Members[n].State, s.Members[n].Why = MemberActive, ""
		s.Members[n].Direct = slices.Contains(o.Direct, s.Members[n].ID)
	}
	owner := &s.Members[0]
	owner.SemiSync = o.SemiSync
	s.Units = []Unit{{ID: UnitRest, Owner: owner.ID, Epoch: 1, Since: c.At.UTC(), Proxies: o.Proxies}}
	op.State, op.Ended = OperationDone, c.At.UTC()
	s.record(c, "ring", owner.ID, fmt.Sprintf("ring %s is open, %s owns %s", s.Ring.Name, owner.ID, UnitRest))
	return nil
}
