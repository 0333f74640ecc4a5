package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// killing is a client's wish to end a connection, or what it runs.
type killing struct {
	id          uint32 // as the client has it
	query       bool   // only what runs
	front, back []byte // of a statement, around the id; nil for COM_PROCESS_KILL
}

// statement returns the command with the member's number.
func (k killing) statement(thread uint32) []byte {
	if k.front == nil {
		return binary.LittleEndian.AppendUint32([]byte{byte(wire.ComProcessKill)}, thread)
	}
	text := strconv.AppendUint(append([]byte{byte(wire.ComQuery)}, k.front...), uint64(thread), 10)
	return append(text, k.back...)
}

// What who kills his own connection is answered by MySQL, and by MariaDB.
const (
	interrupted      = 1317
	connectionKilled = 1927
)

// killByText reads a KILL. The client may name a session by the id that it was
// greeted with, by CONNECTION_ID(), by the number that the member has for it, or by a
// user variable that has one of those.
func (s *session) killByText(c command) error {
	text := bytes.Clone(c.text()) // its buffer is given back before it is sent on
	k, ok := balancer.ParseKill(text)
	if ok && k.Variable {
		var lost bool
		var err error
		if k.Thread, ok, lost, err = s.variable(c, text[k.Start:k.End]); lost || err != nil {
			return err
		}
	}
	switch {
	case !ok && k.Query:
		return s.refuse(c, unkillable())
	case !ok || k.Thread > 1<<32-1: // connections that break are told apart by those who lose them
		return s.pass(c)
	case k.Own:
		k.Thread = uint64(s.id)
	}
	return s.kill(c, killing{id: uint32(k.Thread), query: k.Query, front: text[:k.Start], back: text[k.End:]})
}

// variable reads a user variable that has a number, from the link of the session. ok is
// false for one that has none. lost says that the link was lost on it, and the client
// told.
func (s *session) variable(c command, name []byte) (n uint64, ok, lost bool, err error) {
	s.delivered, s.midway, s.runs = false, true, maxRuns
	var row []string
	err = s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() (err error) {
		if err = s.link.own.Send(wire.Query("SELECT " + string(name))); err == nil {
			row, _, err = s.link.own.Result(s.link.caps, setupBudget)
		}
		return err
	})
	if refused := (*wire.Error)(nil); errors.As(err, &refused) {
		err = nil
	}
	if err != nil {
		s.in.consume(len(c.packet))
		return 0, false, true, s.lost(c, false, err)
	}
	s.midway = false
	if len(row) == 1 {
		n, err = strconv.ParseUint(row[0], 10, 64)
	}
	return n, len(row) == 1 && err == nil, false, nil
}

// unkillable is the answer to a KILL QUERY of nobody knows whom: it might be of a
// session that commits.
func unkillable() *wire.Error {
	return wire.NewError(wire.CommandNotAvailable,
		"sqlring: KILL QUERY by user, by query id or of a computed number does not go through the proxy; give the connection id as a number, or in a user variable")
}

// waitsHere reports whether what the session was at in a phase is not at a member: it waits,
// or is on its way there.
func (s *session) waitsHere(phase uint32) bool {
	return phase&1 == 1 && s.phase.Load() == phase && (s.waits.Load() != nil || s.atMember.Load() == nil)
}

// killsOwn answers a KILL of a session of the same account, which that may kill, if it has
// nothing at a member that could be ended there. So it comes at once also where who kills
// would have to wait himself, for a connection or an owner.
func (s *session) killsOwn(c command) (known bool, err error) {
	var id uint32
	var query bool
	switch {
	case c.code == wire.ComProcessKill && c.whole && len(c.payload()) == 4:
		id = binary.LittleEndian.Uint32(c.payload())
	case c.code == wire.ComQuery && c.whole && s.current.Kind == balancer.KindKill:
		k, ok := balancer.ParseKill(c.text())
		if !ok || k.Own || k.Variable || k.Asked || k.Thread > 1<<32-1 {
			return false, nil
		}
		id, query = uint32(k.Thread), k.Query
	default:
		return false, nil
	}
	target := s.p.session(id)
	if target == nil || target == s {
		return false, nil
	}
	phase, as := target.phase.Load(), target.known.Load()
	if as == nil || as.login.User != s.as.login.User || as.secret != s.as.secret || !target.waitsHere(phase) {
		return false, nil
	}
	if query {
		landed, ok := target.strikes.strike(&s.ctx)
		if !ok {
			return false, s.ctx.Err()
		}
		waits := target.waitsHere(phase)
		if landed(waits); !waits {
			return false, nil
		}
	} else {
		target.interrupt()
	}
	s.in.consume(len(c.packet))
	s.p.count.queries.Add(1)
	return true, s.done()
}

// killPrepared executes a KILL that was prepared. known is false if it can not be
// read: then it is the member's.
func (s *session) killPrepared(c command, p *prepared) (known bool, err error) {
	text := []byte(p.text)
	k, ok := balancer.ParseKill(text)
	switch {
	case !ok && k.Query || !p.kept || !c.whole:
		return true, s.refuse(c, unkillable())
	case !ok:
		return false, nil
	case k.Own:
		k.Thread = uint64(s.id)
	case k.Variable:
		var lost bool
		if k.Thread, ok, lost, err = s.variable(c, text[k.Start:k.End]); lost || err != nil {
			return true, err
		}
		switch {
		case !ok && k.Query:
			return true, s.refuse(c, unkillable())
		case !ok:
			return false, nil
		}
	case k.Asked:
		b := wire.ParseExecute(c.payload(), p.parameters, s.caps)
		if k.Thread, ok = b.Number(c.payload(), p.types); !ok {
			return true, s.refuse(c, unkillable())
		}
	}
	if k.Thread > 1<<32-1 {
		return false, nil
	}
	return true, s.kill(c, killing{id: uint32(k.Thread), query: k.Query, front: text[:k.Start], back: text[k.End:]})
}

// kill has the member kill a session, by the number that the member knows: whether
// the client may is for the member to say. A KILL QUERY of a session that commits is
// answered, and not passed on: it could not take the commit back, and might make the
// member answer before its replica has the commit (strikes.go).
func (s *session) kill(c command, k killing) (err error) {
	target, thread := s.p.victim(k.id, s.link)
	s.in.consume(len(c.packet))
	s.p.count.queries.Add(1)
	if target != nil && (k.query || target != s) {
		announce := target.strikes.end
		if k.query {
			announce = target.strikes.strike
		}
		landed, ok := announce(&s.ctx)
		if !ok {
			if s.ctx.Err() != nil {
				return s.ctx.Err()
			}
			s.p.log.Info("KILL QUERY of a session that commits was not passed on", "session", s.id, "target", target.id)
			return s.done()
		}
		defer func() { landed(err == nil && s.refused == 0) }()
		idle := target.atMember.Load() == nil // it can not give its link to others from here on
		if idle {
			other, done, denied := s.standIn(target)
			if denied != nil {
				return s.tell(wire.NewError(wire.Unspecified, "sqlring: session %d is idle, and whether it may be killed could not be found out: %v", target.id, denied))
			}
			defer func() { done(err == nil && s.refused == 0) }()
			thread = other.thread
		}
	}
	statement := k.statement(thread)
	if thread != k.id {
		s.renumber = &wire.Renumber{}
		s.renumber.BeginKill(thread, k.id)
	}
	err = s.killAtMember(c, statement)
	if err == nil && target == s && !k.query && (s.refused == 0 || s.refused == interrupted || s.refused == connectionKilled) {
		return errKilled // servers answer that with the error of a statement that was killed
	}
	if err != nil || s.refused != 0 || target == nil || k.query {
		return err
	}
	target.interrupt()
	return nil
}

// standIn returns a link of a session that has none at the moment, for the member to
// say whether the client may kill it: the one that it has given back last, or a fresh
// one of its account. done is to be called behind the KILL.
func (s *session) standIn(target *session) (l *link, done func(killed bool), err error) {
	if l := target.resting.Load(); l != nil && l.route.Member.Addr == s.link.route.Member.Addr {
		held, ok := l.seize()
		if ok && l.owner != target { // it was taken, and given back, in this moment
			l.put(held)
			ok = false
		}
		if ok {
			return l, func(killed bool) {
				if !killed && l.tell(s.p.cfg.BackendTimeout) != nil {
					killed = true // it is gone anyway
				}
				l.disown()
				if killed {
					l.pool.lost(l)
					_ = l.conn.Close()
					return
				}
				l.free()
			}, nil
		}
	}
	as := target.known.Load()
	if as == nil {
		return nil, nil, errLinkGone
	}
	if l, err = s.p.dial(&s.ctx, s.link.route, *as, ""); err != nil {
		return nil, nil, err
	}
	return l, func(bool) { l.close() }, nil
}

// done answers a command with an OK of our own.
func (s *session) done() error {
	ok := wire.OK{Status: s.mem.status}
	packet, _ := wire.AppendPacket(nil, 1, ok.Append(nil, 0))
	return s.client.write(packet)
}

// killAtMember sends a KILL. It is never sent again: no other member knows the
// thread.
func (s *session) killAtMember(c command, statement []byte) error {
	c.code = wire.Command(statement[0])
	c.packet, s.held, s.target = s.framed(statement), 0, nil
	s.delivered, s.midway, s.runs = false, true, maxRuns
	s.response.Begin(c.code, s.caps, s)
	s.link.begin()
	sent, err := s.link.stream.exchange(c.packet, &s.out)
	if err != nil {
		err = s.lost(c, sent, err)
	} else {
		err = s.answer(c)
	}
	s.midway = err != nil
	return err
}

// framed returns a command of our own as a packet of the session's link.
func (s *session) framed(command []byte) []byte {
	if s.caps.Has(wire.QueryAttributes) {
		command = wire.WithoutAttributes(command)
	}
	packet, _ := wire.AppendPacket(nil, 0, command)
	return packet
}

// victim returns the session that a client means by id, be it the session's own or
// the number that the member of l has for it, and the latter. It returns nil and id
// if that is none of ours there: the member knows it, or says that it does not.
func (p *Proxy) victim(id uint32, l *link) (*session, uint32) {
	if target := p.session(id); target != nil {
		if at := target.at(); at != nil && at.route.Member.Addr == l.route.Member.Addr {
			return target, at.thread
		}
		return target, id
	}
	for _, target := range p.all() {
		if at := target.at(); at != nil && at.thread == id && at.route.Member.Addr == l.route.Member.Addr {
			return target, id
		}
	}
	return nil, id
}

// killStatement stops what runs on a link whose client has gone. Closing the
// connection would not: a server notices only when it has something to send.
//
// It kills the whole connection: that never makes a commit that waits for its
// replica answer OK to anybody.
func (p *Proxy) killStatement(l *link, as caller) {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.BackendTimeout)
	defer cancel()
	_ = l.conn.SetDeadline(time.Unix(1, 0))
	other, err := p.dial(ctx, l.route, as, "")
	if err != nil {
		p.log.Warn("statement of a client that has gone could not be stopped",
			"member", string(l.route.Member.ID), "thread", l.thread, "error", err)
		return
	}
	defer other.close()
	err = other.within(ctx, p.cfg.BackendTimeout, func() error {
		if err := other.own.Send(wire.Query("KILL " + strconv.FormatUint(uint64(l.thread), 10))); err != nil {
			return err
		}
		_, _, err := other.own.Result(other.caps, setupBudget)
		return err
	})
	p.log.Debug("statement of a client that has gone was stopped",
		"member", string(l.route.Member.ID), "thread", l.thread, "error", err)
}
