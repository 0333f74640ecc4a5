package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// packedRaw logs in with compression, and TLS if cfg is given, and speaks it by the
// proxy's own stream.
func packedRaw(t *testing.T, f *Proxy, by wire.Compression, cfg *tls.Config) *raw {
	t.Helper()
	c := dialRaw(t, f.Addr())
	caps := rawCaps | by.Bit()
	var err error
	if cfg != nil {
		err = c.loginTLS(cfg, caps)
	} else {
		err = c.login("app", appPassword, caps)
	}
	if err != nil {
		t.Fatal(err)
	}
	codecs := wire.NewCodecs(1 << 30)
	s := newPackedStream(&plainStream{c.conn, nil}, wire.Packer{Codecs: codecs, By: by}, &f.buffers, nil)
	c.own.Over(s)
	return c
}

func TestCompressedClients(t *testing.T) {
	a := newAuthority(t)
	answered := strings.Repeat("a row ", 10000)
	f := startFaked(t, Config{TLS: a.clients(TLSPreferred)}, func(c *fakeConn, command []byte) {
		if strings.HasPrefix(string(command[1:]), "SELECT") {
			c.rows(1, row(answered), row(answered))
			return
		}
		c.ok()
	})
	for _, by := range []wire.Compression{wire.CompressionZlib, wire.CompressionZstd} {
		for name, cfg := range map[string]*tls.Config{"plain": nil, "TLS": a.trust()} {
			t.Run(by.String()+" over "+name, func(t *testing.T) {
				c := packedRaw(t, f.Proxy, by, cfg)
				for i := range 300 { // more than the numbers of packets
					if n, _ := c.query("SELECT " + strings.Repeat("x", i*10)); n != 0 {
						t.Fatalf("turn %d: error %d", i, n)
					}
					if n, _ := c.query("DO 1"); n != 0 {
						t.Fatalf("turn %d: error %d", i, n)
					}
				}
				if n, _ := c.query("SELECT '" + strings.Repeat("long ", 200<<10) + "'"); n != 0 {
					t.Errorf("a large one: error %d", n)
				}
				_ = c.conn.Close()
				waitFor(t, "the session ends", func() bool { return f.Stats().Sessions == 0 })
			})
		}
	}
}

// A compressed packet of a stranger's making ends his session, and nothing else.
func TestCompressedHostile(t *testing.T) {
	bomb := wire.Packer{Codecs: wire.NewCodecs(1 << 30), By: wire.CompressionZlib}
	zeros, _ := bomb.Append(nil, 0, make([]byte, 8<<20))
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"wrong number", []byte("\x05\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x0e")},
		{"nothing in it", []byte("\x00\x00\x00\x00\x00\x00\x00")},
		{"not compressed as it says", []byte("\x05\x00\x00\x00\xff\x00\x00\x01\x00\x00\x00\x0e")},
		{"a bomb that says that it is small", func() []byte { b := bytes.Clone(zeros); b[4], b[5], b[6] = 100, 0, 0; return b }()},
		{"half a packet", zeros[:1000]},
		{"half a header", []byte("\x05\x00\x00")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := startFaked(t, Config{}, nil)
			other := f.client(t)
			c := dialRaw(t, f.Addr())
			if err := c.login("app", appPassword, rawCaps|wire.Compress); err != nil {
				t.Fatal(err)
			}
			_, _ = c.conn.Write(tt.in)
			_ = c.conn.(*net.TCPConn).CloseWrite()
			if _, err := io.Copy(io.Discard, c.conn); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !strings.Contains(err.Error(), "reset") {
				t.Error(err)
			}
			waitFor(t, "the session ends", func() bool { return f.Stats().Sessions == 1 })
			if n, _ := other.query("SELECT 1"); n != 0 {
				t.Errorf("another client got error %d", n)
			}
		})
	}
}

// Several commands may come in one compressed packet, each numbered from 0: libmariadb
// sends a COM_STMT_CLOSE, which has no answer, together with the next command.
func TestRealCommandsInOneCompressedPacket(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		for name, addr := range map[string]string{"direct": f.addr, "proxy": f.Addr()} {
			c, _ := f.raw(t, addr, rawCaps|wire.Compress)
			s := newPackedStream(&plainStream{c.conn, nil}, wire.Packer{Codecs: wire.NewCodecs(1 << 30), By: wire.CompressionZlib}, &f.buffers, nil)
			s.reader.Strict = true
			c.own.Over(s)
			if got, err := c.do(wire.ComStmtPrepare, "DO 1"); err != nil || got[0] != 0 {
				t.Fatalf("%s: %q, %v", name, got, err)
			}
			for turn := range 3 {
				both, _ := wire.AppendPacket(nil, 0, []byte{byte(wire.ComStmtClose), byte(turn + 1), 0, 0, 0})
				both, _ = wire.AppendPacket(both, 0, append([]byte{byte(wire.ComStmtPrepare)}, "DO 1"...))
				s.restart(false)
				if err := s.write(both); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, wire.HeaderSize+12) // servers begin inside of it with 0 then; clients look at the outer number
				if _, err := io.ReadFull(s, got); err != nil || got[wire.HeaderSize] != 0 {
					t.Fatalf("%s, turn %d: %q, %v", name, turn, got, err)
				}
			}
		}
	})
}

// A client that was refused in the midst of a compressed command may go on for a
// moment, so that it gets to read why, and not for longer: neither by sending nothing
// in the midst of a packet, nor by sending what takes long to inflate.
func TestCompressedClientsDoNotLinger(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	packer := wire.Packer{Codecs: wire.NewCodecs(1 << 30), By: wire.CompressionZlib}
	refused := append(wire.AppendHeader(nil, wire.MaxPayload, 0), "\x03SELECT '"+strings.Repeat("x", 40_000)+"'; SET auto_increment_offset=1; '"...)
	begin, seq := packer.Append(nil, 0, refused)
	zeros, _ := packer.Append(nil, seq, make([]byte, wire.MaxPayload-len(refused)+wire.HeaderSize))
	for name, rest := range map[string][]byte{"half a packet": zeros[:100], "a bomb": zeros} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, f.Addr())
			if err := c.login("app", appPassword, rawCaps|wire.Compress); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := c.conn.Write(append(bytes.Clone(begin), rest...)); err != nil {
				t.Fatal(err)
			}
			if name == "a bomb" {
				go func() {
					for _, err := c.conn.Write(nil); err == nil; { // packets without an end
						_, err = c.conn.Write(zeros)
					}
				}()
			}
			waitFor(t, "the session ends", func() bool { return f.Stats().Sessions == 0 })
			if took := time.Since(began); took > 4*lingerTime {
				t.Errorf("it ended after %v", took)
			}
		})
	}
}

// What would be inflated for long ends its session before the member, or this side,
// has worked through it. As many bytes that are worth something pass, and so do fewer
// of nothing.
func TestRealCompressedBomb(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMariaDB, Config{}, "max_allowed_packet=512M")
	noise, draw := make([]byte, 80<<20), rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = 'a' + byte(draw.Uint32()&15)
	}
	for _, tt := range []struct {
		name    string
		text    string
		refused bool
	}{
		{"nothing", strings.Repeat("x", 80<<20), true},
		{"noise", string(noise), false},
		{"less of nothing", strings.Repeat("x", 48<<20), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if raceDetector {
				t.Skip("compressing takes minutes")
			}
			before := f.Stats().Refused["bomb"]
			db := f.app(t, func(c *mysql.Config) {
				c.MaxAllowedPacket, c.ReadTimeout, c.WriteTimeout = 1<<30, time.Minute, time.Minute
				_ = c.Apply(mysql.EnableCompression(true))
			})
			var got int
			err := db.QueryRowContext(t.Context(), "SELECT LENGTH('"+tt.text+"')").Scan(&got)
			if (err != nil) != tt.refused || err == nil && got != len(tt.text) {
				t.Errorf("%d bytes, %v", got, err)
			}
			if got := f.Stats().Refused["bomb"] > before; got != tt.refused {
				t.Errorf("counted as a bomb: %v", got)
			}
		})
	}
}
