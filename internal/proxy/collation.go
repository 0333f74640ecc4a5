package proxy

import (
	"bytes"
	"fmt"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// A change of the connection's character set changes its collation too, and
// servers do not report that one: SET NAMES latin1 COLLATE latin1_german2_ci
// reports three character sets, and SET NAMES latin1 leaves a collation that was
// reported before standing as if it were still in force (seen on MariaDB 10.11).

const collationOfConnection = "collation_connection"

// recollate is called when the character set was reported, and the collation was
// not. After a plain SET NAMES the collation is the character set's own, which
// another member gives too; in all other cases it is to be asked for.
func (m *memory) recollate(text []byte) {
	delete(m.variables, collationOfConnection)
	m.settled = false
	text = bytes.ToLower(text)
	m.askCollation = !bytes.Contains(text, []byte("names")) || bytes.Contains(text, []byte("collat"))
}

const readCollation = "SELECT @@collation_connection"

// learnCollation asks for the collation.
func (l *link) learnCollation(mem *memory) error {
	mem.askCollation = false
	if err := l.own.Send(wire.Query(readCollation)); err != nil {
		return err
	}
	row, _, err := l.own.Result(l.caps, setupBudget)
	if err == nil && len(row) != 1 {
		err = wire.ErrMalformed
	}
	if err != nil {
		return fmt.Errorf("read the session's collation: %w", err)
	}
	mem.variables[collationOfConnection] = row[0]
	mem.settled = false
	return nil
}

// after looks at what the last command has left behind.
func (s *session) after() error {
	if s.mem.violated {
		s.p.count.layoutChanged.Add(1)
		s.p.log.Error("a session changed its auto_increment slot behind the proxy's back, and was ended",
			"session", s.id, "user", s.as.login.User, "slot", s.mem.layout.String())
		return errLayoutChanged
	}
	if s.mem.strayed != nil {
		if err := s.strays(); err != nil {
			return err
		}
	}
	if s.link != nil && s.link.confined {
		return s.release()
	}
	if s.own.released {
		return errReleased
	}
	track := s.current.Mentions.Has(balancer.MentionsTracking) || s.mem.shown
	if s.link == nil || !track && !s.mem.askCollation && !s.mem.askValues {
		return nil
	}
	read := s.current.Kind == balancer.KindRead
	s.current = balancer.Statement{}
	err := s.readBack()
	if err == nil && track {
		err = s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() error { return s.link.retrack(&s.mem) })
	}
	if err != nil && read && s.ctx.Err() == nil && unreachable(err) { // nothing was to be learned: as if the link was lost a moment later
		return s.lostIdle()
	}
	return err
}
