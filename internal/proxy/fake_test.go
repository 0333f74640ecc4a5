package proxy

import (
	"errors"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// fake is a scripted member: it lets everybody in, answers the proxy's own
// statements, and the client's as the test says.
type fake struct {
	t        testing.TB
	listener net.Listener
	answer   func(c *fakeConn, command []byte)

	mu      sync.Mutex
	layout  autoinc.Layout // that sessions begin with
	ignores bool           // SET of the slot has no effect
	tracked [3]string      // what sessions say of their tracking when it was switched on
	refuses bool           // nobody is let in
	logins  int
	conns   []*fakeConn
	threads bool // connections have ids of their own
	slow    time.Duration
	seen    []string
	done    sync.WaitGroup
}

type fakeConn struct {
	fake *fake
	net.Conn
	own     *wire.Conn
	layout  autoinc.Layout
	ignores bool
	thread  uint32
}

// ownThreads gives each connection that comes an id of its own.
func (f *fake) ownThreads() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.threads = true
}

// greetsAfter has who connects wait for a greeting.
func (f *fake) greetsAfter(pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slow = pause
}

func startFake(t testing.TB, answer func(*fakeConn, []byte)) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, listener: l, answer: answer, layout: autoinc.Layout{Offset: 3, Stride: 16}, tracked: [3]string{"*", "1", "1"}}
	f.done.Go(f.run)
	t.Cleanup(func() {
		_ = l.Close()
		f.cut()
		f.done.Wait()
	})
	return f
}

func (f *fake) run() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		c := &fakeConn{fake: f, Conn: conn, own: wire.NewConn(conn, 1<<30), layout: f.layout, ignores: f.ignores, thread: 77}
		f.conns = append(f.conns, c)
		if f.threads {
			c.thread = uint32(100 + len(f.conns))
		}
		pause := f.slow
		f.mu.Unlock()
		f.done.Go(func() {
			time.Sleep(pause)
			c.run()
		})
	}
}

// cut breaks all connections, as the death of a server does.
func (f *fake) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.conns = nil
}

// tracks says what sessions that were told to report all changes say that they report.
func (f *fake) tracks(variables, schema, state string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tracked = [3]string{variables, schema, state}
}

// begins says what slot new sessions have, and whether they keep it whatever is
// set.
func (f *fake) begins(layout autoinc.Layout, ignores bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.layout, f.ignores = layout, ignores
}

func (f *fake) commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := append([]string(nil), f.seen...)
	for i, text := range got { // a wait without its locks, whose names are those of the connection
		if question := wait.FindString(text); question != "" && strings.HasPrefix(text, "SELECT IF(GET_LOCK(") {
			got[i] = "SELECT " + question
		}
	}
	return got
}

var wait = regexp.MustCompile(`MASTER_GTID_WAIT\([^)]*\)`)

func (f *fake) member(id topology.MemberID) balancer.Member {
	return balancer.Member{
		ID: id, Network: "tcp", Addr: f.listener.Addr().String(), Version: "5.5.5-10.11.19-MariaDB",
		Layout: autoinc.Layout{Offset: 3, Stride: 16},
	}
}

func (c *fakeConn) run() {
	defer c.Close()
	greeting := wire.Greeting{
		Version: "5.5.5-10.11.19-MariaDB", ThreadID: c.thread, Salt: wire.NewSalt(), Capabilities: wire.Offered | wire.OfferedByMariaDB, Plugin: wire.PluginNative,
	}
	if c.own.Write(greeting.Append(nil)) != nil {
		return
	}
	if _, err := c.own.Read(); err != nil {
		return
	}
	c.fake.mu.Lock()
	c.fake.logins++
	refuses := c.fake.refuses
	c.fake.mu.Unlock()
	if refuses {
		_ = c.own.Write(wire.NewError(wire.AccessDenied, "no").Append(nil))
		return
	}
	c.ok()
	for {
		c.own.Restart(0, 1<<30)
		command, err := c.own.Read()
		if err != nil || len(command) == 0 || wire.Command(command[0]) == wire.ComQuit {
			return
		}
		c.handle(command)
	}
}

func (c *fakeConn) handle(command []byte) {
	text := string(command[1:])
	switch {
	case text == readBack:
		c.rows(8, row(itoa(c.layout.Offset), itoa(c.layout.Stride), "autocommit,time_zone", "1", "0", "", "utf8mb4", "OFF"))
		return
	case text == readTracked:
		c.fake.mu.Lock()
		tracked := c.fake.tracked
		c.fake.mu.Unlock()
		c.rows(3, row(tracked[:]...))
		return
	case wire.Command(command[0]).Shape() == wire.ShapeNone:
		return
	case text == track, wire.Command(command[0]) == wire.ComResetConnection:
		c.ok()
		return
	case len(text) > 39 && text[:39] == "SET SESSION auto_increment_increment=16":
		if !c.ignores {
			c.layout = autoinc.Layout{Offset: 3, Stride: 16}
		}
		c.ok()
		return
	}
	c.fake.mu.Lock()
	c.fake.seen = append(c.fake.seen, text)
	c.fake.mu.Unlock()
	if c.fake.answer == nil {
		c.ok()
		return
	}
	c.fake.answer(c, command)
}

func (c *fakeConn) ok() { c.status(wire.StatusAutocommit, nil) }

func (c *fakeConn) status(s wire.Status, changes []byte) {
	ok := wire.OK{Status: s, Changes: changes}
	_ = c.own.Write(ok.Append(nil, 0))
}

// rows answers with a result set of the given rows; the connection has no EOF
// packets between.
func (c *fakeConn) rows(columns int, rows ...[]byte) {
	def := []byte("\x03def\x00\x00\x00\x01a\x00\x0c?\x00\x01\x00\x00\x00\x03\x81\x00\x00\x00\x00")
	_ = c.own.Write([]byte{byte(columns)})
	for range columns {
		_ = c.own.Write(def)
	}
	for _, r := range rows {
		_ = c.own.Write(r)
	}
	_ = c.own.Write((&wire.OK{Status: wire.StatusAutocommit}).Append(nil, 0xFE))
}

func row(values ...string) (r []byte) {
	for _, v := range values {
		r = wire.AppendBytes(r, v)
	}
	return r
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func variable(name, value string) []byte {
	body := wire.AppendBytes(wire.AppendBytes(nil, name), value)
	return wire.AppendBytes([]byte{byte(wire.ChangeVariable)}, body)
}

// faked is a proxy in front of a fake member.
type faked struct {
	*Proxy
	world *world
	fake  *fake
}

func startFaked(t testing.TB, cfg Config, answer func(*fakeConn, []byte)) *faked {
	t.Helper()
	f := &faked{world: newWorld(), fake: startFake(t, answer)}
	f.world.setAccounts(native("app", "%", appPassword))
	f.world.setView(owned("m1", 1, f.fake.member("m1")))
	if cfg.WatchInterval == 0 {
		cfg.WatchInterval = 20 * time.Millisecond
	}
	f.Proxy = serve(t, f.world, cfg)
	return f
}

// client logs in, or fails the test.
func (f *faked) client(t testing.TB) *raw {
	t.Helper()
	c := dialRaw(t, f.Addr())
	if err := c.login("app", appPassword, rawCaps); err != nil {
		t.Fatal(err)
	}
	return c
}

// query runs a statement and returns the error that it got, 0 for none, or -1 if
// the connection broke.
func (c *raw) query(text string) (number int, state string) {
	c.t.Helper()
	payload, err := c.do(wire.ComQuery, text)
	if err != nil {
		return -1, ""
	}
	if payload[0] != 0xFF {
		for payload[0] != 0 && payload[0] != 0xFE { // the rest of a result
			if payload, err = c.own.Read(); err != nil {
				return -1, ""
			}
		}
		return 0, ""
	}
	var e *wire.Error
	if !errors.As(wire.ParseError(payload), &e) {
		return -2, ""
	}
	return int(e.Number), e.State
}
