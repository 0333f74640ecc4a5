package topology

import "fmt"

// NoteEmptied notes that the binlog of a member was found to be emptied by hand, before
// anything is done because of it (S84): whoever leads next need not have seen it. From
// [LawOfEmptied] on. It names the process of which it was found, so that it is refused
// where that is not the one that was admitted, or its data was given up meanwhile.
type NoteEmptied struct {
	Member MemberID `json:"member"`
	Boot   uint64   `json:"boot"`
	Found  string   `json:"found"` // what was seen, one sentence
}

func (n NoteEmptied) String() string {
	return fmt.Sprintf("note that the binlog of %s was emptied by hand", n.Member)
}

func (n NoteEmptied) apply(s *Snapshot, c Command) error {
	i := s.memberIndex(n.Member)
	switch {
	case !s.Knows(LawOfEmptied):
		return fmt.Errorf("%w: not every node is known to know notes of emptied binlogs", ErrLaw)
	case i < 0:
		return fmt.Errorf("%w: %s is not a member", ErrStale, n.Member)
	case n.Found == "":
		return fmt.Errorf("%w: a note of an emptied binlog without what was seen", ErrLaw)
	case !mayBeEmptied(s, s.Members[i]) || s.Members[i].Boot != n.Boot:
		return fmt.Errorf("%w: %s is %s, with boot token %d: the binlog of another process, or one that is given up, was looked at", ErrStale, n.Member, s.Members[i].State, s.Members[i].Boot)
	}
	s.Members[i].Emptied = cut(n.Found, maxNoticeText)
	s.record(c, "emptied", n.Member, fmt.Sprintf("the binlog of %s was emptied by hand: %s", n.Member, n.Found))
	return nil
}

// mayBeEmptied reports whether it is to be noted of a member, and is not yet, that its
// binlog was emptied. A copy by hand does that to one that comes back by a word alone, and
// one that is made by an operation does it too.
func mayBeEmptied(s *Snapshot, m Member) bool {
	if m.Emptied != "" {
		return false
	}
	switch m.State {
	case MemberActive, MemberDown, MemberMaintained:
		return true
	case MemberReturning:
		op, _ := s.Running()
		return op.Kind == OperationRejoin && op.Member == m.ID && op.Same && !op.Discard
	case MemberJoining, MemberQuarantined, MemberHeld, MemberLeaving, MemberCopying:
	}
	return false
}

// refuseEmptied refuses a word by which a member would come back, or what it holds would be
// written anew, whose binlog was emptied.
func refuseEmptied(m Member) error {
	if m.Emptied == "" {
		return nil
	}
	return fmt.Errorf("%w: the binlog of %s was emptied by hand (%s), so what it holds can not be told; its data anew: sqlring master reclone %s", ErrLaw, m.ID, m.Emptied, m.ID)
}
