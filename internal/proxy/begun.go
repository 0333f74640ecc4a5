package proxy

import (
	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A transaction begins where the default schema's unit is. What it is about is known by its
// first statement that touches anything: if that is of another owner's unit, the transaction,
// which is empty, is undone where it was begun and begun anew there (docs/adr/0055). The client
// notices nothing; what has read or written anything, has a savepoint or a snapshot stays.

// isPlainBegin reports whether a statement begins a transaction and does nothing else: there
// is no snapshot in it that another one would not have.
func isPlainBegin(p *balancer.Plan) bool {
	return p != nil && p.Effects.Has(balancer.EffectTransaction) && len(p.Statements) == 1 && p.Statements[0].Verb == balancer.VerbBegin && !p.Effects.Has(balancer.EffectSnapshot)
}

// leavesEmpty reports whether a transaction in which a statement was run is as empty as before.
func leavesEmpty(p *balancer.Plan) bool {
	const free = aboutLast | 1<<balancer.EffectSystemVariable | 1<<balancer.EffectCharset | 1<<balancer.EffectSQLMode | 1<<balancer.EffectSchema |
		1<<balancer.EffectLastInsertID | 1<<balancer.EffectConnectionID | 1<<balancer.EffectReadsUserVariable
	if p == nil || len(p.Statements) != 1 || len(p.Statements[0].Tables) > 0 || p.Effects&^free != 0 {
		return false
	}
	switch p.Statements[0].Verb {
	case balancer.VerbRead, balancer.VerbSet, balancer.VerbDiagnostic, balancer.VerbUse:
		return true
	default:
		return false
	}
}

// empty reports whether the open transaction can be begun anew on another link: it has only
// begun, and nothing else keeps the session where it is.
func (s *session) empty() bool {
	m := &s.mem
	return m.empty && m.inTransaction() && s.link != nil && !s.link.cutOff.Load() && !s.link.reading.Load() && !s.link.confined &&
		m.pins == 0 && m.luggage == nil && m.statements.asking == 0 && m.sticks() == balancer.StickNone
}

// beginsElsewhere reports whether the open transaction is empty, and begins at the owner of other
// units than those by which it was begun, whose owner is what it was.
func (s *session) beginsElsewhere(view *balancer.View, units []topology.UnitID) bool {
	if !s.mem.empty || !s.empty() {
		return false
	}
	was := []topology.UnitID{s.link.route.Unit}
	return view.Apart(union(was, units)) != nil && ownsAll(view, s.link.route.Member, was)
}

// unbegin undoes the open transaction, which is empty, and has it begun on the next link. If
// that fails all is as it was: the transaction is lost with its link.
func (s *session) unbegin() {
	err := s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() error {
		if err := s.link.own.Send(wire.Query("ROLLBACK AND NO CHAIN NO RELEASE")); err != nil { // whatever completion_type is
			return err
		}
		_, _, err := s.link.own.Result(s.link.caps, setupBudget)
		return err
	})
	if err != nil {
		s.p.log.Debug("transaction stays where it was begun", "session", s.id, "member", string(s.link.route.Member.ID), "error", err)
		s.link.cut()
		return
	}
	set := "START TRANSACTION READ WRITE"
	if s.mem.status.Has(wire.StatusReadOnlyTransaction) {
		set = "START TRANSACTION READ ONLY"
	}
	s.mem.luggage = &luggage{set: set, begins: true}
	s.mem.status &^= wire.StatusInTransaction | wire.StatusReadOnlyTransaction
	s.leaveGate() // it waits at the other one's as anybody does who begins
}

// begunAnew is called when the transaction was begun anew, by an answer of that status.
func (m *memory) begunAnew(status wire.Status) {
	m.status |= status & (wire.StatusInTransaction | wire.StatusReadOnlyTransaction)
	m.empty = true
}

// unbegun is what a client is told whose transaction was undone and could not be begun anew, for
// a reason.
func (s *session) unbegun(why string) *wire.Error {
	s.mem.luggage = nil
	return wire.NewError(wire.TransactionLost, "%s; the transaction, in which nothing was done yet, is undone: try restarting transaction", why)
}
