package proxy

import (
	"errors"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// maxFailedChanges is how many changes of user may fail on one connection. From then
// on MariaDB knows the command no more, whoever is named; those that do not fail do
// not start the count again.
const maxFailedChanges = 3

// changeUser turns the session into one of another account, which is checked as
// at login, with a fresh salt, and gets a link of its own. If that fails, the client
// is told; it stays who it was, in a session without memory (MariaDB), or is sent
// away (MySQL).
func (s *session) changeUser(c command) error {
	if !c.whole {
		return s.tellLast(wire.NewError(wire.PacketTooLarge, "Got a packet bigger than %d bytes before login", bufferSize))
	}
	_ = s.conn.SetDeadline(time.Now().Add(s.p.cfg.LoginTimeout))
	login, err := wire.ParseChangeUser(append([]byte(nil), c.payload()...), s.caps)
	s.in.consume(len(c.packet))
	own := wire.NewConn(readWriter{s}, s.p.cfg.LoginBytes)
	own.Restart(1, s.p.cfg.LoginBytes)
	if err != nil {
		return s.loginFailed(own, err)
	}
	account := s.place.account
	if err := s.becomes(own, login); err != nil {
		return s.staysWho(own, account, err)
	}
	s.takeOver(own.Rest())
	ok := wire.OK{Status: s.mem.status}
	return own.Write(ok.Append(nil, 0))
}

// becomes makes the session one of the account that login names. The old link is given
// back in any case: servers undo what a session has before they look who comes.
func (s *session) becomes(own *wire.Conn, login wire.Login) error {
	if s.denied >= maxFailedChanges {
		s.giveBack()
		return wire.NewError(wire.UnknownCommand, "Unknown command")
	}
	as, err := s.identifyAgain(own, login)
	s.giveBack()
	if err != nil {
		return err
	}
	was, schema, account := s.as, s.mem.schema, s.account
	s.as, s.mem.schema, s.errand = &as, login.Database, gate.Errand{}
	s.generation = s.p.generation.Load()
	s.account, s.consistency, s.written = s.p.tokens.of(as.login.User), s.p.cfg.consistencyOf(as.login.User), token{}
	_, s.asker = s.p.askers.Load(as.login.User)
	s.clearDeadline()
	s.known.Store(s.as)
	if err := s.connectOrFail(); err != nil {
		s.known.Store(was)
		s.as, s.mem.schema, s.account = was, schema, account
		s.consistency = s.p.cfg.consistencyOf(was.login.User)
		return err
	}
	return nil
}

// giveBack ends the link in an orderly way, and with it what the session has there.
func (s *session) giveBack() {
	s.abandon()
	s.surrender()
	s.mem.forget()
	s.mem.learnInsertID(0)
	s.consistency, s.urgent = s.p.cfg.consistencyOf(s.as.login.User), urgent{}
}

// staysWho tells a client why it can not become another one. It can go on as the one
// that it was, counted as one of account, if it has been told, and if its server would
// let it.
func (s *session) staysWho(own *wire.Conn, account string, err error) error {
	var told *wire.Error
	if !errors.As(err, &told) || s.p.flavour() == topology.FlavourMySQL {
		return s.loginFailed(own, err)
	}
	s.denied++
	s.p.count.errors.Add(1)
	s.p.enlistAgain(s, account)
	s.takeOver(own.Rest())
	s.clearDeadline()
	return own.Write(told.Append(nil))
}

// identifyAgain checks a client that changes its user.
func (s *session) identifyAgain(own *wire.Conn, login wire.Login) (caller, error) {
	if login.Charset == 0 {
		login.Charset = s.as.login.Charset
	}
	if login.Attributes == "" {
		login.Attributes = s.as.login.Attributes
	}
	login.MaxPacket = s.as.login.MaxPacket
	var by proof // of no method: it is asked for
	if !s.plugins {
		by = proof{method: wire.PluginNative, salt: s.salt, token: login.Token} // it has answered the salt of its login
	}
	return s.authenticate(own, login, by)
}

// readWriter lets the handshake read what the session has received already.
type readWriter struct{ s *session }

// Read reads from the client, the session's buffer first.
func (rw readWriter) Read(p []byte) (int, error) {
	in := &rw.s.in
	if in.len() == 0 {
		if err := rw.s.client.fill(in); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.bytes())
	in.consume(n)
	return n, nil
}

// Write writes to the client.
func (rw readWriter) Write(p []byte) (int, error) {
	if err := rw.s.client.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
