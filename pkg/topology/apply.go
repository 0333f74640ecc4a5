package topology

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// ErrStale is returned by Apply for a command that expected another state: its
// operation has moved on, or is over. Whoever proposed it looks again.
var ErrStale = errors.New("the state has moved on")

// ErrLaw is returned by Apply for a command whose result would break the law of
// the ring. The text says which part of it.
var ErrLaw = errors.New("refused by the law of the ring")

// Apply returns the snapshot that follows s by command c. On an error s is still
// the state; nothing was changed. It is a function of its arguments alone, so
// that every node comes to the same bytes.
func Apply(s *Snapshot, c Command) (*Snapshot, error) {
	if c.Change == nil {
		return nil, fmt.Errorf("%w: a command without a change", ErrLaw)
	}
	next := s.clone()
	next.Index = c.Index
	if err := c.Change.apply(next, c); err != nil {
		return nil, err
	}
	next.recordPlain(s, c)
	next.tellChanges(s, c)
	next.trim()
	if err := next.Validate(); err != nil {
		return nil, err
	}
	return next, nil
}

// record appends a line to the audit.
func (s *Snapshot) record(c Command, kind string, member MemberID, what string) {
	e := Event{Index: c.Index, At: c.At.UTC(), By: c.By, Kind: kind, Member: member, What: what, Why: c.Why}
	if s.Outbox != nil {
		e.Evidence = slices.Clone(c.Evidence)
	}
	s.Events = append(s.Events, e)
}

// recordPlain gives a change that has left no line of its own in the audit one, so that
// each change is there: who, when, why. What is told has its own history.
func (s *Snapshot) recordPlain(before *Snapshot, c Command) {
	switch c.Change.(type) {
	case NoteFindings, NoteLeader, MarkTold, OpenOutbox:
		return
	}
	if n := len(s.Events); s.Outbox == nil || before.Outbox == nil || n > 0 && s.Events[n-1].Index == c.Index {
		return
	}
	s.record(c, "step", "", c.Change.String())
}

func (s *Snapshot) trim() {
	if n := len(s.Events) - MaxEvents; n > 0 {
		s.Events = slices.Clone(s.Events[n:])
	}
	if n := len(s.Operations) - MaxOperations; n > 0 {
		s.Operations = slices.Clone(s.Operations[n:])
	}
}

// begin starts an operation; at most one runs.
func (s *Snapshot) begin(c Command, op Operation) (OperationID, error) {
	s.suspend(c)
	if running, ok := s.Running(); ok {
		return "", fmt.Errorf("%w: operation %s (%s) is running; wait for it, or abort it", ErrStale, running.ID, running.Kind)
	}
	op.ID = OperationID(fmt.Sprintf("op%d", s.NextOperation))
	s.NextOperation++
	op.State, op.By, op.Why = OperationRunning, c.By, c.Why
	op.Began, op.Moved = c.At.UTC(), c.At.UTC()
	s.Operations = append(s.Operations, op)
	return op.ID, nil
}

// expect returns the running operation if it is id and stands at cursor. An
// empty cursor stands for any.
func (s *Snapshot) expect(id OperationID, cursor Cursor) (*Operation, error) {
	op, ok := s.Running()
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: no operation is running, %s was expected", ErrStale, id)
	case op.ID != id:
		return nil, fmt.Errorf("%w: operation %s is running, %s was expected", ErrStale, op.ID, id)
	case cursor != "" && op.Cursor != cursor:
		return nil, fmt.Errorf("%w: operation %s is at %q, %q was expected", ErrStale, id, op.Cursor, cursor)
	}
	return &s.Operations[len(s.Operations)-1], nil
}

func (s *Snapshot) issueIdentity() uint32 {
	id := s.NextIdentity
	s.NextIdentity++
	return id
}

func (s *Snapshot) issueBoot() uint64 {
	n := s.NextBoot
	s.NextBoot++
	return n
}

// Validate returns ErrLaw, wrapped with the reason, if the intent breaks the
// law: names and addresses are unique and well formed, identities were issued
// and are unique for ever, slots are inside the stride and unique, a unit's
// owner is a member that is in the ring, at most one operation runs and it is
// the last one.
func (s *Snapshot) Validate() error {
	if s.Ring == nil {
		if len(s.Members)+len(s.Units)+len(s.Operations) > 0 {
			return fmt.Errorf("%w: members without a ring", ErrLaw)
		}
		return nil
	}
	if err := ValidName(s.Ring.Name); err != nil {
		return fmt.Errorf("%w: ring: %w", ErrLaw, err)
	}
	if err := s.validateMembers(); err != nil {
		return fmt.Errorf("%w: %w", ErrLaw, err)
	}
	if err := s.validateUnits(); err != nil {
		return fmt.Errorf("%w: %w", ErrLaw, err)
	}
	if err := s.Outbox.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrLaw, err)
	}
	for i, op := range s.Operations {
		if op.State == OperationRunning && i != len(s.Operations)-1 {
			return fmt.Errorf("%w: operation %s runs beside a later one", ErrLaw, op.ID)
		}
	}
	return nil
}

func (s *Snapshot) validateMembers() error {
	if n := len(s.Members); n < 1 || n > MaxMembers {
		return fmt.Errorf("a ring has 1 to %d members, not %d", MaxMembers, n)
	}
	ids, addrs := map[MemberID]bool{}, map[string]bool{}
	identities, slots := map[uint32]bool{}, map[int]bool{}
	for _, m := range s.Members {
		if err := ValidName(string(m.ID)); err != nil {
			return fmt.Errorf("member: %w", err)
		}
		if err := ValidAddr(m.Addr); err != nil {
			return fmt.Errorf("member %s: %w", m.ID, err)
		}
		if err := ValidWeight(m.Weight); err != nil {
			return fmt.Errorf("member %s: %w", m.ID, err)
		}
		if ids[m.ID] || addrs[m.Addr] {
			return fmt.Errorf("member %s at %s stands in the ring twice", m.ID, m.Addr)
		}
		ids[m.ID], addrs[m.Addr] = true, true
		for _, identity := range append(slices.Clone(m.Retired), m.Identity) {
			if identity < firstIdentity || identity >= s.NextIdentity || identities[identity] {
				return fmt.Errorf("member %s: identity %d was not issued, or is another's", m.ID, identity)
			}
			identities[identity] = true
		}
		layout := m.Layout(s.Ring.Stride)
		if err := layout.Validate(); err != nil {
			return fmt.Errorf("member %s: %w", m.ID, err)
		}
		if slots[m.Slot] {
			return fmt.Errorf("member %s: slot %d is another member's", m.ID, m.Slot)
		}
		slots[m.Slot] = true
	}
	for _, t := range s.Tombstones {
		if t.Unread && slots[t.Slot] {
			return fmt.Errorf("slot %d is the tombstone of %s, whose last transactions were not read", t.Slot, t.Member)
		}
	}
	return nil
}

func (s *Snapshot) validateUnits() error {
	seen := map[UnitID]bool{}
	for _, u := range s.Units {
		if seen[u.ID] {
			return fmt.Errorf("unit %s stands there twice", u.ID)
		}
		seen[u.ID] = true
		if u.Owner == "" {
			continue
		}
		owner, ok := s.Member(u.Owner)
		if !ok || owner.State != MemberActive {
			return fmt.Errorf("unit %s: owner %s is not an active member", u.ID, u.Owner)
		}
	}
	return nil
}

// allocateSlots returns n slots of the stride, none of them in use.
func allocateSlots(stride, n int) ([]int, error) {
	var slots []int
	for range n {
		slot, err := autoinc.Allocate(stride, slots)
		if err != nil {
			return nil, err
		}
		slots = append(slots, slot)
	}
	return slots, nil
}
