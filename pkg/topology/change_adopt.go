package topology

import (
	"fmt"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// adoptKinds are the changes of this file, by their names in the log.
func adoptKinds() map[string]Change {
	return map[string]Change{
		"adopt_ring":   AdoptRing{},
		"leave_adopt":  LeaveAdopt{},
		"close_direct": CloseDirect{},
	}
}

// AdoptedMember is a server of a circle that is adopted.
type AdoptedMember struct {
	NewMember

	// Slot is its auto_increment_offset at the ring's stride: within what it gives out
	// now ([autoinc.Adopt]).
	Slot int `json:"slot"`
}

// AdoptRing declares a ring of servers that replicate in a circle already, and starts the
// operation that takes them over, while applications write to them. Members are in ring
// order; the first one becomes the owner.
type AdoptRing struct {
	Name       string          `json:"name"`
	Stride     int             `json:"stride"`
	Durability Durability      `json:"durability"`
	Degraded   DegradedPolicy  `json:"degraded"`
	Members    []AdoptedMember `json:"members"`
	// Boots is the DBA's word that the config file of each has read_only=1 and
	// skip_slave_start.
	Boots bool `json:"boots,omitempty"`
}

func (a AdoptRing) String() string {
	return fmt.Sprintf("adopt ring %s of %d members", a.Name, len(a.Members))
}

func (a AdoptRing) apply(s *Snapshot, c Command) error {
	if s.Ring != nil {
		return fmt.Errorf("%w: this node has the ring %q already", ErrLaw, s.Ring.Name)
	}
	if len(a.Members) < 2 {
		return fmt.Errorf("%w: a ring is made of 2 to %d members, not %d", ErrLaw, MaxMembers, len(a.Members))
	}
	s.Ring = &Ring{Name: a.Name, Stride: a.Stride, Durability: a.Durability, Degraded: a.Degraded}
	for _, m := range a.Members {
		if err := (autoinc.Layout{Offset: m.Slot, Stride: a.Stride}).Validate(); err != nil {
			return fmt.Errorf("%w: member %s: %w", ErrLaw, m.ID, err)
		}
		s.Members = append(s.Members, Member{
			ID: m.ID, Addr: m.Addr, Site: m.Site, Weight: m.Weight, State: MemberJoining, Why: "it is being adopted",
			Identity: s.issueIdentity(), Slot: m.Slot, Boot: s.issueBoot(),
		})
	}
	id, err := s.begin(c, Operation{Kind: OperationAdopt, Cursor: AdoptPreflight, Boots: a.Boots})
	if err != nil {
		return err
	}
	s.record(c, "operation", "", fmt.Sprintf("%s: %s", id, a))
	return nil
}

// LeaveAdopt ends an adoption that was turned back: nothing of the ring is known any
// more but the audit, and the numbers that were given out.
type LeaveAdopt struct {
	Operation OperationID `json:"operation"`
}

func (l LeaveAdopt) String() string { return fmt.Sprintf("end %s", l.Operation) }

func (l LeaveAdopt) apply(s *Snapshot, c Command) error {
	op, err := s.expect(l.Operation, AdoptBack)
	if err != nil {
		return err
	}
	s.record(c, "operation", "", fmt.Sprintf("%s: the servers are left to themselves", op.ID))
	s.Ring, s.Members, s.Units, s.Operations = nil, nil, nil, nil
	return nil
}

// abortAdopt turns an adoption back, or ends it at once where nothing was done yet.
func (s *Snapshot) abortAdopt(op *Operation, c Command) {
	s.record(c, "operation", "", fmt.Sprintf("%s %s aborted at %q", op.Kind, op.ID, op.Cursor))
	if op.Cursor == AdoptPreflight {
		s.Ring, s.Members, s.Units, s.Operations = nil, nil, nil, nil
		return
	}
	op.Cursor, op.Moved = AdoptBack, c.At.UTC()
}

// CloseDirect takes back that adopted members stay open past sqlring: each that owns no
// unit is closed. Member is the only one that is meant; empty: all.
type CloseDirect struct {
	Member MemberID `json:"member,omitempty"`
}

func (d CloseDirect) String() string {
	if d.Member == "" {
		return "nobody writes directly any more"
	}
	return fmt.Sprintf("nobody writes directly to %s any more", d.Member)
}

func (d CloseDirect) apply(s *Snapshot, c Command) error {
	closed := 0
	for i, m := range s.Members {
		if !m.Direct || d.Member != "" && m.ID != d.Member {
			continue
		}
		s.Members[i].Direct = false
		s.record(c, "ring", m.ID, fmt.Sprintf("nobody writes directly to %s any more", m.ID))
		closed++
	}
	if closed == 0 {
		return fmt.Errorf("%w: no such member takes writes past sqlring", ErrStale)
	}
	return nil
}
