package topology

import (
	"fmt"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// resizeKinds are the changes of this file, by their names in the log.
func resizeKinds() map[string]Change {
	return map[string]Change{
		"begin_resize":  BeginResize{},
		"resume_resize": ResumeResize{},
		"switch_member": SwitchMember{},
		"switch_again":  SwitchAgain{},
		"mark_resize":   MarkResize{},
		"end_resize":    EndResize{},
		"cancel_resize": CancelResize{},
	}
}

// MaxResizeGrace bounds how long sessions of the earlier stride may go on.
const MaxResizeGrace = time.Hour

// DefaultResizeGrace is how long they may if nothing else is said.
const DefaultResizeGrace = 30 * time.Second

// Resize is a change of the ring's stride that is under way, or that has given way to
// something else and goes on afterwards. It is never changed in place.
type Resize struct {
	To int `json:"to"` // a multiple of the ring's stride
	// Grace is how long sessions of the earlier stride may go on once every member gives
	// new ones the later; after it they are ended.
	Grace time.Duration `json:"grace"`
	// Switched is when every member gave the later stride to new sessions for the first
	// time: the grace is counted from there, however often the resize gives way.
	Switched time.Time `json:"switched,omitzero"`
}

// target returns the layout that a resize gives a member; ok is false if there is none.
func (s *Snapshot) target(m Member) (l autoinc.Layout, ok bool) {
	if s.Ring.Resize == nil {
		return autoinc.Layout{}, false
	}
	return autoinc.Layout{Offset: m.Slot, Stride: s.Ring.Resize.To}, true
}

// class returns all that sessions of a member may count by: while a resize is under way,
// those of the earlier stride too.
func (s *Snapshot) class(m Member) autoinc.Layout {
	return autoinc.Layout{Offset: m.Slot, Stride: s.Ring.Stride}
}

// CountsAs reports whether seen is by what new sessions of a member are to count: the
// layout that is meant for it, or already the one that a resize is about to give it.
func (s *Snapshot) CountsAs(m Member, seen autoinc.Layout) bool {
	target, resizes := s.target(m)
	return seen == m.Layout(s.Ring.Stride) || resizes && seen == target
}

// BeginResize gives the ring a multiple of its stride, without closing a member: see
// plan_resize.go. The slots above the present stride are given away only when it is done.
type BeginResize struct {
	To    int           `json:"to"`
	Grace time.Duration `json:"grace,omitempty"` // 0: DefaultResizeGrace
}

func (b BeginResize) String() string { return fmt.Sprintf("begin to resize to stride %d", b.To) }

func (b BeginResize) apply(s *Snapshot, c Command) error {
	switch {
	case s.Ring == nil || len(s.Units) == 0:
		return fmt.Errorf("%w: there is no ring that could be resized", ErrStale)
	case s.Ring.Resize != nil:
		return fmt.Errorf("%w: it is being resized to stride %d: wait for that, or take it back: sqlring autoinc resize --cancel", ErrStale, s.Ring.Resize.To)
	case b.Grace < 0 || b.Grace > MaxResizeGrace:
		return fmt.Errorf("%w: grace %s is not in 0..%s", ErrLaw, b.Grace, MaxResizeGrace)
	}
	if _, _, err := autoinc.Resize(s.Ring.Stride, b.To, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrLaw, err)
	}
	if why := s.notResizable(); why != "" {
		return fmt.Errorf("%w: %s", ErrStale, why)
	}
	if b.Grace == 0 {
		b.Grace = DefaultResizeGrace
	}
	id, err := s.begin(c, Operation{Kind: OperationResize, Cursor: ResizeSwitch, Grace: b.Grace})
	if err != nil {
		return err
	}
	s.Ring.Resize = &Resize{To: b.To, Grace: b.Grace}
	s.record(c, "resize", "", fmt.Sprintf("%s: stride %d becomes %d", id, s.Ring.Stride, b.To))
	return nil
}

// notResizable says which member keeps the ring from being resized, "" if none does: what
// is out may have given out values by the earlier stride that nobody has seen.
func (s *Snapshot) notResizable() string {
	for _, m := range s.Members {
		if m.State != MemberActive && m.State != MemberCopying {
			return fmt.Sprintf("member %s is %s: what it gave out by stride %d has to be in the ring before other slots are opened; let it back in (sqlring master rejoin %s), or end its membership (sqlring master remove %s --forget)",
				m.ID, m.State, s.Ring.Stride, m.ID, m.ID)
		}
	}
	return ""
}

// ResumeResize goes on with a resize that has given way to something else.
type ResumeResize struct {
	To int `json:"to"`
}

func (r ResumeResize) String() string {
	return fmt.Sprintf("go on with resizing to stride %d", r.To)
}

func (r ResumeResize) apply(s *Snapshot, c Command) error {
	switch op, running := s.Running(); {
	case s.Ring == nil || s.Ring.Resize == nil || s.Ring.Resize.To != r.To:
		return fmt.Errorf("%w: no resize to stride %d is under way", ErrStale, r.To)
	case running:
		return fmt.Errorf("%w: operation %s is running", ErrStale, op.ID)
	}
	if why := s.notResizable(); why != "" {
		return fmt.Errorf("%w: %s", ErrStale, why)
	}
	id, err := s.begin(c, Operation{Kind: OperationResize, Cursor: ResizeSwitch, Grace: s.Ring.Resize.Grace})
	if err != nil {
		return err
	}
	s.record(c, "resize", "", fmt.Sprintf("%s: the resize to stride %d goes on", id, r.To))
	return nil
}

// SwitchMember means the later stride for a member: its server gives it to whoever
// connects already, so that every proxy takes it up for what it opens from now on.
type SwitchMember struct {
	Operation OperationID `json:"operation"`
	Member    MemberID    `json:"member"`
}

func (w SwitchMember) String() string { return fmt.Sprintf("switch %s", w.Member) }

func (w SwitchMember) apply(s *Snapshot, c Command) error {
	op, err := s.expect(w.Operation, ResizeSwitch)
	if err != nil {
		return err
	}
	i := s.memberIndex(w.Member)
	if i < 0 || op.Kind != OperationResize || s.Ring.Resize == nil {
		return fmt.Errorf("%w: %s does not switch %s", ErrLaw, op.ID, w.Member)
	}
	s.Members[i].Stride = s.Ring.Resize.To
	op.Moved = c.At.UTC()
	s.record(c, "resize", w.Member, fmt.Sprintf("%s: %s gives out %s", op.ID, w.Member, s.Members[i].Layout(s.Ring.Stride)))
	return nil
}

// switched notes when every member gave the later stride to new sessions.
func (s *Snapshot) switched(at time.Time) {
	if s.Ring.Resize != nil && s.Ring.Resize.Switched.IsZero() {
		s.Ring.Resize = &Resize{To: s.Ring.Resize.To, Grace: s.Ring.Resize.Grace, Switched: at.UTC()}
	}
}

// SwitchAgain goes back to switch: a server has forgotten what was set, or is a member
// since.
type SwitchAgain struct {
	Operation OperationID `json:"operation"`
}

func (a SwitchAgain) String() string { return fmt.Sprintf("switch again (%s)", a.Operation) }

func (a SwitchAgain) apply(s *Snapshot, c Command) error {
	op, err := s.expect(a.Operation, ResizeSweep)
	if err != nil {
		return err
	}
	op.Cursor, op.Moved = ResizeSwitch, c.At.UTC()
	return nil
}

// MarkResize notes what the members had once no session of the earlier stride was left
// anywhere: every member is to have all of it.
type MarkResize struct {
	Operation OperationID `json:"operation"`
	Mark      Position    `json:"mark"`
}

func (m MarkResize) String() string { return fmt.Sprintf("note %q", m.Mark) }

func (m MarkResize) apply(s *Snapshot, c Command) error {
	op, err := s.expect(m.Operation, ResizeMark)
	if err != nil {
		return err
	}
	op.Mark, op.Cursor, op.Moved = slices.Clone(m.Mark), ResizeSettle, c.At.UTC()
	return nil
}

// EndResize makes the later stride the ring's: its slots can be given away.
type EndResize struct {
	Operation OperationID `json:"operation"`
}

func (e EndResize) String() string { return fmt.Sprintf("end %s", e.Operation) }

func (e EndResize) apply(s *Snapshot, c Command) error {
	op, err := s.expect(e.Operation, ResizeSettle)
	switch {
	case err != nil:
		return err
	case op.Kind != OperationResize || s.Ring.Resize == nil:
		return fmt.Errorf("%w: %s is a %s", ErrLaw, op.ID, op.Kind)
	}
	if why := s.notResizable(); why != "" {
		return fmt.Errorf("%w: %s", ErrLaw, why)
	}
	from, to := s.Ring.Stride, s.Ring.Resize.To
	for _, m := range s.Members {
		if m.State == MemberActive && m.Stride != to {
			return fmt.Errorf("%w: %s still gives out %s", ErrLaw, m.ID, m.Layout(from))
		}
	}
	for i := range s.Tombstones {
		if s.Tombstones[i].Stride == 0 {
			s.Tombstones[i].Stride = from
		}
	}
	s.Ring.Stride, s.Ring.Resize = to, nil
	for i := range s.Members {
		s.Members[i].Stride = 0
	}
	op.State, op.Ended = OperationDone, c.At.UTC()
	s.record(c, "resize", "", fmt.Sprintf("%s: stride %d is %d now, slots %d to %d can be given away", op.ID, from, to, from+1, to))
	return nil
}

// CancelResize takes the word back, whether the resize runs or has given way. Slots of the
// later stride were not given away, so the members go back to the earlier one at leisure.
type CancelResize struct{}

func (CancelResize) String() string { return "take the resize back" }

func (CancelResize) apply(s *Snapshot, c Command) error {
	if s.Ring == nil || s.Ring.Resize == nil {
		return fmt.Errorf("%w: no resize is under way", ErrStale)
	}
	s.takeResizeBack(c)
	return nil
}

func (s *Snapshot) takeResizeBack(c Command) {
	s.record(c, "resize", "", fmt.Sprintf("the resize to stride %d is taken back, it stays %d", s.Ring.Resize.To, s.Ring.Stride))
	s.Ring.Resize = nil
	for i := range s.Members {
		s.Members[i].Stride = 0
	}
	if op, ok := s.Running(); ok && op.Kind == OperationResize {
		op := &s.Operations[len(s.Operations)-1]
		op.State, op.Ended = OperationAborted, c.At.UTC()
	}
}
