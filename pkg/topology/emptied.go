package topology

import (
	"fmt"
	"slices"
	"time"
)

// Past is what one node has seen of the binlog of a member's process under one identity:
// a binlog never has less than it had, unless somebody empties it. The zero value: nothing.
type Past struct {
	Boot     uint64    `json:"boot"`
	ServerID uint32    `json:"server_id"`
	Since    time.Time `json:"since"`  // when that process was first seen with that identity
	Binlog   Position  `json:"binlog"` // the most that it was seen to have
	// Emptied is when it was seen to have less: of its own, or nothing at all from a source of
	// which it had something, or to stand at an earlier place; of several times, the last. Zero: never.
	Emptied time.Time `json:"emptied,omitzero"`
	Gone    []uint32  `json:"gone,omitempty"` // the sources of which it had less
	// At is where its last commit was seen in the binlog. It never goes back but by RESET
	// MASTER, which begins with the first file again, while the numbers of every source may be
	// there again before the next probe.
	At BinlogPlace `json:"at,omitzero"`
	// Copied is the member's when this was remembered ([Member.Copied]): another copy has
	// emptied the binlog.
	Copied uint64 `json:"copied,omitempty"`
}

// BinlogPlace is a place in a member's binlog: the number of the file, and the byte in it.
// The zero value is unknown.
type BinlogPlace struct {
	File   uint32 `json:"file"`
	Offset uint64 `json:"offset"`
}

// before reports whether p is known to come before other.
func (p BinlogPlace) before(other BinlogPlace) bool {
	return p != BinlogPlace{} && (p.File < other.File || p.File == other.File && p.Offset < other.Offset)
}

// with returns p with what o adds. Another process, or identity, begins anew.
func (p Past) with(o Observation) Past {
	same := o.Boot != 0 && p.Boot == o.Boot && p.ServerID == o.ServerID
	if source, is := beheaded(o.Gap); is && same && p.Binlog.Seq(source) > 0 {
		p = p.without(source, o.At)
	}
	switch {
	case o.Reach != ReachAnswers:
		return p
	case !same:
		return Past{Boot: o.Boot, ServerID: o.ServerID, Since: o.At, Binlog: o.Binlog, At: o.BinlogAt}
	}
	if o.BinlogAt.before(p.At) {
		p = p.without(o.Domain, o.At)
	}
	if (o.BinlogAt != BinlogPlace{}) {
		p.At = o.BinlogAt
	}
	for _, g := range o.Binlog.Missing(p.Binlog) {
		if has := o.Binlog.Seq(g.Domain); has == 0 || g.Domain == o.Domain {
			p = p.without(g.Domain, o.At)
		}
	}
	p.Binlog = p.Binlog.Union(o.Binlog)
	return p
}

// without returns p with a source that was found gone, if it was not before.
func (p Past) without(source uint32, at time.Time) Past {
	if !slices.Contains(p.Gone, source) {
		p.Emptied, p.Gone = at, append(slices.Clone(p.Gone), source)
	}
	return p
}

// beheaded returns the source of which a gap is the beginning: a MySQL that had any of it
// has had that.
func beheaded(gap string) (domain uint32, is bool) {
	if gap == "" {
		return 0, false
	}
	found, err := ranges(gap)
	if err != nil || found[0].first != 1 {
		return 0, false
	}
	return SourceDomain(found[0].source), true
}

// refill is what has to be done at a MySQL whose binlog was emptied, before anything can be
// done with it, "" if nothing: what it has executed since leaves a gap.
func refill(m Member, seen Observation) string {
	if seen.Gap == "" || seen.Past.Emptied.IsZero() && m.Emptied == "" {
		return ""
	}
	return fmt.Sprintf("its binlog was emptied by hand: STOP REPLICA; RESET BINARY LOGS AND GTIDS there (8.0: RESET MASTER), then sqlring master reclone %s", m.ID)
}

// emptiedAcker returns what has to be done at the MySQL beside acker that the owner counts as
// one: it is out since its binlog was emptied, and goes on receiving, as nothing can be done with
// it until then. "" if there is none.
func emptiedAcker(s *Snapshot, owner Observation, acker Member, o Observations) string {
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		if todo := refill(m, seen); todo != "" && m.ID != acker.ID && m.State == MemberDown && slices.Contains(owner.SemiSync.Replicas, m.Identity) {
			return fmt.Sprintf("member %s: %s", m.ID, todo)
		}
	}
	return ""
}

// judgeBinlog is the verdict on an active member that answers, with the process that was
// admitted, and whose binlog lacks what it had: somebody has emptied it (RESET MASTER, RESET
// BINARY LOGS AND GTIDS). It gives out the numbers of its own transactions again, and what it
// writes under them is passed over by the others: so it is out at once, before its commits are
// let go without an acker (S81).
//
// That others have more of a MySQL's own than itself proves nothing while it works: it
// counts a transaction once that is committed, and sends it before, whoever acknowledges it.
func judgeBinlog(s *Snapshot, m Member, seen Observation, o Observations, now time.Time) (judgement, bool) {
	why, is := m.Emptied, m.Emptied != "" && accompanied(s, m, o, now)
	if !is {
		why, is = emptied(s, m, seen, o, now)
	}
	if !is {
		return judgement{}, false
	}
	return judgement{lost: true, why: fmt.Sprintf("the binlog of member %s was emptied by hand", m.ID), evidence: []string{
		why + ": RESET MASTER was typed there, or RESET BINARY LOGS AND GTIDS",
	}}, true
}

// emptied says by what is seen that the binlog of m, which works, was emptied.
func emptied(s *Snapshot, m Member, seen Observation, o Observations, now time.Time) (why string, is bool) {
	if why, is = hadMore(s, m, seen, o, now); !is && m.Source == "" {
		why, is = othersHaveMore(s, m, seen, o, now)
	}
	return why, is
}

// accompanied reports whether another member is in the ring, and answers with the process
// that was admitted.
func accompanied(s *Snapshot, m Member, o Observations, now time.Time) bool {
	return slices.ContainsFunc(s.Members, func(other Member) bool {
		theirs, good := o.Good(other.ID, now)
		return other.ID != m.ID && other.State == MemberActive && good && theirs.Boot == other.Boot
	})
}

// noteEmptied notes what is seen of emptied binlogs before anything else is done: the next
// leader may have seen nothing of it (S84).
func noteEmptied(s *Snapshot, o Observations, now time.Time) (Step, bool) {
	if !s.Knows(LawOfEmptied) {
		return Step{}, false
	}
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		told := seen.Reach == ReachAnswers || seen.Reach == ReachUnknown && seen.Gap != ""
		if !told || seen.Boot != m.Boot || now.Sub(seen.At) > MaxAge || !mayBeEmptied(s, m) {
			continue
		}
		if why, is := emptied(s, m, seen, o, now); is {
			return commit(NoteEmptied{Member: m.ID, Boot: m.Boot, Found: why}, "%s", why), true
		}
	}
	return Step{}, false
}

// Filled returns o, which was asked for when its node knew s, without what was seen of its
// member's binlog before the copy that its data is of was complete: each attempt of a copy
// empties it, and the last one may do so behind the last probe (S82). Whoever notes
// observations calls it after [Observation.After].
//
// What counts is what was known before the probe was sent. That was sent before the end of
// the copy, and answered in what it asked about the binlog before it was emptied last, may be
// noted after the end is known; and a node that was cut off may hear of the end of a later
// copy alone, which the number of the copy tells.
func (s *Snapshot) Filled(o Observation) Observation {
	m, ok := s.Member(o.Member)
	switch {
	case ok && m.State == MemberCopying && !m.Copy.Done: // whatever it has is on its way out
		o.Past.Binlog, o.Past.At = nil, BinlogPlace{}
	case ok && o.Past.Copied != m.Copied: // what was seen is of another one
		o.Past.Binlog, o.Past.At, o.Past.Copied = o.Binlog, o.BinlogAt, m.Copied
	default:
		return o
	}
	o.Past.Emptied, o.Past.Gone = time.Time{}, nil
	return o
}

// othersHaveMore says that another member was seen to have more of m's own before m was
// asked, without which m would not have it again (S81).
func othersHaveMore(s *Snapshot, m Member, seen Observation, o Observations, now time.Time) (why string, is bool) {
	own := seen.Binlog.Seq(m.Domain())
	for _, other := range s.Members {
		theirs, good := o.Good(other.ID, now)
		if other.ID == m.ID || other.State != MemberActive || !good || theirs.Boot != other.Boot || !theirs.At.Before(seen.Asked) || !seen.Carries(m) {
			continue
		}
		if has := theirs.Position().Seq(m.Domain()); has > own && m.Regain.Seq(m.Domain()) < has {
			return fmt.Sprintf("%s has its own transactions up to %d, and %s had them up to %d before", m.ID, own, other.ID, has), true
		}
	}
	return "", false
}

// hadMore says that m itself was seen to have more than it had in the probe after that,
// however much it may have again by now (S82). Another member was there already: who is
// added later is copied from what m has. What is gone is of a source that a member writes
// under today: domains of nobody are deleted by hand for good reasons.
func hadMore(s *Snapshot, m Member, seen Observation, o Observations, now time.Time) (why string, is bool) {
	past := seen.Past
	if past.Emptied.IsZero() || past.Boot != m.Boot || past.ServerID != m.Identity || !seen.Carries(m) {
		return "", false
	}
	writes := func(other Member) bool { return slices.Contains(past.Gone, other.Domain()) }
	if !slices.ContainsFunc(s.Members, writes) {
		return "", false
	}
	for _, other := range s.Members {
		theirs, good := o.Good(other.ID, now)
		if other.ID != m.ID && other.State == MemberActive && good && theirs.Past.Boot == other.Boot && theirs.Past.Since.Before(past.Emptied) {
			return fmt.Sprintf("%s had %s in its binlog, and less at %s", m.ID, past.Binlog, past.Emptied.UTC().Format("15:04:05.000 UTC")), true
		}
	}
	return "", false
}

// emptiedBefore says that the binlog of a returning member was emptied: raft has it so, or it
// is seen while the process runs on, whose disk is no older one then. Who is let in with its
// tail discarded was copied by hand, which empties it; it gets another identity.
func emptiedBefore(s *Snapshot, op Operation, m Member, seen Observation, o Observations, now time.Time) (why string, is bool) {
	if m.Emptied != "" || !op.Same {
		return m.Emptied, m.Emptied != ""
	}
	if why, is = othersHaveMore(s, m, seen, o, now); !is && !op.Discard {
		why, is = hadMore(s, m, seen, o, now)
	}
	return why, is
}

// emptiedTail is what stands of a member whose binlog was emptied while it ran: what it
// holds that the ring lacks can not be told from it.
func emptiedTail(m Member, why string) Tail {
	return Tail{
		Cut: m.Cut, Verdict: TailConflict,
		Why: fmt.Sprintf("its binlog was emptied by hand: %s; what else it holds can not be told; its data anew: sqlring master reclone %s", why, m.ID),
	}
}

// known returns how far anybody but m has come with its transactions.
func known(m Member, o Observations) (own uint64) {
	for _, other := range o.Members {
		if other.Reach == ReachAnswers && other.Member != m.ID {
			own = max(own, other.Reached(m.Domain()))
		}
	}
	return own
}
