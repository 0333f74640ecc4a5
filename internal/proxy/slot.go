package proxy

import (
	"bytes"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// A client's own auto_increment slot could give out what another member gives out. What
// sets it is refused, or, where the node's file says so and it sets nothing else in its
// session, ignored: the member runs a statement in its place that does nothing but
// leave a warning, so that SHOW WARNINGS and the client's own ways to ask for one tell.

// reserved is the answer to a client that sets its own auto_increment slot.
func reserved() *wire.Error {
	return wire.NewError(wire.VariableReserved,
		"sqlring: auto_increment_increment and auto_increment_offset belong to the ring: each member has its own, so that no two give out the same value")
}

// ignored is what a member runs instead. 1231 is the number of the refusal.
const ignored = "SIGNAL SQLSTATE '01000' SET MYSQL_ERRNO=1231, " +
	"MESSAGE_TEXT='sqlring: ignored: auto_increment_increment and auto_increment_offset belong to the ring'"

// ignores has the statement of c replaced by one that warns, if it may be: it returns
// false if it is to be refused.
func (s *session) ignores(c command) bool {
	if !s.p.cfg.IgnoreSlot || c.code != wire.ComQuery || s.plan == nil || len(s.plan.Statements) != 1 || s.current.Stick == balancer.StickBatch {
		return false
	}
	const slot = 1 << balancer.EffectLayout
	if f := s.plan.Statements[0]; f.Verb != balancer.VerbSet || s.plan.Effects != slot || f.Effects != slot || len(f.Tables) > 0 {
		return false // it does something else, too
	}
	text := c.text()
	front := c.packet[wire.HeaderSize : len(c.packet)-len(text)]
	s.instead, _ = wire.AppendPacket(nil, 0, append(bytes.Clone(front), ignored...))
	s.current = balancer.Classify([]byte(ignored), true)
	s.plan, _, _ = s.p.reader.plan([]byte(ignored), s.mem.dialect(s.p.version()))
	return true
}
