package proxy

import (
	"errors"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A member lets in who has to change an expired password first, if the client or the
// member's configuration says so, and then refuses all but that: our own statements
// too. Such a link is confined: it was not set up, and what passes is one statement at
// a time. After each that the member has accepted it is tried again to set it up; so
// nothing of the client is run behind the change of the password before the session
// has its slot, and the process is known to be the admitted one.

// wantsPassword reports whether err says that the password has to be changed first.
func wantsPassword(err error) bool {
	var e *wire.Error
	number, _ := wire.PasswordToBeChanged.Code()
	return errors.As(err, &e) && e.Number == number
}

// skip reads n answers that do not matter.
func (l *link) skip(n int) error {
	for range n {
		var e *wire.Error
		if _, _, err := l.own.Result(l.caps, setupBudget); err != nil && !errors.As(err, &e) {
			return err
		}
	}
	return nil
}

// beyondConfines is the answer to what a confined session may not do, as far as that
// is to be seen without its text; nil for the rest, which the member judges.
func (s *session) beyondConfines(c command) *wire.Error {
	if c.code == wire.ComResetConnection || c.code == wire.ComStmtBulkExecute || !c.whole {
		return s.mustChangePassword()
	}
	return nil
}

func (s *session) mustChangePassword() *wire.Error {
	if s.link.version.Flavour == topology.FlavourMySQL {
		return wire.NewError(wire.PasswordToBeChanged, "You must reset your password using ALTER USER statement before executing this statement.")
	}
	return wire.NewError(wire.PasswordToBeChanged, "You must SET PASSWORD before executing this statement")
}

// release sets a confined link up, if its last command has been accepted and was what
// the member was waiting for. A link that can not be set up is given up; the next
// command finds out why.
func (s *session) release() error {
	if s.refused != 0 {
		return nil
	}
	err := s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() error {
		if _, err := s.link.setup(false); err != nil {
			return err
		}
		return s.link.adopt(&s.mem)
	})
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	}
	s.p.log.Info("link could not be set up after its password was changed", "session", s.id,
		"member", string(s.link.route.Member.ID), "error", err)
	s.dropLink()
	return nil
}
