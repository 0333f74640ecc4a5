package proxy

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Reads that leave nothing behind are spread over the members that have what they have
// to see: by default, all that their account has written through this proxy. A member
// that may have it, and is not known to, is asked to wait for it for a moment, if the
// owner has more to do (await.go); else the read goes to the owner.
//
// A link for such reads is in read-only mode, so that a view or a function that writes
// can not write there, whatever its account may do; its read is run again at the owner.

// Picture is where the proxy learns which members reads may go to.
type Picture interface {
	// Reads returns the newest picture; nil if nothing is known.
	Reads() *balancer.Reads
}

// spreads reports whether the command under way may be run at any member that has the
// session's data. It is a read by its plan, by its first word, and of tables: what has
// none is as well answered where the session is. Rows that are fetched from a cursor later
// keep the session where that is, and what it writes meanwhile is for the owner.
func (s *session) spreads() bool {
	p := s.plan
	if s.p.cfg.Picture == nil || p == nil || s.elsewhere || s.cursor || s.sees == balancer.ConsistencyStrong || s.current.Listed ||
		s.code != wire.ComQuery && s.code != wire.ComStmtExecute {
		return false
	}
	if len(p.Statements) != 1 || !p.IsRead() || len(p.Statements[0].Tables) == 0 || !p.Statements[0].Complete {
		return false
	}
	return s.mem.status.Has(wire.StatusAutocommit) && !s.mem.inTransaction() && !balancer.IsSystemSchema(s.mem.schema) && !s.mem.seesUncommitted()
}

// seesUncommitted reports whether the session reads what others have not committed: that is
// at the owner alone.
func (m *memory) seesUncommitted() bool {
	const all = "READ-UNCOMMITTED"
	return len(m.variables) > 0 && (m.variables["tx_isolation"] == all || m.variables["transaction_isolation"] == all)
}

// looksBack reports whether the command asks for what the last one has left, and does
// nothing else: it goes where that was.
func (s *session) looksBack() bool {
	const free = aboutLast | 1<<balancer.EffectSystemVariable
	p := s.plan
	if p == nil || len(p.Statements) != 1 || !p.Effects.HasAny(aboutLast) || p.Effects&^free != 0 {
		return false
	}
	verb := p.Statements[0].Verb
	return (verb == balancer.VerbRead || verb == balancer.VerbDiagnostic) && len(p.Statements[0].Tables) == 0
}

// tokenOf returns what reads of the session have to see.
func (s *session) tokenOf() (topology.Position, bool) {
	t := s.account
	switch s.sees {
	case balancer.ConsistencyEventual:
		return nil, true
	case balancer.ConsistencySession:
		t = &s.written
	case balancer.ConsistencyAccount, balancer.ConsistencyStrong:
	}
	s.p.identify(t)
	return t.position()
}

// goesTo chooses the member for a read. ok is false if it goes where a write would.
// wait is what the member has to have, if it is not known to.
func (s *session) goesTo(view *balancer.View) (m balancer.Member, wait topology.Position, ok bool) {
	reads := s.p.cfg.Picture.Reads()
	need, known := s.tokenOf()
	if reads == nil || !known {
		return m, nil, false
	}
	owner, _ := view.OwnerOf(s.unit)
	if tick := s.p.tick.Load(); tick != s.drawn {
		s.drawn, s.draws = tick, [2]uint64{rand.Uint64(), rand.Uint64()}
	}
	ask := balancer.Ask{
		Consistency: s.sees, Token: need, Site: s.p.cfg.Site, Load: s.p.load, Draws: s.draws,
		Owner: owner.Member.ID, Now: time.Now(),
	}
	m, why, ok := reads.Choose(ask)
	if ahead := why == balancer.ReadOwnerAhead; ok && (ahead || why == balancer.ReadOwnerToken) {
		ask.Consistency = balancer.ConsistencyEventual
		if m, _, ok = reads.Choose(ask); ok && m.ID != owner.Member.ID {
			if wait = s.p.toAwait(reads, m.ID, need); wait != nil && (s.p.isBehind(m.ID) || ahead && !s.isCrowded(owner.Member.ID)) {
				return m, nil, false
			}
		}
	}
	if !ok || m.ID == owner.Member.ID {
		return m, nil, false
	}
	if now, there := memberOf(view, m.ID); !there || !same(now, m) {
		return m, nil, false
	}
	return m, wait, true
}

// beyond returns what of a position a member has to get from others.
func beyond(reads *balancer.Reads, id topology.MemberID, need topology.Position) topology.Position {
	if reads == nil {
		return need
	}
	for i := range reads.Members {
		if m := &reads.Members[i]; m.Member.ID == id && m.Domain != 0 {
			return need.Without(m.Domain)
		}
	}
	return need
}

// readElsewhere gives the session a link for a read, at a member that is not the owner.
// It reports false if there is none to be had now.
func (s *session) readElsewhere() bool {
	changed := s.p.changed()
	view := s.p.view.Load()
	m, wait, ok := s.goesTo(view)
	if !ok || s.account.refusedAt(m.ID, s.p.tick.Load()) {
		return false
	}
	if !s.triesPlace(m) {
		return false
	}
	if err := s.regain(m.ID, true); err != nil {
		return false
	}
	if s.link == nil {
		l, err := s.acquire(balancer.Route{Member: m}, changed, true)
		if err != nil {
			switch {
			case s.ctx.Err() != nil || errors.Is(err, errPoolFull) || errors.Is(err, errPoolClosed) || errors.Is(err, errStruck):
			case unreachable(err):
				s.p.suspect(m.ID)
			default: // it takes no more connections, too
				s.account.refusedBy(m.ID, s.p.tick.Load())
			}
			return false
		}
		s.view = view
		s.setLink(l)
	}
	if wait != nil { // it may have come while this waited for its place
		wait = s.p.toAwait(s.p.cfg.Picture.Reads(), m.ID, wait)
	}
	if now, there := memberOf(s.p.view.Load(), m.ID); there && same(now, m) && (wait == nil || s.awaits(m.ID, wait)) {
		s.p.count.spread.Add(1)
		return true
	}
	s.rest()
	return s.link != nil && s.drops()
}

// drops gives up a link that could not be given back.
func (s *session) drops() bool {
	s.dropLink()
	return false
}

// load is how many sessions use a member now.
func (p *Proxy) loadOf(id topology.MemberID) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pool := p.pools[id]; pool != nil {
		if g := p.gates[id]; g != nil {
			return int(pool.active.Load() + g.waiting.Load())
		}
		return int(pool.active.Load())
	}
	return 0
}

// refusesToWrite tells the errors of a member that was to read and would have had to
// write: it is read-only, or the link is.
func refusesToWrite(number uint16) bool {
	const readOnlyServer, readOnlyTransaction, readOnlyMode = 1290, 1792, 1836
	return number == readOnlyServer || number == readOnlyTransaction || number == readOnlyMode
}
