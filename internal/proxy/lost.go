package proxy

import (
	"errors"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// loss is the situation in which a link was lost.
type loss struct {
	delivered   bool // some of the response has reached the client
	complete    bool // all of the command may have reached the member
	statement   bool // the command can change data or end a transaction
	transaction bool // one was open
	kind        balancer.Kind
	repeatable  bool // it surely leaves nothing behind but in its session
	movable     bool // its bytes are still there, and the session can go on without its link
}

// fate is what the client gets for the command that was under way.
type fate uint8

const (
	fateClose     fate = iota // its connection breaks, as if the server had died
	fateAgain                 // the transaction is undone: 40001, run it again
	fateUnknown               // nobody here knows whether it was done: 08007
	fateNothing               // it was not done, or there is nothing to do: 08S01
	fateElsewhere             // the same, and it is run on another link; the client feels a pause
)

// String returns the fate as it stands in logs.
func (f fate) String() string {
	switch f {
	case fateClose:
		return "close"
	case fateAgain:
		return "transaction undone"
	case fateUnknown:
		return "outcome unknown"
	case fateNothing:
		return "not run"
	case fateElsewhere:
		return "run elsewhere"
	}
	return "unknown"
}

// judge is the one place that decides what a lost link means. A member that has
// lost a session undoes its open transaction; a statement commits it only if it
// is one that may, and only what is surely not of that kind is told to be undone.
// (Tables without transactions are changed for good; the ring supports InnoDB.)
// What was surely not run, and what may be run twice, is run elsewhere.
func judge(l loss) fate {
	inside := l.kind == balancer.KindRead || l.kind == balancer.KindChange || l.kind == balancer.KindRollback
	switch {
	case l.delivered:
		return fateClose
	case l.transaction && (!l.complete || !l.statement || inside):
		return fateAgain
	case l.complete && l.statement && (l.transaction || !l.repeatable):
		return fateUnknown
	case l.movable:
		return fateElsewhere
	}
	return fateNothing
}

// changes reports whether a command can change data or end a transaction.
func changes(code wire.Command) bool {
	switch code {
	case wire.ComPing, wire.ComStatistics, wire.ComFieldList, wire.ComStmtPrepare, wire.ComStmtFetch,
		wire.ComInitDB, wire.ComSetOption, wire.ComStmtReset, wire.ComProcessInfo, wire.ComStmtClose,
		wire.ComStmtSendLongData, wire.ComDebug:
		return false
	}
	return true
}

// lost ends a run of the command c, whose link broke with cause or was cut. It
// returns nil if the session goes on without a link, and errElsewhere if the
// command is to be run again.
func (s *session) lost(c command, complete bool, cause error) error {
	if s.ctx.Err() != nil {
		return s.ctx.Err() // we broke it: the client has gone, or the proxy stops
	}
	if s.strikes.over() { // servers say nothing then (MariaDB 10.11, MySQL 9.7)
		return errKilled
	}
	s.takesBack()
	sticks := s.mem.sticks()
	f := judge(loss{
		delivered: s.delivered, complete: complete, statement: changes(c.code),
		transaction: s.mem.inTransaction(), kind: s.current.Kind, repeatable: s.repeatable(c, sticks),
		movable: s.held > 0 && sticks == balancer.StickNone && s.runs < maxRuns && c.code != wire.ComStmtClose,
	})
	member := s.link.route.Member.ID
	if complete {
		s.p.lease.doubt(s.aimed) // the member may still be at it
	}
	s.elsewhere = s.elsewhere || s.link.reading.Load() // not again
	if !s.link.cutOff.Load() {
		s.p.count.linksLost.Add(1)
		s.p.suspect(member)
	}
	s.p.log.Info("link lost", "session", s.id, "member", string(member), "epoch", s.link.route.Epoch,
		"client_gets", f.String(), "kind", s.current.Kind.String(), "cut", s.link.cutOff.Load(), "error", cause)
	s.dropLink()
	var told *wire.Error
	switch f {
	case fateClose:
		return memberError(member, cause)
	case fateElsewhere:
		return errElsewhere
	case fateAgain:
		told = undone(member)
	case fateUnknown:
		s.p.count.outcomeUnknown.Add(1)
		told = wire.NewError(wire.OutcomeUnknown, "sqlring: member %s was lost while it ran this; whether it was done is not known", member)
	case fateNothing:
		told = wire.NewError(wire.NetReadError, "sqlring: member %s was lost; this was not run", member)
	}
	if sticks != balancer.StickNone {
		told.Message += "; the session ends, since it had there what no other connection can be given: " + s.mem.holds()
	}
	return s.tellInstead(c, told, sticks != balancer.StickNone)
}

// repeatable reports whether the command under way may be run twice, outside of a
// transaction. A session that sticks may have one that nobody has told us of.
func (s *session) repeatable(c command, sticks balancer.Stick) bool {
	var text []byte
	switch {
	case c.code == wire.ComQuery && s.held > 0:
		text = c.payload()
	case c.code == wire.ComStmtExecute && s.target != nil && s.target.kept:
		text = []byte(s.target.text)
	default:
		return false
	}
	switch s.current.Kind {
	case balancer.KindRead, balancer.KindSet:
		return balancer.Repeatable(text, s.mem.noBackslash())
	case balancer.KindBegin, balancer.KindRollback:
		return sticks == balancer.StickNone
	case balancer.KindOther, balancer.KindChange, balancer.KindCommit, balancer.KindKill:
	}
	return false
}

// gone is what a client is told, in answer to its next command, whose session ends with its link.
func (s *session) gone() *wire.Error {
	return wire.NewError(wire.NetReadError, "sqlring: the connection to member %s was lost; this was not run; the session ends, since it had there what no other connection can be given: %s",
		s.was, s.mem.holds())
}

func undone[T ~string](member T) *wire.Error {
	return wire.NewError(wire.TransactionLost, "sqlring: member %s was lost and the transaction undone; try restarting transaction", member)
}

// lostIdle deals with a link that was lost while the client asked for nothing. If
// another connection can not stand in for it, the client's is closed, as it would
// be by the member itself; it is better told while it waits for nothing. An open
// transaction is left for its next command to fail.
func (s *session) lostIdle() error {
	if s.strikes.over() {
		return errKilled
	}
	s.p.count.linksLost.Add(1)
	s.p.log.Info("idle link lost", "session", s.id, "member", string(s.link.route.Member.ID),
		"transaction", s.mem.inTransaction(), "sticks_for", s.mem.sticks().String())
	s.p.suspect(s.link.route.Member.ID)
	l := s.link
	s.discard(l)
	_ = l.conn.Close()
	if s.mem.sticks() != balancer.StickNone && !s.mem.inTransaction() {
		return errLinkGone
	}
	return nil
}

// dropLink closes the link at once, and with it ends the transaction.
func (s *session) dropLink() {
	l := s.link
	s.discard(l)
	_ = l.conn.Close()
	s.mem.status &^= wire.StatusInTransaction
	s.out.drop()
}

// ready makes sure that the session has a link to the present owner before a
// command is passed. told is what the client gets instead, if it can not be.
func (s *session) ready() (told *wire.Error, err error) {
	if told := s.aim(s.p.view.Load()); told != nil {
		if !s.tied || !s.pack() {
			return told, nil
		}
		return s.ready()
	}
	if told, err = s.linked(); told == nil && err == nil && s.mem.luggage != nil {
		begins := s.mem.luggage.begins
		if err := s.unpack(); err != nil && begins {
			return s.unbegun("sqlring: " + err.Error()), nil
		} else if err != nil {
			return nil, s.tellLast(wire.NewError(wire.NetReadError, "sqlring: %v; this was not run", err))
		}
	}
	return told, err
}

// linked is ready for a command whose units are known.
func (s *session) linked() (told *wire.Error, err error) {
	if told := s.passLimits(); told != nil {
		return told, nil
	}
	if told := s.takeLane(); told != nil {
		return told, nil
	}
	if s.link == nil {
		if reading, told, err := s.returns(); reading || told != nil || err != nil {
			return told, err
		}
	} else if told := s.takePlace(s.link.route.Member, s.link.reading.Load()); told != nil {
		return told, nil
	}
	if tick := s.p.tick.Load(); s.link != nil && tick != s.lastTick {
		if s.lastTick = tick; s.link.stale() {
			if err := s.lostIdle(); errors.Is(err, errLinkGone) {
				return nil, s.tellLast(s.gone())
			} else if err != nil {
				return nil, err
			}
		}
	}
	if told := s.enter(); told != nil {
		return told, nil
	}
	view := s.seen // by which it entered
	if s.link == nil {
		return s.relocate()
	}
	if s.confirm(view) {
		return s.follow(), nil
	}
	route, _ := view.OwnerOf(s.unit)
	s.p.log.Info("session moves", "session", s.id, "from", string(s.was), "to", string(route.Member.ID), "epoch", route.Epoch)
	return s.relocate()
}

// returns takes one of the session's own links back, if it may: that on which its
// command is to be run. It reports true if that is all: the command is a read, and not
// the owner's.
func (s *session) returns() (reading bool, told *wire.Error, err error) {
	switch {
	case s.looksBack():
		err = s.regain("", false)
		return s.link != nil && s.link.reading.Load() && !s.link.stale(), nil, err
	case s.spreads() && s.readElsewhere():
		return true, nil, nil
	}
	if s.link != nil { // to another member than the one that is needed now
		s.dropLink()
	}
	route, _ := s.seen.OwnerOf(s.unit)
	if route.Member.ID == "" {
		return false, nil, nil
	}
	if told := s.takePlace(route.Member, false); told != nil {
		return false, told, nil
	}
	return false, nil, s.regain(route.Member.ID, false)
}

// confirm reports whether the session's link leads to the owner by this view, and
// takes over its epoch if it does.
func (s *session) confirm(view *balancer.View) bool {
	was := s.link.route
	if view == s.view && was.Unit == s.unit && s.aimed == restWork {
		return true
	}
	route, ok := view.OwnerOf(s.unit)
	if !ok || !ownsAll(view, was.Member, s.aimed.list()) || !same(was.Member, route.Member) || !s.counts(route.Member.Layout) || s.link.cutOff.Load() {
		return false
	}
	s.link.route.Unit, s.link.route.Epoch, s.view = s.unit, route.Epoch, view
	return true
}

// counts reports whether the session may go on with its link where the member's slot is
// now: that has not changed, or a resize has made it a part of what it was, and the
// session has something on the link that it would lose. The other way round it was one.
func (s *session) counts(slot autoinc.Layout) bool {
	was := s.link.route.Member.Layout
	return was == slot || !s.movable() && (slot.Within(was) || was.Within(slot))
}

// relocate opens a link in place of one that was lost or leads to a member that
// is no longer the owner. An open transaction is given up at once, whoever will
// own the unit.
func (s *session) relocate() (told *wire.Error, err error) {
	if s.link != nil && !s.link.cutOff.Load() && s.mem.holdsInsertID(s.link) && !s.mem.inTransaction() {
		_ = s.knowInsertID() // else it is lost with the link
	}
	if s.begins && s.empty() {
		s.unbegin()
	}
	s.pack()
	transaction, stuck := s.mem.inTransaction(), s.mem.sticks() != balancer.StickNone
	if s.link != nil && !transaction && !stuck {
		s.surrender() // others may have a use for it
	}
	if s.link != nil {
		s.dropLink()
	}
	switch {
	case transaction && stuck:
		return nil, s.tellLast(undone(s.was))
	case transaction:
		s.mem.status &^= wire.StatusInTransaction
		return undone(s.was), nil
	case stuck:
		return nil, s.tellLast(s.gone())
	}
	told, err = s.connect()
	if err != nil {
		s.p.log.Info("session could not be moved", "session", s.id, "error", err)
		return nil, s.tellLast(wire.NewError(wire.NetReadError, "sqlring: %v; this was not run", err))
	}
	if told == nil {
		told = s.follow()
	}
	if b := s.mem.luggage; told != nil && b != nil && b.begins {
		told = s.unbegun(told.Message)
	}
	return told, nil
}
