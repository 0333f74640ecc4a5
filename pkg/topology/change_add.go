package topology

import (
	"fmt"
	"slices"
)

// addKinds are the changes of this file, by their names in the log.
func addKinds() map[string]Change {
	return map[string]Change{
		"begin_add":      BeginAdd{},
		"begin_reclone":  BeginReclone{},
		"resume_copying": ResumeCopying{},
		"choose_source":  ChooseSource{},
		"copied":         Copied{},
		"copy_again":     CopyAgain{},
		"prepare_again":  PrepareAgain{},
		"give_up_add":    GiveUpAdd{},
		"leave_add":      LeaveAdd{},
	}
}

// copies reports whether the operation fills a member with another one's data.
func (op Operation) copies() bool { return op.Kind == OperationAdd || op.Kind == OperationReclone }

// suspendable reports whether an operation may give way to another one: a resize, or
// one that copies while nobody pulls from its member yet.
func (op Operation) suspendable() bool {
	return op.Kind == OperationResize || op.copies() && op.Cursor != AddSplice && op.Cursor != AddAdmit && op.Cursor != AddBack
}

// suspend ends a running operation that may give way, and that upkeep resumes: what it
// has reached stands.
func (s *Snapshot) suspend(c Command) {
	running, ok := s.Running()
	if !ok || !running.suspendable() && running.Kind != OperationReplay {
		return
	}
	op := &s.Operations[len(s.Operations)-1]
	op.State, op.Ended = OperationAborted, c.At.UTC()
	if op.Kind == OperationReplay {
		s.record(c, op.Kind.String(), op.Member, fmt.Sprintf("%s gives way at %q; sqlring master rejoin %s --replay goes on with it", op.ID, op.Cursor, op.Member))
		return
	}
	s.record(c, op.Kind.String(), op.Member, fmt.Sprintf("%s gives way at %q; it goes on afterwards", op.ID, op.Cursor))
}

// BeginAdd gives the ring another member. Its identity and slot are issued here,
// before the server is touched.
type BeginAdd struct {
	Member NewMember `json:"member"`
	// After is the member that it stands behind, and pulls from; empty: the last.
	After   MemberID `json:"after,omitempty"`
	Discard bool     `json:"discard,omitempty"` // as in Copying
	Lock    bool     `json:"lock,omitempty"`    // as in Copying
}

func (b BeginAdd) String() string { return fmt.Sprintf("begin to add %s", b.Member.ID) }

func (b BeginAdd) apply(s *Snapshot, c Command) error {
	switch op, running := s.Running(); {
	case s.Ring == nil || len(s.Units) == 0:
		return fmt.Errorf("%w: there is no ring that could grow", ErrStale)
	case running && op.copies():
		return fmt.Errorf("%w: operation %s (%s %s) is running; wait for it, or abort it", ErrStale, op.ID, op.Kind, op.Member)
	}
	at := len(s.Members)
	if b.After != "" {
		if at = s.memberIndex(b.After) + 1; at == 0 {
			return fmt.Errorf("%w: %s is not a member", ErrStale, b.After)
		}
	}
	slot, err := s.FreeSlot()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLaw, err)
	}
	m := Member{
		ID: b.Member.ID, Addr: b.Member.Addr, Site: b.Member.Site, Weight: b.Member.Weight,
		State: MemberCopying, Why: "it is being added", Identity: s.issueIdentity(), Slot: slot, Boot: s.issueBoot(),
		Copy: &Copying{ID: s.issueBoot(), Discard: b.Discard, Lock: b.Lock},
	}
	s.Members = slices.Insert(s.Members, at, m)
	id, err := s.begin(c, Operation{Kind: OperationAdd, Member: m.ID, Cursor: AddPreflight})
	if err != nil {
		return err
	}
	s.record(c, "add", m.ID, fmt.Sprintf("%s: %s at %s gets identity %d and slot %d", id, m.ID, m.Addr, m.Identity, m.Slot))
	return nil
}

// BeginReclone gives up what a member holds that is out of the ring, and has it get
// another one's data, under a new identity.
type BeginReclone struct {
	Member MemberID `json:"member"`
	Lock   bool     `json:"lock,omitempty"` // as in Copying
}

func (b BeginReclone) String() string { return fmt.Sprintf("begin to copy %s anew", b.Member) }

func (b BeginReclone) apply(s *Snapshot, c Command) error {
	i := s.memberIndex(b.Member)
	if i < 0 {
		return fmt.Errorf("%w: %s is not a member", ErrStale, b.Member)
	}
	m := &s.Members[i]
	switch op, running := s.Running(); {
	case running && op.copies():
		return fmt.Errorf("%w: operation %s (%s %s) is running; wait for it, or abort it", ErrStale, op.ID, op.Kind, op.Member)
	case m.State == MemberActive:
		return fmt.Errorf("%w: %s is in the ring: only the data of a member that is out is given up", ErrLaw, b.Member)
	case m.State == MemberCopying && !m.Copy.Halted, m.State == MemberJoining, m.State == MemberReturning, m.State == MemberLeaving, m.State == MemberMaintained:
		return fmt.Errorf("%w: %s is %s", ErrStale, b.Member, m.State)
	}
	was := m.State
	s.copyAnew(i, b.Lock)
	id, err := s.begin(c, Operation{Kind: OperationReclone, Member: m.ID, Cursor: AddPreflight})
	if err != nil {
		return err
	}
	s.record(c, "reclone", m.ID, fmt.Sprintf("%s: what %s holds is given up (it was %s); its identity is %d now", id, m.ID, was, m.Identity))
	return nil
}

// copyAnew gives up what a member holds: it is to get another one's data, under a new
// identity.
func (s *Snapshot) copyAnew(i int, lock bool) {
	s.renew(i, nil)
	m := &s.Members[i]
	m.State, m.Why = MemberCopying, "its data is copied anew"
	m.Boot, m.Unproven, m.Cut, m.Regain, m.SemiSync = s.issueBoot(), false, nil, nil, SemiSyncOff
	m.Emptied = ""
	m.Copy = &Copying{ID: s.issueBoot(), Discard: true, Lock: lock, Again: true}
}

// ResumeCopying goes on with a member that has given way to something else, or
// that waits for its turn since the ring was made.
type ResumeCopying struct {
	Member MemberID `json:"member"`
}

func (r ResumeCopying) String() string { return fmt.Sprintf("go on with adding %s", r.Member) }

func (r ResumeCopying) apply(s *Snapshot, c Command) error {
	m, ok := s.Member(r.Member)
	switch op, running := s.Running(); {
	case !ok || m.State != MemberCopying || m.Copy.Halted:
		return fmt.Errorf("%w: %s is not being copied", ErrStale, r.Member)
	case running:
		return fmt.Errorf("%w: operation %s is running", ErrStale, op.ID)
	}
	kind := OperationAdd
	if m.Copy.Again {
		kind = OperationReclone
	}
	id, err := s.begin(c, Operation{Kind: kind, Member: m.ID, Cursor: AddPreflight})
	if err != nil {
		return err
	}
	s.record(c, kind.String(), m.ID, fmt.Sprintf("%s: %s goes on", id, m.ID))
	return nil
}

// copied returns the operation and its member for a command that changes its copy.
func (s *Snapshot) copied(id OperationID, at ...Cursor) (*Operation, *Member, error) {
	op, err := s.expect(id, "")
	switch {
	case err != nil:
		return nil, nil, err
	case !op.copies():
		return nil, nil, fmt.Errorf("%w: %s is a %s", ErrLaw, op.ID, op.Kind)
	case len(at) > 0 && !slices.Contains(at, op.Cursor):
		return nil, nil, fmt.Errorf("%w: %s is at %q", ErrStale, op.ID, op.Cursor)
	}
	return op, &s.Members[s.memberIndex(op.Member)], nil
}

// edit replaces what is known of the copy.
func (m *Member) edit(change func(*Copying)) {
	known := *m.Copy
	change(&known)
	m.Copy = &known
}

// ChooseSource names whose data the member gets, and goes on to the copy.
type ChooseSource struct {
	Operation OperationID `json:"operation"`
	Source    MemberID    `json:"source"`
}

func (h ChooseSource) String() string { return fmt.Sprintf("copy from %s", h.Source) }

func (h ChooseSource) apply(s *Snapshot, c Command) error {
	op, m, err := s.copied(h.Operation, AddPrepare, AddCopy)
	if err != nil {
		return err
	}
	if source, ok := s.Member(h.Source); !ok || source.State != MemberActive {
		return fmt.Errorf("%w: %s is not an active member", ErrStale, h.Source)
	}
	m.edit(func(k *Copying) { k.From = h.Source })
	op.Cursor, op.Moved = AddCopy, c.At.UTC()
	return nil
}

// Copied records that the copy is complete: the member carries its mark.
type Copied struct {
	Operation OperationID `json:"operation"`
	ID        uint64      `json:"id"`
	Position  Position    `json:"position"`
	Sum       CopySum     `json:"sum"`
}

func (d Copied) String() string { return fmt.Sprintf("copy %d is complete at %q", d.ID, d.Position) }

func (d Copied) apply(s *Snapshot, c Command) error {
	op, m, err := s.copied(d.Operation, AddPrepare, AddCopy)
	switch {
	case err != nil:
		return err
	case m.Copy.ID != d.ID:
		return fmt.Errorf("%w: copy %d of %s is awaited, not %d", ErrStale, m.Copy.ID, m.ID, d.ID)
	}
	if !m.Copy.Done {
		m.edit(func(k *Copying) { k.Done, k.Position, k.Sum = true, slices.Clone(d.Position), d.Sum })
		m.Base = slices.Clone(d.Position)
		if s.Knows(LawOfCopies) {
			m.Copied = d.ID
		}
		s.record(c, op.Kind.String(), m.ID, fmt.Sprintf("%s: copied from %s at %s: %s", op.ID, m.Copy.From, d.Position, d.Sum))
	}
	op.Cursor, op.Moved = AddCatchUp, c.At.UTC()
	return nil
}

// CopyAgain drops what was copied: it holds what the ring does not (S34), or the
// ring can not send what comes after it any more.
type CopyAgain struct {
	Operation OperationID `json:"operation"`
}

func (a CopyAgain) String() string { return fmt.Sprintf("copy anew (%s)", a.Operation) }

func (a CopyAgain) apply(s *Snapshot, c Command) error {
	op, m, err := s.copied(a.Operation, AddPreflight, AddPrepare, AddCopy, AddCatchUp)
	if err != nil {
		return err
	}
	id := s.issueBoot()
	m.edit(func(k *Copying) { *k = Copying{ID: id, Discard: true, Lock: k.Lock, Again: k.Again} })
	op.Cursor, op.Moved = AddPreflight, c.At.UTC()
	s.record(c, op.Kind.String(), m.ID, fmt.Sprintf("%s: %s is copied anew: %s", op.ID, m.ID, c.Why))
	return nil
}

// PrepareAgain goes back to the beginning since the member was restarted: what SQL
// has set is gone, what was copied is not.
type PrepareAgain struct {
	Operation OperationID `json:"operation"`
}

func (p PrepareAgain) String() string { return fmt.Sprintf("prepare anew (%s)", p.Operation) }

func (p PrepareAgain) apply(s *Snapshot, c Command) error {
	op, m, err := s.copied(p.Operation, AddCopy, AddCatchUp)
	if err != nil {
		return err
	}
	m.Boot = s.issueBoot()
	op.Cursor, op.Moved = AddPreflight, c.At.UTC()
	s.record(c, op.Kind.String(), m.ID, fmt.Sprintf("%s: %s was restarted", op.ID, m.ID))
	return nil
}

// GiveUpAdd ends an add that is past its point of no return: the member is out, and
// whoever follows it is re-pointed by upkeep. Its data is whole, so it is let back
// in as any other: by itself, or if it is held by a word.
type GiveUpAdd struct {
	Operation OperationID `json:"operation"`
	Hold      bool        `json:"hold,omitempty"`
}

func (g GiveUpAdd) String() string { return fmt.Sprintf("give up %s", g.Operation) }

func (g GiveUpAdd) apply(s *Snapshot, c Command) error {
	op, m, err := s.copied(g.Operation, AddSplice, AddAdmit)
	if err != nil {
		return err
	}
	m.State, m.Why, m.Copy = MemberDown, c.Why, nil
	if g.Hold {
		m.State, m.Why = MemberHeld, fmt.Sprintf("%s; to let it in: sqlring master rejoin %s", c.Why, m.ID)
	}
	op.State, op.Ended = OperationAborted, c.At.UTC()
	s.record(c, op.Kind.String(), m.ID, fmt.Sprintf("%s: given up", op.ID))
	return nil
}

// LeaveAdd ends an add that was turned back: its member leaves the intent. One that
// was a member before stays, half copied, until it is copied anew.
type LeaveAdd struct {
	Operation OperationID `json:"operation"`
}

func (l LeaveAdd) String() string { return fmt.Sprintf("leave %s", l.Operation) }

func (l LeaveAdd) apply(s *Snapshot, c Command) error {
	op, m, err := s.copied(l.Operation, AddBack)
	if err != nil {
		return err
	}
	op.State, op.Ended = OperationAborted, c.At.UTC()
	what := fmt.Sprintf("%s: %s is not added", op.ID, m.ID)
	if m.Copy.Again {
		what = fmt.Sprintf("%s: the copying of %s is ended", op.ID, m.ID)
		m.Why = "its copying was aborted"
		m.edit(func(k *Copying) { k.Halted, k.Done, k.Position = true, false, nil })
	}
	s.record(c, op.Kind.String(), m.ID, what)
	if !m.Copy.Again {
		i := s.memberIndex(op.Member)
		s.Members = slices.Delete(s.Members, i, i+1)
	}
	return nil
}
