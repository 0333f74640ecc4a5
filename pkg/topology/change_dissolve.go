package topology

import (
	"fmt"
	"slices"
	"time"
)

// DissolveOpen says who takes writes when a ring is dissolved.
type DissolveOpen uint8

// The choices.
const (
	OpenOwners DissolveOpen = iota // who owned a unit; the default
	OpenNone                       // nobody
	OpenAll                        // everybody: they go on as strangers to each other
)

var dissolveOpenNames = [...]string{"owners", "none", "all"}

func (d DissolveOpen) String() string { return enumName(dissolveOpenNames[:], int(d)) }

// MarshalText writes the choice's name.
func (d DissolveOpen) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a choice's name.
func (d *DissolveOpen) UnmarshalText(text []byte) error {
	return enumParse(dissolveOpenNames[:], text, d)
}

// DissolveRing starts to end the ring: writes wait, each member gets all that the others
// have, and follows nobody. See plan_dissolve.go.
type DissolveRing struct {
	Open  DissolveOpen  `json:"open"`
	Keep  bool          `json:"keep,omitempty"`  // the schema sqlring and the replication account stay
	Grace time.Duration `json:"grace,omitempty"` // 0: DefaultGrace
	// Without accepts that members are out: nothing is done on them.
	Without bool `json:"without,omitempty"`
}

func (d DissolveRing) String() string { return fmt.Sprintf("dissolve the ring, open: %s", d.Open) }

func (d DissolveRing) apply(s *Snapshot, c Command) error {
	if d.Grace == 0 {
		d.Grace = DefaultGrace
	}
	switch {
	case s.Ring == nil:
		return fmt.Errorf("%w: there is no ring", ErrLaw)
	case d.Grace < 0 || d.Grace > MaxGrace:
		return fmt.Errorf("%w: grace %s is not in 0..%s", ErrLaw, d.Grace, MaxGrace)
	}
	if err := s.settled(d.Without); err != nil {
		return err
	}
	op := Operation{Kind: OperationDissolve, Cursor: DissolveDrain, Grace: d.Grace, Open: d.Open, Keep: d.Keep}
	id, err := s.begin(c, op)
	if err != nil {
		return err
	}
	for i := range s.Units {
		s.Units[i].Draining, s.Units[i].Grace = true, d.Grace
	}
	s.record(c, "ring", "", fmt.Sprintf("%s: ring %s is to be dissolved, open: %s", id, s.Ring.Name, d.Open))
	return nil
}

// settled returns an error if a unit has no owner, or, unless without is accepted, a
// member is out.
func (s *Snapshot) settled(without bool) error {
	for _, u := range s.Units {
		if u.Owner == "" {
			return fmt.Errorf("%w: unit %s has no owner at present", ErrStale, u.ID)
		}
	}
	for _, m := range s.Members {
		if m.State != MemberActive && !without {
			return fmt.Errorf("%w: %s is %s: nothing would be done on it", ErrLaw, m.ID, m.State)
		}
	}
	return nil
}

// TakeUnits takes every unit from its owner, in a new epoch without one. Who owned it
// gets it back if the operation ends on the way.
type TakeUnits struct {
	Operation OperationID `json:"operation"`
}

func (t TakeUnits) String() string { return fmt.Sprintf("take the units (%s)", t.Operation) }

func (t TakeUnits) apply(s *Snapshot, c Command) error {
	op, err := s.expect(t.Operation, DissolveDrain)
	if err != nil {
		return err
	}
	for _, m := range s.Members {
		s.takeUnits(m.ID, m.ID, c)
	}
	op.Cursor, op.Moved = DissolveFence, c.At.UTC()
	s.record(c, "ring", "", fmt.Sprintf("%s: the units have no owner, writes wait", op.ID))
	return nil
}

// EndDissolve ends the ring: nothing of it is known any more but the audit, and the
// numbers that were given out.
type EndDissolve struct {
	Operation OperationID `json:"operation"`
	Left      []MemberID  `json:"left,omitempty"` // on whom not everything could be done
}

func (e EndDissolve) String() string { return fmt.Sprintf("end %s", e.Operation) }

func (e EndDissolve) apply(s *Snapshot, c Command) error {
	op, err := s.expect(e.Operation, DissolveOpening)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s: ring %s is dissolved, open: %s", op.ID, s.Ring.Name, op.Open)
	if len(e.Left) > 0 {
		what += fmt.Sprintf("; not everything was done on %v", slices.Clone(e.Left))
	}
	s.record(c, "ring", "", what)
	s.Ring, s.Members, s.Units, s.Operations, s.Tombstones = nil, nil, nil, nil, nil
	return nil
}

// dissolving reports whether the operation dissolves the ring, and can be ended.
func (op Operation) dissolving() bool {
	return op.Kind == OperationDissolve && (op.Cursor == DissolveDrain || op.Cursor == DissolveFence || op.Cursor == DissolveSettle)
}

// endDissolve ends the running operation if it dissolves the ring, and can be ended. The
// units are for those who owned them.
func (s *Snapshot) endDissolve(c Command) {
	running, ok := s.Running()
	if !ok || !running.dissolving() {
		return
	}
	op := &s.Operations[len(s.Operations)-1]
	op.State, op.Ended = OperationAborted, c.At.UTC()
	for i := range s.Units {
		s.Units[i].Draining, s.Units[i].Grace = false, 0
	}
	s.record(c, "ring", "", fmt.Sprintf("%s: given up at %q, the ring goes on", op.ID, op.Cursor))
}
