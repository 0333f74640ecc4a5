package topology

import "fmt"

// BeginRestart brings a ring up again whose members were all restarted: a power
// cut, a planned stop of everything. Each disk has what its member wrote, so the
// owner stays the owner, and nothing is lost. A heal that can not go on because
// no survivor is left ends here, and its member is in the ring again.
type BeginRestart struct{}

func (BeginRestart) String() string { return "bring the ring up again" }

func (BeginRestart) apply(s *Snapshot, c Command) error {
	if s.Ring == nil {
		return fmt.Errorf("%w: there is no ring", ErrStale)
	}
	var mark Position // of a heal that ends here: its evidence must not end with it
	if op, ok := s.Running(); ok {
		mark = op.Mark
		switch op.Kind {
		case OperationHeal:
			s.endHealByRestart(c)
		case OperationMove, OperationDivide, OperationJoin:
			s.endMove("", c)
		case OperationRemove, OperationMaintain:
			s.endLeave(c)
		case OperationDissolve:
			s.endDissolve(c)
		case OperationNone, OperationInit, OperationRejoin, OperationRestart:
			return fmt.Errorf("%w: operation %s (%s) is running", ErrStale, op.ID, op.Kind)
		}
	}
	for i, m := range s.Members {
		if m.State != MemberActive {
			continue
		}
		s.takeUnits(m.ID, m.ID, c)
		s.Members[i].Boot, s.Members[i].SemiSync, s.Members[i].Direct = s.issueBoot(), SemiSyncOff, false
	}
	id, err := s.begin(c, Operation{Kind: OperationRestart, Cursor: RestartPrepare, Mark: mark})
	if err != nil {
		return err
	}
	s.record(c, "restart", "", fmt.Sprintf("%s: every member was restarted", id))
	return nil
}

// endHealByRestart aborts the running heal and takes its member back. Its units
// go to whom they would have gone without the loss.
func (s *Snapshot) endHealByRestart(c Command) {
	op := &s.Operations[len(s.Operations)-1]
	op.State, op.Ended = OperationAborted, c.At.UTC()
	lost := &s.Members[s.memberIndex(op.Member)]
	lost.State, lost.Why, lost.Cut = MemberActive, "", nil
	for u := range s.Units {
		if s.Units[u].Owner == "" && s.Units[u].Heir == "" {
			s.Units[u].Heir = op.Former
		}
	}
}

// EndRestart ends the operation: the units go to the members that had them,
// unless they are withheld.
type EndRestart struct {
	Operation OperationID `json:"operation"`
	SemiSync  SemiSync    `json:"semi_sync"` // of each owner that is not in Orders
	// Orders is the semi-sync of each owner, as it was read back.
	Orders map[MemberID]SemiSync `json:"orders,omitempty"`
	// Withhold leaves the units without an owner until their heir has an acker.
	Withhold bool         `json:"withhold,omitempty"`
	Proxies  []ProxyStart `json:"proxies,omitempty"` // who is there
}

func (e EndRestart) String() string { return fmt.Sprintf("end %s", e.Operation) }

func (e EndRestart) apply(s *Snapshot, c Command) error {
	op, err := s.expect(e.Operation, RestartOpen)
	if err != nil {
		return err
	}
	for u := range s.Units {
		if e.Withhold || s.Units[u].Owner != "" || s.Units[u].Heir == "" {
			continue
		}
		heir := s.memberIndex(s.Units[u].Heir)
		order, own := e.Orders[s.Units[u].Heir]
		if !own {
			order = e.SemiSync
		}
		s.Members[heir].SemiSync = order
		s.Units[u] = s.Units[u].given(s.Units[u].Heir, e.Proxies, c.At)
	}
	op.State, op.Ended = OperationDone, c.At.UTC()
	s.record(c, "restart", "", fmt.Sprintf("%s: the ring is up again", op.ID))
	return nil
}

// NoteHeld records, while a ring comes up again, how far other members have a
// member's own transactions, which its disk has lost: the evidence must not go
// when they fall silent.
type NoteHeld struct {
	Operation OperationID `json:"operation"`
	Held      Position    `json:"held"`
}

func (n NoteHeld) String() string { return fmt.Sprintf("note that %q is held by others", n.Held) }

func (n NoteHeld) apply(s *Snapshot, _ Command) error {
	op, err := s.expect(n.Operation, "")
	if err != nil {
		return err
	}
	if op.Kind != OperationRestart {
		return fmt.Errorf("%w: %s is a %s", ErrLaw, op.ID, op.Kind)
	}
	op.Mark = op.Mark.Union(n.Held)
	return nil
}

// RenewInRestart gives a member whose disk has lost transactions of its own a new
// identity, while a ring comes up again. Units that were to be its go to Heir,
// which has them, and which is in the ring from now on if it was out.
type RenewInRestart struct {
	Operation OperationID `json:"operation"`
	Member    MemberID    `json:"member"`
	Old       uint32      `json:"old"`
	Heir      MemberID    `json:"heir"`
	Regain    Position    `json:"regain,omitempty"` // as of RenewIdentity
}

func (r RenewInRestart) String() string {
	return fmt.Sprintf("renew identity %d of %s, its units go to %s", r.Old, r.Member, r.Heir)
}

func (r RenewInRestart) apply(s *Snapshot, c Command) error {
	op, err := s.expect(r.Operation, "")
	if err != nil {
		return err
	}
	i := s.memberIndex(r.Member)
	switch {
	case op.Kind != OperationRestart:
		return fmt.Errorf("%w: %s is a %s", ErrLaw, op.ID, op.Kind)
	case i < 0 || s.Members[i].Identity != r.Old:
		return fmt.Errorf("%w: %s has not identity %d", ErrStale, r.Member, r.Old)
	}
	s.renew(i, r.Regain)
	op.AcceptLoss = false // it was said of this member
	if h := s.memberIndex(r.Heir); h >= 0 && s.Members[h].State != MemberActive {
		s.Members[h].State, s.Members[h].Why, s.Members[h].Cut, s.Members[h].Boot = MemberActive, "", nil, s.issueBoot()
	}
	for u := range s.Units {
		if s.Units[u].Heir == r.Member {
			s.Units[u].Heir = r.Heir
		}
	}
	s.record(c, "restart", r.Member, fmt.Sprintf("%s: identity %d -> %d", op.ID, r.Old, s.Members[i].Identity))
	return nil
}
