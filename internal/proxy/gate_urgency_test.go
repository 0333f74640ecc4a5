package proxy

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// What an account has by default counts where nobody says anything: its session and its
// text count more, it is changed while the proxy runs, and it ends.
func TestAccountDefaults(t *testing.T) {
	b := newBusy()
	var defaults atomic.Pointer[[]topology.AccountDefault]
	set := func(d ...topology.AccountDefault) { defaults.Store(&d) }
	set(topology.AccountDefault{User: "app", Deadline: 60 * time.Millisecond}, topology.AccountDefault{User: "other", Deadline: time.Hour})
	s := gate.Settings{Floor: 1, Ceiling: 1}
	f := startFaked(t, Config{Gates: func() gate.Settings { return s }, AccountDefaults: func() []topology.AccountDefault { return *defaults.Load() }}, b.answer)
	t.Cleanup(b.release)
	eventually(t, "they are taken up", func() bool { _, ok := f.accountDefault("app"); return ok })
	holder, c := f.client(t), f.client(t)
	holder.query("BEGIN")
	for _, tt := range []struct {
		set, text string
		within    time.Duration
	}{
		{"", "UPDATE t SET a=1", 60 * time.Millisecond},
		{"", "/* sqlring deadline=300ms */ UPDATE t SET a=1", 300 * time.Millisecond},
		{"SET sqlring_deadline='200ms'", "UPDATE t SET a=1", 200 * time.Millisecond},
		{"", "/* sqlring deadline=100ms */ UPDATE t SET a=1", 100 * time.Millisecond},
	} {
		if tt.set != "" {
			c.query(tt.set)
		}
		began := time.Now()
		if n, _ := c.query(tt.text); n != 1041 {
			t.Fatalf("%s: %d", tt.text, n)
		}
		if took := time.Since(began); took < tt.within-5*time.Millisecond || took > tt.within+2*time.Second {
			t.Errorf("%s: after %v, want %v", tt.text, took, tt.within)
		}
	}
	// Priority: this account comes last from now on, but for a session that says otherwise.
	set(topology.AccountDefault{User: "app", Priority: gate.Background, Until: time.Now().Add(time.Hour)})
	eventually(t, "the change is taken up", func() bool { d, ok := f.accountDefault("app"); return ok && d.priority == gate.Background })
	var all sync.WaitGroup
	for _, tt := range []struct{ set, text string }{{"", "UPDATE t SET a='last'"}, {"SET sqlring_priority='normal'", "UPDATE t SET a='first'"}} {
		late := f.client(t)
		if tt.set != "" {
			late.query(tt.set)
		}
		before := f.waitingAt("m1")
		all.Go(func() { late.query(tt.text) })
		eventually(t, "it waits", func() bool { return f.waitingAt("m1") > before })
	}
	holder.query("COMMIT")
	all.Wait()
	if ran := b.seen(); strings.Index(ran, "'first'") > strings.Index(ran, "'last'") || !strings.Contains(ran, "'last'") {
		t.Errorf("%s", ran)
	}
	set(topology.AccountDefault{User: "app", Priority: gate.Background, Until: time.Now().Add(-time.Second)})
	eventually(t, "it is over", func() bool { _, ok := f.accountDefault("app"); return !ok })
	set()
	eventually(t, "there are none", func() bool { return f.defaults.Load() == nil })
}

// attributes returns the payload of a COM_QUERY with texts as attributes.
func attributes(text string, of ...string) string {
	n := len(of) / 2
	payload := string([]byte{byte(n), 1, 0, 1})
	values := ""
	for i := 0; i < len(of); i += 2 {
		payload += "\xfe\x00" + string([]byte{byte(len(of[i]))}) + of[i]
		values += string([]byte{byte(len(of[i+1]))}) + of[i+1]
	}
	return payload + values + text
}

// A statement's attributes say how urgent it is and until when it is of use, and count more
// than its text: of a text and of an execution.
func TestRealUrgencyAsQueryAttributes(t *testing.T) {
	s := gate.Settings{Floor: 1, Ceiling: 1}
	f := inFrontOf(t, topology.FlavourMySQL, Config{Gates: func() gate.Settings { return s }})
	f.exec(t, "CREATE TABLE shop.t (a INT); INSERT INTO shop.t VALUES (1)")
	if err := f.app(t, nil).PingContext(t.Context()); err != nil { // so that the password is known in memory
		t.Fatal(err)
	}
	holder, _ := f.raw(t, f.Addr(), rawCaps)
	c, _ := f.raw(t, f.Addr(), rawCaps|wire.QueryAttributes)
	const update = "UPDATE shop.t SET a=2"
	made := c.response(wire.ComStmtPrepare, update)
	if errorOf(made) != 0 {
		t.Fatalf("%q", made)
	}
	holder.response(wire.ComQuery, "BEGIN")
	execution := string(made[5:9]) + "\x08" + "\x01\x00\x00\x00" + attributes("", "sqlring_deadline", "80ms")
	execution = strings.Replace(execution, "\x01\x01\x00\x01", "\x01\x00\x01", 1) // executions do not say how many sets there are
	for _, tt := range []struct {
		name, payload string
		code          wire.Command
		want          int
		within        time.Duration
	}{
		{"a deadline", attributes(update, "sqlring_deadline", "80ms"), wire.ComQuery, 1041, 80 * time.Millisecond},
		{"more than the text", attributes("/* sqlring deadline=20s */ "+update, "x", "y", "SQLRING_deadline", "90ms"), wire.ComQuery, 1041, 90 * time.Millisecond},
		{"of an execution", execution, wire.ComStmtExecute, 1041, 80 * time.Millisecond},
		{"no time", attributes(update, "sqlring_deadline", "soon"), wire.ComQuery, 1231, 0},
		{"no priority", attributes(update, "sqlring_priority", "much"), wire.ComQuery, 1231, 0},
		{"twice", attributes(update, "sqlring_priority", "high", "sqlring_priority", "high"), wire.ComQuery, 1231, 0},
	} {
		began := time.Now()
		if got := c.response(tt.code, tt.payload); errorOf(got) != tt.want {
			t.Errorf("%s: %d, want %d: %q", tt.name, errorOf(got), tt.want, got)
		}
		if took := time.Since(began); took < tt.within-5*time.Millisecond || took > tt.within+3*time.Second {
			t.Errorf("%s: after %v, want %v", tt.name, took, tt.within)
		}
	}
	var order []string
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, priority := range []string{"background", "normal", "urgent"} {
		late, _ := f.raw(t, f.Addr(), rawCaps|wire.QueryAttributes)
		before := f.Gates()[0].Waiting[gate.Write]
		all.Go(func() {
			got := late.response(wire.ComQuery, attributes(update, "sqlring_priority", priority))
			mu.Lock()
			defer mu.Unlock()
			if order = append(order, priority); errorOf(got) != 0 {
				t.Errorf("%s: %q", priority, got)
			}
		})
		eventually(t, "it waits", func() bool { return f.Gates()[0].Waiting[gate.Write] > before })
	}
	holder.response(wire.ComQuery, "COMMIT")
	all.Wait()
	if got := strings.Join(order, " "); got != "urgent normal background" {
		t.Errorf("%s", got)
	}
}

// What a session has said of its urgency ends with COM_RESET_CONNECTION and COM_CHANGE_USER, as
// its other settings do: who has the client's connection next has said nothing.
func TestUrgencyEndsWithTheSession(t *testing.T) {
	for name, ends := range map[string]func(c *raw){
		"reset":  func(c *raw) { c.response(wire.ComResetConnection, "") },
		"change": func(c *raw) { c.become("app", appPassword, "") },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBusy()
			s := gate.Settings{Floor: 1, Ceiling: 1, MaxWait: 700 * time.Millisecond}
			f := startFaked(t, Config{Gates: func() gate.Settings { return s }}, b.answer)
			t.Cleanup(b.release)
			holder, c := f.client(t), f.client(t)
			holder.query("BEGIN")
			c.query("SET sqlring_deadline='50ms'")
			c.query("SET sqlring_priority='urgent'")
			began := time.Now()
			if n, _ := c.query("UPDATE t SET a=1"); n != 1041 || time.Since(began) > 600*time.Millisecond {
				t.Fatalf("error %d after %v", n, time.Since(began))
			}
			ends(c)
			began = time.Now()
			if n, _ := c.query("UPDATE t SET a=1"); n != 1041 || time.Since(began) < 600*time.Millisecond {
				t.Errorf("error %d after %v: the deadline is still there", n, time.Since(began))
			}
		})
	}
}
