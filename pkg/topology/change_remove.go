package topology

import (
	"fmt"
	"slices"
	"time"
)

// MaxLeaveGrace bounds how long statements may go on on a member that is to leave.
const MaxLeaveGrace = time.Hour

// DefaultLeaveGrace is how long they may if nothing else is said.
const DefaultLeaveGrace = 10 * time.Second

// LeaveRing is the DBA's word that a member leaves the ring, for good or, with Until,
// for a maintenance. It is drained at once; when it owns no unit any more it is taken
// out: see plan_remove.go.
type LeaveRing struct {
	Member MemberID      `json:"member"`
	Until  time.Time     `json:"until,omitzero"`
	Grace  time.Duration `json:"grace,omitempty"` // 0: DefaultLeaveGrace
	Keep   bool          `json:"keep,omitempty"`
	// Alone accepts that one member is left, whose commits nobody acknowledges.
	Alone bool `json:"alone,omitempty"`
}

func (l LeaveRing) String() string {
	if l.Until.IsZero() {
		return fmt.Sprintf("remove %s", l.Member)
	}
	return fmt.Sprintf("maintenance of %s until %s", l.Member, l.Until.UTC().Format(time.DateTime))
}

func (l LeaveRing) apply(s *Snapshot, c Command) error {
	i := s.memberIndex(l.Member)
	if i < 0 {
		return fmt.Errorf("%w: %s is not a member", ErrLaw, l.Member)
	}
	if l.Grace == 0 {
		l.Grace = DefaultLeaveGrace
	}
	m, maintenance := &s.Members[i], !l.Until.IsZero()
	if maintenance && (m.State == MemberMaintained || m.Leaving.forAWhile()) { // another end
		leaving := *m.Leaving
		leaving.Until = l.Until.UTC()
		m.Leaving = &leaving
		if m.State == MemberMaintained && s.Knows(LawOfForgets) {
			m.Why = maintenanceUntil(*m)
		}
		s.record(c, "maintenance", m.ID, fmt.Sprintf("maintenance of %s ends at %s", m.ID, leaving.Until.Format(time.DateTime)))
		return nil
	}
	if err := s.mayLeave(*m, l); err != nil {
		return err
	}
	m.Leaving = &Leaving{Until: l.Until.UTC(), Grace: l.Grace, Keep: l.Keep, Alone: l.Alone, Drained: m.Drained}
	if l.Until.IsZero() {
		m.Leaving.Until = time.Time{}
	}
	m.Drained = true
	kind, what := "remove", fmt.Sprintf("%s is to leave the ring", m.ID)
	if maintenance {
		kind, what = "maintenance", fmt.Sprintf("%s is to be out for maintenance until %s", m.ID, m.Leaving.Until.Format(time.DateTime))
	}
	s.record(c, kind, m.ID, what)
	return nil
}

// mayLeave says why a member may not leave now.
func (s *Snapshot) mayLeave(m Member, l LeaveRing) error {
	out := m.State == MemberDown || m.State == MemberHeld
	switch {
	case l.Grace < 0 || l.Grace > MaxLeaveGrace:
		return fmt.Errorf("%w: grace %s is not in 0..%s", ErrLaw, l.Grace, MaxLeaveGrace)
	case !l.Until.IsZero() && out:
		return nil // it is out already
	case m.State != MemberActive:
		return fmt.Errorf("%w: %s is %s: it is not in the ring; to forget it: sqlring master remove %s --forget", ErrStale, m.ID, m.State, m.ID)
	case m.Leaving.forGood():
		return fmt.Errorf("%w: %s is about to leave already", ErrStale, m.ID)
	case m.Leaving != nil:
		return fmt.Errorf("%w: %s is about to be out for maintenance: sqlring master maintenance %s --end", ErrStale, m.ID, m.ID)
	}
	if why := s.tooFew(m, l.Alone); why != "" {
		return fmt.Errorf("%w: %s", ErrLaw, why)
	}
	if _, takes := s.nearest(m.ID, +1, Member.takesUnits); !takes {
		return fmt.Errorf("%w: no other member is in the ring and not drained, somebody has to serve", ErrLaw)
	}
	for _, u := range s.Units {
		if u.Owner == m.ID && u.Pinned {
			return fmt.Errorf("%w: unit %s is pinned to %s: sqlring unit unpin %s", ErrLaw, u.ID, m.ID, u.ID.Quoted())
		}
	}
	return nil
}

// tooFew says why those who would be left without a member are too few, "" if they are
// not. One alone has to be accepted.
func (s *Snapshot) tooFew(m Member, accepted bool) string {
	alone, single := s.LeftAlone(m.ID)
	switch {
	case single && s.Ring.Durability == DurabilitySemiSync && s.Ring.Degraded == DegradedRefuse:
		return fmt.Sprintf("%s would be alone, and degraded is refuse: its writes would wait for ever", alone)
	case single && !accepted:
		return fmt.Sprintf("%s would be alone, nobody acknowledges its commits then", alone)
	case !single && alone == "":
		return fmt.Sprintf("%s is the last member of the ring, somebody has to serve: sqlring ring dissolve", m.ID)
	}
	return ""
}

// leaves reports whether the operation takes a member out in a planned way.
func (op Operation) leaves() bool {
	return op.Kind == OperationRemove || op.Kind == OperationMaintain
}

// stay takes back that a member is to leave.
func (s *Snapshot) stay(id MemberID) {
	m := &s.Members[s.memberIndex(id)]
	if m.Leaving != nil {
		m.Drained, m.Leaving = m.Leaving.Drained, nil
	}
}

// BeginLeave starts to take a member out that is to leave, and owns nothing any more.
type BeginLeave struct {
	Member MemberID `json:"member"`
}

func (b BeginLeave) String() string { return fmt.Sprintf("begin to take %s out", b.Member) }

func (b BeginLeave) apply(s *Snapshot, c Command) error {
	m, ok := s.Member(b.Member)
	switch {
	case !ok || m.State != MemberActive || m.Leaving == nil:
		return fmt.Errorf("%w: %s is not about to leave", ErrStale, b.Member)
	case s.Owns(m.ID) || s.Inherits(m.ID):
		return fmt.Errorf("%w: %s owns a unit", ErrStale, m.ID)
	}
	if why := s.tooFew(m, m.Leaving.Alone); why != "" {
		return fmt.Errorf("%w: %s", ErrStale, why)
	}
	op := Operation{Kind: OperationRemove, Member: m.ID, Cursor: RemoveClose, Grace: m.Leaving.Grace}
	if m.Leaving.forAWhile() {
		op.Kind = OperationMaintain
	}
	id, err := s.begin(c, op)
	if err != nil {
		return err
	}
	s.record(c, op.Kind.String(), m.ID, fmt.Sprintf("%s: %s owns nothing, and is taken out", id, m.ID))
	return nil
}

// Unlink takes a member out of the wiring: nobody pulls from it any more, and what is
// beyond Cut of its own the ring does not have. A maintenance begins by it.
type Unlink struct {
	Operation OperationID `json:"operation"`
	Cut       Position    `json:"cut"`
}

func (u Unlink) String() string { return fmt.Sprintf("unlink (%s)", u.Operation) }

func (u Unlink) apply(s *Snapshot, c Command) error {
	op, err := s.expect(u.Operation, RemoveWire)
	if err != nil {
		return err
	}
	m := &s.Members[s.memberIndex(op.Member)]
	if m.State != MemberActive || s.Owns(m.ID) || s.Inherits(m.ID) {
		return fmt.Errorf("%w: %s is %s, or owns a unit", ErrStale, m.ID, m.State)
	}
	m.Direct = false
	m.State, m.SemiSync, m.Cut = MemberLeaving, SemiSyncOff, slices.Clone(u.Cut)
	m.Why = fmt.Sprintf("it is leaving the ring (%s)", op.ID)
	op.Cursor, op.Moved = RemoveDetach, c.At.UTC()
	if op.Kind == OperationMaintain {
		m.State, m.Why = MemberMaintained, maintenanceUntil(*m)
		op.State, op.Ended = OperationDone, c.At.UTC()
	}
	s.record(c, op.Kind.String(), m.ID, fmt.Sprintf("%s: %s is out of the wiring, the ring is whole without it", op.ID, m.ID))
	return nil
}

// EndRemove ends a removal: the member is none any more, and its slot is a tombstone.
type EndRemove struct {
	Operation OperationID `json:"operation"`
	Last      Position    `json:"last"` // of its own, what the ring has: all that it ever wrote
}

func (e EndRemove) String() string { return fmt.Sprintf("end %s", e.Operation) }

func (e EndRemove) apply(s *Snapshot, c Command) error {
	op, err := s.expect(e.Operation, RemoveClean)
	if err != nil {
		return err
	}
	id := op.Member
	op.State, op.Ended = OperationDone, c.At.UTC()
	if err := s.bury(id, e.Last, false, c.At); err != nil {
		return err
	}
	s.record(c, "remove", id, fmt.Sprintf("%s: %s has left the ring, all that it wrote (%s) is on the others", op.ID, id, e.Last))
	return nil
}

// GiveUpLeave ends the taking out of a member before its end. It is still to leave, and
// the next look begins again, unless Stays.
type GiveUpLeave struct {
	Operation OperationID `json:"operation"`
	Stays     bool        `json:"stays,omitempty"` // it is not to leave any more
}

func (g GiveUpLeave) String() string { return fmt.Sprintf("give up %s", g.Operation) }

func (g GiveUpLeave) apply(s *Snapshot, c Command) error {
	op, err := s.expect(g.Operation, "")
	switch {
	case err != nil:
		return err
	case !op.leaves():
		return fmt.Errorf("%w: %s is a %s", ErrLaw, op.ID, op.Kind)
	case op.Cursor == RemoveClean:
		return fmt.Errorf("%w: %s is past its point of no return", ErrLaw, op.ID)
	}
	if g.Stays {
		s.stay(op.Member)
	}
	s.record(c, op.Kind.String(), op.Member, fmt.Sprintf("%s: given up at %q", op.ID, op.Cursor))
	s.endLeave(c)
	return nil
}

// endLeave ends the running operation if it takes a member out. A member that is in the
// wiring still stays there; one that is not is out, and comes back as any other does.
func (s *Snapshot) endLeave(c Command) {
	running, ok := s.Running()
	if !ok || !running.leaves() {
		return
	}
	op := &s.Operations[len(s.Operations)-1]
	op.State, op.Ended = OperationAborted, c.At.UTC()
	if m := &s.Members[s.memberIndex(op.Member)]; m.State == MemberLeaving {
		m.State, m.Why = MemberDown, fmt.Sprintf("%s was given up at %q", op.ID, op.Cursor)
	}
}

// ForgetMember takes a member off the list that is out: its server is gone, or not
// wanted. What only its disk holds is not in the ring; its slot is not given out again.
type ForgetMember struct {
	Member MemberID `json:"member"`
}

func (f ForgetMember) String() string { return fmt.Sprintf("forget %s", f.Member) }

func (f ForgetMember) apply(s *Snapshot, c Command) error {
	m, ok := s.Member(f.Member)
	op, running := s.Running()
	switch {
	case !ok:
		return fmt.Errorf("%w: %s is not a member", ErrLaw, f.Member)
	case running:
		return fmt.Errorf("%w: operation %s (%s) is running; wait for it, or abort it", ErrStale, op.ID, op.Kind)
	case m.State == MemberCopying && !s.Knows(LawOfForgets):
		return fmt.Errorf("%w: %s is %s, and not every node is known to know that it can be forgotten", ErrLaw, m.ID, m.State)
	case m.State != MemberDown && m.State != MemberHeld && m.State != MemberQuarantined && m.State != MemberMaintained && m.State != MemberCopying:
		return fmt.Errorf("%w: %s is %s: only a member that is out is forgotten", ErrLaw, m.ID, m.State)
	case s.Inherits(m.ID):
		return fmt.Errorf("%w: %s is to get a unit that has no owner", ErrLaw, m.ID)
	case len(s.Members) <= 2 && s.Ring.Durability == DurabilitySemiSync && s.Ring.Degraded == DegradedRefuse:
		return fmt.Errorf("%w: nobody is left then who could acknowledge, and degraded is refuse: writes would wait for ever", ErrLaw)
	}
	if m.State == MemberCopying && !m.Copy.Again { // as LeaveAdd: it was never in the ring, and has given out nothing
		s.Members = slices.Delete(s.Members, s.memberIndex(m.ID), s.memberIndex(m.ID)+1)
		s.record(c, "remove", m.ID, fmt.Sprintf("%s, which was to be added, is forgotten", m.ID))
		return nil
	}
	if err := s.bury(m.ID, m.own(m.Cut.Union(m.Cuts)), true, c.At); err != nil {
		return err
	}
	s.record(c, "remove", m.ID, fmt.Sprintf("%s, which was %s, is forgotten; the ring has its transactions up to %q", m.ID, m.State, m.own(m.Cut)))
	return nil
}
