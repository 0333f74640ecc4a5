package proxy

import (
	"errors"
	"fmt"
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
	if s.place.evicted.Load() { // before there was a deadline to be moved
		_ = s.conn.SetDeadline(time.Unix(1, 0))
	}
	own := wire.NewConn(s.conn, s.p.cfg.LoginBytes)
	as, err := s.identify(own)
	if err != nil {
		if own.Seq() == 1 { // a client reads on when it has sent its login, and numbers count on from that
			own.Restart(2, s.p.cfg.LoginBytes)
		}
		return s.loginFailed(own, err)
	}
	s.p.settled(s)
	s.as, s.caps, s.generation = &as, as.login.Capabilities, s.p.generation.Load()
	s.account, s.consistency = s.p.tokens.of(as.login.User), s.p.cfg.consistencyOf(as.login.User)
	s.urgent = urgent{}
	_, s.asker = s.p.askers.Load(as.login.User)
	s.known.Store(s.as)
	s.mem.schema, s.mem.wants.capable = as.login.Database, s.caps.Has(wire.SessionTrack)
	s.agree()
	_ = s.conn.SetDeadline(time.Time{})
	s.mark(true)
	if err := s.connectOrFail(); err != nil {
		return s.loginFailed(own, err)
	}
	_ = s.conn.SetDeadline(time.Now().Add(s.p.cfg.LoginTimeout))
	ok := wire.OK{Status: s.mem.status, Info: s.vouch()}
	if err := own.Write(ok.Append(nil, 0)); err != nil {
		return err
	}
	s.setOut(own.Rest())
	s.clearDeadline()
	s.rest()
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
		Charset: charsetBefore, Status: wire.StatusAutocommit, Plugin: s.p.defaultMethod(),
	}
	route, _ := s.p.views.View().OwnerOf(sessionUnit)
	if route.Member.Version != "" {
		s.p.greetAs(route.Member.ID, route.Member.Version, &greeting)
		greeting.Capabilities |= offeredBy(route.Member.Version)
	}
	greeting.Capabilities |= s.p.transports()
	if err := own.Write(greeting.Append(nil)); err != nil {
		return caller{}, err
	}
	if err := s.introduce(own); err != nil {
		return caller{}, err
	}
	if !s.p.locate(s) {
		s.p.count.refuse(RefusedAddress)
		return caller{}, wire.NewError(wire.TooManyConnections, "Too many connections (the proxy serves %d of one address)", s.p.cfg.Limits.PerAddress)
	}
	payload, err := s.hello(own, greeting.Capabilities)
	if err != nil {
		return caller{}, err
	}
	login, err := wire.ParseLogin(payload)
	if err != nil {
		return caller{}, err
	}
	login.Capabilities &= greeting.Capabilities
	login.Token = append([]byte(nil), login.Token...)
	if !login.Capabilities.Has(wire.SecureConn) {
		s.p.count.refuse(RefusedHandshake)
		return caller{}, oldClient()
	}
	s.plugins, s.salt = login.Capabilities.Has(wire.PluginAuth), greeting.Salt
	by := proof{method: login.Plugin, salt: greeting.Salt, token: login.Token}
	if by.method == "" { // from before there were plugins
		by.method = wire.PluginNative
	}
	return s.authenticate(own, login, by)
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
	case errors.Is(err, os.ErrDeadlineExceeded) && s.place.evicted.Load():
		s.p.count.refuse(RefusedPending)
		told = wire.NewError(wire.TooManyConnections, "Too many connections that have not logged in")
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

// refusedBy is what a client gets whose link was refused: the member's own words, as
// if there were no proxy. Only where they speak of the address that the link comes
// from, which is the proxy's, they say who it is from: an account may miss a host part.
func refusedBy(id topology.MemberID, err error) error {
	const (
		tooMany          = 1040 // the only one of these that is said before there are states
		accessDenied     = 1045
		hostBlocked      = 1129
		hostNotAllowed   = 1130
		oldClients       = 1251
		deniedNoPassword = 1698
	)
	var e *wire.Error
	if !errors.As(err, &e) {
		return memberError(id, err)
	}
	switch e.Number {
	case accessDenied, hostBlocked, hostNotAllowed, oldClients, deniedNoPassword:
		return memberError(id, err)
	case tooMany:
		_, state := wire.TooManyConnections.Code()
		return &wire.Error{Number: e.Number, State: state, Message: e.Message}
	}
	return e
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
