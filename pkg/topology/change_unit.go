package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// BeginDivide starts to make a schema a unit of its own, which was a part of "*"
// until now. Its owner stays the same. It goes the way of a move, from and to the
// same member: writes of "*" wait until no lease of its epoch is left, so that nobody
// writes in the schema by the old partition when it is moved later.
//
// That the schema is a closed set (nothing ties it to another one) is looked at
// before, by whoever proposes this: see [Closure].
type BeginDivide struct {
	Unit  UnitID        `json:"unit"`
	Grace time.Duration `json:"grace"` // 0: DefaultGrace
}

func (b BeginDivide) String() string { return fmt.Sprintf("begin to make %s a unit", b.Unit) }

func (b BeginDivide) apply(s *Snapshot, c Command) error {
	if err := ValidUnit(b.Unit); err != nil {
		return fmt.Errorf("%w: %w", ErrLaw, err)
	}
	if b.Grace == 0 {
		b.Grace = DefaultGrace
	}
	rest, found := s.Unit(UnitRest)
	_, there := s.Unit(b.Unit)
	switch {
	case !found || rest.Owner == "":
		return fmt.Errorf("%w: unit %s has no owner at present", ErrStale, UnitRest)
	case there:
		return fmt.Errorf("%w: %s is a unit already", ErrLaw, b.Unit)
	case len(s.Units) >= MaxUnits:
		return fmt.Errorf("%w: there are %d units already, that is all that there may be", ErrLaw, MaxUnits)
	case b.Grace < 0 || b.Grace > MaxGrace:
		return fmt.Errorf("%w: grace %s is not in 0..%s", ErrLaw, b.Grace, MaxGrace)
	}
	op := Operation{Kind: OperationDivide, Cursor: MoveDrain, Unit: b.Unit, Former: rest.Owner, Heir: rest.Owner, Grace: b.Grace}
	id, err := s.begin(c, op)
	if err != nil {
		return err
	}
	i := s.unitIndex(UnitRest)
	s.Units[i].Draining, s.Units[i].Grace = true, b.Grace
	s.record(c, "unit", rest.Owner, fmt.Sprintf("%s: %s is to be a unit of its own", id, b.Unit))
	return nil
}

// ValidUnit returns an error, saying what is wrong, if a schema can not be a unit of
// its own.
func ValidUnit(id UnitID) error {
	const limit = 64 // characters of an identifier (MariaDB and MySQL manuals, identifier names)
	name := string(id)
	switch strings.ToLower(name) {
	case "":
		return fmt.Errorf("the name of a schema is missing")
	case "*":
		return fmt.Errorf("%q is the unit of the rest, and there already", name)
	case "mysql", "information_schema", "performance_schema", "sys", "sqlring":
		return fmt.Errorf("schema %s is the server's, or sqlring's: it stays in %q", name, UnitRest)
	}
	if len([]rune(name)) > limit {
		return fmt.Errorf("schema name %q has more than %d characters", name, limit)
	}
	if i := strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == '/' || r == '\\' || r == 0x7f }); i >= 0 {
		return fmt.Errorf("schema name %q holds %q", name, name[i])
	}
	return nil
}

// EndDivide ends a division: there is one unit more, and its owner is that of "*".
type EndDivide struct {
	Operation OperationID  `json:"operation"`
	From      Cursor       `json:"from"`
	Proxies   []ProxyStart `json:"proxies,omitempty"` // who is there
}

func (e EndDivide) String() string { return fmt.Sprintf("divide, and end %s", e.Operation) }

func (e EndDivide) apply(s *Snapshot, c Command) error {
	op, owner, err := s.repartitions(e.Operation, OperationDivide, e.From)
	if err != nil {
		return err
	}
	rest := s.unitIndex(UnitRest)
	if s.Units[rest].Owner != "" || owner.State != MemberActive {
		return fmt.Errorf("%w: unit %s is %q's, and %s is %s", ErrStale, UnitRest, s.Units[rest].Owner, owner.ID, owner.State)
	}
	s.Units[rest] = s.Units[rest].given(owner.ID, e.Proxies, c.At)
	s.Units = append(s.Units, Unit{ID: op.Unit, Owner: owner.ID, Epoch: s.Units[rest].Epoch, Since: c.At.UTC(), Proxies: e.Proxies})
	op.State, op.Ended = OperationDone, c.At.UTC()
	s.record(c, "unit", owner.ID, fmt.Sprintf("%s: %s is a unit, %s owns it", op.ID, op.Unit, owner.ID))
	return nil
}

// repartitions returns the operation that a division or a join ends at a step, and who
// owns its units before and after: an error, if it does not stand there, or its owner may
// own nothing.
func (s *Snapshot) repartitions(id OperationID, kind OperationKind, from Cursor) (*Operation, Member, error) {
	op, err := s.expect(id, from)
	switch {
	case err != nil:
		return nil, Member{}, err
	case op.Kind != kind || (from != MoveFence && from != MoveExpel):
		return nil, Member{}, fmt.Errorf("%w: %s is a %s at %q", ErrLaw, op.ID, op.Kind, op.Cursor)
	case s.refuses(op.Former):
		return nil, Member{}, fmt.Errorf("%w: %s has no acker, and degraded is refuse", ErrStale, op.Former)
	}
	owner, _ := s.Member(op.Former)
	return op, owner, nil
}

// PinUnit keeps a unit where it is: nothing moves it but a heal.
type PinUnit struct {
	Unit UnitID `json:"unit"`
}

func (p PinUnit) String() string { return fmt.Sprintf("pin unit %s", p.Unit) }

func (p PinUnit) apply(s *Snapshot, c Command) error { return s.pin(p.Unit, true, c) }

// UnpinUnit takes PinUnit back.
type UnpinUnit struct {
	Unit UnitID `json:"unit"`
}

func (u UnpinUnit) String() string { return fmt.Sprintf("unpin unit %s", u.Unit) }

func (u UnpinUnit) apply(s *Snapshot, c Command) error { return s.pin(u.Unit, false, c) }

func (s *Snapshot) pin(id UnitID, pinned bool, c Command) error {
	i := s.unitIndex(id)
	word := map[bool]string{true: "pinned", false: "not pinned"}[pinned]
	switch {
	case i < 0:
		return fmt.Errorf("%w: there is no unit %s", ErrLaw, id)
	case s.Units[i].Pinned == pinned:
		return fmt.Errorf("%w: unit %s is %s already", ErrLaw, id, word)
	}
	s.Units[i].Pinned = pinned
	s.record(c, "unit", s.Units[i].Owner, fmt.Sprintf("unit %s is %s", id, word))
	return nil
}

func (s *Snapshot) unitIndex(id UnitID) int {
	return slices.IndexFunc(s.Units, func(u Unit) bool { return u.ID == id })
}

// DrainMember takes the load from a member that stays in the ring: its units move to
// others, one after the other, those that are pinned aside; it gets no reads and no
// units but by a heal that has nobody else.
type DrainMember struct {
	Member MemberID `json:"member"`
}

func (d DrainMember) String() string { return fmt.Sprintf("drain %s", d.Member) }

func (d DrainMember) apply(s *Snapshot, c Command) error { return s.drainMember(d.Member, true, c) }

// ResumeMember takes DrainMember back, and that the member is to leave, if it has not.
// Units that have moved stay where they are.
type ResumeMember struct {
	Member MemberID `json:"member"`
}

func (r ResumeMember) String() string { return fmt.Sprintf("resume %s", r.Member) }

func (r ResumeMember) apply(s *Snapshot, c Command) error { return s.drainMember(r.Member, false, c) }

func (s *Snapshot) drainMember(id MemberID, drained bool, c Command) error {
	i := s.memberIndex(id)
	word := map[bool]string{true: "drained", false: "not drained"}[drained]
	switch {
	case i < 0:
		return fmt.Errorf("%w: %s is not a member", ErrLaw, id)
	case s.Members[i].Drained == drained:
		return fmt.Errorf("%w: %s is %s already", ErrLaw, id, word)
	}
	if op, ok := s.Running(); ok && op.leaves() && op.Member == id {
		return fmt.Errorf("%w: %s (%s) is taking %s out: sqlring operation abort %s", ErrStale, op.ID, op.Kind, id, op.ID)
	}
	m := &s.Members[i]
	m.Drained = drained
	switch {
	case drained || m.Leaving == nil:
	case m.State == MemberMaintained || m.State == MemberLeaving: // it is out already; when it is back it is not drained
		leaving := *m.Leaving
		leaving.Drained = false
		m.Leaving = &leaving
	default: // it is to stay, also where it was lost before it had left
		m.Leaving = nil
	}
	if _, takes := s.nearest(id, +1, Member.takesUnits); drained && !takes {
		return fmt.Errorf("%w: no other member is in the ring and not drained, somebody has to serve", ErrLaw)
	}
	s.record(c, "member", id, fmt.Sprintf("%s is %s", id, word))
	return nil
}

// takesUnits reports whether units may be moved to the member.
func (m Member) takesUnits() bool { return m.State == MemberActive && !m.Drained }

// Quoted returns the unit's name as it is typed in a shell, which would take * for files.
func (id UnitID) Quoted() string {
	if id == UnitRest {
		return "'" + string(id) + "'"
	}
	return string(id)
}
