package topology

import (
	"fmt"
	"time"
)

// unread divides what a member holds above cut, of which the ring has no more, into what its
// binlog has and what it holds by its copy alone (S85): from is where its binlog can be read,
// buried how far its copy comes in the domains in which that is further than the ring. A disk
// that has less than its copy had is an older one, of which nothing is said.
func unread(m Member, binlog, cut Position) (from, buried Position) {
	for _, g := range cut {
		base, copied := m.Base.Last(g.Domain)
		if copied && base.Seq > g.Seq && binlog.Seq(g.Domain) >= base.Seq {
			g, buried = base, buried.With(base)
		}
		from = from.With(g)
	}
	return from, buried
}

// buriedWhy says what is to be done about a member that holds by its copy what the ring does
// not have.
func buriedWhy(m Member, buried Position) string {
	return fmt.Sprintf("by its copy it holds what the ring has given up (up to %s), and its binlog begins after that, so nobody can read it; its data anew: sqlring master reclone %s", buried, m.ID)
}

// Buried says why no word lets a member in that is out, "" if one may: as far as is known now
// it holds by its copy what the ring does not have (S85).
func Buried(s *Snapshot, id MemberID, o Observations, now time.Time) string {
	m, _ := s.Member(id)
	seen, good := o.Good(id, now)
	alive, _, known := roll(s, o, now)
	if !good || !known {
		return ""
	}
	var held Position
	for _, other := range alive {
		theirs, _ := o.Of(other.ID)
		held = held.Union(theirs.Position())
	}
	cut, _ := above(held, seen.Binlog, alive)
	if _, buried := unread(m, seen.Binlog, cut); len(buried) > 0 {
		return buriedWhy(m, buried)
	}
	return ""
}

// judgeBuried judges a member that holds by its copy what the ring does not have: what its
// binlog has besides is read first, and kept. No word lets such a member in.
func judgeBuried(s *Snapshot, op Operation, m Member, seen Observation, from, buried, end Position) Step {
	why := buriedWhy(m, buried)
	if op.LetFlow || op.Discard {
		return commit(GiveUpRejoin{Operation: op.ID}, "%s", why)
	}
	tail := Tail{Cut: from, End: end, Verdict: TailConflict, Why: why}
	if from.Covers(end) {
		return commit(JudgeTail{Operation: op.ID, Tail: tail}, "%s", why)
	}
	t := seen.Tail
	if t == nil || !t.answers(from, end) {
		return do(m.ID, Action{Kind: ActReadTail, Identity: m.Identity, Retired: m.Retired, After: from, Layout: s.class(m)}, "it holds %d transactions that the ring does not have, besides what it holds by its copy", from.Behind(end))
	}
	if t.Transactions > 0 {
		tail.Why += fmt.Sprintf("; it has written %d transactions besides (%s), which are in %s", t.Transactions, t.Why, t.File)
	}
	return commit(JudgeTail{Operation: op.ID, Tail: tail}, "%s", tail.Why)
}

// answers reports whether t is what was read above cut, and as far as end.
func (t Tail) answers(cut, end Position) bool { return t.Unread.IsZero() && t.isAbout(cut, end) }

func (t Tail) isAbout(cut, end Position) bool {
	return t.Cut.Covers(cut) && cut.Covers(t.Cut) && t.End.Covers(end)
}
