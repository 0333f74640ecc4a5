package topology

import (
	"fmt"
	"slices"
	"time"
)

// BeginJoin starts to make a unit a part of "*" again: [BeginDivide] backwards, and as it
// from and to the same member, which owns both. Writes of both wait until no lease of
// their epochs is left, so that nobody writes in the schema by the old partition when "*"
// is moved later.
//
// That no tie joins the two to a unit of another owner is looked at before, by whoever
// proposes this: see [CutsOfJoin].
type BeginJoin struct {
	Unit  UnitID        `json:"unit"`
	Grace time.Duration `json:"grace"` // 0: DefaultGrace
}

func (b BeginJoin) String() string { return fmt.Sprintf("begin to join %s to %s", b.Unit, UnitRest) }

func (b BeginJoin) apply(s *Snapshot, c Command) error {
	if b.Grace == 0 {
		b.Grace = DefaultGrace
	}
	rest, _ := s.Unit(UnitRest)
	unit, there := s.Unit(b.Unit)
	switch {
	case b.Unit == UnitRest:
		return fmt.Errorf("%w: %s is what units are joined to", ErrLaw, UnitRest)
	case !there:
		return fmt.Errorf("%w: %s is no unit of its own, it is a part of %s", ErrLaw, b.Unit, UnitRest)
	case unit.Owner == "" || rest.Owner == "":
		return fmt.Errorf("%w: unit %s is %q's, and %s is %q's at present", ErrStale, b.Unit, unit.Owner, UnitRest, rest.Owner)
	case unit.Owner != rest.Owner:
		return fmt.Errorf("%w: unit %s is %s's, and %s is %s's: give them one owner first, sqlring unit move %s --to %s", ErrLaw, b.Unit, unit.Owner, UnitRest, rest.Owner, b.Unit, rest.Owner)
	case unit.Pinned:
		return fmt.Errorf("%w: unit %s is pinned to %s, which %s would not be: sqlring unit unpin %s", ErrLaw, b.Unit, unit.Owner, UnitRest, b.Unit)
	case b.Grace < 0 || b.Grace > MaxGrace:
		return fmt.Errorf("%w: grace %s is not in 0..%s", ErrLaw, b.Grace, MaxGrace)
	}
	op := Operation{Kind: OperationJoin, Cursor: MoveDrain, Unit: b.Unit, Former: rest.Owner, Heir: rest.Owner, Grace: b.Grace}
	id, err := s.begin(c, op)
	if err != nil {
		return err
	}
	for i := range s.Units {
		if op.Stops(s.Units[i].ID) {
			s.Units[i].Draining, s.Units[i].Grace = true, b.Grace
		}
	}
	s.record(c, "unit", rest.Owner, fmt.Sprintf("%s: %s is to be a part of %s again", id, b.Unit, UnitRest))
	return nil
}

// EndJoin ends a join: there is one unit less, and "*" has the schema. Its epoch is later
// than any that the unit had, so that none is given out twice if it is divided again.
type EndJoin struct {
	Operation OperationID  `json:"operation"`
	From      Cursor       `json:"from"`
	Proxies   []ProxyStart `json:"proxies,omitempty"` // who is there
}

func (e EndJoin) String() string { return fmt.Sprintf("join, and end %s", e.Operation) }

func (e EndJoin) apply(s *Snapshot, c Command) error {
	op, owner, err := s.repartitions(e.Operation, OperationJoin, e.From)
	if err != nil {
		return err
	}
	rest, unit := s.unitIndex(UnitRest), s.unitIndex(op.Unit)
	if unit < 0 || s.Units[rest].Owner != "" || s.Units[unit].Owner != "" || owner.State != MemberActive {
		return fmt.Errorf("%w: one of %s and %s is not there, or has an owner, or %s is %s", ErrStale, op.Unit, UnitRest, owner.ID, owner.State)
	}
	s.Units[rest].Epoch = max(s.Units[rest].Epoch, s.Units[unit].Epoch)
	s.Units[rest] = s.Units[rest].given(owner.ID, e.Proxies, c.At)
	s.Units = slices.Delete(s.Units, unit, unit+1)
	op.State, op.Ended = OperationDone, c.At.UTC()
	s.record(c, "unit", owner.ID, fmt.Sprintf("%s: %s is a part of %s, %s owns it", op.ID, op.Unit, UnitRest, owner.ID))
	return nil
}
