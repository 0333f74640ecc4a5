package proxy

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// ruled is a proxy with rules that the test may change.
func ruled(t *testing.T, b *busy, rules ...topology.LimitRule) (*faked, *atomic.Pointer[[]topology.LimitRule]) {
	t.Helper()
	var now atomic.Pointer[[]topology.LimitRule]
	for i := range rules {
		rules[i].Until = time.Now().Add(time.Hour)
	}
	now.Store(&rules)
	f := startFaked(t, Config{QueueTimeout: 500 * time.Millisecond, Limited: func() []topology.LimitRule { return *now.Load() }}, b.answer)
	t.Cleanup(b.release)
	eventually(t, "the rules are taken up", func() bool { return (f.limited.Load() != nil) == (len(rules) > 0) })
	return f, &now
}

func (b *busy) running() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func TestAScopeMayRunSoManyAtOnce(t *testing.T) {
	const held = "UPDATE shop.t SET hold=1"
	plan, _, _ := new(reader).plan([]byte(held), (&memory{}).dialect(topology.ServerVersion{Flavour: topology.FlavourMariaDB}))
	for _, c := range []struct {
		scope string
		meets bool
	}{
		{fmt.Sprintf("digest:%016x", plan.Hash()), true},
		{"digest:00000000000000aa", false},
		{"account:app", true},
		{"account:other", false},
		{"network:127.0.0.0/8", true},
		{"network:10.0.0.0/8", false},
		{"all", true},
	} {
		t.Run(c.scope, func(t *testing.T) {
			b := newBusy()
			f, _ := ruled(t, b, topology.LimitRule{Scope: c.scope, Concurrency: 2, Why: "report"})
			var all sync.WaitGroup
			for i := range 2 {
				client := f.client(t)
				all.Go(func() { client.query(held) })
				eventually(t, "it runs", func() bool { return b.running() == i+1 })
			}
			third := f.client(t)
			if c.meets {
				reply, err := third.do(wire.ComQuery, held)
				if err != nil {
					t.Fatal(err)
				}
				told := wire.ParseError(reply)
				for _, part := range []string{"1041", c.scope, "report", "this was not run", "retry_after_ms"} {
					if told == nil || !strings.Contains(told.Error(), part) {
						t.Errorf("%v does not say %q", told, part)
					}
				}
				if f.Stats().Refused["limit"] != 1 {
					t.Errorf("%v", f.Stats().Refused)
				}
			} else {
				all.Go(func() { third.query(held) })
				eventually(t, "it runs", func() bool { return b.running() == 3 })
			}
			b.release()
			all.Wait()
			if n, _ := third.query(held); n != 0 {
				t.Errorf("when they have ended: %d", n)
			}
		})
	}
}

// Who waits goes on when one has ended, and when the rule is taken away.
func TestWhoIsHeldBackGoesOn(t *testing.T) {
	b := newBusy()
	f, rules := ruled(t, b, topology.LimitRule{Scope: "account:app", Concurrency: 1})
	first, second, third := f.client(t), f.client(t), f.client(t)
	first.query("BEGIN")
	done := make(chan int, 2)
	go func() { n, _ := second.query("UPDATE t SET a=1"); done <- n }()
	time.Sleep(50 * time.Millisecond)
	if n, _ := first.query("UPDATE t SET a=2"); n != 0 {
		t.Errorf("inside of a transaction: %d", n)
	}
	first.query("COMMIT")
	if n := <-done; n != 0 {
		t.Errorf("when the transaction has ended: %d", n)
	}
	first.query("BEGIN")
	go func() { n, _ := third.query("UPDATE t SET a=1"); done <- n }()
	time.Sleep(50 * time.Millisecond)
	rules.Store(&[]topology.LimitRule{})
	if n := <-done; n != 0 {
		t.Errorf("when the rule is gone: %d", n)
	}
}

func TestARateIsKept(t *testing.T) {
	b := newBusy()
	f, _ := ruled(t, b, topology.LimitRule{Scope: "all", Rate: 20})
	c := f.client(t)
	began := time.Now()
	for range 40 {
		if n, _ := c.query("UPDATE t SET a=1"); n != 0 {
			t.Fatal(n)
		}
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("40 statements in %v, 20 a second with 20 at once are allowed", took)
	}
}

func TestAnIdleTransactionIsEnded(t *testing.T) {
	b := newBusy()
	f, _ := ruled(t, b, topology.LimitRule{Scope: "account:app", IdleTransaction: 200 * time.Millisecond})
	idle, quiet := f.client(t), f.client(t)
	quiet.query("SELECT 1")
	idle.query("BEGIN")
	began := time.Now()
	eventually(t, "its session has ended", func() bool { return f.Stats().Sessions == 1 })
	if took := time.Since(began); took < 150*time.Millisecond {
		t.Errorf("it ended after %v", took)
	}
	if n, _ := quiet.query("SELECT 1"); n != 0 {
		t.Errorf("one without a transaction: %d", n)
	}
}

// A real client is told why its transaction was ended, by the number that its server has for
// that, and nothing of the transaction is left.
func TestRealAnIdleTransactionIsToldWhy(t *testing.T) {
	rules := []topology.LimitRule{{Scope: "account:app", IdleTransaction: 200 * time.Millisecond, Why: "new year", Until: time.Now().Add(time.Hour)}}
	onBothAs(t, Config{WatchInterval: 50 * time.Millisecond, Limited: func() []topology.LimitRule { return rules }}, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (v INT); INSERT INTO shop.t VALUES (1)")
		number := uint16(1927)
		if f.mysql != nil {
			number = 4031
		}
		c, _ := f.raw(t, f.Addr(), rawCaps)
		conn, err := f.app(t, func(c *mysql.Config) { c.CheckConnLiveness = false }).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		before := f.Stats().Sessions
		if _, err := conn.ExecContext(t.Context(), "BEGIN"); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"BEGIN", "UPDATE shop.t SET v=2"} {
			if got := c.response(wire.ComQuery, c.statement(text)); errorOf(got) != 0 {
				t.Fatalf("%s: %q", text, got)
			}
		}
		waitFor(t, "both have ended", func() bool { return f.Stats().Sessions == before-2 })
		got := c.response(wire.ComQuery, c.statement("COMMIT"))
		if errorOf(got) != int(number) || !strings.Contains(string(got), "account:app") || !strings.Contains(string(got), "new year") {
			t.Errorf("it was told %q", got)
		}
		var told *mysql.MySQLError
		if _, err = conn.ExecContext(t.Context(), "COMMIT"); !errors.As(err, &told) || told.Number != number || !strings.Contains(told.Message, "new year") {
			t.Errorf("a driver was told %v", err)
		}
		if v := f.query(t, "SELECT v FROM shop.t"); v != "1" {
			t.Errorf("v is %s", v)
		}
	})
}

// TestALongStatementIsEnded: on a real server, by its own error, and the session goes on.
func TestALongStatementIsEnded(t *testing.T) {
	rules := []topology.LimitRule{{Scope: "account:app", LongStatement: 300 * time.Millisecond, Until: time.Now().Add(time.Hour)}}
	r := startReal(t, Config{WatchInterval: 50 * time.Millisecond, Limited: func() []topology.LimitRule { return rules }})
	db := r.db(t)
	db.SetMaxOpenConns(1)
	began := time.Now()
	_, err := db.ExecContext(t.Context(), "UPDATE mysql.help_topic SET name=name WHERE SLEEP(20) AND help_topic_id=1")
	var told *mysql.MySQLError
	if took := time.Since(began); !errors.As(err, &told) || told.Number != 1317 && told.Number != 1105 || took > 10*time.Second {
		t.Errorf("%v after %v", err, took)
	}
	if n := query[int](t, db, "SELECT 7"); n != 7 {
		t.Errorf("then %d", n)
	}
}
