package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"net"
	"strings"
	"testing"
	"time"
)

// greetingMariaDB is the first packet of a MariaDB 10.11.19.
var greetingMariaDB = []byte("\n5.5.5-10.11.19-MariaDB-0+deb12u1\x00\x05\x00\x00\x00Hx7!@ri>\x00\xfe\xf7\x2d\x02\x00\xff\x81\x15" +
	"\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00FbI?`ux\"O]q:\x00mysql_native_password\x00")

func TestGreetingRoundTrip(t *testing.T) {
	g := Greeting{
		Version: "5.5.5-10.11.19-MariaDB", ThreadID: 1 << 30, Salt: NewSalt(), Capabilities: Offered,
		Charset: 45, Status: StatusAutocommit, Plugin: PluginNative,
	}
	got, err := ParseGreeting(g.Append(nil))
	if err != nil || got != g {
		t.Errorf("%+v, %v; want %+v", got, err, g)
	}
}

func TestGreetingOfMariaDB(t *testing.T) {
	g, err := ParseGreeting(greetingMariaDB)
	if err != nil || g.Version != "5.5.5-10.11.19-MariaDB-0+deb12u1" || g.ThreadID != 5 || g.Plugin != PluginNative ||
		string(g.Salt[:]) != "Hx7!@ri>FbI?`ux\"O]q:" {
		t.Errorf("%+v, %v", g, err)
	}
	if g.Capabilities.Has(Mysql) || !g.Capabilities.Has(DeprecateEOF|SessionTrack|MultiStatements|LocalFiles) {
		t.Errorf("capabilities %#x", g.Capabilities)
	}
	if _, err := Offered.Towards(g.Capabilities); err != nil {
		t.Error(err)
	}
}

func TestGreetingThatRefuses(t *testing.T) {
	var e *Error
	_, err := ParseGreeting([]byte("\xff\x10\x04Too many connections"))
	if !errors.As(err, &e) || e.Number != 1040 || e.State != "HY000" || e.Message != "Too many connections" {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "\x09old", "\x0a5.7", "\xff"} {
		if _, err := ParseGreeting([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestLoginRoundTrip(t *testing.T) {
	full := Login{
		Capabilities: Offered &^ PluginAuthLen, MaxPacket: 1 << 24, Charset: 45, User: "app", Token: bytes.Repeat([]byte{3}, 20),
		Database: "shop", Plugin: PluginNative, Attributes: "\x04_pid\x017",
	}
	bare := Login{Capabilities: Protocol41 | SecureConn, User: "app"}
	for _, l := range []Login{full, bare} {
		got, err := ParseLogin(l.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if got.User != l.User || !bytes.Equal(got.Token, l.Token) || got.Database != l.Database || got.Plugin != l.Plugin ||
			got.Attributes != l.Attributes || got.Charset != l.Charset || got.Capabilities != l.Capabilities {
			t.Errorf("%+v came back as %+v", l, got)
		}
	}
}

func TestParseLogin(t *testing.T) {
	head := func(caps Capability) string {
		return string(append(binary.LittleEndian.AppendUint32(nil, uint32(caps)), make([]byte, 28)...))
	}
	old := Protocol41 | SecureConn | ConnectWithDB
	tests := []struct {
		name, in string
		ok       bool
		user, db string
	}{
		{"old client, database without its end", head(old) + "tsung\x00\x00shop", true, "tsung", "shop"},
		{"old client, no database although announced", head(old) + "tsung\x00\x00", true, "tsung", ""},
		{"plugin left out", head(old|PluginAuth|ConnectAttrs) + "app\x00\x00shop\x00", true, "app", "shop"},
		{"user without end", head(old) + "app", false, "", ""},
		{"token longer than the packet", head(old) + "app\x00\x14abc", false, "", ""},
		{"attributes longer than the packet", head(old|PluginAuth|ConnectAttrs) + "app\x00\x00shop\x00p\x00\xfc\xff\xff", false, "", ""},
		{"lenenc token that is no length", head(old|PluginAuthLen) + "app\x00\xfbabc", false, "", ""},
		{"before 4.1", "\x85\xa6\x03\x00\x00\x00\x01app\x00", false, "", ""},
		{"empty", "", false, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := ParseLogin([]byte(tt.in))
			if (err == nil) != tt.ok || l.User != tt.user || l.Database != tt.db {
				t.Errorf("%+v, %v", l, err)
			}
			if err != nil && !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestParseLoginMasksWhatWasNotOffered(t *testing.T) {
	l := Login{Capabilities: ^SSL &^ (PluginAuthLen | ConnectAttrs), User: "a", Plugin: PluginNative, Database: "d"}
	got, err := ParseLogin(l.Append(nil))
	if err != nil || got.Capabilities&^offeredByAny != 0 {
		t.Errorf("%#x, %v", got.Capabilities, err)
	}
}

func TestParseChangeUser(t *testing.T) {
	payload := "eve\x00\x02abshop\x00\x2d\x00mysql_native_password\x00\x03\x01a\x00"
	l, err := ParseChangeUser([]byte(payload), Offered)
	if err != nil || l.User != "eve" || string(l.Token) != "ab" || l.Database != "shop" || l.Charset != 45 || l.Plugin != PluginNative || len(l.Attributes) != 3 {
		t.Errorf("%+v, %v", l, err)
	}
	for n := range len(payload) { // every shorter one is an error or an older client's
		_, _ = ParseChangeUser([]byte(payload[:n]), Offered)
	}
	if _, err := ParseChangeUser([]byte("eve\x00\x14ab"), Offered); !errors.Is(err, ErrMalformed) {
		t.Errorf("short token: %v", err)
	}
}

// Whatever a client agreed on, its member's connection is framed in the same way,
// and does the same; only session tracking is always on.
func TestCapabilityParity(t *testing.T) {
	const all = offeredByAny
	servers := []Capability{^Capability(0), all, all &^ (Mysql | LocalFiles | ConnectAttrs)}
	for bit := range 64 {
		client := (Capability(1)<<bit | Protocol41 | SecureConn) & all
		for _, chosen := range []Capability{client, all, all&^client | Protocol41 | SecureConn} {
			for _, server := range servers {
				got, err := chosen.Towards(server)
				if err != nil {
					t.Fatal(err)
				}
				if differ := (got ^ chosen) & passed; differ != 0 {
					t.Errorf("client %#x: bits %#x differ towards the member", chosen, differ)
				}
				if !got.Has(SessionTrack) {
					t.Errorf("client %#x: the member gets %#x", chosen, got)
				}
				if got.Has(SSL) || got.Has(Compress) {
					t.Errorf("client %#x: the member gets %#x", chosen, got)
				}
			}
		}
	}
}

func TestServerThatCanNotFrame(t *testing.T) {
	for rest := uint64(framing | SecureConn | PluginAuth | SessionTrack); rest != 0; rest &= rest - 1 {
		bit := Capability(1) << bits.TrailingZeros64(rest)
		if _, err := Capability(offeredByAny).Towards(^Capability(0) &^ bit); err == nil {
			t.Errorf("a server without %#x was accepted", bit)
		}
	}
	if _, err := (Offered &^ DeprecateEOF).Towards(^Capability(0) &^ DeprecateEOF); err != nil {
		t.Errorf("a bit that the client does not use: %v", err)
	}
}

// fakeLogin lets script answer a Conn.Login.
func fakeLogin(t *testing.T, script func(*Conn)) (g Greeting, err error) {
	t.Helper()
	between(t, func(c *Conn) {
		g, err = c.Login(Login{Capabilities: Offered, User: "app", Database: "shop"}, SecretOfDigest(NewDigest("secret")), false)
	}, script)
	return g, err
}

// loginAs lets script answer a Conn.Login with a secret.
func loginAs(t *testing.T, s Secret, secure bool, script func(*Conn)) (err error) {
	t.Helper()
	between(t, func(c *Conn) { _, err = c.Login(Login{Capabilities: Offered, User: "app"}, s, secure) }, script)
	return err
}

// between connects two sides.
func between(t *testing.T, client, server func(*Conn)) {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	_ = here.SetDeadline(time.Now().Add(5 * time.Second))
	_ = there.SetDeadline(time.Now().Add(5 * time.Second))
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer there.Close()
		server(NewConn(there, 1<<16))
	}()
	client(NewConn(here, 1<<16))
	_ = here.Close()
	<-done
}

func TestLoginAsClient(t *testing.T) {
	greeting := Greeting{Version: "9.7.4", ThreadID: 9, Salt: NewSalt(), Capabilities: ^Capability(0), Plugin: "caching_sha2_password"}
	other := NewSalt()
	stored := NewDigest("secret").Stored()
	var e *Error
	tests := []struct {
		name   string
		answer func(c *Conn, l Login)
		check  func(error) bool
	}{
		{"accepted", func(c *Conn, _ Login) { _ = c.Write((&OK{}).Append(nil, 0)) }, func(err error) bool { return err == nil }},
		{
			"refused", func(c *Conn, _ Login) { _ = c.Write(NewError(AccessDenied, "no").Append(nil)) },
			func(err error) bool { return errors.As(err, &e) && e.Number == 1045 && e.State == "28000" },
		},
		{"switched", func(c *Conn, _ Login) {
			_ = c.Write(AppendAuthSwitch(nil, PluginNative, other))
			token, err := c.Read()
			if _, ok := stored.Verify(other, token); err != nil || !ok {
				_ = c.Write(NewError(AccessDenied, "no").Append(nil))
				return
			}
			_ = c.Write((&OK{}).Append(nil, 0))
		}, func(err error) bool { return err == nil }},
		{
			"switched to another plugin", func(c *Conn, _ Login) { _ = c.Write([]byte("\xfeclient_ed25519\x00xyz\x00")) },
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "client_ed25519") },
		},
		{"switched to nothing", func(c *Conn, _ Login) { _ = c.Write([]byte("\xfe")) }, func(err error) bool { return err != nil }},
		{"short salt", func(c *Conn, _ Login) { _ = c.Write([]byte("\xfemysql_native_password\x00abc")) }, func(err error) bool { return errors.Is(err, ErrMalformed) }},
		{"nothing said", func(c *Conn, _ Login) { _ = c.Write(nil) }, func(err error) bool { return errors.Is(err, ErrMalformed) }},
		{"nonsense", func(c *Conn, _ Login) { _ = c.Write([]byte("hello")) }, func(err error) bool { return errors.Is(err, ErrMalformed) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := fakeLogin(t, func(c *Conn) {
				_ = c.Write(greeting.Append(nil))
				payload, err := c.Read()
				if err != nil {
					t.Error(err)
					return
				}
				l, err := ParseLogin(payload)
				if _, ok := stored.Verify(greeting.Salt, l.Token); err != nil || !ok || l.User != "app" || l.Database != "shop" {
					t.Errorf("login %+v, %v", l, err)
				}
				tt.answer(c, l)
			})
			if !tt.check(err) || g.ThreadID != 9 {
				t.Errorf("%+v, %v", g, err)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		fault  Fault
		number uint16
		state  string
	}{
		{Unspecified, 1105, "HY000"},
		{TooManyConnections, 1040, "08004"},
		{TooManyUserConnections, 1203, "42000"},
		{HostBlocked, 1129, "HY000"},
		{HostNotAllowed, 1130, "HY000"},
		{PasswordToBeChanged, 1820, "HY000"},
		{BadHandshake, 1043, "08S01"},
		{AccessDenied, 1045, "28000"},
		{AccountLockedMariaDB, 4151, "HY000"},
		{AccountLockedMySQL, 3118, "HY000"},
		{OldClient, 1251, "08004"},
		{UnknownCommand, 1047, "08S01"},
		{CommandNotAvailable, 1235, "42000"},
		{BadDatabase, 1049, "42000"},
		{ShutdownInProgress, 1053, "08S01"},
		{NoSuchThread, 1094, "HY000"},
		{PacketTooLarge, 1153, "08S01"},
		{MalformedPacket, 1835, "HY000"},
		{PacketsOutOfOrder, 1156, "08S01"},
		{NetReadError, 1158, "08S01"},
		{InsecureTransport, 3159, "HY000"},
		{NetReadTimeout, 1159, "08S01"},
		{NetWriteError, 1160, "08S01"},
		{NetWriteTimeout, 1161, "08S01"},
		{TransactionLost, 1213, "40001"},
		{VariableReserved, 1231, "42000"},
		{NoOwner, 1290, "HY000"},
		{UnknownStatement, 1243, "HY000"},
		{Saturated, 1041, "HY000"},
		{OutcomeUnknown, 1105, "08007"},
		{Interrupted, 1317, "70100"},
	}
	if len(tests) != int(Interrupted)+1 {
		t.Errorf("%d rows for %d faults", len(tests), Interrupted+1)
	}
	for i, tt := range tests {
		if tt.fault != Fault(i) {
			t.Errorf("row %d is of fault %d", i, tt.fault)
		}
		e := NewError(tt.fault, "x %d", 7)
		if e.Number != tt.number || e.State != tt.state || e.Number == 2013 {
			t.Errorf("fault %d is %v", i, e)
		}
		var back *Error
		if !errors.As(ParseError(e.Append(nil)), &back) || *back != *e {
			t.Errorf("%v came back as %v", e, back)
		}
	}
}

func FuzzParseLogin(f *testing.F) {
	l := Login{Capabilities: Offered, User: "app", Token: []byte("12345678901234567890"), Database: "shop", Plugin: PluginNative, Attributes: "\x01a\x01b"}
	f.Add(l.Append(nil))
	f.Add([]byte("\x85\xa6\x03\x00\x00\x00\x01app\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		l, err := ParseLogin(payload)
		if err == nil && (l.Capabilities&^offeredByAny != 0 || len(l.User)+len(l.Token)+len(l.Attributes) > len(payload)) {
			t.Errorf("%+v", l)
		}
		_, _ = ParseChangeUser(payload, Offered)
		_, _ = ParseChangeUser(payload, Protocol41)
	})
}

func FuzzParseGreeting(f *testing.F) {
	f.Add(greetingMariaDB)
	f.Add([]byte("\xff\x10\x04Too many connections"))
	f.Fuzz(func(_ *testing.T, payload []byte) {
		_, _ = ParseGreeting(payload)
		_, _, _ = parseAuthSwitch(payload)
		_ = ParseError(payload)
	})
}
