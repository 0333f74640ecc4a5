package proxy

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

func unknownStatement(format string, args ...any) *wire.Error {
	return wire.NewError(wire.UnknownStatement, "sqlring: unknown prepared statement: "+format, args...)
}

// fails keeps what a server says against the statement, and returns other errors.
func (p *prepared) fails(err error) error {
	if errors.As(err, &p.failed) {
		return nil
	}
	return err
}

// statementID returns the id of a prepared statement that a command begins with.
func statementID(c command) (id uint32, ok bool) {
	if p := c.payload(); len(p) >= 4 {
		return binary.LittleEndian.Uint32(p), true
	}
	return 0, false
}

// useStatement passes a command about a prepared statement.
func (s *session) useStatement(c command) error {
	id, ok := statementID(c)
	p := s.mem.statements.find(id)
	if !ok || p == nil {
		if ok && s.mem.statements.taken(id) {
			return s.refuse(c, unknownStatement("%d", id))
		}
		return s.pass(c) // for the member to refuse
	}
	if p.statement.Kind == balancer.KindKill && c.code == wire.ComStmtExecute {
		if known, err := s.killPrepared(c, p); known || err != nil {
			return err
		}
	}
	s.target, s.current = p, p.statement
	switch c.code {
	case wire.ComStmtBulkExecute: // says its types each time (MariaDB 10.11 demands it)
		p.cursor = false
		s.mem.stickTo(p.statement.Stick)
	case wire.ComStmtExecute:
		s.binding = wire.ParseExecute(c.payload(), p.parameters, s.caps)
		p.learnTypes(s.binding)
		p.cursor = false
		s.mem.stickTo(p.statement.Stick)
		s.own = p.own
		s.showThreads(p.statement.Threads, true)
		if p.status {
			s.showStatus(true)
		}
	case wire.ComStmtFetch:
		s.current = balancer.Statement{Kind: balancer.KindRead}
	case wire.ComStmtSendLongData, wire.ComStmtReset:
		s.current = balancer.Statement{}
	}
	if err := s.pass(c); err != nil {
		return err
	}
	switch c.code {
	case wire.ComStmtSendLongData:
		p.long = true
	case wire.ComStmtExecute, wire.ComStmtBulkExecute, wire.ComStmtReset: // the member has used it, or forgotten it
		p.long = false
	}
	return nil
}

// closeStatement passes a COM_STMT_CLOSE, if there is anybody who knows the
// statement. It needs no owner, and no answer.
func (s *session) closeStatement(c command) error {
	if !c.whole {
		return s.refuse(c, wire.NewError(wire.MalformedPacket, "Malformed communication packet"))
	}
	id, ok := statementID(c)
	here := s.link != nil
	if p := s.mem.statements.close(id); ok && p != nil {
		here = here && p.on == s.mem.generation && p.failed == nil
		binary.LittleEndian.PutUint32(c.payload(), p.at)
	} else {
		here = here && !(ok && s.mem.statements.taken(id))
	}
	if !here {
		return s.refuse(c, nil)
	}
	return s.pass(c)
}

// settle prepares on a new link what the command needs there. A command that may
// change what texts mean is preceded by all that were prepared before. told is
// what the client gets instead of a response.
func (s *session) settle() (told *wire.Error, err error) {
	st := &s.mem.statements
	if st.pending == 0 {
		if s.target != nil {
			told = s.target.failed
		}
		return told, nil
	}
	switch s.current.Kind {
	case balancer.KindRead, balancer.KindChange, balancer.KindBegin, balancer.KindCommit, balancer.KindRollback:
	case balancer.KindOther, balancer.KindSet, balancer.KindKill:
		ids := make([]uint32, 0, len(st.prepared))
		for id := range st.prepared {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for _, id := range ids {
			if p := st.prepared[id]; p.on != st.generation {
				if err := s.prepareAgain(p); err != nil {
					return nil, err
				}
			}
		}
	}
	if s.target == nil {
		return nil, nil
	}
	if s.target.on != st.generation {
		if err := s.prepareAgain(s.target); err != nil {
			return nil, err
		}
	}
	return s.target.failed, nil
}

// outgoing returns the command, or the first piece of a large one, as the present
// link's member has to get it.
func (s *session) outgoing(c command) []byte {
	p := s.target
	if p == nil {
		if s.current.Listed && c.whole && (c.code == wire.ComQuery || c.code == wire.ComStmtPrepare) {
			return s.translatedCommand(c)
		}
		return c.packet
	}
	binary.LittleEndian.PutUint32(c.payload(), p.at)
	if c.code != wire.ComStmtExecute {
		return c.packet
	}
	b := s.binding
	known := b.Bound || p.bound == s.mem.generation || p.types == nil || b.At == 0 || b.Count != uint64(p.parameters)
	p.bound = s.mem.generation
	packet := c.packet
	if !known {
		packet = withTypes(c.packet, b, p.types)
	}
	if p.statement.Listed && c.whole {
		packet = s.translatedExecution(packet, p)
	}
	return packet
}

// withTypes puts the types of parameters into an execution that leaves them out,
// since an earlier one has told them to another member. One so large that it would
// have to be cut into packets anew is left as it is, for the member to refuse.
func withTypes(packet []byte, b wire.Binding, types []byte) []byte {
	length, seq := wire.Header(packet)
	if length+len(types) >= wire.MaxPayload {
		return packet
	}
	const head = wire.HeaderSize + 1
	whole := wire.AppendHeader(make([]byte, 0, len(packet)+len(types)), length+len(types), seq)
	return b.Bind(append(whole, packet[wire.HeaderSize]), packet[head:], types)
}
