package proxy

import (
	"bytes"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// showThreads has the result of the command under way speak of sessions by the ids
// that their clients were greeted with, where it speaks of connections: in its first
// column, or in those that come from a table of them.
func (s *session) showThreads(which balancer.Threads, prepared bool) {
	if which == balancer.ThreadsNone && !s.current.Listed {
		return
	}
	pick, to := wire.First, s.greeted()
	switch {
	case s.current.Listed:
		pick = func(c wire.Column) bool {
			return which == balancer.ThreadsOwn && c.At == 0 || balancer.IsThreadColumn(c.Table, c.Name, c.Called)
		}
	case which == balancer.ThreadsOwn:
		to = func(thread uint64) uint64 {
			if l := s.link; l != nil && thread == uint64(l.thread) {
				return uint64(s.id)
			}
			return thread
		}
	}
	s.renumber = &wire.Renumber{}
	s.renumber.Begin(prepared, s.caps, pick, to)
}

// greeted returns a function from connection ids at the member that the session's link
// leads to, when it is first asked, to ids of sessions. Others' connections stay as
// they are.
func (s *session) greeted() func(uint64) uint64 {
	var ids map[uint64]uint64
	return func(thread uint64) uint64 {
		if ids == nil {
			ids = s.p.greeted(s.link)
		}
		if id, ok := ids[thread]; ok {
			return id
		}
		return thread
	}
}

// greeted returns the ids of the sessions that have a connection to the member of l,
// by its id there.
func (p *Proxy) greeted(l *link) map[uint64]uint64 {
	ids := make(map[uint64]uint64)
	if l == nil {
		return ids
	}
	for _, s := range p.all() {
		if at := s.at(); at != nil && at.route.Member.Addr == l.route.Member.Addr {
			ids[uint64(at.thread)] = uint64(s.id)
		}
	}
	return ids
}

// thread returns the number that the session's member has for the session that was
// greeted with id.
func (s *session) thread(id uint64) (thread uint64, ok bool) {
	if id < firstThread || id > 1<<32-1 || s.link == nil {
		return 0, false
	}
	target := s.p.session(uint32(id))
	if target == nil {
		return 0, false
	}
	at := target.at()
	if at == nil || at.route.Member.Addr != s.link.route.Member.Addr {
		return 0, false
	}
	return uint64(at.thread), true
}

// translated returns a statement as the member of the session's link has to get it: a
// session is meant by its number there.
func (s *session) translated(text []byte) []byte {
	if other := balancer.Translate(text, s.dialect(), s.thread); other != nil {
		return other
	}
	return text
}

// dialect is what the session's SQL is written in.
func (s *session) dialect() balancer.Dialect {
	d := balancer.Dialect{
		Flavour: s.link.version.Flavour, Version: balancer.VersionOf(s.link.version),
		NoBackslashEscapes: s.mem.noBackslash(),
	}
	if d.Flavour == topology.FlavourUnknown {
		d.Flavour = topology.FlavourMariaDB
	}
	if name := s.mem.variables["character_set_client"]; name != "" {
		d.Charset = balancer.CharsetNamed(name)
	}
	return d
}

// translatedCommand is translated for a whole command.
func (s *session) translatedCommand(c command) []byte {
	text := c.text()
	other := s.translated(text)
	if bytes.Equal(text, other) || len(c.packet)+len(other) >= wire.MaxPayload {
		return c.packet
	}
	front := c.packet[wire.HeaderSize : len(c.packet)-len(text)]
	packet, _ := wire.AppendPacket(nil, 0, append(bytes.Clone(front), other...))
	return packet
}

// translatedExecution is translated for the parameters of an execution of p.
func (s *session) translatedExecution(packet []byte, p *prepared) []byte {
	packet = bytes.Clone(packet)
	payload := packet[wire.HeaderSize+1:]
	b := wire.ParseExecute(payload, p.parameters, s.caps)
	b.Renumber(payload, p.types, p.parameters, func(id uint64) uint64 {
		if thread, ok := s.thread(id); ok {
			return thread
		}
		return id
	})
	return packet
}
