package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

func TestJudge(t *testing.T) {
	tests := []struct {
		name string
		loss loss
		want fate
	}{
		{"rows were delivered", loss{delivered: true, complete: true, statement: true, kind: balancer.KindRead}, fateClose},
		{"autocommit insert", loss{complete: true, statement: true, kind: balancer.KindChange}, fateUnknown},
		{"DDL", loss{complete: true, statement: true, kind: balancer.KindOther}, fateUnknown},
		{"insert in a transaction", loss{complete: true, statement: true, transaction: true, kind: balancer.KindChange}, fateAgain},
		{"select in a transaction", loss{complete: true, statement: true, transaction: true, kind: balancer.KindRead}, fateAgain},
		{"rollback", loss{complete: true, statement: true, transaction: true, kind: balancer.KindRollback}, fateAgain},
		{"commit", loss{complete: true, statement: true, transaction: true, kind: balancer.KindCommit}, fateUnknown},
		{"BEGIN commits what was open", loss{complete: true, statement: true, transaction: true, kind: balancer.KindBegin}, fateUnknown},
		{"SET may commit", loss{complete: true, statement: true, transaction: true, kind: balancer.KindSet}, fateUnknown},
		{"DDL commits", loss{complete: true, statement: true, transaction: true, kind: balancer.KindOther}, fateUnknown},
		{"commit that never left", loss{statement: true, transaction: true, kind: balancer.KindCommit}, fateAgain},
		{"insert that never left", loss{statement: true, kind: balancer.KindChange}, fateNothing},
		{"insert that never left, and can be sent again", loss{statement: true, kind: balancer.KindChange, movable: true}, fateElsewhere},
		{"commit that never left, again", loss{statement: true, transaction: true, kind: balancer.KindCommit, movable: true}, fateAgain},
		{"read", loss{complete: true, statement: true, kind: balancer.KindRead, repeatable: true, movable: true}, fateElsewhere},
		{"read, too often", loss{complete: true, statement: true, kind: balancer.KindRead, repeatable: true}, fateNothing},
		{"read that may leave something", loss{complete: true, statement: true, kind: balancer.KindRead, movable: true}, fateUnknown},
		{"read in a transaction, again", loss{complete: true, statement: true, transaction: true, kind: balancer.KindRead, repeatable: true, movable: true}, fateAgain},
		{"read, delivered", loss{delivered: true, complete: true, statement: true, kind: balancer.KindRead, repeatable: true, movable: true}, fateClose},
		{"autocommit insert, again", loss{complete: true, statement: true, kind: balancer.KindChange, movable: true}, fateUnknown},
		{"commit, again", loss{complete: true, statement: true, transaction: true, kind: balancer.KindCommit, movable: true}, fateUnknown},
		{"SET in a transaction, again", loss{complete: true, statement: true, transaction: true, kind: balancer.KindSet, repeatable: true, movable: true}, fateUnknown},
		{"ping, again", loss{complete: true, movable: true}, fateElsewhere},
		{"ping", loss{complete: true}, fateNothing},
		{"ping in a transaction", loss{complete: true, transaction: true}, fateAgain},
	}
	for _, tt := range tests {
		if got := judge(tt.loss); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// dies breaks the connection at the statement "die", after some bytes of an
// answer at "halfway", and opens a transaction at "BEGIN".
func dies(c *fakeConn, command []byte) {
	switch string(command[1:]) {
	case "INSERT die", "COMMIT", "CREATE die":
		_ = c.Close()
	case "SELECT halfway":
		_ = c.own.Write([]byte{1})
		_ = c.own.Write([]byte("\x03def\x00\x00\x00\x01a\x00\x0c?\x00\x01\x00\x00\x00\x03\x81\x00\x00\x00\x00"))
		_ = c.Close()
	case "BEGIN", "INSERT":
		c.status(wire.StatusAutocommit|wire.StatusInTransaction, nil)
	case "SET x":
		c.status(wire.StatusAutocommit|wire.StatusSessionChanged, []byte("\x02\x011"))
	case "SET time_zone":
		c.status(wire.StatusAutocommit|wire.StatusSessionChanged, append(variable("time_zone", "+01:00"), "\x02\x011"...))
	default:
		c.ok()
	}
}

func TestLinkLostInFlight(t *testing.T) {
	tests := []struct {
		name   string
		before []string
		dying  string
		number int
		state  string
		after  bool // the session goes on
	}{
		{"autocommit insert", nil, "INSERT die", 1105, "08007", true},
		{"DDL", nil, "CREATE die", 1105, "08007", true},
		{"insert in a transaction", []string{"BEGIN", "INSERT"}, "INSERT die", 1213, "40001", true},
		{"DDL in a transaction", []string{"BEGIN"}, "CREATE die", 1105, "08007", true},
		{"commit", []string{"BEGIN", "INSERT"}, "COMMIT", 1105, "08007", true},
		{"rows half delivered", nil, "SELECT halfway", -1, "", false},
		{"with user variables", []string{"SET x"}, "INSERT die", 1105, "08007", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := startFaked(t, Config{}, dies)
			c := f.client(t)
			for _, text := range tt.before {
				if n, _ := c.query(text); n != 0 {
					t.Fatalf("%s: error %d", text, n)
				}
			}
			if n, state := c.query(tt.dying); n != tt.number || state != tt.state {
				t.Errorf("got %d %s, want %d %s", n, state, tt.number, tt.state)
			}
			want := -1
			if tt.after {
				want = 0
			}
			if n, _ := c.query("SELECT 1"); n != want {
				t.Errorf("then %d, want %d", n, want)
			}
			runs := 0
			for _, text := range f.fake.commands() {
				if text == tt.dying {
					runs++
				}
			}
			if runs != 1 {
				t.Errorf("the statement reached the member %d times", runs)
			}
			if s := f.Stats(); s.LinksLost != 1 && tt.number != -1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestLinkLostWhileIdle(t *testing.T) {
	tests := []struct {
		name   string
		before []string
		number int  // of the next statement
		after  bool // the session goes on after that
	}{
		{"nothing held", nil, 0, true},
		{"variables are carried over", []string{"SET time_zone"}, 0, true},
		{"in a transaction", []string{"BEGIN", "INSERT"}, 1213, true},
		{"with user variables", []string{"SET x"}, 1158, false},
	}
	for _, tt := range tests {
		for _, wait := range []bool{false, true} { // found by the next command, or by the watch
			t.Run(tt.name, func(t *testing.T) {
				interval := time.Hour
				if wait {
					interval = 10 * time.Millisecond
				}
				f := startFaked(t, Config{WatchInterval: interval}, dies)
				c := f.client(t)
				for _, text := range tt.before {
					if n, _ := c.query(text); n != 0 {
						t.Fatalf("%s: error %d", text, n)
					}
				}
				f.fake.cut()
				if wait {
					waitFor(t, "the watch finds it", func() bool { return f.Stats().LinksLost == 1 })
				} else {
					s := f.all()[0]
					waitFor(t, "the link is seen to be closed", s.at().stale)
					waitFor(t, "the session waits", func() bool { return s.phase.Load()&1 == 0 })
					f.tick.Add(1)
				}
				if n, _ := c.query("SELECT 1"); n != tt.number && (n != -1 || !wait || tt.after) { // one that waits for nothing is closed
					t.Errorf("got %d, want %d", n, tt.number)
				}
				if n, _ := c.query("SELECT 2"); (n == 0) != tt.after {
					t.Errorf("then %d", n)
				}
			})
		}
	}
}

func TestVariablesAreCarriedOver(t *testing.T) {
	f := startFaked(t, Config{}, dies)
	c := f.client(t)
	c.query("SET time_zone")
	f.fake.cut()
	waitFor(t, "the loss is found", func() bool { return f.Stats().LinksLost == 1 })
	c.query("SELECT 1")
	got := f.fake.commands()
	if len(got) != 3 || got[1] != "SET SESSION `time_zone`='+01:00'" {
		t.Errorf("the member got %q", got)
	}
}

// A unit that moves takes its sessions along, between transactions, and undoes
// the transaction that is open.
func TestOwnerMoves(t *testing.T) {
	for _, inTransaction := range []bool{false, true} {
		t.Run(fmt.Sprintf("in a transaction: %v", inTransaction), func(t *testing.T) {
			f := startFaked(t, Config{}, dies)
			heir := startFake(t, dies)
			c := f.client(t)
			want := 0
			if inTransaction {
				c.query("BEGIN")
				want = 1213
			}
			f.world.setView(owned("m2", 2, heir.member("m2")))
			waitFor(t, "the view is seen", func() bool { return f.view.Load() == f.world.View() })
			if n, _ := c.query("INSERT"); n != want {
				t.Errorf("got %d, want %d", n, want)
			}
			if n, _ := c.query("SELECT at the heir"); n != 0 {
				t.Errorf("then %d", n)
			}
			got := heir.commands()
			if len(got) == 0 || got[len(got)-1] != "SELECT at the heir" || inTransaction && len(got) != 1 {
				t.Errorf("the heir got %q", got)
			}
		})
	}
}

// A new epoch of the same owner changes nothing for a session.
func TestOwnerStays(t *testing.T) {
	f := startFaked(t, Config{}, dies)
	c := f.client(t)
	c.query("BEGIN")
	f.world.setView(owned("m1", 2, f.fake.member("m1")))
	waitFor(t, "the view is seen", func() bool { return f.view.Load() == f.world.View() })
	if n, _ := c.query("INSERT"); n != 0 {
		t.Errorf("got %d", n)
	}
	if s := f.Stats(); s.LinksTotal != 1 {
		t.Errorf("%d links", s.LinksTotal)
	}
}

// Without an owner statements wait, and go on where they can when there is one.
func TestNoOwner(t *testing.T) {
	f := startFaked(t, Config{QueueTimeout: 300 * time.Millisecond, MaxQueued: 1}, dies)
	c := f.client(t)
	before := f.Stats().QueuedTotal // the login may have waited for the first view
	nobody := owned("", 2, f.fake.member("m1"))
	f.world.setView(nobody)
	waitFor(t, "the view is seen", func() bool { return f.view.Load() == nobody })
	if n, state := c.query("INSERT"); n != 1290 || state != "HY000" {
		t.Errorf("after the timeout: %d %s", n, state)
	}
	done := make(chan int, 1)
	go func() {
		n, _ := c.query("INSERT")
		done <- n
	}()
	waitFor(t, "a session waits", func() bool { return f.Stats().Queued == 1 })
	late := dialRaw(t, f.Addr())
	if err := late.login("app", appPassword, rawCaps); err == nil || err.(*wire.Error).Number != 1290 {
		t.Errorf("one more than may wait: %v", err)
	}
	f.world.setView(owned("m1", 3, f.fake.member("m1")))
	if n := <-done; n != 0 {
		t.Errorf("when there is an owner again: %d", n)
	}
	s := f.Stats()
	if s.Refused["no_owner"] != 1 || s.Refused["max_queued"] != 1 || s.QueuedTotal != before+2 || s.Queued != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A report of progress is no part of a result: a link that is lost behind one is told
// in its place, in sequence.
func TestLinkLostBehindProgress(t *testing.T) {
	f := startFaked(t, Config{}, func(c *fakeConn, _ []byte) {
		for range 2 {
			_ = c.own.Write([]byte("\xff\xff\xff\x01\x01\x02\x10\x27\x00\x11copy to tmp table"))
		}
		_ = c.Close()
	})
	c := dialRaw(t, f.Addr())
	if err := c.login("app", appPassword, rawCaps&^wire.Mysql|wire.Progress); err != nil {
		t.Fatal(err)
	}
	if err := c.own.Send(wire.Query("ALTER TABLE t ENGINE=InnoDB")); err != nil {
		t.Fatal(err)
	}
	c.own.Restart(1, 1<<16)
	for i := range 3 {
		payload, err := c.own.Read() // in sequence, or it is an error
		if err != nil {
			t.Fatal(err)
		}
		want := 0xFFFF
		if i == 2 {
			want = 1105
		}
		if n := errorOf(append(make([]byte, 4), payload...)); n != want {
			t.Errorf("packet %d is %q", i, payload)
		}
	}
}
