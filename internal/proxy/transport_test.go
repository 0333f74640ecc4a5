package proxy

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// begin reads the greeting and returns the request for TLS that answers it.
func (c *raw) begin(caps wire.Capability) (greeting, request []byte) {
	c.t.Helper()
	greeting, err := c.own.Read()
	if err != nil {
		c.t.Fatal(err)
	}
	l := wire.Login{Capabilities: caps | wire.SSL, Charset: 45}
	request, _ = wire.AppendPacket(nil, 1, l.Append(nil)[:32])
	return greeting, request
}

// glued is a connection whose first write takes something along.
type glued struct {
	net.Conn
	first []byte
}

func (g *glued) Write(p []byte) (int, error) {
	if g.first == nil {
		return g.Conn.Write(p)
	}
	first := append(g.first, p...)
	g.first = nil
	if _, err := g.Conn.Write(first); err != nil {
		return 0, err
	}
	return len(p), nil
}

// loginTLS logs in over TLS; the request travels with the beginning of the
// handshake, in one segment.
func (c *raw) loginTLS(cfg *tls.Config, caps wire.Capability) error {
	c.t.Helper()
	greeting, request := c.begin(caps)
	conn := tls.Client(&glued{c.conn, request}, cfg)
	if err := conn.Handshake(); err != nil {
		return err
	}
	c.conn = conn
	c.own.Over(conn)
	c.own.Restart(2, 1<<24)
	return c.answer(greeting, "app", appPassword, caps|wire.SSL)
}

func (a *authority) trust() *tls.Config {
	return &tls.Config{RootCAs: a.pool, ServerName: "proxy.test"}
}

func TestTLSClient(t *testing.T) {
	a := newAuthority(t)
	f := startFaked(t, Config{TLS: a.clients(TLSPreferred)}, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := a.trust()
		cfg.MaxVersion = version
		c := dialRaw(t, f.Addr())
		if err := c.loginTLS(cfg, rawCaps); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if n, _ := c.query("SELECT 1"); n != 0 {
				t.Errorf("error %d", n)
			}
		}
		if n, _ := c.query("SELECT '" + strings.Repeat("x", 100<<10) + "'"); n != 0 {
			t.Errorf("a large one: error %d", n)
		}
		for _, s := range f.all() {
			if tr := s.transport(); !tr.secure || tr.socket || tr.tls == nil || tr.tls.Version != version {
				t.Errorf("transport %+v", tr)
			}
		}
		_ = c.conn.Close()
		waitFor(t, "the session ends", func() bool { return f.Stats().Sessions == 0 })
	}
	old := a.trust()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if err := dialRaw(t, f.Addr()).loginTLS(old, rawCaps); err == nil {
		t.Error("TLS 1.1 was taken")
	}
}

// Who knows the client's password vouches for a certificate that signs itself, and
// for no other.
func TestTLSCertificateIsVouchedFor(t *testing.T) {
	a := newAuthority(t)
	own := ClientTLS{Mode: TLSPreferred, Cert: filepath.Join(a.dir, "own.pem"), Key: filepath.Join(a.dir, "own-key.pem")}
	if _, err := MakeCertificate(own.Cert, own.Key); err != nil {
		t.Fatal(err)
	}
	t.Run("its own", func(t *testing.T) { testVouched(t, own, true) })
	t.Run("of an authority", func(t *testing.T) { testVouched(t, a.clients(TLSPreferred), false) })
}

func testVouched(t *testing.T, files ClientTLS, vouched bool) {
	f := startFaked(t, Config{TLS: files}, nil)
	c := dialRaw(t, f.Addr())
	if err := c.loginTLS(&tls.Config{InsecureSkipVerify: true}, rawCaps); err != nil {
		t.Fatal(err)
	}
	var want []byte
	if vouched {
		stored, print := wire.NewDigest(appPassword).Stored(), sha256.Sum256(c.conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw)
		salt := f.all()[0].salt
		sum := sha256.Sum256(slices.Concat(stored[:], salt[:], print[:]))
		want = []byte("\x01" + hex.EncodeToString(sum[:]))
	}
	if got := f.all()[0].vouch(); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The certificate that a client shows is there for the judgement of its account; one
// of a stranger ends the handshake.
func TestTLSClientCertificate(t *testing.T) {
	a, strangers := newAuthority(t), newAuthority(t)
	f := startFaked(t, Config{TLS: a.clients(TLSRequired)}, nil)
	cfg := a.trust()
	cfg.Certificates = []tls.Certificate{a.person("alice")}
	c := dialRaw(t, f.Addr())
	if err := c.loginTLS(cfg, rawCaps); err != nil {
		t.Fatal(err)
	}
	shown := f.all()[0].transport().tls.VerifiedChains
	if len(shown) != 1 || shown[0][0].Subject.CommonName != "alice" {
		t.Errorf("chains %v", shown)
	}
	bad := a.trust()
	bad.Certificates = []tls.Certificate{strangers.person("alice")}
	if err := dialRaw(t, f.Addr()).loginTLS(bad, rawCaps); err == nil {
		t.Error("a stranger's certificate was taken")
	}
	if err := dialRaw(t, f.Addr()).loginTLS(a.trust(), rawCaps); err != nil {
		t.Errorf("without a certificate: %v", err)
	}
}

// TLS is judged by the connection. Nothing that came in the clear counts as if it
// had come by TLS, and nothing more is said in the clear.
func TestTLSHostile(t *testing.T) {
	a := newAuthority(t)
	for _, tt := range []struct {
		name string
		send func(c *raw, greeting, request []byte)
		why  Refusal
		told int // the error that is told in the clear; 0: none
	}{
		{"garbage behind the request", func(c *raw, _, request []byte) {
			_, _ = c.conn.Write(append(request, bytes.Repeat([]byte("garbage "), 10)...))
		}, RefusedTLS, 0},
		{"a login in the clear behind the request", func(c *raw, greeting, request []byte) {
			g, _ := wire.ParseGreeting(greeting)
			l := wire.Login{Capabilities: rawCaps | wire.SSL, User: "app", Plugin: wire.PluginNative, Token: wire.NewDigest(appPassword).Token(g.Salt)}
			login, _ := wire.AppendPacket(request, 2, l.Append(nil))
			login, _ = wire.AppendPacket(login, 0, []byte("\x03SELECT 'injected'"))
			_, _ = c.conn.Write(login)
		}, RefusedTLS, 0},
		{"a command between request and handshake", func(c *raw, _, request []byte) {
			request, _ = wire.AppendPacket(request, 0, []byte("\x03SELECT 'injected'"))
			_ = tls.Client(&glued{c.conn, request}, a.trust()).Handshake()
		}, RefusedTLS, 0},
		{"a login in the clear that claims TLS", func(c *raw, greeting, _ []byte) {
			if err := c.answer(greeting, "app", appPassword, rawCaps|wire.SSL); err == nil || !strings.HasPrefix(err.Error(), "1043 ") {
				c.t.Errorf("got %v", err)
			}
		}, RefusedHandshake, 0},
		{"a login in the clear", func(c *raw, greeting, _ []byte) {
			if err := c.answer(greeting, "app", appPassword, rawCaps); err == nil || !strings.HasPrefix(err.Error(), "3159 ") {
				c.t.Errorf("got %v", err)
			}
		}, RefusedTLS, 0},
		{"it leaves", func(c *raw, _, request []byte) {
			_, _ = c.conn.Write(request)
			_ = c.conn.(*net.TCPConn).CloseWrite()
		}, RefusedTLS, 0},
		{"a handshake that does not end", func(c *raw, _, request []byte) {
			_, _ = c.conn.Write(append(request, 22, 3, 1, 2, 0, 1, 0))
		}, RefusedTimeout, 0},
		{"a handshake of many bytes", func(c *raw, _, request []byte) {
			record := append([]byte{22, 3, 1, 0x40, 0}, make([]byte, 16<<10)...)
			copy(record[5:], []byte{1, 0, 0xFF, 0xFF})
			_, _ = c.conn.Write(request)
			for range 100 {
				if _, err := c.conn.Write(record); err != nil {
					return
				}
			}
		}, RefusedTLS, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := startFaked(t, Config{TLS: a.clients(TLSRequired), LoginTimeout: 300 * time.Millisecond}, nil)
			c := dialRaw(t, f.Addr())
			greeting, request := c.begin(rawCaps)
			tt.send(c, greeting, request)
			rest, _ := io.ReadAll(c.conn)
			if i := bytes.IndexByte(rest, 0xFF); i >= 0 && len(rest) > 12 {
				t.Errorf("told in the clear: %q", rest)
			}
			waitFor(t, "the session ends", func() bool { return f.Stats().Sessions == 0 })
			if n := f.Stats().Refused[tt.why.String()]; n != 1 {
				t.Errorf("counted %d times as %s: %v", n, tt.why, f.Stats().Refused)
			}
			if seen := f.fake.commands(); len(seen) > 0 {
				t.Errorf("the member has seen %q", seen)
			}
		})
	}
}

func TestTLSNotOffered(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	c := dialRaw(t, f.Addr())
	greeting, request := c.begin(rawCaps)
	if g, _ := wire.ParseGreeting(greeting); g.Capabilities.Has(wire.SSL) {
		t.Error("TLS was offered without a certificate")
	}
	_, _ = c.conn.Write(request)
	if payload, err := c.own.Read(); err == nil && payload[0] != 0xFF {
		t.Errorf("got %q", payload)
	}
}

// Clients of all transports are missed when they go while their statement runs, and
// not when they have only sent ahead.
func TestTransportsNoticeWhoHasGone(t *testing.T) {
	a := newAuthority(t)
	for _, tt := range []struct {
		name  string
		login func(c *raw) error
		leave func(c *raw)
		gone  uint64
	}{
		{"plain", func(c *raw) error { return c.login("app", appPassword, rawCaps) }, func(c *raw) { _ = c.conn.Close() }, 1},
		{"TLS, in an orderly way", func(c *raw) error { return c.loginTLS(a.trust(), rawCaps) }, func(c *raw) { _ = c.conn.Close() }, 1},
		{"TLS 1.2, in an orderly way", func(c *raw) error {
			cfg := a.trust()
			cfg.MaxVersion = tls.VersionTLS12
			return c.loginTLS(cfg, rawCaps)
		}, func(c *raw) { _ = c.conn.Close() }, 1},
		{"TLS, killed", func(c *raw) error { return c.loginTLS(a.trust(), rawCaps) }, func(c *raw) { _ = c.conn.(*tls.Conn).NetConn().Close() }, 1},
		{"TLS, sends ahead", func(c *raw) error { return c.loginTLS(a.trust(), rawCaps) }, func(c *raw) {
			_ = c.own.Send([]byte("\x03SELECT 2"))
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stop := make(chan struct{})
			f := startFaked(t, Config{TLS: a.clients(TLSPreferred)}, func(c *fakeConn, command []byte) {
				if strings.HasPrefix(string(command[1:]), "SELECT 1") {
					select {
					case <-stop:
					case <-time.After(10 * time.Second):
					}
				}
				c.ok()
			})
			c := dialRaw(t, f.Addr())
			if err := tt.login(c); err != nil {
				t.Fatal(err)
			}
			_ = c.own.Send([]byte("\x03SELECT 1"))
			waitFor(t, "it runs", func() bool { return len(f.fake.commands()) == 1 })
			tt.leave(c)
			if tt.gone > 0 {
				waitFor(t, "it is missed", func() bool { return f.Stats().HungUp == tt.gone })
			} else {
				time.Sleep(200 * time.Millisecond) // ten looks of the watch
			}
			close(stop)
			_ = c.conn.Close()
			waitFor(t, "the session ends", func() bool { return f.Stats().Sessions == 0 })
			if n := f.Stats().HungUp; n != tt.gone {
				t.Errorf("%d hung up, want %d", n, tt.gone)
			}
		})
	}
}

// A session of any transport that waits for its client ends with the proxy at once,
// one in the midst of a packet when its time is over.
func TestTransportsDrain(t *testing.T) {
	a := newAuthority(t)
	w := newWorld()
	f := &faked{world: w, fake: startFake(t, nil)}
	w.setAccounts(native("app", "%", appPassword))
	w.setView(owned("m1", 1, f.fake.member("m1")))
	began := time.Now()
	t.Cleanup(func() {
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("drained after %v", took)
		}
	})
	f.Proxy = serve(t, w, Config{TLS: a.clients(TLSPreferred), DrainTimeout: 700 * time.Millisecond})
	packedRaw(t, f.Proxy, wire.CompressionZlib, a.trust()).query("SELECT 1")
	half := packedRaw(t, f.Proxy, wire.CompressionZlib, nil)
	half.query("SELECT 1")
	bomb := wire.Packer{Codecs: wire.NewCodecs(1 << 30), By: wire.CompressionZlib}
	zeros, _ := bomb.Append(nil, 0, make([]byte, 1<<20))
	_, _ = half.conn.Write(zeros[:20])
	c := dialRaw(t, f.Addr())
	if err := c.loginTLS(a.trust(), rawCaps); err != nil {
		t.Fatal(err)
	}
	c.query("SELECT 1")
	began = time.Now() // and the proxy ends
}
