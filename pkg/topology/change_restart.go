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
	if op, ok := s.Running(); ok {
		if op.Kind != OperationHeal {
			return fmt.Errorf("%w: operation %s (%s) is running", ErrStale, op.ID, op.Kind)
		}
		s.endHealByRestart(c)
	}
	for i, m := range s.Members {
		if m.State != MemberActive {
			continue
		}
		s.takeUnits(m.ID, m.ID, c)
		s.Members[i].Boot, s.Members[i].SemiSync = s.issueBoot(), SemiSyncOff
	}
	id, err := s.begin(c, Operation{Kind: OperationRestart, Cursor: RestartPrepare})
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

// EndRestart grants the units to the members that had them, and ends the
// operation.
type EndRestart struct {
	Operation OperationID `json:"operation"`
	SemiSync  SemiSync    `json:"semi_sync"` // of each owner, as it was read back
}

func (e EndRestart) String() string { return fmt.Sprintf("end %s", e.Operation) }

func (e EndRestart) apply(s *Snapshot, c Command) error {
	op, err := s.expect(e.Operation, RestartOpen)
	if err != nil {
		return err
	}
	for u := range s.Units {
		if s.Units[u].Owner != "" || s.Units[u].Heir == "" {
			continue
		}
		heir := s.memberIndex(s.Units[u].Heir)
		s.Members[heir].SemiSync = e.SemiSync
		s.Units[u] = Unit{ID: s.Units[u].ID, Owner: s.Units[u].Heir, Epoch: s.Units[u].Epoch + 1, Since: c.At.UTC()}
	}
	op.State, op.Ended = OperationDone, c.At.UTC()
	s.record(c, "restart", "", fmt.Sprintf("%s: the ring is up again", op.ID))
	return nil
}
