package proxy

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// command is a client's command, or the beginning of a large one.
type command struct {
	code   wire.Command
	packet []byte // header included; valid until the session's buffer moves
	whole  bool   // packet is all of it
	before int    // bytes of the payload in front of a statement's text: its attributes
}

// payload is what stands behind the command's byte.
func (c command) payload() []byte { return c.packet[wire.HeaderSize+1:] }

// text is the statement, of a command that has one.
func (c command) text() []byte { return c.payload()[c.before:] }

// readCommand reads the command that b begins with. complete is false while it
// can be told apart better with more bytes. A packet that is not numbered as the
// first of an exchange is an error.
func readCommand(b []byte) (c command, complete bool, err error) {
	if len(b) < wire.HeaderSize {
		return command{packet: b}, false, nil
	}
	length, seq := wire.Header(b)
	switch {
	case seq != 0:
		return command{}, false, wire.ErrSequence
	case length == 0:
		return command{code: wire.ComSleep, packet: b[:wire.HeaderSize], whole: true}, true, nil
	case len(b) == wire.HeaderSize:
		return command{packet: b}, false, nil
	}
	c = command{code: wire.Command(b[wire.HeaderSize]), packet: b}
	if end := wire.HeaderSize + length; len(b) >= end && length < wire.MaxPayload {
		c.packet, c.whole = b[:end:end], true
	}
	return c, c.whole, nil
}

// execute does what the client asked for.
func (s *session) execute(c command) error {
	s.code, s.next, s.refused = c.code, 1, 0
	s.own, s.elsewhere, s.sees = own{}, false, s.consistency
	s.strikes.begin()
	switch c.code {
	case wire.ComQuit:
		return io.EOF
	case wire.ComChangeUser:
		return s.changeUser(c)
	case wire.ComStmtClose:
		return s.closeStatement(c)
	}
	if told := s.unavailable(c); told != nil {
		return s.refuse(c, told)
	}
	if told := s.understand(&c); told != nil {
		return s.refuse(c, told)
	}
	s.does(s.plan)
	if c.code == wire.ComQuery && c.whole {
		if known, err := s.forUs(c); known || err != nil {
			return err
		}
	}
	if known, err := s.killsOwn(c); known || err != nil {
		return err
	}
	if told := s.hazardOfText(c); told != nil {
		return s.refuse(c, told)
	}
	if told, err := s.ready(); told != nil || err != nil {
		if err != nil {
			return err
		}
		return s.refuse(c, told)
	}
	if s.link.confined {
		if told := s.beyondConfines(c); told != nil {
			return s.refuse(c, told)
		}
	}
	switch c.code {
	case wire.ComResetConnection:
		return s.reset(c)
	case wire.ComQuery, wire.ComStmtPrepare:
		return s.statement(c)
	case wire.ComProcessKill:
		if c.whole && len(c.payload()) == 4 {
			return s.kill(c, killing{id: binary.LittleEndian.Uint32(c.payload())})
		}
	case wire.ComProcessInfo:
		s.showThreads(balancer.ThreadsAll, false)
	case wire.ComStmtExecute, wire.ComStmtBulkExecute, wire.ComStmtFetch, wire.ComStmtReset, wire.ComStmtSendLongData:
		return s.useStatement(c)
	case wire.ComSetOption:
		option := string(c.payload())
		if err := s.pass(c); err != nil || !c.whole {
			return err
		}
		s.mem.option, s.mem.settled = option, false
		return nil
	}
	return s.pass(c)
}

// unavailable is the answer to a command that is not passed on; nil for the others.
func (s *session) unavailable(c command) *wire.Error {
	const resets = 0x40 | 0x80 // REFRESH_REPLICA, REFRESH_SOURCE: RESET REPLICA, RESET MASTER
	switch c.code {
	case wire.ComBinlogDump, wire.ComBinlogDumpGTID, wire.ComRegisterReplica, wire.ComTableDump:
		return wire.NewError(wire.CommandNotAvailable, "sqlring: replication (%s) does not go through the proxy; connect to a member", c.code)
	case wire.ComShutdown:
		return wire.NewError(wire.CommandNotAvailable, "sqlring: a member is not shut down through the proxy")
	case wire.ComRefresh:
		if p := c.payload(); len(p) > 0 && p[0]&resets != 0 {
			return wire.NewError(wire.CommandNotAvailable, "sqlring: a member's replication is not reset through the proxy")
		}
	case wire.ComStmtBulkExecute:
		if s.caps.Has(wire.BulkOperations) {
			return nil
		}
		return wire.NewError(wire.UnknownCommand, "Unknown command (%s)", c.code)
	}
	if c.code.Shape() == wire.ShapeUnknown {
		return wire.NewError(wire.UnknownCommand, "Unknown command (%s)", c.code)
	}
	return nil
}

// refuse answers a command without passing it on. One that is not there yet as a
// whole ends the session: its rest could be of any length.
func (s *session) refuse(c command, told *wire.Error) error {
	if !c.whole {
		err := s.tellLast(told)
		(&large{session: s, c: c}).linger(false)
		return err
	}
	silent := c.code.Shape() == wire.ShapeNone
	s.in.consume(len(c.packet))
	if silent { // the client does not wait for an answer and must not get one
		return s.unsent(c)
	}
	return s.tell(told)
}

// tellInstead gives the client an error for a command that was passed, or begun to
// be. The session ends with it if it can not go on without its link, and if the
// rest of the command can not be told from a new one.
func (s *session) tellInstead(c command, told *wire.Error, stuck bool) error {
	switch {
	case stuck || !c.whole:
		return s.tellLast(told)
	case c.code.Shape() == wire.ShapeNone:
		return s.unsent(c)
	}
	return s.tell(told)
}

// understand finds out what the command's text says, if it has one. It returns what the
// client is told if nobody can say.
func (s *session) understand(c *command) *wire.Error {
	switch c.code {
	case wire.ComQuery, wire.ComStmtPrepare:
	case wire.ComStmtExecute, wire.ComStmtBulkExecute, wire.ComStmtFetch, wire.ComStmtReset, wire.ComStmtSendLongData:
		if id, ok := statementID(*c); ok {
			s.meant = s.mem.statements.find(id)
		}
		if s.meant != nil && (c.code == wire.ComStmtExecute || c.code == wire.ComStmtBulkExecute) {
			s.plan, s.cursor = s.meant.plan, c.code == wire.ComStmtExecute && wire.AsksForCursor(c.payload())
			_ = s.hinted(s.meant.hint, nil)
			return s.attributed(*c)
		}
		return nil
	default:
		return nil
	}
	if c.code == wire.ComQuery && s.caps.Has(wire.QueryAttributes) {
		var ok bool
		if c.before, ok = wire.Attributes(c.payload()); !ok { // nobody can say where its text begins
			return wire.NewError(wire.MalformedPacket, "Malformed communication packet: query attributes (at most %d bytes of them pass)", bufferSize)
		}
	}
	s.before = c.before
	text := c.text()
	s.current = s.classify(text, c.whole)
	if !c.whole { // it goes to the owner, whatever it has to see
		s.readBeginning(text)
		return s.hinted(balancer.LeadingHint(text, s.mem.dialect(s.p.version())))
	}
	var hint balancer.Hint
	var err error
	s.plan, hint, err = s.p.reader.plan(text, s.mem.dialect(s.p.version()))
	if isCut(s.plan) {
		s.readBeginning(text)
	}
	if told := s.hinted(hint, err); told != nil {
		return told
	}
	return s.attributed(*c)
}

// classify returns what a text is, by its first words.
func (s *session) classify(text []byte, whole bool) balancer.Statement {
	is := balancer.Classify(text, whole)
	is.Listed = is.Listed || balancer.IsSystemSchema(s.mem.schema) && balancer.ListsThreads(text)
	return is
}

// statement passes a command that carries SQL.
func (s *session) statement(c command) error {
	text := c.text()
	if s.link.confined && (s.current.Stick == balancer.StickBatch || !c.whole) {
		return s.refuse(c, s.mustChangePassword())
	}
	if c.whole {
		if s.current.Mentions.Has(balancer.MentionsLayout) && s.scanner().Feed(text) {
			if !s.ignores(c) {
				return s.refuse(c, reserved())
			}
			s.mem.applies(s.current, s.plan, c.whole)
			s.own = s.ownOf([]byte(ignored), s.current)
			return s.pass(c)
		}
		if c.code == wire.ComQuery && s.current.Kind == balancer.KindKill {
			return s.killByText(c)
		}
	}
	if s.changesAccounts(text) {
		defer s.p.accountsChanged()
	}
	if s.plan != nil && s.plan.Effects.Has(balancer.EffectGlobalVariable) { // which new connections begin with
		defer s.p.generation.Add(1)
	}
	if s.plan != nil && s.plan.Effects.HasAny(aboutLast) {
		err := s.settleDebt(c)
		if err == nil {
			err = s.cleanse()
		}
		if err != nil {
			return s.lost(c, false, err)
		}
		var told *wire.Error
		if s.instead, told = s.recall(c); told != nil {
			return s.refuse(c, told)
		}
	}
	if c.code == wire.ComQuery {
		s.mem.applies(s.current, s.plan, c.whole || s.rows != nil)
		s.own = s.ownOf(text, s.current)
		s.showThreads(s.current.Threads, false)
		if s.current.Kind == balancer.KindRead && showsStatus(text) {
			s.showStatus(false)
		}
	} else {
		s.preparing, s.mem.last = text, 0
	}
	return s.pass(c)
}

// changesAccounts reports whether a statement may change who may log in, and as what.
func (s *session) changesAccounts(text []byte) bool {
	if s.current.Kind == balancer.KindRead || s.current.Kind == balancer.KindChange {
		return false
	}
	return s.plan != nil && s.plan.Effects.Has(balancer.EffectAccount) || balancer.ChangesAccounts(text)
}

// ObserveOK learns what a statement has changed, and keeps from the client what
// it has not asked for.
func (s *session) ObserveOK(ok *wire.OK) {
	was := s.mem.inTransaction()
	s.mem.status = ok.Status
	if s.code == wire.ComQuery || s.code == wire.ComStmtExecute || s.code == wire.ComStmtBulkExecute {
		s.mem.ended(ok, was, s.plan)
	}
	s.mayHaveSetID()
	if ok.InsertID != 0 && (s.code == wire.ComQuery || s.code == wire.ComStmtExecute || s.code == wire.ComStmtBulkExecute) {
		s.mem.insertID, s.mem.unsure, s.link.at.unsure = ok.InsertID, true, true
	}
	if len(ok.Changes) > 0 {
		known := s.mem.unnamed
		ok.Changes = s.mem.learn(ok, s.current, s.plan)
		if s.mem.unnamed && !known {
			s.countUnnamed()
		}
		if s.mem.charset && !s.mem.collated {
			s.mem.recollate(s.in.bytes()[:s.held])
		}
	}
	if s.target != nil {
		s.mem.statements.opens(s.target, ok.Status.Has(wire.StatusCursorExists) && !ok.Status.Has(wire.StatusLastRowSent))
	}
	if s.plan != nil && s.plan.Effects.HasAny(unreported) && carriesSQL(s.code) {
		s.setsUnreported(0)
	}
	s.own.ends(s.mem.variables["completion_type"])
	switch {
	case s.mem.wrote:
		s.mem.wrote = false
		s.acknowledge(s.mem.lastGTID)
	case s.link.confined && s.current.Kind != balancer.KindRead: // it may have changed its password; nobody has said by which GTID
		s.acknowledge(nil)
	case ok.Mute && s.writesMutely() && !ok.Status.Has(wire.StatusMoreResults) && !s.mem.inTransaction():
		if s.mem.askWritten = s.link.version.Flavour == topology.FlavourMariaDB; !s.mem.askWritten {
			s.acknowledge(nil)
		}
	}
}

// ObserveError counts.
func (s *session) ObserveError(number uint16) {
	s.refused = number
	s.mayHaveSetID()
	switch number {
	case lockWaitTimeout, deadlock:
		s.suspectHot()
	case parseError:
		s.unparse()
	}
	s.mem.asks, s.mem.hasLast, s.mem.hasWarnings, s.mem.rowCount = true, true, true, -1
	if s.plan != nil && s.plan.Effects.HasAny(unreported) && carriesSQL(s.code) {
		s.setsUnreported(number)
	}
	if s.mem.askStatus = s.leavesUnsure(number); s.mem.askStatus {
		s.mem.askWritten = s.mayHaveCommitted(number)
	}
	s.p.count.errors.Add(1)
}

// ObservePrepared remembers a prepared statement.
func (s *session) ObservePrepared(made *wire.Prepared) {
	p := &prepared{statement: s.current, plan: s.plan, hint: s.hint, parsed: s.mem.parsing(), schema: s.mem.schema, status: showsStatus(s.preparing), own: s.ownOf(s.preparing, s.current)}
	made.ID = s.mem.remember(*made, p, s.preparing)
	s.link.at.shelf.put(p)
}

// reset takes the session back to its beginning, at the member and here, and sets
// it up again before the client can use it. A fresh link is as good as one that
// was reset.
func (s *session) reset(c command) error {
	s.in.consume(len(c.packet))
	s.p.count.queries.Add(1)
	s.midway = true
	var payload []byte
	err := s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() (err error) {
		if payload, err = s.link.setup(true); err != nil {
			return err
		}
		s.mem.forget()
		s.mem.beginOn(s.link)
		s.mem.wasReset(s.link)
		s.mem.learnInsertID(0)
		return s.link.adopt(&s.mem)
	})
	var ok wire.OK
	switch {
	case err == nil:
		if err := wire.ParseOK(payload, &ok); err != nil {
			return fmt.Errorf("reset the session: %w", err)
		}
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case !unreachable(err):
		return s.tellLast(wire.NewError(wire.Unspecified, "sqlring: %v", memberError(s.link.route.Member.ID, err)))
	default:
		s.p.log.Info("link lost", "session", s.id, "member", string(s.link.route.Member.ID), "error", err)
		s.p.count.linksLost.Add(1)
		s.p.suspect(s.link.route.Member.ID)
		s.dropLink()
		s.mem.forget()
		if told, err := s.relocate(); told != nil || err != nil {
			if err != nil {
				return err
			}
			s.midway = false
			return s.tell(told)
		}
		ok.Status = s.mem.status
	}
	s.midway = false
	s.consistency, s.urgent = s.p.cfg.consistencyOf(s.as.login.User), urgent{}
	s.ObserveOK(&ok)
	packet, _ := wire.AppendPacket(nil, 1, ok.Append(nil, 0))
	return s.client.write(packet)
}
