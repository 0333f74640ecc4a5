package proxy

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// waitFor is how many sessions wait for something that begins so.
func (p *Proxy) waitFor(what string) (n int) {
	for _, s := range p.Sessions() {
		if strings.HasPrefix(s.Waits, what) {
			n++
		}
	}
	return n
}

// inside is how many statements count in a rule, and in its line.
func (p *Proxy) inside(scope string) (in, waiting int) {
	rules := p.limited.Load()
	if rules == nil {
		return 0, 0
	}
	for _, l := range rules.rules {
		if l.Scope == scope {
			l.mu.Lock()
			in = l.limitCounts.inside
			waiting += l.line.Len()
			l.mu.Unlock()
		}
	}
	return in, waiting
}

// Who came first goes on first, also past those who come just then, and nobody is woken for
// nothing.
func TestWhoIsHeldBackGoesOnInOrder(t *testing.T) {
	b := newBusy()
	f, _ := ruled(t, b, topology.LimitRule{Scope: "account:app", Concurrency: 1})
	first := f.client(t)
	first.query("BEGIN")
	var all sync.WaitGroup
	for i := range 8 {
		c := f.client(t)
		all.Go(func() { c.query(fmt.Sprintf("UPDATE t SET a=%d", i)) })
		eventually(t, "it waits", func() bool { return f.waitFor("a rule of the DBA: account:app") == i+1 })
	}
	first.query("COMMIT")
	first.query("UPDATE t SET a=8")
	all.Wait()
	var order []string
	for _, q := range strings.Split(b.seen(), ",") {
		if n, ok := strings.CutPrefix(q, "UPDATE t SET a="); ok {
			order = append(order, n)
		}
	}
	if got := strings.Join(order, ""); got != "012345678" {
		t.Errorf("they went on as %s", got)
	}
	if in, waiting := f.inside("account:app"); in != 0 || waiting != 0 {
		t.Errorf("%d count in the rule still, %d wait", in, waiting)
	}
}

// Who comes when there is room, and others have waited for it, waits behind them.
func TestNobodyPassesThoseWhoWait(t *testing.T) {
	l := &limit{LimitRule: topology.LimitRule{Concurrency: 1}, limitCounts: new(limitCounts)}
	line := make([]*inLine, 3)
	if l.enter(nil, 1) != 0 {
		t.Fatal("the first one waits")
	}
	for i, since := range []gate.Instant{30, 10, 20} { // as they come from the lines of other rules
		line[i] = &inLine{since: since, woken: make(chan struct{}, 1)}
		if l.enter(line[i], since) == 0 {
			t.Fatal("two at once")
		}
	}
	l.inside-- // the first one has ended
	if l.enter(nil, 40) == 0 {
		t.Error("one that came last went on first")
	}
	for _, i := range []int{1, 2, 0} {
		if l.firstLocked() != line[i] {
			t.Fatalf("%d is not the next one", i)
		}
		if line[i].leave() != l.limitCounts || l.enter(line[i], 50) != 0 {
			t.Errorf("%d: it was its turn", i)
		}
		l.inside--
	}
	if l.line.Len() != 0 || l.inside != 0 {
		t.Errorf("%+v", l.limitCounts)
	}
}

// A statement that one rule holds back has taken nothing from what another one allows.
func TestARuleThatHoldsBackTakesNothingOfAnother(t *testing.T) {
	b := newBusy()
	f, rules := ruled(t, b, topology.LimitRule{Scope: "account:app", Rate: 5}, topology.LimitRule{Scope: "all", Concurrency: 1})
	first, second := f.client(t), f.client(t)
	first.query("BEGIN")
	done := make(chan int, 1)
	go func() { n, _ := second.query("UPDATE t SET a=1"); done <- n }()
	eventually(t, "it waits", func() bool { return f.waitFor("a rule of the DBA: all") == 1 })
	for i := range 5 { // each change of the rules has it try again
		changed := []topology.LimitRule{(*rules.Load())[0], (*rules.Load())[1]}
		changed[1].Why = fmt.Sprint(i)
		rules.Store(&changed)
		time.Sleep(30 * time.Millisecond)
	}
	if in, _ := f.inside("account:app"); in != 1 {
		t.Errorf("%d count in the rule that lets it pass", in)
	}
	began := time.Now()
	first.query("COMMIT")
	if n := <-done; n != 0 {
		t.Errorf("it got %d", n)
	}
	for range 2 {
		first.query("UPDATE t SET a=2")
	}
	if took := time.Since(began); took > 150*time.Millisecond {
		t.Errorf("four of five a second: the last two had to wait %v", took)
	}
}

// With a watch that looks once in ten minutes.
func TestAClientThatIsHeldBackAndGoesLeavesAtOnce(t *testing.T) {
	b := newBusy()
	rules := []topology.LimitRule{{Scope: "all", Concurrency: 1, Until: time.Now().Add(time.Hour)}}
	f := startFaked(t, Config{WatchInterval: 10 * time.Minute, Limited: func() []topology.LimitRule { return rules }}, b.answer)
	f.takeUpLimits()
	first, second, third := f.client(t), f.client(t), f.client(t)
	first.query("BEGIN")
	if err := second.own.Send([]byte("\x03UPDATE t SET never=1")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it waits", func() bool { return f.waitFor("a rule") == 1 })
	done := make(chan int, 1)
	go func() { n, _ := third.query("UPDATE t SET a=1"); done <- n }()
	eventually(t, "another one waits", func() bool { return f.waitFor("a rule") == 2 })
	time.Sleep(50 * time.Millisecond)
	went := time.Now()
	_ = second.conn.Close()
	eventually(t, "it has left", func() bool { _, waiting := f.inside("all"); return waiting == 1 })
	if took := time.Since(went); took > 200*time.Millisecond {
		t.Errorf("it left after %v", took)
	}
	first.query("COMMIT")
	if n := <-done; n != 0 || strings.Contains(b.seen(), "never") {
		t.Errorf("%d; %s", n, b.seen())
	}
	if in, waiting := f.inside("all"); in != 0 || waiting != 0 {
		t.Errorf("%d count in the rule still, %d wait", in, waiting)
	}
}

// TestWaitsCountTogether: rules, lanes and gates hold a statement up for no longer than is
// set, whatever owners are waited for, and than its own deadline, in all.
func TestWaitsCountTogether(t *testing.T) {
	for _, c := range []struct {
		name, text string
		settings   gate.Settings
		rules      []topology.LimitRule
		wants      [2]time.Duration
	}{
		{"a longer wait is set", "UPDATE t SET a=1", gate.Settings{MaxWait: time.Second}, nil, [2]time.Duration{950 * time.Millisecond, 3 * time.Second}},
		{"by a rule", "UPDATE t SET a=1", gate.Settings{MaxWait: time.Second}, []topology.LimitRule{{Scope: "all", Concurrency: 1}}, [2]time.Duration{950 * time.Millisecond, 3 * time.Second}},
		{"in shed, by a rule", "UPDATE t SET a=1", gate.Settings{Mode: gate.Shed, ShedWait: 150 * time.Millisecond}, []topology.LimitRule{{Scope: "all", Concurrency: 1}}, [2]time.Duration{140 * time.Millisecond, time.Second}},
		{"its own deadline, by a rule", "/* sqlring deadline=100ms */ UPDATE t SET a=1", gate.Settings{MaxWait: 5 * time.Second}, []topology.LimitRule{{Scope: "all", Concurrency: 1}}, [2]time.Duration{95 * time.Millisecond, time.Second}},
		{"first by a rule, then at the gate", "UPDATE t SET a=1", gate.Settings{MaxWait: 600 * time.Millisecond}, []topology.LimitRule{{Scope: "all", Rate: 2}}, [2]time.Duration{590 * time.Millisecond, 900 * time.Millisecond}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, s := newBusy(), c.settings
			s.Floor, s.Ceiling = 1, 1
			for i := range c.rules {
				c.rules[i].Until = time.Now().Add(time.Hour)
			}
			f := startFaked(t, Config{QueueTimeout: 300 * time.Millisecond, Gates: func() gate.Settings { return s }, Limited: func() []topology.LimitRule { return c.rules }}, b.answer)
			t.Cleanup(b.release)
			eventually(t, "the rules are taken up", func() bool { return (f.limited.Load() != nil) == (len(c.rules) > 0) })
			first, second := f.client(t), f.client(t)
			if strings.HasPrefix(c.name, "first") {
				second.query("SELECT 1") // the first of two a second
			}
			first.query("BEGIN")
			began := time.Now()
			if n, _ := second.query(c.text); n != 1041 {
				t.Errorf("it got %d", n)
			}
			if took := time.Since(began); took < c.wants[0] || took > c.wants[1] {
				t.Errorf("told after %v", took)
			}
			first.query("COMMIT")
			if n, _ := second.query("SELECT 1"); n != 0 {
				t.Errorf("then it got %d", n)
			}
		})
	}
}

// TestAStatementThatWaitedIsNotALongOne: what it waited here is no time that it ran.
func TestAStatementThatWaitedIsNotALongOne(t *testing.T) {
	b := newBusy()
	rules := []topology.LimitRule{{Scope: "all", LongStatement: 300 * time.Millisecond, Until: time.Now().Add(time.Hour)}}
	s := gate.Settings{Floor: 1, Ceiling: 1}
	f := startFaked(t, Config{WatchInterval: 10 * time.Millisecond, Gates: func() gate.Settings { return s }, Limited: func() []topology.LimitRule { return rules }}, b.answer)
	t.Cleanup(b.release)
	first, second := f.client(t), f.client(t)
	first.query("BEGIN")
	done := make(chan int, 1)
	go func() { n, _ := second.query("UPDATE t SET hold=1"); done <- n }()
	eventually(t, "it waits", func() bool { return f.waitingAt("m1") == 1 })
	time.Sleep(500 * time.Millisecond)
	first.query("COMMIT")
	eventually(t, "it runs", func() bool { return strings.Contains(b.seen(), "hold") })
	time.Sleep(100 * time.Millisecond)
	b.release()
	if n := <-done; n != 0 || f.Stats().Refused["limit"] != 0 {
		t.Errorf("it ran for 0.1 s, and got %d; %v", n, f.Stats().Refused)
	}
}

// TestManyAreHeldBackAndCountedOff: hundreds of clients at a rule for four, of which every
// third goes while it waits and the rule changes all the time: whoever is left is served, never
// more than four at once, and nothing is left of them.
func TestManyAreHeldBackAndCountedOff(t *testing.T) {
	const clients = 300
	b := newBusy()
	until := time.Now().Add(time.Hour)
	var rules atomic.Pointer[[]topology.LimitRule]
	rules.Store(&[]topology.LimitRule{{Scope: "account:app", Concurrency: 4, Until: until}, {Scope: "all", Rate: 100_000, Until: until}})
	f := startFaked(t, Config{Limited: func() []topology.LimitRule { return *rules.Load() }}, b.answer)
	t.Cleanup(b.release)
	eventually(t, "the rules are taken up", func() bool { return f.limited.Load() != nil })
	var all sync.WaitGroup
	stop := make(chan struct{})
	all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			changed := []topology.LimitRule{(*rules.Load())[0], (*rules.Load())[1]}
			changed[0].Why = fmt.Sprint(i)
			rules.Store(&changed)
		}
	})
	var crowd sync.WaitGroup
	for i := range clients {
		c := f.client(t)
		crowd.Go(func() {
			for range 5 {
				if i%3 == 0 {
					_ = c.own.Send([]byte("\x03UPDATE t SET a=1"))
					time.Sleep(time.Duration(i%20) * time.Millisecond)
					_ = c.conn.Close()
					return
				}
				if payload, err := c.do(wire.ComQuery, "UPDATE t SET a=1"); err != nil || payload[0] == 0xFF {
					t.Errorf("%v %x", err, payload)
					return
				}
			}
		})
	}
	crowd.Wait()
	close(stop)
	all.Wait()
	eventually(t, "nothing is left", func() bool {
		in, waiting := f.inside("account:app")
		in2, waiting2 := f.inside("all")
		return in+waiting+in2+waiting2 == 0
	})
	if b.most > 4 {
		t.Errorf("%d at once", b.most)
	}
}
