package topology

import (
	"fmt"
	"slices"
)

// BeginRejoin starts to let a member back in. It is closed and serves nobody
// until it was judged, has caught up and was verified.
type BeginRejoin struct {
	Member MemberID `json:"member"`
	// LetFlow is the DBA's word that the member's tail flows into the ring,
	// whatever it holds.
	LetFlow bool `json:"let_flow,omitempty"`
	// Discard is the DBA's word that the member's tail does not flow: it is kept in its
	// file, and the member is let in once its data is a copy that has nothing of it.
	Discard bool `json:"discard,omitempty"`
	// Same says that the process answers that was admitted last.
	Same bool `json:"same,omitempty"`
}

func (b BeginRejoin) String() string { return fmt.Sprintf("begin to let %s back in", b.Member) }

func (b BeginRejoin) apply(s *Snapshot, c Command) error {
	i := s.memberIndex(b.Member)
	switch {
	case i < 0:
		return fmt.Errorf("%w: %s is not a member", ErrStale, b.Member)
	case b.LetFlow && b.Discard:
		return fmt.Errorf("%w: what only %s holds either flows or is discarded", ErrLaw, b.Member)
	case s.Members[i].State == MemberQuarantined && !b.LetFlow && !b.Discard:
		return fmt.Errorf("%w: %s is in quarantine: %s", ErrLaw, b.Member, s.Members[i].Why)
	case s.Members[i].State != MemberDown && s.Members[i].State != MemberQuarantined && s.Members[i].State != MemberHeld:
		return fmt.Errorf("%w: %s is %s, only a member that is out can be let back in", ErrStale, b.Member, s.Members[i].State)
	case b.LetFlow || b.Discard:
		if err := refuseEmptied(s.Members[i]); err != nil {
			return err
		}
	}
	op := Operation{Kind: OperationRejoin, Member: b.Member, Cursor: RejoinJudge, LetFlow: b.LetFlow, Discard: b.Discard, Same: b.Same}
	if s.Members[i].State == MemberQuarantined {
		op.Quarantine = s.Members[i].Why
	}
	id, err := s.begin(c, op)
	if err != nil {
		return err
	}
	s.Members[i].State, s.Members[i].Why = MemberReturning, "it is being let back in"
	if !b.Same { // the token of one that was never away stays: it is the proof
		s.Members[i].Boot, s.Members[i].Unproven = s.issueBoot(), true
	}
	if b.Discard && s.Members[i].Source != "" { // it gives the numbers of what it drops out again (S37)
		s.Members[i].Unproven = true
	}
	s.record(c, "rejoin", b.Member, fmt.Sprintf("%s: %s answers again", id, b.Member))
	return nil
}

// RenewIdentity gives the returning member a new identity: it has lost
// transactions of its own that others hold, and under the old one it would drop
// them when they come round; or that can not be excluded, because a member that
// may hold some can not be asked.
type RenewIdentity struct {
	Operation OperationID `json:"operation"`
	Old       uint32      `json:"old"`
	Regain    Position    `json:"regain,omitempty"` // MySQL: what it has to have back, since it has no other domain
}

func (r RenewIdentity) String() string { return fmt.Sprintf("renew identity %d", r.Old) }

func (r RenewIdentity) apply(s *Snapshot, c Command) error {
	op, err := s.expect(r.Operation, "")
	if err != nil {
		return err
	}
	if op.Cursor != RejoinJudge && op.Cursor != RejoinPrepare {
		return fmt.Errorf("%w: identities are not renewed at %q", ErrLaw, op.Cursor)
	}
	m := &s.Members[s.memberIndex(op.Member)]
	if m.Identity != r.Old {
		return fmt.Errorf("%w: %s has identity %d, %d was expected", ErrStale, m.ID, m.Identity, r.Old)
	}
	s.renew(s.memberIndex(op.Member), r.Regain)
	op.Renewed = op.Discard
	s.record(c, "rejoin", m.ID, fmt.Sprintf("%s: identity %d -> %d", op.ID, r.Old, m.Identity))
	return nil
}

// renew gives a member a new identity and remembers the old one, and what it has to
// have back.
func (s *Snapshot) renew(i int, regain Position) {
	m := &s.Members[i]
	if last, cut := m.Cut.Last(m.Domain()); cut && m.Source == "" && s.Knows(LawOfCuts) {
		m.Cuts = m.Cuts.With(last)
	}
	m.Regain = m.Regain.Union(regain)
	m.Retired = append(slices.Clone(m.Retired), m.Identity)
	m.Identity = s.issueIdentity()
}

// JudgeTail records what only the returning member holds. A tail that may not
// flow ends the operation and puts the member into quarantine.
type JudgeTail struct {
	Operation OperationID `json:"operation"`
	Tail      Tail        `json:"tail"`
}

func (j JudgeTail) String() string {
	return fmt.Sprintf("judge the tail: %s (%d transactions)", j.Tail.Verdict, j.Tail.Transactions)
}

func (j JudgeTail) apply(s *Snapshot, c Command) error {
	op, err := s.expect(j.Operation, RejoinJudge)
	if err != nil {
		return err
	}
	tail := j.Tail
	op.Tail, op.Moved = &tail, c.At.UTC()
	m := &s.Members[s.memberIndex(op.Member)]
	flows := m.Emptied == "" && (tail.Verdict == TailEmpty || tail.Verdict == TailMayFlow && !op.Discard || op.LetFlow)
	s.record(c, "rejoin", m.ID, fmt.Sprintf("%s: tail of %d transactions: %s: %s", op.ID, tail.Transactions, tail.Verdict, tail.Why))
	if flows {
		op.Cursor = RejoinPrepare
		return nil
	}
	m.State = MemberQuarantined
	m.Why = fmt.Sprintf("it holds %d transactions that the ring does not have (%s); they are in %s; to let them flow: sqlring master rejoin %s --let-flow; to drop them: --discard", tail.Transactions, tail.Why, tail.File, m.ID)
	if m.Source == "" {
		m.Why += "; to write anew what does not conflict: --replay (--dry-run shows it)"
	}
	if op.Discard {
		m.Why = fmt.Sprintf("its %d transactions that the ring does not have are discarded, and kept in %s; its data still has them: copy it anew (docs/runbook-quarantine.md), then: sqlring master rejoin %s --discard",
			tail.Transactions, tail.File, m.ID)
		s.record(c, "rejoin", m.ID, fmt.Sprintf("%s: %d transactions of %s are discarded, and kept in %s", op.ID, tail.Transactions, m.ID, tail.File))
	}
	if tail.File == "" && tail.Transactions == 0 && !op.Discard { // nothing was read: its binlog was emptied
		m.Why = tail.Why
	}
	if m.Emptied != "" {
		m.Why = emptiedTail(*m, m.Emptied).Why
	}
	op.State, op.Ended = OperationDone, c.At.UTC()
	return nil
}

// Readmit ends the rejoin: the member is in the ring.
type Readmit struct {
	Operation OperationID `json:"operation"`
}

func (r Readmit) String() string { return fmt.Sprintf("readmit (%s)", r.Operation) }

func (r Readmit) apply(s *Snapshot, c Command) error {
	op, err := s.expect(r.Operation, RejoinAdmit)
	if err != nil {
		return err
	}
	m := &s.Members[s.memberIndex(op.Member)]
	m.State, m.Why, m.Cut, m.Copy = MemberActive, "", nil, nil
	m.flowed(op.Tail)
	op.State, op.Ended = OperationDone, c.At.UTC()
	again := " again"
	if op.copies() {
		again = ""
	}
	s.record(c, op.Kind.String(), m.ID, fmt.Sprintf("%s: %s is in the ring%s", op.ID, m.ID, again))
	return nil
}

// flowed forgets what was given up of a tail that has flowed after all.
func (m *Member) flowed(tail *Tail) {
	if tail == nil || tail.Verdict == TailEmpty {
		return
	}
	for _, g := range tail.Cut {
		m.Cuts = m.Cuts.Without(g.Domain)
	}
}

// GiveUpRejoin ends a rejoin whose member was lost again, or another one. It stays
// out for now; who follows it already is re-pointed by upkeep.
type GiveUpRejoin struct {
	Operation OperationID `json:"operation"`
}

func (g GiveUpRejoin) String() string { return fmt.Sprintf("give up %s", g.Operation) }

func (g GiveUpRejoin) apply(s *Snapshot, c Command) error {
	op, err := s.expect(g.Operation, "")
	if err != nil {
		return err
	}
	if op.Kind != OperationRejoin {
		return fmt.Errorf("%w: %s is a %s", ErrLaw, op.ID, op.Kind)
	}
	s.endRejoin(op, MemberDown, c)
	s.record(c, "rejoin", op.Member, fmt.Sprintf("%s: given up", op.ID))
	return nil
}

// endRejoin leaves the member of a rejoin out, in quarantine if it was there and
// was not judged anew.
func (s *Snapshot) endRejoin(op *Operation, state MemberState, c Command) {
	m := &s.Members[s.memberIndex(op.Member)]
	m.State, m.Why = state, c.Why
	if op.Quarantine != "" && op.Cursor == RejoinJudge {
		m.State, m.Why = MemberQuarantined, op.Quarantine
	}
	op.State, op.Ended = OperationAborted, c.At.UTC()
}
