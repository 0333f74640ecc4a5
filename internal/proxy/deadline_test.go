package proxy

import (
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A deadline counts from when the statement came, whatever it waits for: an owner and a link
// too. What ends a transaction has none.
func TestADeadlineCountsWhateverIsWaitedFor(t *testing.T) {
	const within = 200 * time.Millisecond
	const text = "/* sqlring deadline=200ms */ UPDATE t SET a=1"
	soon := func(t *testing.T, f *faked, c *raw, number int) {
		t.Helper()
		began := time.Now()
		if n, _ := c.query(text); n != number {
			t.Errorf("error %d, want %d", n, number)
		}
		if took := time.Since(began); took < within-5*time.Millisecond || took > within+3*time.Second {
			t.Errorf("after %v, want %v", took, within)
		}
		for _, ran := range f.fake.commands() {
			if ran == text {
				t.Error("it was run")
			}
		}
	}
	t.Run("an owner", func(t *testing.T) {
		f := startFaked(t, Config{}, nil)
		c := f.client(t)
		f.world.setView(owned("", 2, f.fake.member("m1")))
		soon(t, f, c, 1290)
	})
	t.Run("a link", func(t *testing.T) {
		s := gate.Settings{Floor: 4, Ceiling: 4}
		b := newBusy()
		f := startFaked(t, Config{MemberLinks: 1, Gates: func() gate.Settings { return s }}, b.answer)
		t.Cleanup(b.release)
		holder, c := f.client(t), f.client(t)
		holder.query("CREATE TEMPORARY TABLE x (a INT)") // which keeps the link
		eventually(t, "it is kept", func() bool { return len(f.Pins()) == 1 })
		soon(t, f, c, 1040)
	})
}

// What would have its answer after its deadline is not begun, also where it has waited for an
// owner and there is a place for it then.
func TestWhatWouldBeLateIsNotBegunForWantOfAnOwner(t *testing.T) {
	const text, usual = "UPDATE t SET a=1", time.Second
	f := startFaked(t, Config{}, nil)
	c := f.client(t)
	plan, _, _ := new(reader).plan([]byte(text), (&memory{}).dialect(topology.ServerVersion{Flavour: topology.FlavourMariaDB}))
	g := f.gateOf("m1")
	g.mu.Lock()
	for range 64 {
		g.gate.Sample(plan.Hash(), usual, f.now())
	}
	g.mu.Unlock()
	for epoch, tt := range []struct {
		deadline string
		want     int
	}{{"20s", 0}, {"900ms", 1041}} {
		f.world.setView(owned("", uint64(10*epoch+2), f.fake.member("m1")))
		done := make(chan int, 1)
		go func() {
			n, _ := c.query("/* sqlring deadline=" + tt.deadline + " */ " + text)
			done <- n
		}()
		eventually(t, "it waits", func() bool { return f.Stats().Queued == 1 })
		f.world.setView(owned("m1", uint64(10*epoch+3), f.fake.member("m1")))
		if n := <-done; n != tt.want {
			t.Errorf("%s: error %d, want %d", tt.deadline, n, tt.want)
		}
	}
	if refused := f.Stats().Refused[RefusedGate.String()]; refused != 1 {
		t.Errorf("%d refusals were counted", refused)
	}
}

// For how long a statement may run at the server is its deadline too: by its session's variable or
// its own word; MySQL's of what reads alone, so that no write is refused that the server would run.
func TestRealTheServersOwnLimitIsADeadline(t *testing.T) {
	const within = 300 * time.Millisecond
	s := gate.Settings{Floor: 1, Ceiling: 1, MaxWait: 1500 * time.Millisecond}
	onBothAs(t, Config{Gates: func() gate.Settings { return s }}, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (a INT); INSERT INTO shop.t VALUES (1)")
		const read, write = "SELECT a FROM shop.t", "UPDATE shop.t SET a=2"
		set, says, ofWrites := "SET SESSION max_statement_time=0.3", "SET STATEMENT max_statement_time=0.3 FOR "+write, within
		if f.mysql != nil {
			set, says, ofWrites = "SET SESSION max_execution_time=300", "SELECT /*+ MAX_EXECUTION_TIME(300) */ a FROM shop.t", s.MaxWait
		}
		holder, _ := f.raw(t, f.Addr(), rawCaps)
		c, _ := f.raw(t, f.Addr(), rawCaps)
		own, _ := f.raw(t, f.Addr(), rawCaps)
		if got := c.response(wire.ComQuery, c.statement(set)); errorOf(got) != 0 {
			t.Fatalf("%q", got)
		}
		holder.response(wire.ComQuery, holder.statement("BEGIN"))
		for _, tt := range []struct {
			name, text string
			c          *raw
			within     time.Duration
		}{
			{"a read", read, c, within},
			{"a write", write, c, ofWrites},
			{"BEGIN", "BEGIN", c, ofWrites},
			{"by its own word", says, own, within},
			{"of nobody who says so", read, own, s.MaxWait},
		} {
			began := time.Now()
			if got := tt.c.response(wire.ComQuery, tt.c.statement(tt.text)); errorOf(got) != 1041 {
				t.Errorf("%s: %q", tt.name, got)
			}
			if took := time.Since(began); took < tt.within-5*time.Millisecond || took > tt.within+time.Second {
				t.Errorf("%s: after %v, want %v", tt.name, took, tt.within)
			}
		}
	})
}
