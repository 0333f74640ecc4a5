package proxy

import (
	"bytes"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// An error packet says nothing of the transaction: what failed may have begun one (without
// autocommit), ended it (a deadlock, an implicit commit), or have committed something of its
// own (a procedure). Where that may be, the member is asked, by a ping, before the client gets
// the error.

// endsTransaction tells the errors by which a server undoes more than the statement (MySQL
// manual, "InnoDB Error Handling"; 1205 does with innodb_rollback_on_timeout).
func endsTransaction(number uint16) bool {
	switch number {
	case deadlock, lockWaitTimeout,
		1020,             // the row has changed since the snapshot (innodb_snapshot_isolation)
		1180, 1181, 1196, // COMMIT or ROLLBACK has failed
		1206,             // too many locks
		1402, 1613, 1614, // XA
		3101: // undone by the group
		return true
	}
	return false
}

// leavesUnsure reports whether the command under way, which was answered by an error, may have
// changed whether a transaction is open, or have committed something.
func (s *session) leavesUnsure(number uint16) bool {
	if !carriesSQL(s.code) && s.code != wire.ComStmtFetch || s.link == nil || s.link.confined {
		return false
	}
	inside := s.current.Kind == balancer.KindRead || s.current.Kind == balancer.KindChange
	switch {
	case inside && s.mem.inTransaction():
		return endsTransaction(number)
	case s.mem.inTransaction(), !s.mem.status.Has(wire.StatusAutocommit):
		return !s.link.reading.Load()
	case inside:
		return false
	}
	return s.mayHaveCommitted(number)
}

// mayHaveCommitted reports whether the command under way may have committed something before
// it was answered by an error.
func (s *session) mayHaveCommitted(number uint16) bool {
	switch {
	case s.current.Kind == balancer.KindRead, s.current.Kind == balancer.KindChange, s.link.reading.Load():
		return false
	case s.plan == nil, s.plan.Effects.HasAny(1<<balancer.EffectRoutine | 1<<balancer.EffectBatch | 1<<balancer.EffectCommits):
		return true
	}
	return s.plan.Effects.Has(balancer.EffectUnknown) && number != parseError
}

// writesMutely reports whether the command under way may have written something although
// its answer ends in a packet that has no place to say so: INSERT … RETURNING, a function,
// or what is behind a view, to a client that gets EOF packets.
func (s *session) writesMutely() bool {
	const anything = 1<<balancer.EffectRoutine | 1<<balancer.EffectUnknown | 1<<balancer.EffectBatch | 1<<balancer.EffectSequence
	switch {
	case s.code != wire.ComQuery && s.code != wire.ComStmtExecute || s.link.reading.Load():
		return false
	case s.readsHandler():
		return false
	case s.current.Kind != balancer.KindRead || s.elsewhere: // refused where it could not have written
		return true
	}
	return s.plan == nil || s.plan.Effects.HasAny(anything)
}

// readsHandler reports whether the statement under way is a HANDLER and nothing else. It can
// not write: stored functions and subqueries are refused in it (1235). And a question behind it
// would have the server close it for somebody who waits to drop its table.
func (s *session) readsHandler() bool {
	return s.plan != nil && len(s.plan.Statements) == 1 && s.plan.Statements[0].Verb == balancer.VerbHandler
}

// learnAfter asks the member how the session stands, and by which transaction it has written
// last (MariaDB alone knows that). If it does not answer, the link is found lost by the next
// command.
func (s *session) learnAfter() {
	m := &s.mem
	failed, written, before := m.askStatus, m.askWritten, bytes.Clone(m.lastGTID)
	m.askStatus, m.askWritten = false, false
	m.hasLast, m.hasFound = false, m.hasFound && !written // ROW_COUNT() is the ping's
	maria := s.link.version.Flavour == topology.FlavourMariaDB
	commands := [][]byte{{byte(wire.ComPing)}}
	if written && maria {
		commands = append(commands, wire.Query("SELECT @@last_gtid"))
	}
	var ok wire.OK
	var gtid []byte
	err := s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() error {
		if err := s.link.own.Send(commands...); err != nil {
			return err
		}
		_, payload, err := s.link.own.Result(s.link.caps, setupBudget)
		if err == nil {
			err = wire.ParseOK(payload, &ok)
		}
		if err == nil && len(commands) > 1 {
			var row []string
			if row, _, err = s.link.own.Result(s.link.caps, setupBudget); len(row) == 1 {
				gtid = []byte(row[0])
			}
		}
		return err
	})
	switch {
	case err != nil:
		s.p.log.Debug("state behind an answer not learned", "session", s.id, "member", string(s.link.route.Member.ID), "error", err)
		s.link.cut()
	case failed:
		if was := m.inTransaction(); was && !ok.Status.Has(wire.StatusInTransaction) {
			m.pins &^= endsWithTransaction
		}
		m.status = ok.Status
	}
	if m.wrote = false; len(ok.Changes) > 0 {
		m.learn(&ok, s.current, s.plan)
	}
	if m.wrote {
		gtid, m.wrote = m.lastGTID, false
		written = true
	}
	switch {
	case !written, err == nil && maria && bytes.Equal(gtid, before):
	case failed && len(gtid) > 0:
		s.noteWrite(m.writtenAs(gtid))
	case failed:
		s.noteToken(nil)
	default:
		s.acknowledge(m.writtenAs(gtid))
	}
}

// writtenAs notes by which transaction the session has written last.
func (m *memory) writtenAs(gtid []byte) []byte {
	if len(gtid) > 0 {
		m.lastGTID = append(m.lastGTID[:0], gtid...)
	}
	return gtid
}
