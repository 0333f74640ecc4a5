package proxy

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// notPrepared is the answer to a command about a statement that the client does not
// have, in servers' own words.
func notPrepared(code wire.Command, id uint32, by topology.Flavour) *wire.Error {
	where := "mysqld_stmt_execute"
	switch {
	case by == topology.FlavourMySQL:
		where = "mysql_stmt_precheck"
	case code == wire.ComStmtFetch:
		where = "mysqld_stmt_fetch"
	case code == wire.ComStmtReset:
		where = "mysqld_stmt_reset"
	case code == wire.ComStmtBulkExecute:
		where = "mysqld_stmt_bulk_execute"
	}
	return wire.NewError(wire.UnknownStatement, "Unknown prepared statement handler (%d) given to %s", id, where)
}

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
		return s.refuse(c, notPrepared(c.code, id, s.link.version.Flavour)) // the member might have it, as somebody else's
	}
	if p.statement.Kind == balancer.KindKill && c.code == wire.ComStmtExecute {
		if known, err := s.killPrepared(c, p); known || err != nil {
			return err
		}
	}
	s.target, s.current = p, p.statement
	if c.code == wire.ComStmtExecute || c.code == wire.ComStmtBulkExecute {
		s.mem.applies(p.statement, p.plan, true)
	}
	switch c.code {
	case wire.ComStmtBulkExecute: // says its types each time (MariaDB 10.11 demands it)
		s.mem.statements.opens(p, false)
	case wire.ComStmtExecute:
		s.binding = wire.ParseExecute(c.payload(), p.parameters, s.caps)
		s.mem.statements.learnTypes(p, s.binding)
		s.mem.statements.opens(p, false)
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
		s.mem.statements.sentAhead(p, true)
	case wire.ComStmtExecute, wire.ComStmtBulkExecute, wire.ComStmtReset: // the member has used it, or forgotten it
		s.mem.statements.sentAhead(p, false)
	}
	return nil
}

// closeStatement passes a COM_STMT_CLOSE, if there is anybody who knows the
// statement. It needs no owner, and no answer.
func (s *session) closeStatement(c command) error {
	if !c.whole {
		return s.refuse(c, wire.NewError(wire.MalformedPacket, "Malformed communication packet"))
	}
	if err := s.regain("", false); err != nil {
		return err
	}
	id, ok := statementID(c)
	p := s.mem.statements.close(id)
	if !ok || p == nil || s.link == nil || p.on != s.mem.generation || p.failed != nil || !s.link.at.shelf.drop(p) {
		return s.refuse(c, nil)
	}
	binary.LittleEndian.PutUint32(c.payload(), p.at)
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
	if s.reparses() {
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
	if p == nil && s.instead != nil {
		return s.instead
	}
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
	length, _ := wire.Header(packet)
	switch {
	case known:
	case length+len(p.types) >= wire.MaxPayload:
		s.wider = new(wire.Widened)
		return s.wider.Begin(nil, packet, withTypes(packet, b, p.types)[wire.HeaderSize:])
	default:
		packet = withTypes(c.packet, b, p.types)
	}
	if p.statement.Listed && c.whole {
		packet = s.translatedExecution(packet, p)
	}
	return packet
}

// withTypes puts the types of parameters into an execution that leaves them out,
// since an earlier one has told them to another member.
func withTypes(packet []byte, b wire.Binding, types []byte) []byte {
	length, seq := wire.Header(packet)
	const head = wire.HeaderSize + 1
	whole := wire.AppendHeader(make([]byte, 0, len(packet)+len(types)), length+len(types), seq)
	return b.Bind(append(whole, packet[wire.HeaderSize]), packet[head:], types)
}

// reparses reports whether the statement under way may change what texts mean, or
// prepared statements themselves.
func (s *session) reparses() bool {
	const harmless = 1<<balancer.EffectAutocommit | 1<<balancer.EffectNextTransaction | 1<<balancer.EffectUserVariable | 1<<balancer.EffectCommits
	switch s.current.Kind {
	case balancer.KindRead, balancer.KindChange, balancer.KindBegin, balancer.KindCommit, balancer.KindRollback:
		return false
	case balancer.KindOther, balancer.KindSet, balancer.KindKill:
	}
	return s.plan == nil || s.plan.Effects&^harmless != 0
}

// opens says that p has a cursor from now on, or has it no more.
func (st *statements) opens(p *prepared, cursor bool) {
	if p.cursor != cursor {
		p.cursor, st.judged = cursor, false
	}
}

// sentAhead says that p has parameters that were sent ahead, or has them no more.
func (st *statements) sentAhead(p *prepared, long bool) {
	if p.long != long {
		p.long, st.judged = long, false
	}
}

// unsent ends a session that could not pass a part of a parameter on: nobody can be told, and
// what is executed next would write the rest of it alone.
func (s *session) unsent(c command) error {
	if c.code == wire.ComStmtSendLongData && s.meant != nil {
		return errUnsent
	}
	return nil
}
