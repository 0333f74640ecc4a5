package proxy

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// press is a member's side of prepared statements: it hands out ids from first,
// and writes down what it is asked to do, by the text of the statement.
type press struct {
	first   uint32
	refuses string // a text: its table is not there

	mu    sync.Mutex
	texts []string
	cut   string // the connection breaks when this is executed, once
	did   []string
}

// answer plays a member whose sessions share p: there is one at a time.
func (p *press) answer(c *fakeConn, command []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code, body := wire.Command(command[0]), command[1:]
	note := func(format string, args ...any) { p.did = append(p.did, fmt.Sprintf(format, args...)) }
	switch code {
	case wire.ComStmtPrepare:
		if string(body) == p.refuses {
			note("refuse %s", body)
			_ = c.own.Write((&wire.Error{Number: 1146, State: "42S02", Message: "no such table"}).Append(nil))
			return
		}
		p.texts = append(p.texts, string(body))
		note("prepare %s", body)
		params := byte(strings.Count(string(body), "?"))
		head := binary.LittleEndian.AppendUint32([]byte{0}, p.first+uint32(len(p.texts)-1))
		_ = c.own.Write(append(head, 0, 0, params, 0, 0, 0, 0))
		for range params {
			_ = c.own.Write([]byte("\x03def\x00\x00\x00\x01?\x00\x0c?\x00\x00\x00\x00\x00\xfd\x80\x00\x00\x00\x00"))
		}
	case wire.ComStmtExecute, wire.ComStmtReset:
		text := p.text(binary.LittleEndian.Uint32(body))
		if text == p.cut {
			p.cut = ""
			_ = c.Close()
			return
		}
		note("%v %s %q", code, text, body[4:])
		status := wire.StatusAutocommit
		if code == wire.ComStmtExecute && body[4] != 0 {
			status |= wire.StatusCursorExists
		}
		c.status(status, nil)
	case wire.ComInitDB:
		note("use %s", body)
		c.status(wire.StatusAutocommit|wire.StatusSessionChanged, append([]byte{byte(wire.ChangeSchema)}, wire.AppendBytes(nil, wire.AppendBytes(nil, body))...))
	default:
		if set, ok := strings.CutPrefix(string(body), "SET sql_mode="); ok {
			c.status(wire.StatusAutocommit|wire.StatusSessionChanged, variable("sql_mode", set))
			return
		}
		c.ok()
	}
}

func (p *press) done() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.did)
}

func (p *press) text(id uint32) string {
	if i := int(id) - int(p.first); i >= 0 && i < len(p.texts) {
		return p.texts[i]
	}
	return fmt.Sprintf("unknown statement %d", id)
}

// prepare prepares text and returns the id.
func (c *raw) prepare(text string) uint32 {
	c.t.Helper()
	response := c.response(wire.ComStmtPrepare, text)
	if response[4] != 0 {
		c.t.Fatalf("prepare %s: %q", text, response)
	}
	return binary.LittleEndian.Uint32(response[5:])
}

// execution is an execute command's payload: bound or not, with one parameter if
// there are types.
func execution(id uint32, flags byte, bound bool, types string, values string) string {
	b := append(binary.LittleEndian.AppendUint32(nil, id), flags, 1, 0, 0, 0)
	if types == "" && !bound && values == "" {
		return string(b)
	}
	b = append(b, 0) // null bitmap of up to eight parameters
	if bound {
		return string(append(b, 1)) + types + values
	}
	return string(append(b, 0)) + values
}

// errorOf returns the number of an error response, 0 for another.
func errorOf(response []byte) int {
	if response[4] != 0xFF {
		return 0
	}
	return int(binary.LittleEndian.Uint16(response[5:]))
}

// moving is a proxy in front of two members, the second of which becomes the owner.
type moving struct {
	*faked
	old, heir *press
	second    *fake
}

func startMoving(t *testing.T) *moving {
	m := &moving{old: &press{first: 1}, heir: &press{first: 2}}
	m.faked = startFaked(t, Config{WatchInterval: time.Hour}, m.old.answer)
	m.second = startFake(t, m.heir.answer)
	return m
}

func (m *moving) move(t *testing.T) {
	t.Helper()
	m.world.setView(owned("m2", 2, m.second.member("m2")))
	waitFor(t, "the view is taken in", func() bool { return m.view.Load() == m.world.View() })
}

// A session's prepared statements go with it: under the client's ids, each when it
// is needed, with the types that the client told the member before.
func TestPreparedStatementsMove(t *testing.T) {
	m := startMoving(t)
	c := m.client(t)
	a, b, unused := c.prepare("SELECT ?"), c.prepare("INSERT ?"), c.prepare("SELECT 3")
	if a != 1 || b != 2 || unused != 3 {
		t.Fatalf("ids %d %d %d", a, b, unused)
	}
	c.response(wire.ComStmtExecute, execution(a, 0, true, "\x08\x00", "before"))
	m.move(t)
	c.response(wire.ComStmtExecute, execution(a, 0, false, "", "after"))
	c.response(wire.ComStmtExecute, execution(a, 0, false, "", "again"))
	c.response(wire.ComStmtExecute, execution(b, 0, true, "\xfd\x00", "fresh"))
	d := c.prepare("SELECT new") // the heir's id for it is 4, the client has none of that
	e := c.prepare("SELECT newer")
	c.response(wire.ComStmtExecute, execution(d, 0, false, "", ""))
	c.response(wire.ComStmtExecute, execution(wire.LastPrepared, 0, false, "", ""))
	if d != 4 || e != 5 {
		t.Errorf("new ids %d %d", d, e)
	}
	want := []string{
		"prepare SELECT ?",
		`COM_STMT_EXECUTE SELECT ? "\x00\x01\x00\x00\x00\x00\x01\b\x00after"`,
		`COM_STMT_EXECUTE SELECT ? "\x00\x01\x00\x00\x00\x00\x00again"`,
		"prepare INSERT ?",
		`COM_STMT_EXECUTE INSERT ? "\x00\x01\x00\x00\x00\x00\x01\xfd\x00fresh"`,
		"prepare SELECT new", "prepare SELECT newer",
		`COM_STMT_EXECUTE SELECT new "\x00\x01\x00\x00\x00"`,
		`COM_STMT_EXECUTE SELECT newer "\x00\x01\x00\x00\x00"`,
	}
	if !slices.Equal(m.heir.done(), want) {
		t.Errorf("the heir did\n%s\nwant\n%s", strings.Join(m.heir.done(), "\n"), strings.Join(want, "\n"))
	}
}

// An execution too large for the buffer gets its types too.
func TestLargeExecutionGetsItsTypes(t *testing.T) {
	m := startMoving(t)
	c := m.client(t)
	id := c.prepare("INSERT ?")
	c.response(wire.ComStmtExecute, execution(id, 0, true, "\xfc\x00", "x"))
	m.move(t)
	large := strings.Repeat("large", 1<<18)
	c.response(wire.ComStmtExecute, execution(id, 0, false, "", large))
	want := fmt.Sprintf("COM_STMT_EXECUTE INSERT ? %q", "\x00\x01\x00\x00\x00\x00\x01\xfc\x00"+large)
	if got := m.heir.done()[len(m.heir.done())-1]; got != want {
		t.Errorf("the heir got %d bytes, beginning with %.80s, want %d", len(got), got, len(want))
	}
}

// An id that the heir gives to a new statement may be one by which the client
// knows another; and one that the client made up may be another's at the heir.
func TestPreparedStatementIDsCollide(t *testing.T) {
	m := startMoving(t)
	c := m.client(t)
	first, second := c.prepare("SELECT first"), c.prepare("SELECT second")
	m.move(t)
	third := c.prepare("SELECT third") // the heir's id is 2, the client's second
	if third == first || third == second {
		t.Fatalf("third is %d", third)
	}
	for id, text := range map[uint32]string{first: "SELECT first", second: "SELECT second", third: "SELECT third"} {
		c.response(wire.ComStmtExecute, execution(id, 0, false, "", ""))
		if got := m.heir.done()[len(m.heir.done())-1]; !strings.HasPrefix(got, "COM_STMT_EXECUTE "+text) {
			t.Errorf("%s: %s", text, got)
		}
	}
	at := m.heir.first + uint32(slices.Index(m.heir.texts, "SELECT second"))
	if at == first || at == second || at == third {
		t.Fatalf("this test is none: %d", at)
	}
	if n := errorOf(c.response(wire.ComStmtExecute, execution(at, 0, false, "", ""))); n != 1243 {
		t.Errorf("another's id: %d", n)
	}
	_ = c.own.Send(append([]byte{byte(wire.ComStmtClose)}, binary.LittleEndian.AppendUint32(nil, at)...))
	_ = c.own.Send(append([]byte{byte(wire.ComStmtClose)}, binary.LittleEndian.AppendUint32(nil, third)...))
	if n := errorOf(c.response(wire.ComStmtExecute, execution(second, 0, false, "", ""))); n != 0 {
		t.Errorf("after closing what is not its own: %d", n)
	}
}

// A statement means what it meant when it was prepared: its schema is gone back to
// for it, and it is prepared before a SET can change how it is read.
func TestPreparedStatementsMeanTheSame(t *testing.T) {
	m := startMoving(t)
	c := m.client(t)
	c.response(wire.ComInitDB, "shop")
	id, late := c.prepare("SELECT in shop"), c.prepare("SELECT late")
	c.response(wire.ComInitDB, "blog")
	m.move(t)
	c.response(wire.ComStmtExecute, execution(id, 0, false, "", ""))
	c.query("SET sql_mode=ANSI")
	c.response(wire.ComStmtExecute, execution(late, 0, false, "", ""))
	want := []string{
		"use shop", "prepare SELECT in shop", "use blog", `COM_STMT_EXECUTE SELECT in shop "\x00\x01\x00\x00\x00"`,
		"use shop", "prepare SELECT late", "use blog", `COM_STMT_EXECUTE SELECT late "\x00\x01\x00\x00\x00"`,
	}
	if !slices.Equal(m.heir.done(), want) {
		t.Errorf("the heir did\n%s", strings.Join(m.heir.done(), "\n"))
	}
}

// What the heir says against a statement is told to who uses it, and nobody else.
func TestPreparedStatementIsRefusedByTheHeir(t *testing.T) {
	m := startMoving(t)
	m.heir.refuses = "SELECT missing" // as if it had been dropped meanwhile
	c := m.client(t)
	id := c.prepare("SELECT fine")
	other := c.prepare("SELECT missing")
	m.move(t)
	for range 2 {
		if n := errorOf(c.response(wire.ComStmtExecute, execution(other, 0, false, "", ""))); n != 1146 {
			t.Errorf("got %d", n)
		}
	}
	if n := errorOf(c.response(wire.ComStmtExecute, execution(id, 0, false, "", ""))); n != 0 {
		t.Errorf("the other: %d", n)
	}
}

// A link that is lost while a statement is executed: a read is run on the heir.
func TestPreparedReadIsRunAgain(t *testing.T) {
	for _, tt := range []struct {
		text   string
		number int
	}{{"SELECT ?", 0}, {"SELECT f(?)", 1105}, {"INSERT ?", 1105}} {
		t.Run(tt.text, func(t *testing.T) {
			m := startMoving(t)
			c := m.client(t)
			id := c.prepare(tt.text)
			c.response(wire.ComStmtExecute, execution(id, 0, true, "\x08\x00", "before"))
			m.old.mu.Lock()
			m.old.cut = tt.text
			m.old.mu.Unlock()
			done := make(chan []byte, 1)
			go func() { done <- c.response(wire.ComStmtExecute, execution(id, 0, false, "", "during")) }()
			waitFor(t, "the link is lost", func() bool { return m.Stats().LinksLost == 1 })
			m.move(t)
			if n := errorOf(<-done); n != tt.number {
				t.Errorf("got %d", n)
			}
			if strings.Contains(tt.text, "f(") { // what the first one has left is lost
				if _, err := c.own.Read(); err == nil {
					t.Error("its session goes on")
				}
				return
			}
			if n := errorOf(c.response(wire.ComStmtExecute, execution(id, 0, false, "", "after"))); n != 0 {
				t.Errorf("then %d", n)
			}
			if s := m.Stats(); s.Again != 1 && tt.number == 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// What can not be prepared again keeps the session on its link.
func TestPreparedStatementsThatStick(t *testing.T) {
	long := "SELECT '" + strings.Repeat("x", keptBytes/2) + "'"
	tests := []struct {
		name string
		do   func(c *raw)
		want balancer.Stick
	}{
		{"nothing", func(c *raw) { c.prepare("SELECT ?") }, balancer.StickNone},
		{"a long text", func(c *raw) { c.prepare(long) }, balancer.StickNone},
		{"too much text", func(c *raw) { c.prepare(long); c.prepare(long) }, balancer.StickPrepared},
		{"too much text, closed", func(c *raw) {
			c.prepare(long)
			id := c.prepare(long)
			_ = c.own.Send(append([]byte{byte(wire.ComStmtClose)}, binary.LittleEndian.AppendUint32(nil, id)...))
			c.query("SELECT 1")
		}, balancer.StickNone},
		{"read under another sql_mode", func(c *raw) { c.prepare("SELECT 1"); c.query("SET sql_mode=ANSI") }, balancer.StickPrepared},
		{"a cursor", func(c *raw) { c.response(wire.ComStmtExecute, execution(c.prepare("SELECT 1"), 1, false, "", "")) }, balancer.StickCursor},
		{"a cursor that was closed", func(c *raw) {
			id := c.prepare("SELECT 1")
			c.response(wire.ComStmtExecute, execution(id, 1, false, "", ""))
			c.response(wire.ComStmtReset, string(binary.LittleEndian.AppendUint32(nil, id)))
		}, balancer.StickNone},
		{"long data", func(c *raw) {
			id := binary.LittleEndian.AppendUint32(nil, c.prepare("INSERT ?"))
			_ = c.own.Send(append(append([]byte{byte(wire.ComStmtSendLongData)}, id...), 0, 0, 'x'))
			c.query("SELECT 1")
		}, balancer.StickLongData},
		{"long data, executed", func(c *raw) {
			id := c.prepare("INSERT ?")
			_ = c.own.Send(append(append([]byte{byte(wire.ComStmtSendLongData)}, binary.LittleEndian.AppendUint32(nil, id)...), 0, 0, 'x'))
			c.response(wire.ComStmtExecute, execution(id, 0, true, "\xfc\x00", ""))
		}, balancer.StickNone},
		{"a call of unknown effects", func(c *raw) {
			c.response(wire.ComStmtExecute, execution(c.prepare("CALL p()"), 0, false, "", ""))
		}, balancer.StickUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := startMoving(t)
			c := m.client(t)
			tt.do(c)
			s := m.all()[0]
			waitFor(t, "the session waits", func() bool { return s.phase.Load()&1 == 0 })
			if got := s.mem.sticks(); got != tt.want {
				t.Errorf("it sticks for %q", got)
			}
			m.move(t)
			if n, _ := c.query("SELECT 1"); (n == 0) != (tt.want == balancer.StickNone) {
				t.Errorf("after the move: %d", n)
			}
		})
	}
}
