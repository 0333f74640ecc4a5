package proxy

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// busy is a member that answers when the test lets it, and knows how many statements it
// has at once. BEGIN opens a transaction, COMMIT ends it.
type busy struct {
	mu   sync.Mutex
	open map[*fakeConn]bool
	now  int
	most int
	hold chan struct{} // closed or sent to: statements with "hold" in them wait for it
	ran  []string
	once sync.Once
}

func newBusy() *busy {
	b := &busy{open: make(map[*fakeConn]bool), hold: make(chan struct{})}
	return b
}

// release lets all statements go on, now and later.
func (b *busy) release() { b.once.Do(func() { close(b.hold) }) }

func (b *busy) answer(c *fakeConn, command []byte) {
	text := string(command[1:])
	b.mu.Lock()
	b.ran = append(b.ran, text)
	b.now++
	b.most = max(b.most, b.now)
	switch text {
	case "BEGIN":
		b.open[c] = true
	case "COMMIT", "ROLLBACK":
		delete(b.open, c)
	}
	status := wire.StatusAutocommit
	if b.open[c] {
		status |= wire.StatusInTransaction
	}
	b.mu.Unlock()
	if strings.Contains(text, "hold") {
		<-b.hold
	}
	b.mu.Lock()
	b.now--
	b.mu.Unlock()
	c.status(status, nil)
}

func (b *busy) seen() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.ran, ",")
}

// places is a proxy with n places at a member that answers as b does.
func places(t *testing.T, n int, b *busy, s gate.Settings) *faked {
	t.Helper()
	s.Floor, s.Ceiling = n, n
	f := startFaked(t, Config{Gates: func() gate.Settings { return s }}, b.answer)
	t.Cleanup(b.release) // before the member is waited for
	return f
}

func (p *Proxy) waitingAt(id topology.MemberID) int {
	for _, g := range p.Gates() {
		if g.Member == id {
			return g.Waiting[gate.Read] + g.Waiting[gate.Write] + g.Waiting[gate.Heavy]
		}
	}
	return 0
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for began := time.Now(); !f(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func TestNoMoreStatementsAtOnceThanPlaces(t *testing.T) {
	b := newBusy()
	f := places(t, 2, b, gate.Settings{})
	var done atomic.Int32
	var clients sync.WaitGroup
	for i := range 6 {
		c := f.client(t)
		clients.Go(func() {
			if n, _ := c.query(fmt.Sprintf("UPDATE t SET hold=%d", i)); n == 0 {
				done.Add(1)
			}
		})
	}
	eventually(t, "four wait", func() bool { return f.waitingAt("m1") == 4 })
	b.release()
	clients.Wait()
	g := f.Gates()[0]
	if done.Load() != 6 || b.most != 2 || g.Counts.Waits != 4 || g.Taken[gate.Write] != 0 || g.Counts.WaitTime <= 0 {
		t.Errorf("%d done, %d at once, %+v", done.Load(), b.most, g.State)
	}
}

// A transaction has its place until it ends, whatever its client does meanwhile, and
// nothing of it waits.
func TestATransactionKeepsItsPlace(t *testing.T) {
	b := newBusy()
	f := places(t, 1, b, gate.Settings{})
	first, second, third := f.client(t), f.client(t), f.client(t)
	first.query("BEGIN")
	var waited sync.WaitGroup
	waited.Go(func() { second.query("UPDATE t SET a=2") })
	eventually(t, "the second waits", func() bool { return f.waitingAt("m1") == 1 })
	if n, _ := third.query("COMMIT"); n != 0 {
		t.Errorf("a COMMIT waits for nobody: %d", n)
	}
	for _, q := range []string{"UPDATE t SET a=1", "SELECT a FROM t", "COMMIT"} {
		if n, _ := first.query(q); n != 0 {
			t.Fatalf("%s: %d", q, n)
		}
	}
	waited.Wait()
	if got := b.seen(); got != "BEGIN,COMMIT,UPDATE t SET a=1,SELECT a FROM t,COMMIT,UPDATE t SET a=2" {
		t.Errorf("%s", got)
	}
	if g := f.Gates()[0]; g.Taken[gate.Write] != 0 || g.Idle != 0 {
		t.Errorf("%+v", g)
	}
}

// TestPlacesComeBack: whatever ends a session, its place is free then.
func TestPlacesComeBack(t *testing.T) {
	for _, how := range []string{"the client goes in a transaction", "the client goes at work", "the member goes in a transaction", "the member goes in a transaction whose client says nothing", "the member goes at work"} {
		t.Run(how, func(t *testing.T) {
			b := newBusy()
			f := places(t, 1, b, gate.Settings{})
			c := f.client(t)
			c.query("BEGIN")
			work := strings.HasSuffix(how, "at work")
			if work {
				go func() { _, _ = c.do(wire.ComQuery, "UPDATE t SET hold=1") }()
				eventually(t, "it is at work", func() bool { return strings.Contains(b.seen(), "hold") })
			}
			if strings.HasPrefix(how, "the client") {
				_ = c.conn.Close()
			} else {
				f.fake.cut()
				if strings.HasSuffix(how, "in a transaction") {
					_, _ = c.do(wire.ComQuery, "SELECT 1")
				}
			}
			eventually(t, "the place is free", func() bool { return f.Gates()[0].Taken[gate.Write] == 0 })
			b.release()
			if n, _ := f.client(t).query("UPDATE t SET a=1"); n != 0 {
				t.Errorf("the next one: %d", n)
			}
		})
	}
}

// TestAClientThatWaitsAndGoesLeavesAtOnce: with a watch that looks once in ten minutes.
func TestAClientThatWaitsAndGoesLeavesAtOnce(t *testing.T) {
	b := newBusy()
	s := gate.Settings{Floor: 1, Ceiling: 1}
	f := startFaked(t, Config{WatchInterval: 10 * time.Minute, Gates: func() gate.Settings { return s }}, b.answer)
	first, second := f.client(t), f.client(t)
	first.query("BEGIN")
	if err := second.own.Send([]byte("\x03UPDATE t SET never=1")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it waits", func() bool { return f.waitingAt("m1") == 1 })
	time.Sleep(50 * time.Millisecond)
	went := time.Now()
	_ = second.conn.Close()
	eventually(t, "it has left", func() bool { return f.waitingAt("m1") == 0 })
	if took := time.Since(went); took > 200*time.Millisecond {
		t.Errorf("it left after %v", took)
	}
	first.query("COMMIT")
	if got := b.seen(); strings.Contains(got, "never") {
		t.Errorf("what it wanted was run: %s", got)
	}
	if g := f.Gates()[0]; g.Counts.Gone != 1 {
		t.Errorf("%+v", g.Counts)
	}
}

// TestAClientThatWaitsAgainAndGoes: one that has waited before is watched already, and one
// whose side was closed while nobody looked has not waited at all.
func TestAClientThatWaitsAgainAndGoes(t *testing.T) {
	b := newBusy()
	s := gate.Settings{Floor: 1, Ceiling: 1}
	f := startFaked(t, Config{WatchInterval: 10 * time.Minute, Gates: func() gate.Settings { return s }}, b.answer)
	first, second := f.client(t), f.client(t)
	for round := range 3 {
		first.query("BEGIN")
		if err := second.own.Send([]byte("\x03UPDATE t SET a=1")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it waits", func() bool { return f.waitingAt("m1") == 1 })
		time.Sleep(50 * time.Millisecond)
		if round == 2 {
			break
		}
		first.query("COMMIT")
		second.own.Restart(1, 1<<24)
		if _, err := second.own.Read(); err != nil {
			t.Fatal(err)
		}
	}
	_ = second.conn.Close()
	eventually(t, "it has left", func() bool { return f.waitingAt("m1") == 0 })
	first.query("COMMIT")
	if n := strings.Count(b.seen(), "UPDATE"); n != 2 || f.Gates()[0].Counts.Gone != 1 {
		t.Errorf("%d were run; %+v", n, f.Gates()[0].Counts)
	}
}

func TestShedIsToldWithWhatToDo(t *testing.T) {
	b := newBusy()
	f := places(t, 1, b, gate.Settings{Mode: gate.Shed, ShedWait: 100 * time.Millisecond})
	first, second := f.client(t), f.client(t)
	first.query("BEGIN")
	began := time.Now()
	if n, _ := second.query("UPDATE t SET a=1"); n != 1041 {
		t.Errorf("%d", n)
	}
	if took := time.Since(began); took < 80*time.Millisecond || took > 3*time.Second {
		t.Errorf("told after %v", took)
	}
	c := f.client(t)
	reply, err := c.do(wire.ComQuery, "UPDATE t SET a=1")
	if err != nil {
		t.Fatal(err)
	}
	told := wire.ParseError(reply)
	for _, part := range []string{"1041 (HY000)", "member m1 is saturated", "this was not run", "retry_after_ms="} {
		if told == nil || !strings.Contains(told.Error(), part) {
			t.Errorf("%v does not say %q", told, part)
		}
	}
	if n, _ := c.query("COMMIT"); n != 0 {
		t.Errorf("the session goes on: %d", n)
	}
	if strings.Contains(b.seen(), "UPDATE") || f.Stats().Refused["saturated"] != 2 {
		t.Errorf("%s %v", b.seen(), f.Stats().Refused)
	}
}

func TestPriorityAndDeadlineOfAStatement(t *testing.T) {
	b := newBusy()
	f := places(t, 1, b, gate.Settings{})
	first := f.client(t)
	first.query("BEGIN")
	var all sync.WaitGroup
	send := func(set, text string, want int) {
		c := f.client(t)
		if set != "" {
			if n, _ := c.query(set); n != 0 {
				t.Fatalf("%s: %d", set, n)
			}
		}
		before := f.waitingAt("m1")
		all.Go(func() {
			if n, _ := c.query(text); n != want {
				t.Errorf("%s: %d, want %d", text, n, want)
			}
		})
		eventually(t, "it waits", func() bool { return f.waitingAt("m1") > before })
	}
	send("", "UPDATE t SET a='usual'", 0)
	send("SET sqlring_priority='background'", "UPDATE t SET a='last'", 0)
	send("", "/* sqlring priority=urgent */ UPDATE t SET a='first'", 0)
	send("SET sqlring_priority = high", "UPDATE t SET a='second'", 0)
	late := f.client(t)
	if n, _ := late.query("SET sqlring_deadline = '60ms'"); n != 0 {
		t.Fatal(n)
	}
	if n, _ := late.query("UPDATE t SET a='never'"); n != 1041 {
		t.Errorf("past its deadline: %d", n)
	}
	if n, _ := late.query("SET sqlring_priority = 'much'"); n != 1231 {
		t.Errorf("no priority: %d", n)
	}
	first.query("COMMIT")
	all.Wait()
	var order []string
	for _, q := range strings.Split(b.seen(), ",") {
		if i := strings.Index(q, "a='"); i >= 0 {
			order = append(order, strings.Trim(q[i+3:], "'"))
		}
	}
	if got := strings.Join(order, " "); got != "first second usual last" {
		t.Errorf("%s", got)
	}
}

// The settings are changed while the proxy runs.
func TestGateSettingsAreTakenUp(t *testing.T) {
	b := newBusy()
	var s atomic.Pointer[gate.Settings]
	s.Store(&gate.Settings{Floor: 1, Ceiling: 1})
	f := startFaked(t, Config{Gates: func() gate.Settings { return *s.Load() }}, b.answer)
	first, second := f.client(t), f.client(t)
	first.query("BEGIN")
	done := make(chan int, 1)
	go func() { n, _ := second.query("UPDATE t SET a=1"); done <- n }()
	eventually(t, "it waits", func() bool { return f.waitingAt("m1") == 1 })
	s.Store(&gate.Settings{Floor: 2, Ceiling: 2})
	if n := <-done; n != 0 {
		t.Errorf("%d", n)
	}
	c := f.client(t)
	reply := c.rowsOf("SHOW SQLRING GATES")
	if len(reply) != 1 || reply[0][0] != "m1" || reply[0][1] != "absorb" || reply[0][3] != "2" {
		t.Errorf("%q", reply)
	}
}

// Who waits while the mode is switched to shed is told as soon as who comes then, also while
// nobody has a turn.
func TestShedHoldsForThoseWhoWait(t *testing.T) {
	b := newBusy()
	var s atomic.Pointer[gate.Settings]
	s.Store(&gate.Settings{Floor: 1, Ceiling: 1})
	f := startFaked(t, Config{Gates: func() gate.Settings { return *s.Load() }}, b.answer)
	first := f.client(t)
	first.query("BEGIN")
	told := make(chan int, 3)
	for _, text := range []string{"UPDATE t SET a=1", "UPDATE u SET a=1", "SELECT 1"} {
		c := f.client(t)
		go func() { n, _ := c.query(text); told <- n }()
	}
	eventually(t, "three wait", func() bool { return f.waitingAt("m1") == 3 })
	switched := time.Now()
	s.Store(&gate.Settings{Floor: 1, Ceiling: 1, Mode: gate.Shed, ShedWait: 200 * time.Millisecond})
	for range 3 {
		if n := <-told; n != 1041 {
			t.Errorf("it got %d", n)
		}
	}
	if took := time.Since(switched); took > 3*time.Second {
		t.Errorf("told %v after the switch", took)
	}
	if g := f.Gates()[0]; g.Waiting != [gate.Classes]int{} || g.Bytes != 0 || g.Counts.Refused[gate.TooLong] != 3 {
		t.Errorf("%+v", g.State)
	}
}

// rowsOf runs a statement of which the proxy itself gives the rows.
func (c *raw) rowsOf(text string) (rows [][]string) {
	c.t.Helper()
	payload, err := c.do(wire.ComQuery, text)
	if err != nil {
		c.t.Fatal(err)
	}
	columns := int(payload[0])
	for range columns {
		if _, err := c.own.Read(); err != nil {
			c.t.Fatal(err)
		}
	}
	for {
		if payload, err = c.own.Read(); err != nil {
			c.t.Fatal(err)
		}
		if payload[0] == 0xFE && len(payload) < 9 || payload[0] == 0 && len(payload) < 9 && columns > 8 {
			if c.caps.Has(wire.DeprecateEOF) || len(rows) > 0 {
				return rows
			}
			continue
		}
		r := wire.NewReader(payload)
		var values []string
		for range columns {
			values = append(values, string(r.Bytes()))
		}
		rows = append(rows, values)
	}
}

// TestAFrozenMemberHoldsUpNobodyElse: the gates of two members have nothing in common.
func TestAFrozenMemberHoldsUpNobodyElse(t *testing.T) {
	frozen, well := newBusy(), newBusy()
	s := gate.Settings{Floor: 1, Ceiling: 1}
	w := newWorld()
	a, c := startFake(t, frozen.answer), startFake(t, well.answer)
	w.setAccounts(native("app", "%", appPassword))
	view := owned("m1", 1, a.member("m1"), c.member("m2"))
	view.Units = append(view.Units, view.Units[0])
	view.Units[1].ID, view.Units[1].Owner = "shop", "m2"
	w.setView(view)
	f := &faked{world: w, fake: a, Proxy: serve(t, w, Config{WatchInterval: 20 * time.Millisecond, Gates: func() gate.Settings { return s }})}
	defer frozen.release()
	for range 5 {
		stuck := f.client(t)
		go func() { _, _ = stuck.do(wire.ComQuery, "UPDATE other.t SET hold=1") }()
	}
	eventually(t, "four wait", func() bool { return f.waitingAt("m1") == 4 })
	quick := f.client(t)
	for range 20 {
		began := time.Now()
		if n, _ := quick.query("UPDATE shop.t SET a=1"); n != 0 {
			t.Fatalf("%d", n)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
	}
}

// A client that is not read from costs its own place only while its answer comes; a gate
// that nobody waits at costs a statement less than 100 ns and no memory.
func BenchmarkGateOfASession(b *testing.B) {
	p := &Proxy{began: time.Now(), gates: make(map[topology.MemberID]*memberGate), cfg: Config{MemberLinks: 100, QueueTimeout: time.Second}}
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	s := newSession(p, server)
	s.code = wire.ComQuery
	member := balancer.Member{ID: "m1"}
	b.ReportAllocs()
	for b.Loop() {
		if s.takePlace(member, false) != nil {
			b.Fatal("no place")
		}
		if began, measured := s.timed(); measured {
			s.measure(began, 1)
		}
		s.leavePlace()
	}
}
