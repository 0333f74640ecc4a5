package proxy

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// givenLease is a lease that the test gives and takes.
type givenLease struct {
	mu    sync.Mutex
	left  time.Duration
	given chan struct{}
}

func (l *givenLease) Left(topology.UnitID, uint64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

func (l *givenLease) Granted() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.given
}

func (l *givenLease) set(left time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = left
	close(l.given)
	l.given = make(chan struct{})
}

// crossing is a proxy at which a test can have statements wait for all that there is.
type crossing struct {
	*fronted
	gates atomic.Pointer[gate.Settings]
	rules atomic.Pointer[[]topology.LimitRule]
	lease *givenLease
}

func crossings(t *testing.T, test func(t *testing.T, x *crossing)) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) {
			x := &crossing{lease: &givenLease{left: time.Hour, given: make(chan struct{})}}
			x.gates.Store(&gate.Settings{HotWidth: 1})
			x.rules.Store(&[]topology.LimitRule{})
			x.fronted = inFrontOf(t, flavour, Config{
				MemberLinks: 6, QueueTimeout: 20 * time.Second, WatchInterval: 20 * time.Millisecond, UniqueKeys: keyed, Lease: x.lease,
				Gates:   func() gate.Settings { return *x.gates.Load() },
				Limited: func() []topology.LimitRule { return *x.rules.Load() },
			})
			x.exec(t, "GRANT ALL ON *.* TO app@'%'; CREATE USER dba@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO dba@'%'; CREATE TABLE shop.t (id INT PRIMARY KEY, v INT); INSERT INTO shop.t VALUES (1, 0)")
			for _, addr := range []string{x.addr, x.Addr()} { // raw clients log in by the short way then
				if err := (person{user: "app", password: appPassword}).open(t, addr).PingContext(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			test(t, x)
		})
	}
}

// obstacle is something that a statement waits for.
type obstacle struct {
	name string
	set  func(t *testing.T, x *crossing) (clear func())
	text string
}

// holders are clients in open transactions, each of which has a connection and a place.
func (x *crossing) holders(t *testing.T, n int, texts ...string) (clear func()) {
	t.Helper()
	var all []*raw
	for range n {
		c, _ := x.raw(t, x.Addr(), rawCaps)
		c.runs(t, append([]string{"BEGIN", "SELECT v FROM shop.t"}, texts...)...)
		all = append(all, c)
	}
	return func() {
		for _, c := range all {
			c.runs(t, "COMMIT")
			_ = c.conn.Close()
		}
	}
}

const insert = "INSERT INTO shop.t VALUES (100, 1)"

var obstacles = []obstacle{
	{"a gate", func(t *testing.T, x *crossing) func() {
		x.gates.Store(&gate.Settings{Floor: 1, Ceiling: 1, HotWidth: 1})
		eventually(t, "the gate has one place", func() bool {
			return len(x.Gates()) == 0 || x.Gates()[0].Settings.Ceiling == 1
		})
		clear := x.holders(t, 1)
		return func() { clear(); x.gates.Store(&gate.Settings{HotWidth: 1}) }
	}, insert},
	{"a rule", func(t *testing.T, x *crossing) func() {
		rules := []topology.LimitRule{{Scope: "all", Concurrency: 1, Until: time.Now().Add(time.Hour)}}
		x.rules.Store(&rules)
		eventually(t, "the rule is taken up", func() bool { return x.limited.Load() != nil })
		clear := x.holders(t, 1)
		return func() {
			clear()
			x.rules.Store(&[]topology.LimitRule{})
			eventually(t, "the rule is gone", func() bool { return x.limited.Load() == nil })
		}
	}, insert},
	{"a hot row", func(t *testing.T, x *crossing) func() {
		const hot = "UPDATE shop.t SET v=v+1 WHERE id=1"
		g := x.gateOf("m1")
		plan, _, _ := x.reader.plan([]byte(hot), (&memory{}).dialect(x.version()))
		g.mu.Lock()
		g.suspect(plan.Hash(), x.now())
		g.mu.Unlock()
		eventually(t, "the unique keys are known", func() bool { return x.keysOf(g, "shop", "t") != nil })
		clear := x.holders(t, 1, hot)
		var others sync.WaitGroup
		for range 2 { // who is the third to want it waits for its lane
			c, _ := x.raw(t, x.Addr(), rawCaps)
			others.Go(func() { c.query(hot); _ = c.conn.Close() })
		}
		for began := time.Now(); ; time.Sleep(time.Millisecond) {
			h := x.Gates()[0].Hot
			if len(h) == 1 && h[0].Using == 3 {
				break
			}
			if time.Since(began) > 10*time.Second {
				t.Fatalf("others do not wait for the row: %+v, %+v", h, x.Sessions())
			}
		}
		return func() { clear(); others.Wait() }
	}, "UPDATE shop.t SET v=v+1 WHERE id=1"},
	{"a connection", func(t *testing.T, x *crossing) func() {
		var all []*raw
		for range 6 { // each keeps one, and has no place: nobody waits at the gate
			c, _ := x.raw(t, x.Addr(), rawCaps)
			c.runs(t, "SET @a=1")
			all = append(all, c)
		}
		return func() {
			for _, c := range all {
				_ = c.conn.Close()
			}
		}
	}, insert},
	{"a lease", func(_ *testing.T, x *crossing) func() {
		x.lease.set(0)
		return func() { x.lease.set(time.Hour) }
	}, insert},
	{"an owner", func(t *testing.T, x *crossing) func() {
		view := *x.world.View()
		lost := view
		lost.Units = slices.Clone(view.Units)
		lost.Units[0].Owner, lost.Units[0].Epoch = "", lost.Units[0].Epoch+1
		x.world.setView(&lost)
		waitFor(t, "the view is taken in", func() bool { return x.Proxy.view.Load() == &lost })
		return func() {
			back := view
			back.Units = slices.Clone(view.Units)
			back.Units[0].Epoch = lost.Units[0].Epoch + 1
			x.world.setView(&back)
			waitFor(t, "the view is taken in", func() bool { return x.Proxy.view.Load() == &back })
		}
	}, insert},
}

// Ways to kill. Each says whether the session is to go on.
var killWays = []struct {
	name string
	goes bool
	kill func(t *testing.T, x *crossing, killer *raw, id uint32)
}{
	{"KILL QUERY", true, func(t *testing.T, _ *crossing, killer *raw, id uint32) {
		killer.runs(t, "KILL QUERY "+strconv.Itoa(int(id)))
	}},
	{"sqlring kill --query", true, func(t *testing.T, x *crossing, _ *raw, id uint32) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := x.EndQuery(ctx, id); err != nil {
			t.Error(err)
		}
	}},
	{"KILL QUERY by another account", true, func(t *testing.T, x *crossing, _ *raw, id uint32) {
		run(t, x.through(t, person{"dba", appPassword, "", nil}), "KILL QUERY "+strconv.Itoa(int(id)))
	}},
	{"KILL", false, func(t *testing.T, _ *crossing, killer *raw, id uint32) {
		killer.runs(t, "KILL "+strconv.Itoa(int(id)))
	}},
	{"COM_PROCESS_KILL", false, func(t *testing.T, _ *crossing, killer *raw, id uint32) {
		if payload, err := killer.do(wire.ComProcessKill, string([]byte{byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)})); err != nil || payload[0] != 0 {
			t.Errorf("%q, %v", payload, err)
		}
	}},
	{"sqlring kill", false, func(t *testing.T, x *crossing, _ *raw, id uint32) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := x.EndSession(ctx, id); err != nil {
			t.Error(err)
		}
	}},
}

// What waits in the proxy is killed as what runs at a member is: at once, with the same error,
// nothing of it is run, and nothing that it waited for, or had, is kept from others.
func TestRealKillOfWhatWaits(t *testing.T) {
	crossings(t, func(t *testing.T, x *crossing) {
		for _, o := range obstacles {
			for _, pinned := range []bool{false, true} {
				for _, way := range killWays {
					held := o.name == "a connection" || o.name == "an owner"
					if held && pinned || held && strings.HasSuffix(way.name, "account") {
						continue // it has one, and can not go elsewhere; the other account needs one itself
					}
					t.Run(fmt.Sprintf("%s, pinned %v, by %s", o.name, pinned, way.name), func(t *testing.T) {
						x.kills(t, o, pinned, way.goes, func(killer *raw, id uint32) { way.kill(t, x, killer, id) })
					})
				}
			}
		}
	})
}

func (x *crossing) kills(t *testing.T, o obstacle, pinned, goes bool, kill func(killer *raw, id uint32)) {
	killer, _ := x.raw(t, x.Addr(), rawCaps)
	victim, id := x.raw(t, x.Addr(), rawCaps)
	third, _ := x.raw(t, x.Addr(), rawCaps)
	for _, c := range []*raw{killer, third, victim} {
		c.runs(t, "SELECT 1")
	}
	if pinned {
		victim.runs(t, "SET @a=7")
	}
	clear := o.set(t, x)
	if err := victim.own.Send([]byte("\x03" + o.text)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "it waits", func() bool { s := said(t, x.Proxy, id); return s.Activity == ActivityWaits && s.Waits != "" })
	began := time.Now()
	kill(killer, id)
	victim.own.Restart(1, 1<<16)
	payload, err := victim.own.Read()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	switch {
	case !goes && err == nil: // it may be told that its session ends
		if _, err := victim.own.Read(); err == nil || errorOf(append(make([]byte, 4), payload...)) != 1053 {
			t.Errorf("its client was answered %q, then %v", payload, err)
		}
	case goes && (err != nil || errorOf(append(make([]byte, 4), payload...)) != 1317):
		t.Errorf("its client got %q, %v", payload, err)
	}
	waitFor(t, "it does not wait", func() bool {
		return !slices.ContainsFunc(x.Sessions(), func(s Session) bool { return s.ID == id && s.Activity != ActivityIdle })
	})
	clear()
	if got := x.query(t, "SELECT COUNT(*) FROM shop.t WHERE id=100"); got != "0" {
		t.Error("it was run")
	}
	if goes && pinned {
		if got := victim.first("SELECT @a"); got != "7" {
			t.Errorf("then @a is %q", got)
		}
	}
	if goes {
		victim.runs(t, insert, "UPDATE shop.t SET v=v+1 WHERE id=1", "DELETE FROM shop.t WHERE id=100")
	}
	third.runs(t, "UPDATE shop.t SET v=v+1 WHERE id=1", insert, "DELETE FROM shop.t WHERE id=100")
	for _, g := range x.Gates() {
		for _, h := range g.Hot {
			if h.Using != 0 {
				t.Errorf("the hot row: %+v", h)
			}
		}
	}
	if in, waiting := x.inside("all"); in+waiting != 0 {
		t.Errorf("%d count in the rule still, %d wait", in, waiting)
	}
	for _, c := range []*raw{killer, third, victim} {
		_ = c.conn.Close()
	}
}

// What a KILL QUERY has come for before it was sent is not run; but for a ROLLBACK, whose client
// takes its transaction to be over whatever it is told.
func TestKilledBeforeItIsSent(t *testing.T) {
	f := startFaked(t, Config{}, unitMember("1-1-7"))
	c := f.client(t)
	c.runs(t, "BEGIN")
	s := f.all()[0]
	for _, text := range []string{"SELECT 7", "ROLLBACK"} {
		landed, ok := s.strikes.strike(t.Context())
		if !ok {
			t.Fatal("it does not commit")
		}
		answer := make(chan int, 1)
		go func() {
			n, _ := c.query(text)
			answer <- n
		}()
		waitFor(t, "it has begun", func() bool { return s.phase.Load()&1 == 1 || len(answer) > 0 })
		time.Sleep(100 * time.Millisecond) // and has seen that a strike is coming
		landed(true)
		want := map[string]int{"SELECT 7": 1317, "ROLLBACK": 0}[text]
		if n := <-answer; n != want || slices.Contains(f.fake.commands(), text) != (want == 0) {
			t.Errorf("%s: answered %d, and the member was sent %q", text, n, f.fake.commands())
		}
	}
}
