package topology

import (
	"fmt"
	"time"
)

// What is special to members that are MySQL servers. Their transactions are numbered by
// their server_uuid, which nobody issues and SQL can not change: it is noted when the
// ring is made. So a member that has lost transactions of its own can not go on in a
// domain of its own, as a MariaDB does: it has to have them back first.

// NoteSource notes the server_uuid of a member, while the ring is made or taken over, or the
// member is filled with another one's data.
type NoteSource struct {
	Operation OperationID `json:"operation"`
	Member    MemberID    `json:"member"`
	Source    string      `json:"source"`
	// Regain is what others hold that came under that uuid: a server that is filled
	// anew, or had left the ring, gives out no number of it again (S37).
	Regain Position `json:"regain,omitempty"`
}

func (n NoteSource) String() string { return fmt.Sprintf("note %s of %s", n.Source, n.Member) }

func (n NoteSource) apply(s *Snapshot, _ Command) error {
	op, err := s.expect(n.Operation, InitPreflight) // which is AddPreflight and AdoptPreflight too
	if err != nil {
		return err
	}
	i := s.memberIndex(n.Member)
	switch {
	case i < 0, op.Kind != OperationInit && op.Kind != OperationAdopt && !(op.copies() && op.Member == n.Member):
		return fmt.Errorf("%w: %s is not a member that is being set up", ErrStale, n.Member)
	case !ValidSource(n.Source):
		return fmt.Errorf("%w: %q is not a server_uuid", ErrLaw, n.Source)
	}
	for _, m := range s.Members {
		if m.ID != n.Member && m.Domain() == SourceDomain(n.Source) {
			return fmt.Errorf("%w: member %s has the server_uuid %s", ErrLaw, m.ID, m.Source)
		}
	}
	m := &s.Members[i]
	m.Source, m.Regain = n.Source, n.Regain
	return nil
}

// initSource reports whether the server_uuid of a member is noted, or else the step
// that comes first.
func initSource(s *Snapshot, op Operation, m Member, seen Observation) (Step, bool) {
	source := seen.Settings.ServerUUID
	if seen.Version.Flavour != FlavourMySQL || source == m.Source {
		return Step{}, true
	}
	for _, other := range s.Members {
		if other.ID != m.ID && other.Domain() == SourceDomain(source) {
			return stuck("members %s and %s have the server_uuid %s: one is a copy of the other; on %s, remove auto.cnf from the data directory and restart it", other.ID, m.ID, source, m.ID), false
		}
	}
	return commit(NoteSource{Operation: op.ID, Member: m.ID, Source: source}, "transactions of %s are numbered by its server_uuid", m.ID), false
}

// addSource is initSource for a member that is filled with another one's data. What it
// held is given up, and the numbers that only it had given out are given out again: so
// every other member has to be asked first whether it has any of them (S37).
func (a adding) addSource() (Step, bool) {
	seen, m := a.seen, a.m
	if seen.Version.Flavour != FlavourMySQL {
		return Step{}, true
	}
	if step, ok := initSource(a.s, a.op, m, seen); !ok && step.Kind != StepCommit {
		return step, false
	}
	as := m
	as.Source = seen.Settings.ServerUUID
	var held uint64
	var unheard MemberID
	for _, other := range a.s.Members {
		if other.ID == m.ID || other.State == MemberCopying {
			continue // what that one held is given up as well
		}
		theirs, good := a.o.Good(other.ID, a.now)
		if !good {
			unheard = other.ID
		}
		held = max(held, theirs.Position().Seq(as.Domain()))
	}
	for _, t := range a.s.Tombstones {
		held = max(held, t.Last.Seq(as.Domain()))
	}
	switch {
	case unheard != "" && (held > 0 || m.Copy.Again): // of a server that is new nobody has anything
		return wait("%s can not be asked whether it has transactions of %s, which would give their numbers out again: bring it back, or take it out of the ring for good (sqlring master remove %s --forget)",
			unheard, m.ID, unheard), false
	case m.Source == as.Source && m.Regain.Seq(as.Domain()) >= held:
		return Step{}, true
	}
	note := NoteSource{Operation: a.op.ID, Member: m.ID, Source: as.Source}
	if held > 0 {
		note.Regain = as.regain(held)
	}
	return commit(note, "transactions of %s are numbered by its server_uuid; others have them up to %d", m.ID, held), false
}

// gtid returns the transaction of that number of a member's own.
func (m Member) gtid(seq uint64) GTID {
	if m.Source != "" {
		return GTID{Domain: m.Domain(), Seq: seq, Source: m.Source}
	}
	return GTID{Domain: m.Identity, Server: m.Identity, Seq: seq}
}

// regain returns what is noted of a member that has its own transactions up to a
// number only on others: on MariaDB nothing, it goes on in a new domain.
func (m Member) regain(seq uint64) Position {
	if m.Source == "" {
		return nil
	}
	return Position{m.gtid(seq)}
}

// openAction opens a member, if it has back what it had lost.
func openAction(m Member) Action {
	return Action{Kind: ActOpen, Identity: m.Identity, Boot: m.Boot, Regain: m.Regain}
}

// Carries reports whether a server has the identity that was issued to m, in this
// process, and is the server that m is.
func (o Observation) Carries(m Member) bool {
	return o.ServerID == m.Identity && o.Domain == m.Domain()
}

// stalledMySQL is stalled for an owner that is a MySQL. That does not count a commit
// that waits among its transactions, so an acker that has more of the owner's than the
// owner itself has what waits. What came over the owner's own link waits as well, and
// for ever after a mere reconnect of the acker: that is told by all standing still.
func stalledMySQL(owner Member, seen Observation, theirs Position) bool {
	const allStill = time.Second
	own := seen.Binlog.Seq(owner.Domain())
	if theirs.Seq(owner.Domain()) > own && !seen.EarlierAt.IsZero() &&
		seen.Asked.Sub(seen.EarlierAt) >= stillFor && seen.Earlier.Seq(owner.Domain()) == own {
		return true
	}
	return !seen.Still.IsZero() && seen.Asked.Sub(seen.Still) >= allStill && !seen.Position().Covers(theirs)
}

// proven reports whether a member's own transactions are known to be whole, or noted
// to be regained, or else what comes first. A MySQL that gave a number out twice could
// not be told by anybody, so every other member has to answer, or the DBA to say so.
func proven(s *Snapshot, op Operation, m Member, o Observations, now time.Time) (Step, bool) {
	seen, _ := o.Of(m.ID)
	own := max(seen.Binlog.Seq(m.Domain()), m.Regain.Seq(m.Domain()))
	for _, other := range s.Members {
		theirs, good := o.Good(other.ID, now)
		switch held := theirs.Position().Seq(m.Domain()); {
		case !good && !op.LetFlow:
			return wait("%s can not be asked whether it has later transactions of %s, which would give their numbers out again: bring it back; or, if it has none: sqlring operation abort %s, and sqlring master rejoin %s --let-flow",
				other.ID, m.ID, op.ID, m.ID), false
		case held > own:
			return commit(RenewIdentity{Operation: op.ID, Old: m.Identity, Regain: m.regain(held)}, "%s has its own transactions up to %d, %s has them up to %d", m.ID, own, other.ID, held), false
		}
	}
	return Step{}, true
}
