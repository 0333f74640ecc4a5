package topology

import "fmt"

// replayKinds are the changes of this file, by their names in the log.
func replayKinds() map[string]Change {
	return map[string]Change{"begin_replay": BeginReplay{}, "end_replay": EndReplay{}}
}

// BeginReplay starts to write anew, at the owners, what only a member in quarantine holds
// and what does not conflict with what the ring has.
type BeginReplay struct {
	Member MemberID `json:"member"`
}

func (b BeginReplay) String() string {
	return fmt.Sprintf("begin to replay what only %s holds", b.Member)
}

func (b BeginReplay) apply(s *Snapshot, c Command) error {
	i := s.memberIndex(b.Member)
	switch {
	case i < 0:
		return fmt.Errorf("%w: %s is not a member", ErrStale, b.Member)
	case s.Members[i].State != MemberQuarantined:
		return fmt.Errorf("%w: %s is %s: what only a member in quarantine holds is replayed", ErrStale, b.Member, s.Members[i].State)
	}
	if err := refuseEmptied(s.Members[i]); err != nil {
		return err
	}
	id, err := s.begin(c, Operation{Kind: OperationReplay, Member: b.Member, Cursor: ReplayJudge, Quarantine: s.Members[i].Why})
	if err != nil {
		return err
	}
	s.record(c, "replay", b.Member, fmt.Sprintf("%s: what only %s holds is replayed, as far as it does not conflict", id, b.Member))
	return nil
}

// EndReplay notes what came of a replay. If all of it is in the ring now, the member's own
// data, which has it under other numbers, is given up and copied anew; else it stays in
// quarantine.
type EndReplay struct {
	Operation OperationID `json:"operation"`
	Sum       ReplaySum   `json:"sum"`
}

func (e EndReplay) String() string { return fmt.Sprintf("end the replay (%s)", e.Operation) }

func (e EndReplay) apply(s *Snapshot, c Command) error {
	op, err := s.expect(e.Operation, ReplayWrite)
	if err != nil {
		return err
	}
	op.State, op.Ended = OperationDone, c.At.UTC()
	i := s.memberIndex(op.Member)
	s.record(c, "replay", op.Member, fmt.Sprintf("%s: %s", op.ID, e.Sum))
	if e.Sum.Conflicts == 0 {
		s.copyAnew(i, false)
		return nil
	}
	s.Members[i].Why = fmt.Sprintf("of what only it holds, %s; what conflicts is kept in %s; to give that up and copy its data anew: sqlring master reclone %s",
		e.Sum, orElse(e.Sum.File, "its binlog"), op.Member)
	return nil
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
