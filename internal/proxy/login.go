package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

const (
	// versionBefore is what clients are greeted with before a member's version
	// is known; sessions wait for an owner then anyway.
	versionBefore = "8.0.36-sqlring"
	// charsetBefore is utf8mb4_general_ci, which every server has. The client
	// says its own.
	charsetBefore = 45
)

// login greets the client, checks who it is and opens its link. It returns an
// error if there is nobody to serve; the client has been told why.
func (s *session) login() error {
	_ = s.conn.SetDeadline(time.Now().Add(s.p.cfg.LoginTimeout))
	own := wire.NewConn(s.conn, s.p.cfg.LoginBytes)
	as, err := s.identify(own)
	if err != nil {
		return s.loginFailed(own, err)
	}
	s.as, s.caps = as, as.login.Capabilities
	s.mem.schema, s.mem.wants.capable = as.login.Database, s.caps.Has(wire.SessionTrack)
	s.mem.status = wire.StatusAutocommit
	_ = s.conn.SetDeadline(time.Time{})
	s.mark(true)
	if err := s.connectOrFail(); err != nil {
		return s.loginFailed(own, err)
	}
	_ = s.conn.SetDeadline(time.Now().Add(s.p.cfg.LoginTimeout))
	ok := wire.OK{Status: s.mem.status}
	if err := own.Write(ok.Append(nil, 0)); err != nil {
		return err
	}
	s.takeOver(own.Rest())
	s.clearDeadline()
	return nil
}

// connectOrFail is connect for a client that is not let in without a link.
func (s *session) connectOrFail() error {
	told, err := s.connect()
	if told != nil {
		return told
	}
	return err
}

// takeOver keeps what the client sent without waiting for the answer to its
// login.
func (s *session) takeOver(early []byte) {
	for len(early) > 0 {
		n := copy(s.in.space(), early)
		s.in.filled(n)
		early = early[n:]
		if s.in.full() {
			s.in.grow(s.p.cfg.LoginBytes + bufferSize)
		}
	}
}

// identify speaks the handshake up to the verdict on the client.
func (s *session) identify(own *wire.Conn) (caller, error) {
	greeting := wire.Greeting{
		Version: versionBefore, ThreadID: s.id, Salt: wire.NewSalt(), Capabilities: wire.Offered,
		Charset: charsetBefore, Status: wire.StatusAutocommit, Plugin: wire.PluginNative,
	}
	route, _ := s.p.views.View().OwnerOf(sessionUnit)
	if route.Member.Version != "" {
		greeting.Version = route.Member.Version
	}
	if err := own.Write(greeting.Append(nil)); err != nil {
		return caller{}, err
	}
	payload, err := own.Read()
	if err != nil {
		return caller{}, err
	}
	login, err := wire.ParseLogin(payload)
	if err != nil {
		return caller{}, err
	}
	login.Token = append([]byte(nil), login.Token...)
	login.Attributes = append([]byte(nil), login.Attributes...)
	if !login.Capabilities.Has(wire.SecureConn) {
		s.p.count.refuse(RefusedHandshake)
		return caller{}, wire.NewError(wire.OldClient, "Client does not support the authentication protocol requested by the server; consider upgrading it")
	}
	salt := greeting.Salt
	if login.Plugin != "" && login.Plugin != wire.PluginNative {
		if salt, login.Token, err = switchToNative(own); err != nil {
			return caller{}, err
		}
	}
	s.salt = salt
	return s.admitted(login, salt)
}

// switchToNative asks the client to answer a new salt by mysql_native_password.
func switchToNative(own *wire.Conn) (salt wire.Salt, token []byte, err error) {
	salt = wire.NewSalt()
	if err := own.Write(wire.AppendAuthSwitch(nil, wire.PluginNative, salt)); err != nil {
		return salt, nil, err
	}
	payload, err := own.Read()
	return salt, append([]byte(nil), payload...), err
}

// admitted turns a login into a caller, or into the error that the client gets.
func (s *session) admitted(login wire.Login, salt wire.Salt) (caller, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.p.cfg.LoginTimeout)
	defer cancel()
	v := s.p.verify(ctx, credentials{user: login.User, from: s.from, salt: salt, token: login.Token})
	if v.ok {
		return caller{login: login, digest: v.digest}, nil
	}
	s.p.count.refuse(v.why)
	level := slog.LevelDebug // anybody can cause any number of these
	if v.why == RefusedPlugin || v.why == RefusedLocked {
		level = slog.LevelInfo
	}
	s.p.log.Log(s.ctx, level, "login refused", "reason", v.why.String(), "user", shorten(login.User), "from", s.host(), "plugin", v.account.Plugin)
	if v.why == RefusedLocked {
		return caller{}, s.lockedError(v.account)
	}
	using := "NO"
	if len(login.Token) > 0 {
		using = "YES"
	}
	return caller{}, wire.NewError(wire.AccessDenied, "Access denied for user '%s'@'%s' (using password: %s)", shorten(login.User), s.host(), using)
}

func (s *session) lockedError(a topology.Account) error {
	route, _ := s.p.views.View().OwnerOf(sessionUnit)
	version, _ := topology.ParseVersion(route.Member.Version)
	if version.Flavour == topology.FlavourMySQL {
		return wire.NewError(wire.AccountLockedMySQL, "Access denied for user %s. Account is locked.", a.Name())
	}
	return wire.NewError(wire.AccountLockedMariaDB, "Access denied, this account is locked")
}

// loginFailed tells the client why, as far as it is there to hear, and returns
// err.
func (s *session) loginFailed(own *wire.Conn, err error) error {
	var told *wire.Error
	switch {
	case errors.As(err, &told):
	case errors.Is(err, wire.ErrTooLarge):
		s.p.count.refuse(RefusedBytes)
		told = wire.NewError(wire.PacketTooLarge, "Got a packet bigger than %d bytes before login", s.p.cfg.LoginBytes)
	case errors.Is(err, wire.ErrSequence):
		s.p.count.refuse(RefusedHandshake)
		told = wire.NewError(wire.PacketsOutOfOrder, "Got packets out of order")
	case errors.Is(err, wire.ErrMalformed):
		s.p.count.refuse(RefusedHandshake)
		told = wire.NewError(wire.BadHandshake, "Bad handshake: %v", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.p.count.refuse(RefusedTimeout)
		told = wire.NewError(wire.NetReadTimeout, "Got timeout reading communication packets: not logged in after %v", s.p.cfg.LoginTimeout)
	case s.phase.Load() == 0: // the client left, before it had said who it is
		return err
	default:
		told = wire.NewError(wire.Unspecified, "sqlring: %v", err)
	}
	s.p.count.errors.Add(1)
	_ = s.conn.SetDeadline(time.Now().Add(pauseForOneWrite))
	_ = own.Write(told.Append(nil))
	return err
}

// host is the client's address as it stands in messages.
func (s *session) host() string {
	if !s.from.IsValid() {
		return "localhost"
	}
	return s.from.Unmap().String()
}

// shorten keeps what a stranger calls himself from filling logs.
func shorten(name string) string {
	const limit = 80 // the longest user name that servers have
	if len(name) > limit {
		return fmt.Sprintf("%.*s…", limit, name)
	}
	return name
}

// addressOf returns the address that accounts are matched by; the zero Addr for
// a unix socket.
func addressOf(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr()
	}
	return netip.Addr{}
}
