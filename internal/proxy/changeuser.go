package proxy

import (
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// changeUser turns the session into one of another account, which is checked as
// at login, with a fresh salt, and gets a link of its own. A client that fails is
// told and sent away, as servers do.
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
	as, err := s.identifyAgain(own, login)
	if err != nil {
		return s.loginFailed(own, err)
	}
	if s.link != nil {
		s.link.close()
		s.setLink(nil)
	}
	wants := subscription{capable: s.mem.wants.capable}
	s.as, s.mem = as, memory{schema: login.Database, status: wire.StatusAutocommit, wants: wants}
	s.clearDeadline()
	if err := s.connectOrFail(); err != nil {
		return s.loginFailed(own, err)
	}
	s.takeOver(own.Rest())
	ok := wire.OK{Status: s.mem.status}
	return own.Write(ok.Append(nil, 0))
}

// identifyAgain checks a client that changes its user.
func (s *session) identifyAgain(own *wire.Conn, login wire.Login) (caller, error) {
	if login.Charset == 0 {
		login.Charset = s.as.login.Charset
	}
	if len(login.Attributes) == 0 {
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
