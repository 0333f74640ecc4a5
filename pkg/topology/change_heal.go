package topology

import (
	"fmt"
	"slices"
)

// BeginHeal takes a lost member out of the ring. Its units have no owner from
// now on: proxies queue their writes, and their leases of the epoch before end.
//
// Under DegradedRefuse the units of an owner that has just lost its acker are
// queued too, until another one acknowledges.
type BeginHeal struct {
	Member   MemberID `json:"member"`
	Evidence []string `json:"evidence"`
}

func (b BeginHeal) String() string { return fmt.Sprintf("begin to heal the loss of %s", b.Member) }

func (b BeginHeal) apply(s *Snapshot, c Command) error {
	i := s.memberIndex(b.Member)
	if i < 0 || s.Members[i].State != MemberActive {
		return fmt.Errorf("%w: %s is not an active member", ErrStale, b.Member)
	}
	moved, moving := s.Running()
	moving = moving && moved.Planned()
	s.endMove(b.Member, c)
	s.endLeave(c)
	s.endDissolve(c)
	op := Operation{Kind: OperationHeal, Member: b.Member, Cursor: HealLeases, Evidence: slices.Clone(b.Evidence), Armed: s.Members[i].SemiSync == SemiSyncArmed && !s.unproven()}
	upstream, ok := s.Upstream(b.Member)
	if !ok {
		return fmt.Errorf("%w: %s is the last member of the ring", ErrLaw, b.Member)
	}
	if s.Ring.Degraded == DegradedRefuse && upstream.SemiSync == SemiSyncArmed {
		s.takeUnits(upstream.ID, upstream.ID, c)
	}
	if s.Owns(b.Member) || moving && moved.Former == b.Member {
		op.Former = b.Member
	} else {
		for _, u := range s.ownerless() { // withheld: it is still for the same one
			if heir, ok := s.Member(u.Heir); ok && heir.State == MemberActive && u.Heir != b.Member {
				op.Heir, op.Former = u.Heir, u.Heir
			}
		}
	}
	s.takeUnits(b.Member, "", c)
	s.Members[i].Direct = false
	s.Members[i].State, s.Members[i].Why, s.Members[i].SemiSync = MemberDown, c.Why, SemiSyncOff
	id, err := s.begin(c, op)
	if err != nil {
		return err
	}
	s.record(c, "heal", b.Member, fmt.Sprintf("%s: %s is taken out", id, b.Member))
	s.Events[len(s.Events)-1].Evidence = slices.Clone(b.Evidence)
	return nil
}

// takeUnits leaves the units of a member without an owner, in a new epoch, and
// notes who is to get them; empty: that is still to be found out.
func (s *Snapshot) takeUnits(from, heir MemberID, c Command) {
	for i := range s.Units {
		if s.Units[i].Owner == from {
			s.Units[i] = s.Units[i].left(heir, c.At)
		}
	}
}

// ownerless returns the units that nobody owns.
func (s *Snapshot) ownerless() []Unit {
	return slices.DeleteFunc(slices.Clone(s.Units), func(u Unit) bool { return u.Owner != "" })
}

// RecordMark notes how far the writes were acknowledged under the leases that
// have ended. Whoever inherits must have all of it.
type RecordMark struct {
	Operation OperationID `json:"operation"`
	Mark      Position    `json:"mark"`
	// Unknown says that more may have been acknowledged than Mark: a proxy was
	// restarted since the owner was granted, and no acker stood behind it.
	Unknown bool `json:"unknown,omitempty"`
}

func (r RecordMark) String() string { return fmt.Sprintf("record that %q was acknowledged", r.Mark) }

func (r RecordMark) apply(s *Snapshot, c Command) error {
	op, err := s.expect(r.Operation, HealLeases)
	if err != nil {
		return err
	}
	op.Mark, op.MarkUnknown, op.Cursor, op.Moved = slices.Clone(r.Mark), r.Unknown, HealFreeze, c.At.UTC()
	return nil
}

// ChooseHeir names the survivor that gets the units, and records the cut: the
// last transaction of the lost member that any survivor has. It may be repeated
// while the heal runs, when the heir is lost too.
type ChooseHeir struct {
	Operation OperationID `json:"operation"`
	From      Cursor      `json:"from"`
	Heir      MemberID    `json:"heir"` // empty: no unit is without an owner
	Cut       Position    `json:"cut"`
}

func (h ChooseHeir) String() string {
	if h.Heir == "" {
		return fmt.Sprintf("record the cut %q, no unit needs an heir", h.Cut)
	}
	return fmt.Sprintf("choose %s as heir, record the cut %q", h.Heir, h.Cut)
}

func (h ChooseHeir) apply(s *Snapshot, c Command) error {
	op, err := s.expect(h.Operation, h.From)
	if err != nil {
		return err
	}
	if h.From != HealDrain && h.From != HealWire && h.From != HealOpen {
		return fmt.Errorf("%w: an heir is not chosen at %q", ErrLaw, h.From)
	}
	if heir, ok := s.Member(h.Heir); h.Heir != "" && (!ok || heir.State != MemberActive) {
		return fmt.Errorf("%w: %s is not an active member", ErrLaw, h.Heir)
	}
	if (h.Heir == "") != (len(s.ownerless()) == 0) {
		return fmt.Errorf("%w: heir %q for %d units without an owner", ErrLaw, h.Heir, len(s.ownerless()))
	}
	op.Heir, op.Cursor, op.Moved = h.Heir, HealWire, c.At.UTC()
	s.Members[s.memberIndex(op.Member)].Cut = slices.Clone(h.Cut)
	return nil
}

// AcceptLoss is the DBA's word that a heal may go on although acknowledged
// transactions are missing on every survivor. It is said of a situation: another
// loss needs another word.
type AcceptLoss struct {
	Operation OperationID `json:"operation"`
	Without   []MemberID  `json:"without,omitempty"` // the active members whose process is gone as well
}

func (a AcceptLoss) String() string { return fmt.Sprintf("accept the loss in %s", a.Operation) }

func (a AcceptLoss) apply(s *Snapshot, c Command) error {
	op, err := s.expect(a.Operation, "")
	if err != nil {
		return err
	}
	if op.Kind != OperationHeal && op.Kind != OperationRestart {
		return fmt.Errorf("%w: %s is a %s, it loses nothing", ErrLaw, op.ID, op.Kind)
	}
	op.AcceptLoss, op.Without = true, slices.Clone(a.Without)
	s.record(c, "heal", op.Member, fmt.Sprintf("%s: loss accepted; acknowledged was %q", op.ID, op.Mark))
	return nil
}

// CountAgain takes a member that is out back into a ring that is being healed: it
// has what was acknowledged, as far as any member has, the others have not, and it holds
// nothing that has to be judged. It is set up and stamped next.
type CountAgain struct {
	Operation OperationID `json:"operation"`
	Member    MemberID    `json:"member"`
}

func (a CountAgain) String() string { return fmt.Sprintf("count %s again (%s)", a.Member, a.Operation) }

func (a CountAgain) apply(s *Snapshot, c Command) error {
	op, err := s.expect(a.Operation, "")
	if err != nil {
		return err
	}
	i := s.memberIndex(a.Member)
	switch {
	case op.Kind != OperationHeal || a.Member == op.Member:
		return fmt.Errorf("%w: %s does not heal the loss of another one", ErrLaw, op.ID)
	case i < 0 || (s.Members[i].State != MemberDown && s.Members[i].State != MemberReturning && s.Members[i].State != MemberHeld):
		return fmt.Errorf("%w: %s is not out of the ring", ErrStale, a.Member)
	case s.Members[i].Emptied != "":
		return refuseEmptied(s.Members[i])
	}
	m := &s.Members[i]
	m.State, m.Why, m.Cut, m.Boot, m.Unproven = MemberActive, "", nil, s.issueBoot(), false
	if s.Knows(LawOfHearing) {
		op.Counted = append(op.Counted, m.ID)
	}
	s.record(c, "heal", m.ID, fmt.Sprintf("%s: %s counts again", op.ID, m.ID))
	return nil
}

// EndHeal ends the heal. The heir, which was opened before, gets the units in a
// new epoch, with SemiSync as its order from now on; or, if the units are
// withheld, it is noted as the one that gets them later.
type EndHeal struct {
	Operation OperationID  `json:"operation"`
	SemiSync  SemiSync     `json:"semi_sync"`
	Withhold  bool         `json:"withhold,omitempty"`
	Proxies   []ProxyStart `json:"proxies,omitempty"` // who is there
}

func (e EndHeal) String() string { return fmt.Sprintf("end %s", e.Operation) }

func (e EndHeal) apply(s *Snapshot, c Command) error {
	op, err := s.expect(e.Operation, HealOpen)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s: %s is out of the ring", op.ID, op.Member)
	switch {
	case op.Heir == "":
	case e.Withhold:
		for i := range s.Units {
			if heir, _ := s.Member(s.Units[i].Heir); s.Units[i].Owner == "" && (s.Units[i].Heir == "" || heir.State != MemberActive) {
				s.Units[i].Heir = op.Heir
			}
		}
		what += fmt.Sprintf(", %s gets its units once it has an acker", op.Heir)
	default:
		if err := s.grant(grantee{op.Heir, e.SemiSync, e.Proxies}, s.unclaimed(op.Heir), c); err != nil {
			return err
		}
		what += fmt.Sprintf(", %s owns its units (semi-sync %s)", op.Heir, e.SemiSync)
	}
	op.State, op.Ended = OperationDone, c.At.UTC()
	s.record(c, "heal", op.Member, what)
	return nil
}

// grantee is who gets units, with which order for its semi-sync, and which
// proxies are there.
type grantee struct {
	id      MemberID
	order   SemiSync
	proxies []ProxyStart
}

// grant gives the units without an owner that are meant to a member, in a new epoch.
func (s *Snapshot) grant(to grantee, meant func(Unit) bool, c Command) error {
	if s.Ring.Durability == DurabilitySemiSync && to.order == SemiSyncOff {
		return fmt.Errorf("%w: semi-sync of %s must be armed or degraded", ErrLaw, to.id)
	}
	i := s.memberIndex(to.id)
	if i < 0 {
		return fmt.Errorf("%w: %s is not a member", ErrStale, to.id)
	}
	s.Members[i].SemiSync = to.order
	for u := range s.Units {
		if s.Units[u].Owner == "" && meant(s.Units[u]) {
			s.Units[u] = s.Units[u].given(to.id, to.proxies, c.At)
		}
	}
	return nil
}

// unclaimed selects the units that a heal gives to its heir: all without an owner but
// those that are withheld for another member, which is in the ring.
func (s *Snapshot) unclaimed(heir MemberID) func(Unit) bool {
	return func(u Unit) bool {
		other, _ := s.Member(u.Heir)
		return u.Heir == "" || u.Heir == heir || other.State != MemberActive
	}
}

// GrantWithheld gives the units that were withheld to their heir: its commits
// wait for an acker again, and it is open.
type GrantWithheld struct {
	Member  MemberID     `json:"member"`
	Proxies []ProxyStart `json:"proxies,omitempty"` // who is there
}

func (g GrantWithheld) String() string { return fmt.Sprintf("grant what was withheld to %s", g.Member) }

func (g GrantWithheld) apply(s *Snapshot, c Command) error {
	m, ok := s.Member(g.Member)
	switch {
	case !ok || !s.Inherits(g.Member):
		return fmt.Errorf("%w: nothing is withheld for %s", ErrStale, g.Member)
	case m.SemiSync != SemiSyncArmed && s.Ring.Degraded == DegradedRefuse && s.Ring.Durability == DurabilitySemiSync:
		return fmt.Errorf("%w: semi-sync of %s is %s", ErrLaw, g.Member, m.SemiSync)
	}
	order := m.SemiSync
	if order == SemiSyncOff && s.Ring.Durability == DurabilitySemiSync {
		order = SemiSyncDegraded
	}
	if err := s.grant(grantee{g.Member, order, g.Proxies}, func(u Unit) bool { return u.Heir == g.Member }, c); err != nil {
		return err
	}
	s.record(c, "heal", g.Member, fmt.Sprintf("%s owns what was withheld for it (semi-sync %s)", g.Member, order))
	return nil
}
