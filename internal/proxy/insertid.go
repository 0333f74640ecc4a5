package proxy

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// LAST_INSERT_ID() is exact, or refused. What an OK packet tells is not enough: a row that
// was inserted with a value of its own shows that value there and changes nothing of what
// the function gives. So behind such an OK the link is the only one to know (memory.unsure).
// It is asked before anything is done to it on purpose: before it is given to somebody
// else, closed, or reset. If it is lost, what the function gives is not known: nothing is
// made up for it.

// lostInsertID stands for a value that was lost with a link. Links are set to it, so that
// it is found there if no statement has given them another one since. It is no value that
// a column could have come to.
const lostInsertID = 17293822569102704627

// holdsInsertID reports whether the link alone knows what LAST_INSERT_ID() gives the
// session that has it.
func (m *memory) holdsInsertID(l *link) bool { return m.unsure && l.at.unsure && !l.owes }

// loseInsertID notes that nobody knows any more.
func (m *memory) loseInsertID() { m.insertID, m.unsure, m.idLost = lostInsertID, false, true }

// learnInsertID notes what was found out.
func (m *memory) learnInsertID(id uint64) {
	m.insertID, m.unsure, m.idLost = id, false, id == lostInsertID
}

// knowInsertID asks the link that knows what LAST_INSERT_ID() gives: the session's own, or
// one that it has given back. If that fails the link is lost, and the value with it.
func (s *session) knowInsertID() error {
	if l := s.link; l != nil && s.mem.holdsInsertID(l) {
		s.mem.hasLast, s.mem.hasFound = false, false
		return l.within(&s.ctx, s.p.cfg.BackendTimeout, func() error {
			id, err := l.readInsertID()
			if err == nil {
				s.mem.learnInsertID(id)
			}
			return err
		})
	}
	for i := range s.kept {
		if err := s.knowFrom(i); err != nil {
			return err
		}
	}
	if s.mem.unsure {
		s.mem.loseInsertID()
	}
	return nil
}

// knowFrom is knowInsertID of a link that the session has given back. The link stays the
// session's.
func (s *session) knowFrom(i int) error {
	k := s.kept[i]
	if k.will == nil || !s.mem.unsure {
		return nil
	}
	s.kept[i] = kept{}
	l := k.link
	if !l.pool.regain(l, k.held) {
		s.resting.CompareAndSwap(l, nil)
		return s.awaitWill(k.will)
	}
	err := l.tell(s.p.cfg.BackendTimeout)
	if err != nil {
		l.pool.discard(l) // which tells that it is lost
		return s.awaitWill(k.will)
	}
	s.kept[i] = kept{link: l, held: l.pool.giveBack(l)}
	return s.awaitWill(k.will)
}

// tell finds out, for the link's owner, what it alone knows.
func (l *link) tell(d time.Duration) error {
	if l.will == nil {
		return nil
	}
	l.until(time.Now().Add(d))
	id, err := l.readInsertID()
	if err == nil && len(l.own.Rest()) > 0 {
		err = fmt.Errorf("%w: more than one answer", wire.ErrMalformed)
	}
	if err != nil {
		return err
	}
	l.own.Shrink()
	l.until(time.Time{})
	l.will.insertID = id
	close(l.will.told)
	l.will = nil
	return nil
}

// awaitWill waits for what is found out on a link that somebody else has taken.
func (s *session) awaitWill(w *will) error {
	if w == nil || !s.mem.unsure {
		return nil
	}
	patience := time.NewTimer(s.p.cfg.BackendTimeout)
	defer patience.Stop()
	select {
	case <-patience.C: // as if the link was lost
		s.mem.loseInsertID()
		return nil
	case <-w.told:
		if w.lost {
			s.mem.loseInsertID()
			return nil
		}
		s.mem.learnInsertID(w.insertID)
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// setInsertID sets what LAST_INSERT_ID() gives (MySQL manual, "Server system
// variables", last_insert_id).
func (l *link) setInsertID(id uint64) error {
	if err := l.own.Send(wire.Query(fmt.Sprintf("SET SESSION last_insert_id=%d", id))); err != nil {
		return err
	}
	if _, _, err := l.own.Result(l.caps, setupBudget); err != nil {
		return fmt.Errorf("restore the session's LAST_INSERT_ID(): %w", err)
	}
	l.at.insertID, l.at.unsure, l.owes = id, false, false
	return nil
}

// readInsertID asks what LAST_INSERT_ID() gives.
func (l *link) readInsertID() (id uint64, err error) {
	if err := l.own.Send(wire.Query("SELECT LAST_INSERT_ID()")); err != nil {
		return 0, err
	}
	row, _, err := l.own.Result(l.caps, setupBudget)
	if err != nil || len(row) != 1 {
		return 0, fmt.Errorf("read the session's LAST_INSERT_ID(): %v: %w", row, err)
	}
	if _, err := fmt.Sscan(row[0], &id); err != nil {
		return 0, fmt.Errorf("read the session's LAST_INSERT_ID(): %w", err)
	}
	l.at.insertID, l.at.unsure = id, false
	return id, nil
}

// carriesSQL tells the commands that run statements.
func carriesSQL(code wire.Command) bool {
	return code == wire.ComQuery || code == wire.ComStmtExecute || code == wire.ComStmtBulkExecute
}

// indifferent reports whether a statement is the same whatever LAST_INSERT_ID() gives.
func indifferent(plan *balancer.Plan) bool {
	const reads = 1<<balancer.EffectLastInsertID | 1<<balancer.EffectSetsLastInsertID | 1<<balancer.EffectRoutine | 1<<balancer.EffectUnknown | 1<<balancer.EffectBatch
	return plan != nil && len(plan.Statements) == 1 && plan.Statements[0].Verb == balancer.VerbRead && !plan.Effects.HasAny(reads)
}

// setInsertIDs are the effects of statements that set what LAST_INSERT_ID() gives, or may,
// without a word of it in an OK packet.
const setInsertIDs = 1<<balancer.EffectSetsLastInsertID | 1<<balancer.EffectPseudoVariable | 1<<balancer.EffectRoutine | 1<<balancer.EffectUnknown | 1<<balancer.EffectBatch

// settleDebt makes LAST_INSERT_ID() give what it has to, for a statement to which that
// may matter.
func (s *session) settleDebt(c command) error {
	if !carriesSQL(c.code) {
		return nil
	}
	if indifferent(s.plan) {
		return nil
	}
	if s.mem.idLost && s.mem.unsure && s.asksInsertID() || s.link.owes && s.mem.unsure {
		if err := s.knowInsertID(); err != nil {
			return err
		}
	}
	if !s.link.owes {
		return nil
	}
	s.mem.hasLast = false
	return s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() error { return s.link.setInsertID(s.mem.insertID) })
}

// mayHaveSetID notes that a statement was answered which may have set what LAST_INSERT_ID()
// gives: from here on the link knows.
func (s *session) mayHaveSetID() {
	if carriesSQL(s.code) && !indifferent(s.plan) && !s.link.owes && (s.plan == nil || s.plan.Effects.HasAny(setInsertIDs)) {
		s.mem.unsure, s.link.at.unsure = true, true
	}
}

// asksInsertID reports whether the statement under way asks for LAST_INSERT_ID() by name.
func (s *session) asksInsertID() bool {
	return s.plan != nil && s.plan.Effects.Has(balancer.EffectLastInsertID)
}

// unknownInsertID is what a client is told that asks for what was lost.
func (s *session) unknownInsertID(c command) *wire.Error {
	if !s.mem.idLost || s.mem.unsure || !carriesSQL(c.code) || !s.asksInsertID() {
		return nil
	}
	return wire.NewError(wire.Unspecified, "sqlring: LAST_INSERT_ID() of this session was lost with its connection to the member, and the last statement's answer does not tell it surely; "+
		"this was not run. The next INSERT that makes a value sets it anew")
}
