package proxy

import (
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A session gives its link back as soon as a response has ended, before the last piece
// of it is on its way to the client, unless it has something there that can not be had
// on another link: an open transaction, locks, temporary tables and the like. At its
// next command it takes the link back, or another one that is made to be at the same
// (adopt.go).

// kept is the link that a session has given back, and may regain.
type kept struct {
	link *link
	held uint64
	will *will // nil: nothing is to be told by who takes it
}

// will is what who takes a link finds out there for its owner, who alone needs it, and
// only if he has lost the link.
type will struct {
	told     chan struct{} // closed when the rest is set
	insertID uint64
	lost     bool // the link was closed instead
}

// disputed reports, to who has seized the link, that a KILL of what its owner ran may
// be on its way there: it would hit whoever comes next.
func (l *link) disputed() bool {
	return l.owner != nil && (l.owner.strikes.coming.Load() > 0 || l.owner.strikes.ending.Load() > 0)
}

// doomed reports, to who has seized the link, that it was cut, or may be cut at any
// moment by somebody who means its owner.
func (l *link) doomed() bool {
	return l.cutOff.Load() || l.owner != nil && l.owner.interrupted.Load()
}

// reservedTicks is how many ticks a link is kept for its owner whose last statement has
// left something that he may want to ask for: warnings, an error.
const reservedTicks = 4

// reserve keeps the link for its owner, for a while, or no longer.
func (l *link) reserve(asks bool, tick uint32) {
	switch {
	case asks:
		l.reserved.Store(tick + reservedTicks)
	case l.reserved.Load() != 0:
		l.reserved.Store(0)
	}
}

// isReserved reports whether the link is kept for its owner.
func (l *link) isReserved(tick uint32) bool {
	until := l.reserved.Load()
	return until != 0 && int32(until-tick) > 0
}

// outlived reports whether the link is so old that a fresh one is to take its place.
func (l *link) outlived() bool {
	return l.cutOff.Load() || l.lifetime > 0 && time.Since(l.opened) > l.lifetime
}

// disown ends what the owner may expect of a link that is closed.
func (l *link) disown() {
	if l.will != nil {
		l.will.lost = true
		close(l.will.told)
		l.will = nil
	}
	if l.owner != nil {
		l.owner.resting.CompareAndSwap(l, nil)
		l.owner = nil
	}
}

// inherit makes s the owner of a link that it has taken from the pool. What the last
// one may want to know of it is found out for him.
func (l *link) inherit(s *session) error {
	if l.will != nil {
		id, err := l.readInsertID()
		if err != nil {
			return err
		}
		l.will.insertID = id
		close(l.will.told)
		l.will = nil
	}
	l.disown()
	l.owner = s
	return l.closeStatements(l.at.shelf.succeed())
}

// movable reports whether the session can go on with another link: nothing is left
// behind on this one that the session can not be given elsewhere.
func (s *session) movable() bool {
	return !s.mem.inTransaction() && s.mem.pins == 0 && s.mem.statements.asking == 0 && s.mem.sticks() == balancer.StickNone
}

// rest gives the link back, if the session can do without it until its next command.
func (s *session) rest() {
	l := s.link
	if l == nil || l.pool == nil || l.confined || s.mem.violated || s.mem.askCollation || s.mem.askValues || s.mem.shown || s.own.released || !s.movable() {
		return
	}
	if !s.lastWords(l) {
		return
	}
	s.link = nil
	l.describe(&s.mem)
	l.reserve(s.mem.asks || s.mem.calculates || s.asker, s.p.tick.Load())
	if s.mem.holdsInsertID(l) && l.will == nil {
		l.will = &will{told: make(chan struct{})}
	}
	s.latest = s.slot(l)
	if k := s.kept[s.latest]; k.link != nil && k.link.pool.regain(k.link, k.held) {
		k.link.free() // the session had it for the other one's purpose
	}
	will := l.will
	s.resting.Store(l)
	s.atMember.Store(nil)
	l.pool.active.Add(-1)
	l.noteUse(s)
	s.kept[s.latest] = kept{l, l.pool.giveBack(l), will}
	s.leavePlace()
}

// lastWords has what only a link knows said before nobody can ask it any more: the one that
// is to be closed when it is given back, and the one in whose place it is kept. It reports
// false if that has failed, and the session has no link then.
func (s *session) lastWords(l *link) bool {
	if l.outlived() && !l.cutOff.Load() && s.mem.holdsInsertID(l) {
		if s.knowInsertID() != nil {
			s.discard(l)
			_ = l.conn.Close()
			return false
		}
		l.will = nil
	}
	if k := &s.kept[s.slot(l)]; k.will != nil && k.link != l && !s.mem.holdsInsertID(l) {
		_ = s.knowFrom(int(s.slot(l))) // the session has ended, if that is an error
	}
	return true
}

// slot returns where a link is kept: one for reads at other members, one for all else.
func (s *session) slot(l *link) uint8 {
	if l.reading.Load() {
		return 1
	}
	return 0
}

// restEarly gives the link back when the response has ended, and its last piece is still
// to be written, unless something is left to be done on the link after that.
func (s *session) restEarly(c command) {
	if !c.whole || c.code != wire.ComQuery && c.code != wire.ComStmtExecute || s.target != nil && s.target.long ||
		s.current.Mentions.Has(balancer.MentionsTracking) || s.renumber != nil || len(c.packet) > bufferSize { // what is too large ends the link
		return
	}
	s.mem.once = balancer.StickNone
	if s.rest(); s.link == nil {
		s.midway = false
	}
}

// describe notes what the link is at when mem's session gives it back.
func (l *link) describe(mem *memory) {
	l.at.settings, l.at.schema = mem.settingsFor(l.reading.Load()), mem.schema
	if mem.hasWarnings {
		l.at.warned = mem.asks
	}
	if !l.owes && !mem.unsure {
		l.at.insertID, l.at.unsure = mem.insertID, false
	}
	if old := l.label.Load(); old == nil || old.schema != l.at.schema || old.settings != l.at.settings || !old.owned {
		l.label.Store(&label{l.at.schema, l.at.settings, true})
	}
}

// regain takes back the link to a member that the session has given back, of those for
// reads or of the others; the last one, whatever it is, if the member is "". If somebody
// else has it, what he has found out there is awaited.
func (s *session) regain(id topology.MemberID, reading bool) error {
	if s.link != nil {
		return nil
	}
	for i := range s.kept {
		k, latest := s.kept[i], i == int(s.latest)
		if k.link == nil || id == "" && !latest || id != "" && (k.link.route.Member.ID != id || k.link.reading.Load() != reading) {
			continue
		}
		s.kept[i] = kept{}
		switch regained := k.link.pool.regain(k.link, k.held); {
		case regained && s.churns(k.link):
			k.link.passOn()
		case regained:
			s.takeBack(k.link, latest)
			return nil
		}
		s.resting.CompareAndSwap(k.link, nil)
		return s.awaitWill(k.will)
	}
	return nil
}

// takeBack goes on with a link of the session's own. What the session has set since it had
// that link, on the other one, is set there too; if that fails the link is closed, and the
// session has none.
func (s *session) takeBack(l *link, latest bool) {
	s.link = l
	l.pool.active.Add(1)
	s.resting.CompareAndSwap(l, nil)
	s.atMember.Store(l)
	if s.interrupted.Load() {
		l.cut()
	}
	if latest {
		return
	}
	s.mem.statements.moved()
	s.mem.left()
	if err := s.levelWith(l); err != nil {
		s.p.log.Debug("link can not be had again", "session", s.id, "member", string(l.route.Member.ID), "error", err)
		s.discard(l)
		l.close()
	}
}

// levelWith makes a link that the session has had before the one that it had last one at
// which everything is as the session has left it there.
func (s *session) levelWith(l *link) error {
	s.mem.layout = l.slot
	same := l.at.settings == s.mem.settingsFor(l.reading.Load()) && l.at.schema == s.mem.schema
	switch holds := s.mem.holdsInsertID(l); {
	case same && holds:
		return nil
	case same:
		return l.adopt(&s.mem)
	case holds: // it may be reset
		if err := s.knowInsertID(); err != nil {
			return err
		}
	}
	return l.within(&s.ctx, s.p.cfg.BackendTimeout, func() error { return l.adopt(&s.mem) })
}

// abandon gives up the links that the session has given back: nobody comes back for
// them.
func (s *session) abandon() {
	for i := range s.kept {
		k := s.kept[i]
		s.kept[i] = kept{}
		if k.link != nil && k.link.pool.regain(k.link, k.held) {
			k.link.free()
		}
	}
	s.resting.Store(nil)
}

// free gives a link back that has no owner any more.
func (l *link) free() {
	l.will, l.owner = nil, nil
	l.reserve(false, 0)
	at := *l.label.Load()
	at.owned = false
	l.label.Store(&at)
	l.pool.giveBack(l)
}

// surrender gives up the link that the session has: for others, if they can use it.
func (s *session) surrender() {
	l := s.link
	switch {
	case l == nil:
	case l.pool == nil || l.confined || s.own.released || s.midway || s.mem.violated || l.cutOff.Load() || !s.movable():
		s.discard(l)
		l.close()
	default:
		s.setLink(nil)
		l.describe(&s.mem)
		l.pool.active.Add(-1)
		l.free()
	}
}

// discard forgets the link, which the caller closes.
func (s *session) discard(l *link) {
	if s.mem.holdsInsertID(l) {
		s.mem.loseInsertID()
	}
	s.setLink(nil)
	l.disown()
	if l.pool != nil {
		l.pool.active.Add(-1)
		l.pool.lost(l)
	}
}
