package proxy

import (
	"bytes"
	"fmt"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// A statement may ask for what the one before it has left on its connection: how many
// rows, which warnings. If the session has lost that connection to others meanwhile, it
// is answered from what the response has told; what it has not is refused by name. That
// is uncommon: a link is kept for its session while there is room for all, and beyond
// that for a second when there is something to ask for (park.go), or when somebody of
// the same account was seen to ask.

// aboutLast are the effects of statements that ask for what the last one has left.
const aboutLast = 1<<balancer.EffectRowCount | 1<<balancer.EffectFoundRows | 1<<balancer.EffectDiagnostics | 1<<balancer.EffectLastValue

// recall returns the command as it is to be sent on another link than the last one, nil
// for as it is, or what the client is told instead.
func (s *session) recall(c command) (packet []byte, told *wire.Error) {
	if !s.asker {
		s.asker = true
		s.p.askers.Store(s.as.login.User, true)
	}
	m, about := &s.mem, s.plan.Effects&aboutLast
	lost := wire.NewError(wire.Unspecified, "sqlring: %s: the connection of the last statement was given to another session; ask within a second, or in a transaction", about)
	if m.hasWarnings || !m.asks && !s.link.at.warned {
		about &^= 1 << balancer.EffectDiagnostics // they are there, or there are none, there as here
	}
	if m.hasLast {
		about &^= 1<<balancer.EffectRowCount | 1<<balancer.EffectLastValue
	}
	if m.sequenced {
		about &^= 1 << balancer.EffectLastValue // no question of ours changes it
	}
	if m.hasFound {
		about &^= 1 << balancer.EffectFoundRows
	}
	switch {
	case about == 0, c.code != wire.ComQuery: // a prepared one is executed later
		return nil, nil
	case about != 1<<balancer.EffectRowCount:
		return nil, lost
	}
	text := c.text()
	other := balancer.Recall(text, s.mem.dialect(s.p.version()), s.mem.rowCount)
	if other == nil || len(c.packet)+len(other) >= wire.MaxPayload {
		return nil, lost
	}
	front := c.packet[wire.HeaderSize : len(c.packet)-len(text)]
	packet, _ = wire.AppendPacket(nil, 0, append(bytes.Clone(front), other...))
	return packet, nil
}

// clearWarnings is a statement that leaves no warnings and nothing else: it has a table,
// without which MariaDB keeps those of the statement before, and reads none, which would be
// the transaction that a SET TRANSACTION is for.
const clearWarnings = "SELECT 1 FROM (SELECT 1) sqlring"

// cleanse takes the warnings of somebody else from the link, for a statement that asks
// for warnings of a session that has none.
func (s *session) cleanse() error {
	if !s.plan.Effects.Has(balancer.EffectDiagnostics) || s.mem.hasWarnings || s.mem.asks || !s.link.at.warned {
		return nil
	}
	s.mem.hasLast, s.mem.hasFound = false, false
	return s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() error {
		if err := s.link.own.Send(wire.Query(clearWarnings)); err != nil {
			return err
		}
		if _, _, err := s.link.own.Result(s.link.caps, setupBudget); err != nil {
			return fmt.Errorf("clear the connection's warnings: %w", err)
		}
		s.link.at.warned = false
		return nil
	})
}

// asks reports whether the statement asks for what the last one has left: its session
// keeps its link while it has such a statement prepared.
func (p *prepared) asks() bool { return p.plan == nil || p.plan.Effects.HasAny(aboutLast) }
