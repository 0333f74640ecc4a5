package proxy

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// command is a client's command, or the beginning of a large one.
type command struct {
	code   wire.Command
	packet []byte // header included; valid until the session's buffer moves
	whole  bool   // packet is all of it
}

// payload is what stands behind the command's byte.
func (c command) payload() []byte { return c.packet[wire.HeaderSize+1:] }

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
	s.current = balancer.Statement{}
	switch c.code {
	case wire.ComQuit:
		return io.EOF
	case wire.ComChangeUser:
		return s.changeUser(c)
	}
	if c.code.Shape() == wire.ShapeUnknown {
		return s.refuse(c, unavailable(c.code))
	}
	if told, err := s.ready(); told != nil || err != nil {
		if err != nil {
			return err
		}
		return s.refuse(c, told)
	}
	switch c.code {
	case wire.ComResetConnection:
		return s.reset(c)
	case wire.ComQuery, wire.ComStmtPrepare:
		return s.statement(c)
	case wire.ComProcessKill:
		if c.whole && len(c.payload()) == 4 {
			thread := s.p.threadAtMember(binary.LittleEndian.Uint32(c.payload()), s.link)
			binary.LittleEndian.PutUint32(c.payload(), thread)
		}
	case wire.ComStmtExecute, wire.ComStmtFetch:
		s.current = s.mem.prepared[statementID(c)]
	case wire.ComStmtClose:
		delete(s.mem.prepared, statementID(c))
	}
	return s.pass(c)
}

// statementID returns the id of a prepared statement that a command begins with.
func statementID(c command) uint32 {
	if p := c.payload(); len(p) >= 4 {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

// unavailable is the answer to a command that is not passed on.
func unavailable(code wire.Command) *wire.Error {
	switch code {
	case wire.ComBinlogDump, wire.ComBinlogDumpGTID, wire.ComRegisterReplica, wire.ComTableDump:
		return wire.NewError(wire.CommandNotAvailable, "sqlring: replication (%s) does not go through the proxy; connect to a member", code)
	case wire.ComShutdown:
		return wire.NewError(wire.CommandNotAvailable, "sqlring: a member is not shut down through the proxy")
	}
	return wire.NewError(wire.UnknownCommand, "Unknown command (%s)", code)
}

// refuse answers a command without passing it on. One that is not there yet as a
// whole ends the session: its rest could be of any length.
func (s *session) refuse(c command, told *wire.Error) error {
	if !c.whole {
		return s.tellLast(told)
	}
	silent := c.code.Shape() == wire.ShapeNone
	s.in.consume(len(c.packet))
	if silent { // the client does not wait for an answer and must not get one
		return nil
	}
	return s.tell(told)
}

// statement passes a command that carries SQL.
func (s *session) statement(c command) error {
	text := c.payload()
	s.current = balancer.Classify(text, c.whole)
	if c.whole {
		if s.current.Mentions.Has(balancer.MentionsLayout) && s.scanner().Feed(text) {
			return s.refuse(c, reserved())
		}
		if c.code == wire.ComQuery && s.current.Kind == balancer.KindKill {
			return s.killByText(c)
		}
	}
	if c.code == wire.ComQuery {
		s.mem.stickTo(s.current.Stick)
	}
	return s.pass(c)
}

// scanner returns a scanner for this session's SQL.
func (s *session) scanner() *balancer.Scanner {
	return &balancer.Scanner{NoBackslashEscapes: s.mem.status.Has(wire.StatusNoBackslashEscapes)}
}

// reserved is the answer to a client that sets its own auto_increment slot.
func reserved() *wire.Error {
	return wire.NewError(wire.VariableReserved,
		"sqlring: auto_increment_increment and auto_increment_offset belong to the ring: each member has its own, so that no two give out the same value")
}

// ObserveOK learns what a statement has changed, and keeps from the client what
// it has not asked for.
func (s *session) ObserveOK(ok *wire.OK) {
	s.mem.status = ok.Status
	if len(ok.Changes) > 0 {
		ok.Changes = s.mem.learn(ok, s.current)
	}
}

// ObserveError counts.
func (s *session) ObserveError(uint16) { s.p.count.errors.Add(1) }

// ObservePrepared remembers what a prepared statement will do when it is
// executed.
func (s *session) ObservePrepared(id uint32) {
	if s.mem.prepared == nil {
		s.mem.prepared = make(map[uint32]balancer.Statement)
	}
	s.mem.prepared[id] = s.current
}

// reset takes the session back to its beginning, at the member and here, and sets
// it up again before the client can use it.
func (s *session) reset(c command) error {
	s.in.consume(len(c.packet))
	s.p.count.queries.Add(1)
	s.midway = true
	var payload []byte
	err := s.link.within(s.ctx, s.p.cfg.BackendTimeout, func() (err error) {
		payload, err = s.link.setup(&s.mem, true)
		return err
	})
	if err != nil {
		return s.tellLast(wire.NewError(wire.Unspecified, "sqlring: %v", memberError(s.link.route.Member.ID, err)))
	}
	s.midway = false
	var ok wire.OK
	if err := wire.ParseOK(payload, &ok); err != nil {
		return fmt.Errorf("reset the session: %w", err)
	}
	s.ObserveOK(&ok)
	packet, _ := wire.AppendPacket(nil, 1, ok.Append(nil, payload[0]))
	return s.client.write(packet)
}
