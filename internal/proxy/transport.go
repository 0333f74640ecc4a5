package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// transport is how a client is connected, for the judgement of accounts that ask
// for something better than a plain TCP connection. The zero value is such a one.
type transport struct {
	// secure: nobody between us can read it. TLS, or a unix socket, as servers
	// judge it (MySQL manual, require_secure_transport).
	secure bool
	// socket: the client is on this host, on the unix socket.
	socket bool
	// tls is the state of the TLS connection, the client's certificate in it if it
	// showed one; nil without TLS.
	tls *tls.ConnectionState
}

// transport returns how the client is connected at this moment: a login begins on
// a plain connection and may go on with TLS. It is judged by the connection, never
// by what the client says of it.
func (s *session) transport() transport {
	var t transport
	if s.tls != nil {
		state := s.tls.ConnectionState()
		t.tls, t.secure = &state, true
	}
	_, t.socket = s.conn.LocalAddr().(*net.UnixAddr)
	t.secure = t.secure || t.socket
	return t
}

// transports returns what clients are offered of wire.Transport.
func (p *Proxy) transports() wire.Capability {
	offered := wire.Compress | wire.ZstdCompress
	if p.tls != nil {
		offered |= wire.SSL
	}
	return offered
}

// hello reads the client's answer to a greeting that offered the capabilities. A
// client that wants TLS sends the beginning of its answer, goes over to TLS without
// waiting, and sends all of it there.
func (s *session) hello(own *wire.Conn, offered wire.Capability) ([]byte, error) {
	payload, err := own.Read()
	if err != nil {
		return nil, err
	}
	asked, err := wire.AsksForTLS(payload)
	switch {
	case err != nil:
		return nil, err
	case asked && !offered.Has(wire.SSL):
		return nil, fmt.Errorf("%w: TLS was asked for and not offered", wire.ErrMalformed)
	case asked:
		if err := s.secure(own); err != nil {
			return nil, err
		}
		if payload, err = own.Read(); err != nil {
			return nil, err
		}
	}
	if s.p.cfg.TLS.Mode == TLSRequired && !s.transport().secure {
		s.p.count.refuse(RefusedTLS)
		return nil, wire.NewError(wire.InsecureTransport, "Connections using insecure transport are prohibited: sqlring takes TLS and the unix socket only")
	}
	return payload, nil
}

// handshakeBytes bounds what a client may send in its TLS handshake, a chain of
// certificates included.
const handshakeBytes = 64 << 10

// secure goes over to TLS. What has come behind the client's request is the
// beginning of the handshake, or ends it: nothing of it is taken for what TLS has
// protected.
func (s *session) secure(own *wire.Conn) error {
	below := newCarrier(s.conn, append([]byte(nil), own.Rest()...), handshakeBytes)
	cfg := s.p.tls.current()
	conn := tls.Server(below, cfg)
	own.Over(conn) // nothing more is said in the clear
	if err := conn.Handshake(); err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) { // that is counted as such
			s.p.count.refuse(RefusedTLS)
		}
		return fmt.Errorf("TLS handshake: %w", err)
	}
	s.tls, s.shown = conn, cfg.Certificates[0].Leaf
	if below.raw == nil {
		below.left = 1 << 62
		s.client = &plainStream{conn, nil}
		return nil
	}
	over := newTLSStream(conn, below)
	s.client = over
	own.Over(over)
	return nil
}

// vouch returns what makes a certificate that signs itself believable to the client.
func (s *session) vouch() []byte {
	if s.shown == nil || !bytes.Equal(s.shown.RawIssuer, s.shown.RawSubject) {
		return nil
	}
	return s.as.secret.Vouch(s.salt, s.shown.Raw)
}

// agree puts compression over the client's stream, as the client has asked for with its
// login; the answer to that is still given without. From when a session is at work the
// watch looks at its client, and the stream is replaced no more.
func (s *session) agree() {
	by := s.caps.Compression()
	if by == wire.CompressionNone {
		return
	}
	packer := wire.Packer{Codecs: s.p.codecs, By: by, Level: int(s.as.login.ZstdLevel)}
	s.packed = newPackedStream(s.client, packer, &s.p.buffers, nil)
	s.packed.stay = s.stay
	s.client = s.packed
}

// setOut goes on as the client and we have agreed, with what it has sent already.
func (s *session) setOut(early []byte) {
	if s.packed == nil {
		s.takeOver(early)
		return
	}
	s.packed.in.append(early)
}

// begin says that the client's next command begins.
func (s *session) begin() {
	if s.packed != nil {
		s.packed.restart(s.in.len() > 0)
	}
}

// stay is asked in the midst of a compressed packet when the deadline has passed.
func (s *session) stay(err error) error {
	if s.leaving {
		return err
	}
	if s.phase.Load()&1 == 0 {
		return s.woken()
	}
	return s.goOn(err)
}

// goOn decides whether what a client is in the midst of sending is waited for any
// longer, and sets the deadline if so.
func (s *session) goOn(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) || s.ctx.Err() != nil {
		return err
	}
	until := time.Time{}
	if s.p.draining.Load() { // what has begun may end
		until = time.Unix(0, s.p.drainEnd.Load())
	}
	if !until.IsZero() && !time.Now().Before(until) {
		return errDraining
	}
	return s.conn.SetReadDeadline(until)
}

// leave takes leave of the client and gives back what its transport holds.
func (s *session) leave() {
	if s.tls != nil {
		_ = s.conn.SetWriteDeadline(time.Now().Add(pauseForOneWrite))
		_ = s.tls.CloseWrite()
	}
	if s.packed != nil {
		s.packed.close()
	}
	_ = s.conn.Close()
}

// handshake logs in to the member that l leads to, over TLS and with compression as
// the configuration says.
func (p *Proxy) handshake(l *link, login wire.Login, as caller) (wire.Greeting, error) {
	greeting, err := l.own.Greeting()
	if err != nil {
		return greeting, err
	}
	login.ZstdLevel = wire.ZstdLevel
	by := p.cfg.MemberCompression
	if by.Bit()&^greeting.Capabilities != 0 {
		by = wire.CompressionNone // it costs speed, not safety
	}
	with := wire.Credentials{Secret: as.secret, Own: by.Bit()}
	secured, err := p.secureLink(l, greeting, login, with.Own)
	if err != nil {
		return greeting, err
	}
	if secured {
		with.Own |= wire.SSL
	}
	with.Secure = secured || l.route.Member.Network == "unix"
	if err := l.own.Answer(greeting, login, with); err != nil {
		return greeting, explainPlain(err, l.route.Member.Network, secured)
	}
	if by != wire.CompressionNone {
		packer := wire.Packer{Codecs: p.codecs, By: by}
		l.packed = newPackedStream(l.stream, packer, &p.buffers, l.own.Rest())
		l.packed.answered = true
		l.stream = l.packed
		l.own.Over(l.packed)
	}
	return greeting, nil
}

// secureLink goes over to TLS if the member has it and we want it. It never goes
// without where TLS is required.
func (p *Proxy) secureLink(l *link, greeting wire.Greeting, login wire.Login, own wire.Capability) (bool, error) {
	member := l.route.Member
	cfg := p.memberTLS.For(member.Addr)
	switch {
	case cfg == nil || member.Network == "unix":
		return false, nil
	case !greeting.Capabilities.Has(wire.SSL) && p.memberTLS.Optional():
		return false, nil
	case !greeting.Capabilities.Has(wire.SSL):
		return false, fmt.Errorf("%w: it offers none, and the mode is %s", errMemberTLS, p.memberTLS.mode)
	case len(l.own.Rest()) > 0:
		return false, fmt.Errorf("%w: it has sent something behind its greeting", errMemberTLS)
	}
	if err := l.own.AskForTLS(greeting, login, own|wire.SSL); err != nil {
		return false, err
	}
	below := newCarrier(l.conn, nil, setupBudget)
	conn := tls.Client(below, cfg)
	if err := conn.Handshake(); err != nil {
		var bad *tls.CertificateVerificationError
		if errors.As(err, &bad) {
			return false, fmt.Errorf("%w: its certificate: %w", errMemberTLS, err)
		}
		return false, fmt.Errorf("TLS handshake: %w", err)
	}
	if below.raw == nil {
		return false, fmt.Errorf("%w: the connection is no socket", errMemberTLS)
	}
	over := newTLSStream(conn, below)
	l.stream = over
	l.own.Over(over)
	return true, nil
}

// explainPlain adds to a member's refusal what may be behind it: accounts can ask
// for TLS, and members do not say that they do.
func explainPlain(err error, network string, secured bool) error {
	var e *wire.Error
	denied, _ := wire.AccessDenied.Code()
	insecure, _ := wire.InsecureTransport.Code()
	if secured || !errors.As(err, &e) || e.Number != denied && e.Number != insecure {
		return err
	}
	hint := " (sqlring reaches this member without TLS: if the account is to REQUIRE SSL, set member_tls)"
	if network == "unix" {
		hint = " (sqlring reaches this member by its unix socket, without TLS: if the account is to REQUIRE SSL, take the socket out of members and set member_tls)"
	}
	return &wire.Error{Number: e.Number, State: e.State, Message: e.Message + hint}
}
