package proxy

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestLogin(t *testing.T) {
	locked := native("locked", "%", "pw")
	locked.Locked = true
	modern := topology.Account{User: "modern", Host: "%", Plugin: "caching_sha2_password", Hash: "$A$005$x"}
	tests := []struct {
		name, user, password string
		number               uint16 // 0: let in
		reason               string
	}{
		{"right", "app", appPassword, 0, ""},
		{"wrong password", "app", "wrong", 1045, "password"},
		{"no password", "app", "", 1045, "password"},
		{"unknown", "nobody", appPassword, 1045, "unknown_account"},
		{"other plugin looks like a wrong password", "modern", "x", 1045, "plugin"},
		{"from elsewhere", "far", "pw", 1045, "unknown_account"},
		{"without password", "open", "", 0, ""},
		{"a password where none is", "open", "x", 1045, "password"},
		{"locked", "locked", "pw", 4151, "locked"},
		{"locked, wrong password", "locked", "x", 1045, "password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := startFaked(t, Config{RefreshTimeout: 10 * time.Millisecond}, nil)
			f.world.setAccounts(native("app", "%", appPassword), locked, modern, native("far", "192.0.2.7", "pw"), native("open", "127.0.0.1", ""))
			err := dialRaw(t, f.Addr()).login(tt.user, tt.password, rawCaps)
			var e *wire.Error
			switch {
			case tt.number == 0:
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &e) || e.Number != tt.number:
				t.Errorf("got %v, want %d", err, tt.number)
			case f.Stats().Refused[tt.reason] != 1:
				t.Errorf("refused %v", f.Stats().Refused)
			case strings.Contains(e.Message, "plugin") || strings.Contains(e.Message, "caching"):
				t.Errorf("the message tells: %s", e.Message)
			}
			if tt.number == 1045 && f.Stats().LinksTotal != 0 {
				t.Error("a member was asked")
			}
		})
	}
}

// CREATE USER followed at once by a login works, and so does a new password.
func TestLoginWithAnAccountOfThisMoment(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	f.world.onRefresh = func() []topology.Account { return []topology.Account{native("fresh", "%", "pw")} }
	if err := dialRaw(t, f.Addr()).login("fresh", "pw", rawCaps); err != nil {
		t.Error(err)
	}
	if f.world.refreshes != 1 {
		t.Errorf("%d refreshes", f.world.refreshes)
	}
}

// So does ALTER USER … ACCOUNT UNLOCK, and … REQUIRE NONE.
func TestLoginWithAnAccountThatIsLetInAgain(t *testing.T) {
	locked, tls := native("fresh", "%", "pw"), native("fresh", "%", "pw")
	locked.Locked, tls.Require.Kind = true, topology.RequireTLS
	for name, was := range map[string]topology.Account{"it was locked": locked, "it needed TLS": tls} {
		t.Run(name, func(t *testing.T) {
			f := startFaked(t, Config{}, nil)
			f.world.setAccounts(was)
			f.world.onRefresh = func() []topology.Account { return []topology.Account{was} }
			if err := dialRaw(t, f.Addr()).login("fresh", "pw", rawCaps); err == nil {
				t.Error("it was let in as it was")
			}
			f.world.onRefresh = func() []topology.Account { return []topology.Account{native("fresh", "%", "pw")} }
			if err := dialRaw(t, f.Addr()).login("fresh", "pw", rawCaps); err != nil {
				t.Error(err)
			}
		})
	}
}

// An unknown account costs the same time as a wrong password: both wait for newer
// accounts, and both compute the same.
func TestRefusalsTakeTheSameTime(t *testing.T) {
	const refresh = 150 * time.Millisecond
	f := startFaked(t, Config{RefreshTimeout: refresh}, nil)
	for _, user := range []string{"app", "nobody"} {
		start := time.Now()
		if err := dialRaw(t, f.Addr()).login(user, "wrong", rawCaps); err == nil {
			t.Fatal("let in")
		}
		if took := time.Since(start); took < refresh || took > 5*refresh {
			t.Errorf("%s: %v", user, took)
		}
	}
}

func TestVerifyMatchesTheAddress(t *testing.T) {
	salt := wire.NewSalt()
	p, err := New(Config{Addr: "127.0.0.1:0"}, newWorld(), newWorld())
	if err != nil {
		t.Fatal(err)
	}
	accounts := []topology.Account{native("app", "192.0.2.%", "a"), native("app", "localhost", "b")}
	for from, password := range map[string]string{"192.0.2.9": "a", "127.0.0.1": "b", "": "b"} {
		addr, _ := netip.ParseAddr(from)
		by := proof{method: wire.PluginNative, salt: salt, token: wire.NewDigest(password).Token(salt)}
		v := p.verify(t.Context(), p.candidate(accounts, "app", addr), by)
		if !v.ok || v.secret != wire.SecretOfDigest(wire.NewDigest(password)) {
			t.Errorf("from %q: %+v", from, v)
		}
	}
}

// A client that would authenticate by another plugin is asked to use ours.
func TestLoginSwitchesThePlugin(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	c := dialRaw(t, f.Addr())
	if _, err := c.own.Read(); err != nil {
		t.Fatal(err)
	}
	l := wire.Login{Capabilities: rawCaps, User: "app", Plugin: "caching_sha2_password", Token: bytes.Repeat([]byte{9}, 32)}
	_ = c.own.Write(l.Append(nil))
	payload, err := c.own.Read()
	if err != nil || payload[0] != 0xFE || !bytes.HasPrefix(payload[1:], []byte(wire.PluginNative+"\x00")) {
		t.Fatalf("%q, %v", payload, err)
	}
	var salt wire.Salt
	copy(salt[:], payload[2+len(wire.PluginNative):])
	_ = c.own.Write(wire.NewDigest(appPassword).Token(salt))
	if payload, err = c.own.Read(); err != nil || payload[0] != 0 {
		t.Errorf("%q, %v", payload, err)
	}
}

// What strangers may do before they are known: each gets an error or a closed
// connection, in time, and nobody else notices.
func TestStrangers(t *testing.T) {
	login := func(change func(*wire.Login)) []byte {
		l := wire.Login{Capabilities: rawCaps, User: "app", Plugin: wire.PluginNative, Token: make([]byte, 20)}
		change(&l)
		p, _ := wire.AppendPacket(nil, 1, l.Append(nil))
		return p
	}
	oldClient, _ := wire.AppendPacket(nil, 1, []byte("\x05\x00\x00\x00\x00app\x00"))
	noSecure := login(func(l *wire.Login) { l.Capabilities &^= wire.SecureConn | wire.PluginAuthLen; l.Token = nil })
	tests := []struct {
		name   string
		say    []byte
		number uint16 // 0: closed without a word
		reason string
	}{
		{"16 MiB declared", []byte{0xFF, 0xFF, 0xFF, 1}, 1153, "login_bytes"},
		{"64 KiB and more declared", []byte{0, 0, 1, 1}, 1153, "login_bytes"},
		{"TLS asked for", login(func(l *wire.Login) { l.Capabilities |= wire.SSL })[:36], 0, ""},
		{"garbage", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 1153, "login_bytes"},
		{"garbage of a plausible length", append([]byte{20, 0, 0, 1}, strings.Repeat("\xFF", 20)...), 1043, "handshake"},
		{"empty packet", []byte{0, 0, 0, 1}, 1043, "handshake"},
		{"wrong sequence number", []byte{1, 0, 0, 7, 'x'}, 1156, "handshake"},
		{"before 4.1", oldClient, 1043, "handshake"},
		{"old passwords", noSecure, 1251, "handshake"},
		{"half a packet, then silence", []byte{100, 0, 0, 1, 'x'}, 1159, "login_timeout"},
		{"half a header, then silence", []byte{100, 0}, 1159, "login_timeout"},
		{"silence", nil, 1159, "login_timeout"},
		{"a name of 60 KiB", login(func(l *wire.Login) { l.User = strings.Repeat("x", 60<<10) }), 1045, "unknown_account"},
	}
	f := startFaked(t, Config{LoginTimeout: 300 * time.Millisecond, RefreshTimeout: 10 * time.Millisecond}, nil)
	good := f.client(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := f.Stats().Refused[tt.reason]
			c := dialRaw(t, f.Addr())
			if _, err := c.own.Read(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.conn.Write(tt.say); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			got, closed := lastWords(c.conn)
			if !closed || time.Since(start) > 2*time.Second {
				t.Errorf("not closed, after %v", time.Since(start))
			}
			if tt.reason != "" && f.Stats().Refused[tt.reason] != before+1 {
				t.Errorf("refused: %v", f.Stats().Refused)
			}
			if tt.number != 0 && got != 0 && got != tt.number { // a reset may swallow the words
				t.Errorf("error %d, want %d", got, tt.number)
			}
			if n, _ := good.query("SELECT 1"); n != 0 {
				t.Errorf("another client got %d", n)
			}
		})
	}
}

// lastWords reads an error packet, if there is one, and whether the connection is
// closed then.
func lastWords(conn net.Conn) (number uint16, closed bool) {
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		all = append(all, buf[:n]...)
		if err == nil {
			continue
		}
		var timeout net.Error
		closed = !errors.As(err, &timeout) || !timeout.Timeout()
		if len(all) > 7 && all[4] == 0xFF {
			number = uint16(all[5]) | uint16(all[6])<<8
		}
		return number, closed
	}
}

// Slow strangers hold a connection until the deadline and little else: new
// clients are let in meanwhile, and memory stays flat.
func TestSlowlorisAndMemory(t *testing.T) {
	f := startFaked(t, Config{LoginTimeout: time.Second}, nil)
	before := heapAndStacks()
	const strangers = 300
	conns := make([]net.Conn, strangers)
	for i := range conns {
		conn, err := net.Dial("tcp", f.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte{0x60, 0xEA, 0, 1, 'x'}) // 60000 bytes declared, one sent
		conns[i] = conn
	}
	waitFor(t, "all are there", func() bool { return f.Stats().Sessions == strangers })
	if grown := heapAndStacks() - before; grown > strangers*24<<10 {
		t.Errorf("%d bytes for each stranger", grown/strangers)
	}
	start := time.Now()
	if err := dialRaw(t, f.Addr()).login("app", appPassword, rawCaps); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 200*time.Millisecond {
		t.Errorf("a good client waited %v", took)
	}
	waitFor(t, "all are gone", func() bool { return f.Stats().Refused["login_timeout"] == strangers })
}

func TestTooManySessions(t *testing.T) {
	f := startFaked(t, Config{MaxSessions: 2}, nil)
	first := f.client(t)
	f.client(t)
	c := dialRaw(t, f.Addr())
	if number, closed := lastWords(c.conn); number != 1040 || !closed {
		t.Errorf("error %d, closed %v", number, closed)
	}
	_ = first.conn.Close()
	waitFor(t, "there is room", func() bool { return f.Stats().Sessions == 1 })
	if err := dialRaw(t, f.Addr()).login("app", appPassword, rawCaps); err != nil {
		t.Error(err)
	}
	if n := f.Stats().Refused["max_sessions"]; n != 1 {
		t.Errorf("refused %d", n)
	}
}

func TestMemberRefuses(t *testing.T) {
	f := startFaked(t, Config{QueueTimeout: 200 * time.Millisecond}, nil)
	_ = f.fake.listener.Close()
	f.fake.cut()
	var e *wire.Error
	if err := dialRaw(t, f.Addr()).login("app", appPassword, rawCaps); !errors.As(err, &e) || !strings.Contains(e.Message, "member m1") {
		t.Errorf("%v", err)
	}
	if f.Stats().Refused["member"] != 1 {
		t.Errorf("%v", f.Stats().Refused)
	}
}

// A session does not start at a member that will not take its slot.
func TestSlotIsVerified(t *testing.T) {
	for _, ignores := range []bool{false, true} {
		t.Run("", func(t *testing.T) {
			f := startFaked(t, Config{}, nil)
			f.fake.begins(autoinc.Layout{Offset: 9, Stride: 16}, ignores)
			err := dialRaw(t, f.Addr()).login("app", appPassword, rawCaps)
			var e *wire.Error
			if !ignores && err != nil {
				t.Error(err)
			}
			if ignores && (!errors.As(err, &e) || !strings.Contains(e.Message, "slot is 9/16 although it was set to 3/16")) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A session does not start at a member that says that it reports less than it was told to.
func TestTrackingIsVerified(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	for _, says := range [][3]string{{"autocommit", "1", "1"}, {"*", "0", "1"}, {"*", "1", "0"}} {
		f.fake.tracks(says[0], says[1], says[2])
		err := dialRaw(t, f.Addr()).login("app", appPassword, rawCaps)
		var e *wire.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, "although it was set to") {
			t.Errorf("%q: %v", says, err)
		}
	}
	f.fake.tracks("*", "1", "1")
	c := f.client(t)
	f.fake.tracks("*", "1", "0") // at the reset
	if payload, err := c.do(wire.ComResetConnection, ""); err == nil && payload[0] == 0 {
		t.Error("a session goes on at a member that does not report what it changes")
	}
}
