package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// header2 is a header of version 2.
func header2(command, family byte, addresses []byte) []byte {
	h := append([]byte(signature2), command, family)
	return append(binary.BigEndian.AppendUint16(h, uint16(len(addresses))), addresses...)
}

// from4 are the addresses of a TCP connection from ip.
func from4(ip string) []byte {
	a := netip.MustParseAddr(ip).As4()
	return append(append(a[:], 10, 0, 0, 1), 0x30, 0x39, 0x0d, 0x4e)
}

func from6(ip string) []byte {
	a := netip.MustParseAddr(ip).As16()
	return append(append(a[:], make([]byte, 16)...), 0x30, 0x39, 0x0d, 0x4e)
}

// peeker lets readHeader look at b, and nothing behind it.
func peeker(b []byte) (peek func(int) ([]byte, error), most *int) {
	most = new(int)
	return func(n int) ([]byte, error) {
		*most = max(*most, n)
		if n > len(b) {
			return nil, errors.New("it waits")
		}
		return b[:n], nil
	}, most
}

func TestReadHeader(t *testing.T) {
	long := "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
	extension := append(from4("203.0.113.9"), 0x03, 0, 4, 1, 2, 3, 4) // PP2_TYPE_CRC32C
	tests := []struct {
		name, header, from string
		bad                bool
	}{
		{"version 1", "PROXY TCP4 203.0.113.9 10.0.0.1 12345 3406\r\n", "203.0.113.9", false},
		{"version 1, IPv6", "PROXY TCP6 2001:db8::9 ::1 1 2\r\n", "2001:db8::9", false},
		{"version 1, the longest", long, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
		{"version 1, unknown", "PROXY UNKNOWN\r\n", "", false},
		{"version 1, unknown, with words", "PROXY UNKNOWN a b c\r\n", "", false},
		{"version 1, mapped", "PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n", "::ffff:203.0.113.9", false},
		{"version 1, the family of another", "PROXY TCP4 2001:db8::9 ::1 1 2\r\n", "", true},
		{"version 1, a zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "", true},
		{"version 1, words are lacking", "PROXY TCP4 203.0.113.9\r\n", "", true},
		{"version 1, too many words", "PROXY TCP4 203.0.113.9 10.0.0.1 1 2 3\r\n", "", true},
		{"version 1, another protocol", "PROXY UDP4 203.0.113.9 10.0.0.1 1 2\r\n", "", true},
		{"version 1, a name", "PROXY TCP4 localhost 10.0.0.1 1 2\r\n", "", true},
		{"version 1, no carriage return", "PROXY TCP4 203.0.113.9 10.0.0.1 1 2\n", "", true},
		{"version 1, no end", "PROXY " + strings.Repeat("x", 101), "", true},
		{"version 2", string(header2(0x21, 0x11, from4("203.0.113.9"))), "203.0.113.9", false},
		{"version 2, IPv6", string(header2(0x21, 0x21, from6("2001:db8::9"))), "2001:db8::9", false},
		{"version 2, extensions", string(header2(0x21, 0x11, extension)), "203.0.113.9", false},
		{"version 2, local", string(header2(0x20, 0x00, nil)), "", false},
		{"version 2, local with addresses", string(header2(0x20, 0x11, from4("203.0.113.9"))), "", false},
		{"version 2, unspecified", string(header2(0x21, 0x00, nil)), "", false},
		{"version 2, unix socket", string(header2(0x21, 0x31, make([]byte, 216))), "", false},
		{"version 2, UDP", string(header2(0x21, 0x12, from4("203.0.113.9"))), "", true},
		{"version 2, addresses are lacking", string(header2(0x21, 0x11, make([]byte, 11))), "", true},
		{"version 2, another command", string(header2(0x22, 0x11, from4("203.0.113.9"))), "", true},
		{"version 3", string(header2(0x31, 0x11, from4("203.0.113.9"))), "", true},
		{"version 2, endless", string(header2(0x21, 0x11, make([]byte, 5000))), "", true},
		{"neither", "PROXYTCP4 203.0.113.9 10.0.0.1 1 2\r\n", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			peek, most := peeker([]byte(tt.header))
			h, err := readHeader(peek)
			if (err != nil) != tt.bad || (tt.bad && !errors.Is(err, errHeader)) {
				t.Fatalf("%v", err)
			}
			if tt.bad {
				return
			}
			if got := h.from; got.IsValid() != (tt.from != "") || (tt.from != "" && got != netip.MustParseAddr(tt.from)) {
				t.Errorf("from %v", got)
			}
			if h.size != len(tt.header) || *most > h.size {
				t.Errorf("%d bytes, of %d; waited for %d", h.size, len(tt.header), *most)
			}
			for n := range len(tt.header) { // cut short, it waits for more
				if peek, _ := peeker([]byte(tt.header[:n])); n > 0 {
					if _, err := readHeader(peek); err == nil || errors.Is(err, errHeader) {
						t.Errorf("%d bytes of it: %v", n, err)
					}
				}
			}
		})
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 203.0.113.9 10.0.0.1 12345 3406\r\nrest"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add(header2(0x21, 0x11, from4("203.0.113.9")))
	f.Add(header2(0x21, 0x21, from6("2001:db8::9")))
	f.Add(header2(0x20, 0, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		peek, most := peeker(b)
		h, err := readHeader(peek)
		if err == nil && (h.size > len(b) || h.size > size2 || *most > h.size || (h.from.IsValid() && h.from.Zone() != "")) {
			t.Errorf("%+v", h)
		}
	})
}

// speakFirst sends bytes before it reads anything, as a balancer does.
func speakFirst(t *testing.T, addr string, first []byte) *raw {
	t.Helper()
	c := dialRaw(t, addr)
	if _, err := c.conn.Write(first); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheAddressOfTheHeaderIsTheClients(t *testing.T) {
	trusted := ProxyProtocol{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	required := trusted
	required.Required = true
	elsewhere := ProxyProtocol{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	v1 := "PROXY TCP4 203.0.113.9 10.0.0.1 12345 3406\r\n"
	tests := []struct {
		name   string
		cfg    ProxyProtocol
		header string
		user   string // far is for 203.0.113.9 alone, near for 127.0.0.1
		number uint16 // 0: let in
		reason string
	}{
		{"version 1", trusted, v1, "far", 0, ""},
		{"version 2", trusted, string(header2(0x21, 0x11, from4("203.0.113.9"))), "far", 0, ""},
		{"mapped", trusted, string(header2(0x21, 0x21, from6("::ffff:203.0.113.9"))), "far", 0, ""},
		{"an account of the balancer's address", trusted, v1, "near", 1045, "unknown_account"},
		{"another address", trusted, "PROXY TCP4 203.0.113.10 10.0.0.1 1 2\r\n", "far", 1045, "unknown_account"},
		{"local", trusted, string(header2(0x20, 0, nil)), "near", 0, ""},
		{"no header", trusted, "", "near", 0, ""},
		{"no header, required", required, "", "near", 1043, "proxy_header"},
		{"required", required, v1, "far", 0, ""},
		{"a stranger's", elsewhere, v1, "far", 1043, "proxy_header"},
		{"nobody is trusted", ProxyProtocol{}, v1, "far", 1043, "proxy_header"},
		{"nobody is trusted, version 2", ProxyProtocol{}, string(header2(0x21, 0x11, from4("203.0.113.9"))), "far", 1043, "proxy_header"},
		{"bad", trusted, "PROXY TCP4 x y 1 2\r\n", "far", 1043, "proxy_header"},
		{"endless", trusted, "PROXY " + strings.Repeat("x", 200), "far", 1043, "proxy_header"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := startFaked(t, Config{ProxyProtocol: tt.cfg, RefreshTimeout: time.Millisecond}, nil)
			f.world.setAccounts(native("far", "203.0.113.9", "pw"), native("near", "127.0.0.1", "pw"), native("x", "203.0.113.%", "pw"))
			err := speakFirst(t, f.Addr(), []byte(tt.header)).login(tt.user, "pw", rawCaps)
			var e *wire.Error
			switch {
			case tt.number == 0 && err != nil:
				t.Error(err)
			case tt.number != 0 && (!errors.As(err, &e) || e.Number != tt.number) && !isReset(err):
				t.Errorf("%v, want %d", err, tt.number)
			case tt.number != 0 && f.Stats().Refused[tt.reason] != 1:
				t.Errorf("refused: %v", f.Stats().Refused)
			}
		})
	}
}

// isReset: what was sent and not read ends a connection with a reset, which may
// swallow the last words.
func isReset(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "broken pipe"))
}

// A header over the unix socket has no network to be believed for.
func TestNoHeaderOverTheUnixSocket(t *testing.T) {
	path := t.TempDir() + "/s"
	startFaked(t, Config{Socket: path, ProxyProtocol: ProxyProtocol{Networks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, Required: true}}, nil)
	for header, in := range map[string]bool{"": true, "PROXY UNKNOWN\r\n": false} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = conn.Write([]byte(header))
		c := &raw{t: t, conn: conn, own: wire.NewConn(conn, 1<<20)}
		if err := c.login("app", appPassword, rawCaps); (err == nil) != in {
			t.Errorf("%q: %v", header, err)
		}
	}
}

// Header and login, byte by byte: what is slow but in time gets in, and what is
// slower ends at the one deadline for all of it.
func TestByteByByte(t *testing.T) {
	trusted := ProxyProtocol{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	f := startFaked(t, Config{ProxyProtocol: trusted, LoginTimeout: 400 * time.Millisecond}, nil)
	dribble := func(pause time.Duration) error {
		c := dialRaw(t, f.Addr())
		for _, b := range []byte("PROXY TCP4 203.0.113.9 10.0.0.1 12345 3406\r\n") {
			if _, err := c.conn.Write([]byte{b}); err != nil {
				return err
			}
			time.Sleep(pause)
		}
		payload, err := c.own.Read()
		if err != nil {
			return err
		}
		g, err := wire.ParseGreeting(payload)
		if err != nil {
			return err
		}
		l := wire.Login{Capabilities: rawCaps, User: "app", Plugin: wire.PluginNative, Token: wire.NewDigest(appPassword).Token(g.Salt)}
		packet, _ := wire.AppendPacket(nil, 1, l.Append(nil))
		for _, b := range packet {
			if _, err := c.conn.Write([]byte{b}); err != nil {
				return err
			}
			time.Sleep(pause)
		}
		c.own.Restart(2, 1<<20)
		return c.own.Finish(l.Plugin, g.Salt, wire.Credentials{})
	}
	if err := dribble(100 * time.Microsecond); err != nil {
		t.Errorf("slow: %v", err)
	}
	start := time.Now()
	err := dribble(20 * time.Millisecond)
	var e *wire.Error
	if took := time.Since(start); err == nil || took > 3*time.Second {
		t.Errorf("slower: %v after %v", err, took)
	} else if errors.As(err, &e) && e.Number != 1159 {
		t.Errorf("slower: %v", err)
	}
	if n := f.Stats().Refused["login_timeout"]; n != 1 {
		t.Errorf("refused %v", f.Stats().Refused)
	}
}

// What a header takes counts as what a client may send before it is logged in.
func TestTheHeaderCountsAsLogin(t *testing.T) {
	trusted := ProxyProtocol{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	f := startFaked(t, Config{ProxyProtocol: trusted, LoginBytes: 300}, nil)
	c := speakFirst(t, f.Addr(), header2(0x21, 0x11, append(from4("203.0.113.9"), bytes.Repeat([]byte{4, 0, 1, 0}, 100)...)))
	if number, closed := lastWords(c.conn); !closed {
		t.Errorf("error %d, and not closed", number)
	}
	if f.Stats().Refused["login_bytes"] != 1 {
		t.Errorf("refused %v", f.Stats().Refused)
	}
}
