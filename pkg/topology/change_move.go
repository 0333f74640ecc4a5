package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxGrace bounds how long a planned move may let work in the unit end: writes
// wait meanwhile.
const MaxGrace = time.Minute

// BeginMove starts to give a unit another owner, in a planned way: see plan_move.go.
type BeginMove struct {
	Unit  UnitID        `json:"unit"`
	To    MemberID      `json:"to"`
	Grace time.Duration `json:"grace"` // 0: DefaultGrace
}

func (b BeginMove) String() string { return fmt.Sprintf("begin to move unit %s to %s", b.Unit, b.To) }

func (b BeginMove) apply(s *Snapshot, c Command) error {
	unit, ok := s.Unit(b.Unit)
	if !ok {
		return fmt.Errorf("%w: there is no unit %s", ErrLaw, b.Unit)
	}
	if b.Grace == 0 {
		b.Grace = DefaultGrace
	}
	to, ok := s.Member(b.To)
	switch {
	case unit.Owner == "":
		return fmt.Errorf("%w: unit %s has no owner at present", ErrStale, b.Unit)
	case !ok || to.State != MemberActive:
		return fmt.Errorf("%w: %s is not an active member", ErrLaw, b.To)
	case to.Leaving != nil:
		return fmt.Errorf("%w: %s is to leave the ring", ErrLaw, b.To)
	case unit.Owner == b.To:
		return fmt.Errorf("%w: %s owns unit %s already", ErrLaw, b.To, b.Unit)
	case unit.Pinned:
		return fmt.Errorf("%w: unit %s is pinned to %s: sqlring unit unpin %s", ErrLaw, b.Unit, unit.Owner, b.Unit.Quoted())
	case b.Grace < 0 || b.Grace > MaxGrace:
		return fmt.Errorf("%w: grace %s is not in 0..%s", ErrLaw, b.Grace, MaxGrace)
	}
	id, err := s.begin(c, Operation{Kind: OperationMove, Cursor: MoveReady, Unit: b.Unit, Former: unit.Owner, Heir: b.To, Grace: b.Grace})
	if err != nil {
		return err
	}
	s.record(c, "move", b.To, fmt.Sprintf("%s: unit %s is to move from %s to %s", id, b.Unit, unit.Owner, b.To))
	return nil
}

// stopped returns the units whose writes wait for the operation: that which is moved; "*"
// for a division, since what is to be a unit is a part of it until the end; both for a
// join. None for operations that are not planned ones.
func (op Operation) stopped() []UnitID {
	switch op.Kind {
	case OperationMove:
		return []UnitID{op.Unit}
	case OperationDivide:
		return []UnitID{UnitRest}
	case OperationJoin:
		return []UnitID{UnitRest, op.Unit}
	}
	return nil
}

// Stops reports whether writes of the unit wait for the operation, which is a planned one.
func (op Operation) Stops(id UnitID) bool { return slices.Contains(op.stopped(), id) }

// Planned reports whether the operation is one that moves, makes or joins a unit while
// all are well.
func (op Operation) Planned() bool { return len(op.stopped()) > 0 }

// unitsOf returns the units that the operation stops, by their index in s.Units.
func (s *Snapshot) unitsOf(op *Operation) ([]int, error) {
	var at []int
	for _, id := range op.stopped() {
		i := s.unitIndex(id)
		if i < 0 {
			return nil, fmt.Errorf("%w: %s is about unit %q, which is not there", ErrStale, op.ID, id)
		}
		at = append(at, i)
	}
	return at, nil
}

// DrainUnit has proxies begin nothing more in the unit of the operation.
type DrainUnit struct {
	Operation OperationID `json:"operation"`
}

func (d DrainUnit) String() string { return fmt.Sprintf("drain the unit of %s", d.Operation) }

func (d DrainUnit) apply(s *Snapshot, c Command) error {
	op, err := s.expect(d.Operation, MoveReady)
	if err != nil {
		return err
	}
	at, err := s.keptBy(op)
	if err != nil {
		return err
	}
	for _, i := range at {
		s.Units[i].Draining, s.Units[i].Grace = true, op.Grace
	}
	op.Cursor, op.Moved = MoveDrain, c.At.UTC()
	return nil
}

// keptBy is unitsOf; an error, unless the old owner still owns all of them.
func (s *Snapshot) keptBy(op *Operation) ([]int, error) {
	at, err := s.unitsOf(op)
	for _, i := range at {
		if unit := s.Units[i]; unit.Owner != op.Former {
			return nil, fmt.Errorf("%w: unit %s is %q's, not %s's", ErrStale, unit.ID, unit.Owner, op.Former)
		}
	}
	return at, err
}

// TakeUnit takes the unit from its old owner, in a new epoch without an owner.
type TakeUnit struct {
	Operation OperationID `json:"operation"`
}

func (t TakeUnit) String() string { return fmt.Sprintf("take the unit of %s", t.Operation) }

func (t TakeUnit) apply(s *Snapshot, c Command) error {
	op, err := s.expect(t.Operation, MoveDrain)
	if err != nil {
		return err
	}
	at, err := s.keptBy(op)
	if err != nil {
		return err
	}
	for _, i := range at {
		s.Units[i] = s.Units[i].left("", c.At)
		s.record(c, "move", op.Former, fmt.Sprintf("%s: unit %s is taken from %s", op.ID, s.Units[i].ID, op.Former))
	}
	op.Cursor, op.Moved = MoveFence, c.At.UTC()
	return nil
}

// FenceUnit notes up to which id the connections of applications at the old owner
// have to be gone before the unit gets another one: they may carry a write of the
// ended epoch that no proxy answers for.
type FenceUnit struct {
	Operation OperationID `json:"operation"`
	Below     uint64      `json:"below"`
}

func (f FenceUnit) String() string {
	return fmt.Sprintf("end connections up to %d (%s)", f.Below, f.Operation)
}

func (f FenceUnit) apply(s *Snapshot, _ Command) error {
	op, err := s.expect(f.Operation, MoveExpel)
	switch {
	case err != nil:
		return err
	case f.Below == 0:
		return fmt.Errorf("%w: connection 0 is none", ErrLaw)
	}
	op.Below = f.Below
	return nil
}

// TurnBack ends a move on the way: the unit stays with its old owner, or goes back
// to it if it was taken already.
type TurnBack struct {
	Operation OperationID `json:"operation"`
	From      Cursor      `json:"from"`
}

func (t TurnBack) String() string { return fmt.Sprintf("turn back (%s)", t.Operation) }

func (t TurnBack) apply(s *Snapshot, c Command) error {
	op, err := s.expect(t.Operation, t.From)
	if err != nil {
		return err
	}
	if !op.Planned() || op.Cursor == MoveBack {
		return fmt.Errorf("%w: %s is a %s at %q", ErrLaw, op.ID, op.Kind, op.Cursor)
	}
	s.turnBack(op, c)
	return nil
}

// turnBack ends a move whose unit was not taken yet, or has it go back.
func (s *Snapshot) turnBack(op *Operation, c Command) {
	s.record(c, op.Kind.String(), op.Former, fmt.Sprintf("%s: turned back at %q, unit %s stays with %s", op.ID, op.Cursor, stoppedNames(*op), op.Former))
	if op.Cursor != MoveReady && op.Cursor != MoveDrain {
		op.Cursor, op.Moved = MoveBack, c.At.UTC()
		return
	}
	if at, err := s.unitsOf(op); err == nil {
		for _, i := range at {
			s.Units[i].Draining, s.Units[i].Grace = false, 0
		}
	}
	op.State, op.Ended = OperationAborted, c.At.UTC()
}

// EndMove ends a move: the unit has an owner again, in a new epoch, the new one, or
// from back the old one. Of the old owner that keeps no unit no commit waits for an
// acker from now on.
type EndMove struct {
	Operation OperationID  `json:"operation"`
	From      Cursor       `json:"from"`
	SemiSync  SemiSync     `json:"semi_sync"`         // of the owner, as it was read back
	Proxies   []ProxyStart `json:"proxies,omitempty"` // who is there
}

func (e EndMove) String() string { return fmt.Sprintf("end %s", e.Operation) }

func (e EndMove) apply(s *Snapshot, c Command) error {
	op, err := s.expect(e.Operation, e.From)
	if err != nil {
		return err
	}
	owner := op.Heir
	switch {
	case e.From != MoveBack && (op.Kind != OperationMove || e.From != MoveFence && e.From != MoveCatchUp):
		return fmt.Errorf("%w: %s is a %s at %q", ErrLaw, op.ID, op.Kind, op.Cursor)
	case e.From == MoveBack:
		owner = op.Former
	case s.Ring.Durability == DurabilitySemiSync && e.SemiSync != SemiSyncArmed:
		return fmt.Errorf("%w: a unit is moved to an owner that is armed, %s is %s", ErrLaw, owner, e.SemiSync)
	}
	at, err := s.unitsOf(op)
	if err != nil {
		return err
	}
	for _, i := range at {
		if unit := s.Units[i]; unit.Owner != "" {
			return fmt.Errorf("%w: unit %s is %s's", ErrStale, unit.ID, unit.Owner)
		}
	}
	names := stoppedNames(*op)
	if e.From == MoveBack && s.refuses(owner) {
		for _, i := range at {
			s.Units[i].Heir = owner
		}
		op.State, op.Ended = OperationAborted, c.At.UTC()
		s.record(c, op.Kind.String(), owner, fmt.Sprintf("%s: %s gets unit %s once it has an acker", op.ID, owner, names))
		return nil
	}
	if err := s.grant(grantee{owner, e.SemiSync, e.Proxies}, func(u Unit) bool { return op.Stops(u.ID) }, c); err != nil {
		return err
	}
	s.unownedDisarm(op.Former)
	op.State, op.Ended = OperationDone, c.At.UTC()
	if e.From == MoveBack {
		op.State = OperationAborted
	}
	s.record(c, "move", owner, fmt.Sprintf("%s: %s owns unit %s (semi-sync %s)", op.ID, owner, names, e.SemiSync))
	return nil
}

// refuses reports whether a member may own nothing for want of an acker.
func (s *Snapshot) refuses(id MemberID) bool {
	m, _ := s.Member(id)
	return s.Ring.Durability == DurabilitySemiSync && s.Ring.Degraded == DegradedRefuse && m.SemiSync != SemiSyncArmed
}

// unownedDisarm orders the semi-sync of a member off that owns no unit any more.
func (s *Snapshot) unownedDisarm(id MemberID) {
	if i := s.memberIndex(id); i >= 0 && !s.Owns(id) && !s.Inherits(id) {
		s.Members[i].SemiSync = SemiSyncOff
	}
}

// stoppedNames says the units that an operation stops in words: "*", "* and shop".
func stoppedNames(op Operation) string {
	names := make([]string, 0, 2)
	for _, id := range op.stopped() {
		names = append(names, string(id))
	}
	return strings.Join(names, " and ")
}

// endMove ends a running move, division or join, because of a loss: what the heal of that, or a
// restart, decides about the unit is decided as if the move had not begun.
func (s *Snapshot) endMove(lost MemberID, c Command) {
	op, ok := s.Running()
	if !ok || !op.Planned() {
		return
	}
	running := &s.Operations[len(s.Operations)-1]
	running.State, running.Ended = OperationAborted, c.At.UTC()
	s.record(c, "move", lost, fmt.Sprintf("%s: given up at %q", op.ID, op.Cursor))
	at, err := s.unitsOf(running)
	if err != nil {
		return
	}
	for _, i := range at {
		unit := &s.Units[i]
		unit.Draining, unit.Grace = false, 0
		if unit.Owner == "" && unit.Heir == "" && op.Former != lost {
			unit.Heir = op.Former // it has everything, and gets it back
		}
	}
}
