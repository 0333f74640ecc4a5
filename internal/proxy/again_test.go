package proxy

import (
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// What leaves nothing behind is run again on the next link, and the client feels
// nothing; what may have left something is not.
func TestRunAgain(t *testing.T) {
	tests := []struct {
		name  string
		code  wire.Command
		text  string
		again bool
	}{
		{"select", wire.ComQuery, "SELECT a FROM t", true},
		{"show", wire.ComQuery, "SHOW TABLES", true},
		{"select of a function", wire.ComQuery, "SELECT f()", false},
		{"insert", wire.ComQuery, "INSERT INTO t VALUES (1)", false},
		{"create", wire.ComQuery, "CREATE TABLE t (a INT)", false},
		{"commit of nothing", wire.ComQuery, "COMMIT", false},
		{"begin", wire.ComQuery, "BEGIN", true},
		{"rollback of nothing", wire.ComQuery, "ROLLBACK", true},
		{"set of the session", wire.ComQuery, "SET NAMES utf8mb4", true},
		{"set of the server", wire.ComQuery, "SET GLOBAL a=1", false},
		{"use", wire.ComInitDB, "shop", true},
		{"ping", wire.ComPing, "", true},
		{"fields", wire.ComFieldList, "t\x00", true},
		{"prepare", wire.ComStmtPrepare, "INSERT INTO t VALUES (?)", true},
		{"set of an option", wire.ComSetOption, "\x00\x00", true},
		{"kill", wire.ComProcessKill, "\x01\x00\x00\x00", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var runs atomic.Int32
			f := startFaked(t, Config{}, func(c *fakeConn, command []byte) {
				switch {
				case string(command[1:]) == "SELECT first":
					c.ok()
				case runs.Add(1) == 1:
					_ = c.Close()
				case tt.code == wire.ComStmtPrepare:
					_ = c.own.Write([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
				case tt.code == wire.ComFieldList:
					_ = c.own.Write((&wire.OK{}).Append(nil, 0xFE))
				default:
					c.ok()
				}
			})
			c := f.client(t)
			c.query("SELECT first")
			n := errorOf(c.response(tt.code, tt.text))
			if want := map[bool]int{true: 0, false: 1105}[tt.again]; n != want {
				t.Errorf("got %d, want %d", n, want)
			}
			if got := runs.Load() == 2; got != tt.again {
				t.Errorf("it ran %d times", runs.Load())
			}
			if n, _ := c.query("SELECT first"); n != 0 {
				t.Errorf("then %d", n)
			}
			if got := f.Stats().Again == 1; got != tt.again {
				t.Errorf("stats %+v", f.Stats())
			}
		})
	}
}

// A read that kills every link it is sent on does not go on for ever.
func TestRunAgainHasAnEnd(t *testing.T) {
	f := startFaked(t, Config{}, func(c *fakeConn, command []byte) {
		if string(command[1:]) == "SELECT poison" {
			_ = c.Close()
			return
		}
		c.ok()
	})
	c := f.client(t)
	if n, state := c.query("SELECT poison"); n != 1158 || state != "08S01" {
		t.Errorf("got %d %s", n, state)
	}
	if n, _ := c.query("SELECT 1"); n != 0 {
		t.Errorf("then %d", n)
	}
	if got := f.fake.commands(); len(got) != maxRuns+1 {
		t.Errorf("the member got %q", got)
	}
}

// A write of which nothing can have left is sent to another link: it was not run.
func TestUnsentWriteGoesElsewhere(t *testing.T) {
	f := startFaked(t, Config{WatchInterval: time.Hour}, nil)
	c := f.client(t)
	c.query("SELECT 1")
	waitFor(t, "the session waits", func() bool { return f.all()[0].phase.Load()&1 == 0 })
	_ = f.all()[0].at().conn.SetWriteDeadline(time.Unix(1, 0))
	_ = f.all()[0].at().conn.SetReadDeadline(time.Unix(1, 0))
	if n, _ := c.query("INSERT"); n != 0 {
		t.Errorf("got %d", n)
	}
	if got := f.fake.commands(); !slices.Equal(got, []string{"SELECT 1", "INSERT"}) {
		t.Errorf("the member got %q", got)
	}
}

// A session that is reset is as good as new, on whatever link.
func TestResetOnALostLink(t *testing.T) {
	f := startFaked(t, Config{WatchInterval: time.Hour}, dies)
	c := f.client(t)
	c.query("SET x") // from here on it sticks
	f.fake.cut()
	if n := errorOf(c.response(wire.ComResetConnection, "")); n != 0 {
		t.Errorf("got %d", n)
	}
	if n, _ := c.query("SELECT 1"); n != 0 {
		t.Errorf("then %d", n)
	}
}

func TestUnreachable(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{os.ErrDeadlineExceeded, true},
		{memberError("m1", errProcess), true},
		{memberError("m1", &wire.Error{Number: 1053}), true},
		{memberError("m1", &wire.Error{Number: 1045}), false},
		{memberError("m1", &wire.Error{Number: 1040}), false},
		{memberError("m1", wire.ErrMalformed), false},
		{memberError("m1", errSlot), false},
		{memberError("m1", errTracking), false},
		{errors.New("connection reset"), true},
	} {
		if got := unreachable(tt.err); got != tt.want {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}
