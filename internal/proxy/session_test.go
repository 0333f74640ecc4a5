package proxy

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

func TestCommandsThatAreRefused(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	c := f.client(t)
	for code, number := range map[wire.Command]uint16{
		wire.ComBinlogDump: 1235, wire.ComBinlogDumpGTID: 1235, wire.ComRegisterReplica: 1235, wire.ComTableDump: 1235,
		wire.ComShutdown: 1235, wire.ComSleep: 1047, 0x0B: 1047, 0x10: 1047, 0x20: 1047, 0xFA: 1047, 0xFF: 1047,
	} {
		payload, err := c.do(code, "xyz")
		if err != nil || payload[0] != 0xFF || uint16(payload[1])|uint16(payload[2])<<8 != number {
			t.Errorf("command %#x: %q, %v, want %d", byte(code), payload, err, number)
		}
	}
	if n, _ := c.query("SELECT 1"); n != 0 {
		t.Errorf("then %d", n)
	}
	if got := f.fake.commands(); len(got) != 1 {
		t.Errorf("the member got %q", got)
	}
}

func TestHostileClientsAfterLogin(t *testing.T) {
	tests := []struct {
		name string
		say  []byte
		want uint16 // 0: closed
		ends bool
	}{
		{"empty packet", []byte{0, 0, 0, 0}, 1047, false},
		{"wrong sequence number", []byte{1, 0, 0, 9, 14}, 1156, true},
		{"change of user cut short", []byte{5, 0, 0, 0, 17, 'a', 0, 200, 1}, 1043, true},
		{"change of user of 16 MiB", append([]byte{0xFF, 0xFF, 0xFF, 0, 17}, make([]byte, 20000)...), 1153, true},
		{"large unknown command", append([]byte{0xFF, 0xFF, 0, 0, 0xFA}, make([]byte, 20000)...), 1047, true},
		{"statement without an id", []byte{1, 0, 0, 0, 0x17}, 0, false},
	}
	f := startFaked(t, Config{}, nil)
	good := f.client(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := f.client(t)
			if _, err := c.conn.Write(tt.say); err != nil {
				t.Fatal(err)
			}
			c.own.Restart(1, 1<<16)
			payload, err := c.own.Read()
			if err != nil && !tt.ends {
				t.Fatal(err)
			}
			if err == nil && tt.want != 0 && uint16(payload[1])|uint16(payload[2])<<8 != tt.want {
				t.Errorf("got %q, want %d", payload, tt.want)
			}
			n, _ := c.query("SELECT 1")
			if (n == -1) != tt.ends {
				t.Errorf("then %d", n)
			}
			if n, _ := good.query("SELECT 1"); n != 0 {
				t.Errorf("another client got %d", n)
			}
		})
	}
}

// A slot of the client's own is refused wherever it stands, and the session goes
// on; in a statement too large for the buffer, it ends before the member has it
// all.
func TestSlotIsReserved(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	c := f.client(t)
	for _, text := range []string{
		"SET auto_increment_increment=1", "/*!50000 SET @@global.auto_increment_offset=2 */",
		"SELECT 1; SET SESSION auto_increment_offset := 7", "SET STATEMENT auto_increment_offset=1 FOR SELECT 1",
	} {
		if n, state := c.query(text); n != 1231 || state != "42000" {
			t.Errorf("%s: %d %s", text, n, state)
		}
	}
	if payload, err := c.do(wire.ComStmtPrepare, "SET auto_increment_offset=?"); err != nil || payload[0] != 0xFF {
		t.Errorf("prepare: %q, %v", payload, err)
	}
	harmless := "INSERT INTO posts VALUES ('SET auto_increment_offset=1')"
	if n, _ := c.query(harmless); n != 0 {
		t.Errorf("%s: %d", harmless, n)
	}
	large := "INSERT INTO posts VALUES ('" + strings.Repeat("SET auto_increment_offset=1;", 2000) + "')"
	if n, _ := c.query(large); n != 0 {
		t.Errorf("a large statement: %d", n)
	}
	if n, _ := c.query(large + "; SET auto_increment_offset=1"); n != 1231 && n != -1 {
		t.Errorf("behind a large statement: %d", n)
	}
	if got := f.fake.commands(); len(got) != 2 {
		t.Errorf("the member got %d statements", len(got))
	}
}

// A change that no scan can see is seen in what the member reports, and ends the
// session.
func TestSlotChangedBehindTheBack(t *testing.T) {
	f := startFaked(t, Config{}, func(c *fakeConn, _ []byte) {
		c.status(wire.StatusAutocommit|wire.StatusSessionChanged, variable("auto_increment_offset", "5"))
	})
	c := f.client(t)
	c.query("CALL sneaky()")
	if n, _ := c.query("SELECT 1"); n != -1 {
		t.Errorf("the session went on: %d", n)
	}
	if f.Stats().TooLate != 1 {
		t.Errorf("stats %+v", f.Stats())
	}
}

// Commands that are sent without waiting are answered one after the other.
func TestPipelining(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	c := f.client(t)
	var all []byte
	const n = 2000
	for range n {
		all, _ = wire.AppendPacket(all, 0, []byte("\x03SELECT 1"))
		all, _ = wire.AppendPacket(all, 0, []byte("\x19\x01\x00\x00\x00")) // closes a statement: no answer
	}
	go func() { _, _ = c.conn.Write(all) }()
	for i := range n {
		c.own.Restart(1, 1<<20)
		if payload, err := c.own.Read(); err != nil || payload[0] != 0 {
			t.Fatalf("answer %d: %q, %v", i, payload, err)
		}
	}
}

// A client that does not read costs its own session only.
func TestSlowReader(t *testing.T) {
	big := bytes.Repeat([]byte{'x'}, 1<<20)
	f := startFaked(t, Config{}, func(c *fakeConn, command []byte) {
		if string(command[1:]) != "SELECT big" {
			c.ok()
			return
		}
		rows := make([][]byte, 64)
		for i := range rows {
			rows[i] = wire.AppendBytes(nil, big)
		}
		c.rows(1, rows...)
	})
	slow, quick := f.client(t), f.client(t)
	if err := slow.own.Send([]byte("\x03SELECT big")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	if n, _ := quick.query("SELECT 1"); n != 0 || time.Since(start) > time.Second {
		t.Errorf("another client got %d after %v", n, time.Since(start))
	}
	slow.own.Restart(1, 1<<30)
	for i := range 67 { // head, definition, 64 rows, end
		if _, err := slow.own.Read(); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
	}
}

func TestChangeUser(t *testing.T) {
	f := startFaked(t, Config{RefreshTimeout: 10 * time.Millisecond}, nil)
	f.world.setAccounts(native("app", "%", appPassword), native("eve", "%", "eve's"))
	for _, tt := range []struct {
		user, password string
		ok             bool
	}{{"eve", "eve's", true}, {"app", appPassword, true}, {"eve", "wrong", false}} {
		c := f.client(t)
		c.query("SET x")
		payload, err := c.do(wire.ComChangeUser, tt.user+"\x00\x00shop\x00\x2d\x00"+wire.PluginNative+"\x00")
		if err != nil || payload[0] != 0xFE {
			t.Fatalf("%q, %v", payload, err)
		}
		var salt wire.Salt
		copy(salt[:], payload[2+len(wire.PluginNative):])
		_ = c.own.Write(wire.NewDigest(tt.password).Token(salt))
		payload, err = c.own.Read()
		if err != nil || (payload[0] == 0) != tt.ok {
			t.Errorf("%s: %q, %v", tt.user, payload, err)
		}
		if n, _ := c.query("SELECT 1"); n != 0 { // as who it is now, or as who it was
			t.Errorf("%s: then %d", tt.user, n)
		}
	}
}

// When the proxy ends, idle sessions end at once, a running statement and an open
// transaction may finish, and nobody is waited for longer than said.
func TestDrain(t *testing.T) {
	release := make(chan struct{})
	world := newWorld()
	member := startFake(t, func(c *fakeConn, command []byte) {
		switch string(command[1:]) {
		case "slow":
			<-release
		case "BEGIN":
			c.status(wire.StatusInTransaction, nil)
			return
		}
		c.ok()
	})
	world.setAccounts(native("app", "%", appPassword))
	world.setView(owned("m1", 1, member.member("m1")))
	p, err := New(Config{Addr: "127.0.0.1:0", DrainTimeout: 2 * time.Second, WatchInterval: 10 * time.Millisecond}, world, world)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	f := &faked{Proxy: p, world: world, fake: member}
	idle, running, inside, stuck := f.client(t), f.client(t), f.client(t), f.client(t)
	inside.query("BEGIN")
	stuck.query("BEGIN")
	answered := make(chan int, 1)
	go func() {
		n, _ := running.query("slow")
		answered <- n
	}()
	waitFor(t, "the statement runs", func() bool { return len(member.commands()) == 3 })
	start := time.Now()
	cancel()
	waitFor(t, "idle sessions end", func() bool { return p.Stats().Sessions == 3 })
	if n, _ := idle.query("SELECT 1"); n != -1 {
		t.Errorf("idle session: %d", n)
	}
	if n, _ := inside.query("COMMIT"); n != 0 {
		t.Errorf("transaction: %d", n)
	}
	close(release)
	if n := <-answered; n != 0 {
		t.Errorf("running statement: %d", n)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < time.Second || took > 4*time.Second {
		t.Errorf("drained for %v", took)
	}
	if n, _ := stuck.query("COMMIT"); n != -1 {
		t.Errorf("a transaction outlived the proxy: %d", n)
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		ok   bool
	}{
		{"nowhere to listen", Config{}, false},
		{"address", Config{Addr: ":0"}, true},
		{"socket", Config{Socket: "/x"}, true},
		{"negative", Config{Addr: ":0", MaxSessions: -1}, false},
		{"negative time", Config{Addr: ":0", LoginTimeout: -1}, false},
		{"login without limit", Config{Addr: ":0", LoginBytes: 1 << 30}, false},
	} {
		if err := tt.cfg.Validate(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
