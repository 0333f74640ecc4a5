package proxy

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// freezes answers to nothing but BEGIN, as a stopped process does.
func freezes(c *fakeConn, command []byte) {
	switch string(command[1:]) {
	case "BEGIN":
		c.status(wire.StatusAutocommit|wire.StatusInTransaction, nil)
	case "SELECT first":
		c.ok()
	default:
		_, _ = io.Copy(io.Discard, c.Conn)
	}
}

// A session at work on a frozen owner is freed at the moment in which the owner is
// another, or nobody.
func TestFrozenOwner(t *testing.T) {
	tests := []struct {
		name, before, text string
		number             int
		state              string
	}{
		{"read", "SELECT first", "SELECT 1", 0, ""},
		{"read that calls something", "SELECT first", "SELECT f()", 1105, "08007"},
		{"autocommit write", "SELECT first", "INSERT", 1105, "08007"},
		{"statement in a transaction", "BEGIN", "INSERT", 1213, "40001"},
		{"read in a transaction", "BEGIN", "SELECT 1", 1213, "40001"},
		{"commit", "BEGIN", "COMMIT", 1105, "08007"},
		{"begin", "SELECT first", "START TRANSACTION", 0, ""},
		{"variables", "SELECT first", "SET NAMES utf8mb4", 0, ""},
	}
	for _, tt := range tests {
		for _, gap := range []bool{false, true} { // the unit has no owner for a moment
			t.Run(tt.name, func(t *testing.T) {
				heir := startFake(t, nil)
				f := startFaked(t, Config{WatchInterval: time.Hour}, freezes)
				c := f.client(t)
				if n, _ := c.query(tt.before); n != 0 {
					t.Fatal(n)
				}
				type answer struct {
					number int
					state  string
				}
				answers := make(chan answer, 1)
				go func() {
					number, state := c.query(tt.text)
					answers <- answer{number, state}
				}()
				waitFor(t, "it is at the member", func() bool { return slices.Contains(f.fake.commands(), tt.text) })
				start := time.Now()
				if gap {
					f.world.setView(owned("", 2, f.fake.member("m1"), heir.member("m2")))
					time.Sleep(20 * time.Millisecond)
				}
				f.world.setView(owned("m2", 3, f.fake.member("m1"), heir.member("m2")))
				if got := <-answers; got != (answer{tt.number, tt.state}) {
					t.Errorf("got %+v, want %d %s", got, tt.number, tt.state)
				}
				if took := time.Since(start); took > 500*time.Millisecond {
					t.Errorf("after %v", took)
				}
				if n, _ := c.query("SELECT after"); n != 0 {
					t.Errorf("then %d", n)
				}
				want := []string{"SELECT after"}
				if tt.number == 0 {
					want = []string{tt.text, "SELECT after"}
				}
				if got := heir.commands(); !slices.Equal(got, want) {
					t.Errorf("the heir got %q, want %q", got, want)
				}
				if s := f.Stats(); s.LinksCut != 1 || s.LinksLost != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		}
	}
}

// An idle session keeps its link until its next command, with its transaction if
// the owner is the same again by then.
func TestIdleSessionsAreNotCut(t *testing.T) {
	f := startFaked(t, Config{WatchInterval: time.Hour}, freezes)
	c := f.client(t)
	c.query("BEGIN")
	waitFor(t, "the session waits", func() bool { return f.all()[0].phase.Load()&1 == 0 })
	for i, owner := range []topology.MemberID{"", "m1"} {
		f.world.setView(owned(owner, uint64(i)+2, f.fake.member("m1")))
		waitFor(t, "the view is taken in", func() bool { return f.view.Load() == f.world.View() })
	}
	if n, _ := c.query("SELECT first"); n != 0 {
		t.Errorf("got %d", n)
	}
	if s := f.Stats(); s.LinksTotal != 1 || s.LinksCut != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A member that accepts connections and says nothing is given up when it is no
// longer the owner.
func TestFrozenOwnerIsLeftWhileConnecting(t *testing.T) {
	heir := startFake(t, nil)
	f := startFaked(t, Config{}, nil)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	frozen := f.fake.member("m1")
	frozen.Addr = mute.Addr().String()
	f.world.setView(owned("m1", 2, frozen))
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == f.world.View() })
	done := make(chan error, 1)
	c := dialRaw(t, f.Addr())
	go func() { done <- c.login("app", appPassword, rawCaps) }()
	waitFor(t, "the session connects", func() bool {
		all := f.all()
		return len(all) == 1 && all[0].opening.Load() != nil
	})
	start := time.Now()
	f.world.setView(owned("m2", 3, heir.member("m2")))
	if err := <-done; err != nil || time.Since(start) > 500*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// notes is who is told what the proxy notices.
type notes struct {
	mu       sync.Mutex
	suspects []topology.MemberID
	leases   int
}

func (n *notes) Suspect(id topology.MemberID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.suspects = append(n.suspects, id)
}

func (n *notes) LeasesChanged() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leases++
}

func (n *notes) all() ([]topology.MemberID, int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.suspects), n.leases
}

// A session that finds the owner gone, before anybody has said so, waits for the
// verdict; and its finding is passed on.
func TestDeadOwnerIsWaitedFor(t *testing.T) {
	heir := startFake(t, nil)
	told := &notes{}
	f := startFaked(t, Config{Eyes: told, WatchInterval: time.Hour}, nil)
	c, waiting := f.client(t), dialRaw(t, f.Addr())
	_ = f.fake.listener.Close()
	f.fake.cut()
	done := make(chan int, 2)
	go func() {
		n, _ := c.query("INSERT")
		if n == 1105 { // it had left before the loss could be seen
			n, _ = c.query("INSERT")
		}
		done <- n
	}()
	go func() {
		if err := waiting.login("app", appPassword, rawCaps); err != nil {
			t.Error(err)
		}
		done <- 0
	}()
	waitFor(t, "both wait", func() bool { return f.Stats().Queued == 2 })
	suspects, leases := told.all()
	if !slices.Contains(suspects, "m1") || leases != 1 {
		t.Errorf("suspects %v, leases changed %d times", suspects, leases)
	}
	f.world.setView(owned("", 2, heir.member("m2")))
	f.world.setView(owned("m2", 3, heir.member("m2")))
	for range 2 {
		if n := <-done; n != 0 {
			t.Errorf("got %d", n)
		}
	}
	waitFor(t, "nobody waits", func() bool { return f.Stats().Queued == 0 })
	if _, leases := told.all(); leases < 2 {
		t.Errorf("leases changed %d times", leases)
	}
}

// Once the ring was dissolved no owner will come: who waits for one, and who comes later, is
// told so at once, until there is a ring again.
func TestNobodyWaitsForTheOwnerOfADissolvedRing(t *testing.T) {
	f := startFaked(t, Config{WatchInterval: time.Hour}, nil)
	waits, idle := f.client(t), f.client(t)
	f.world.setView(owned("", 2, f.fake.member("m1")))
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == f.world.View() })
	done := make(chan int, 1)
	go func() {
		n, _ := waits.query("INSERT")
		done <- n
	}()
	waitFor(t, "one waits", func() bool { return f.Stats().Queued == 1 })
	began := time.Now()
	f.world.setView(nil)
	want, _ := wire.NoOwner.Code()
	if n := <-done; n != int(want) {
		t.Errorf("who waited got %d, want %d", n, want)
	}
	if n, _ := idle.query("SELECT 1"); n != int(want) {
		t.Errorf("who came later got %d, want %d", n, want)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("after %s", took)
	}
	f.world.setView(owned("m1", 3, f.fake.member("m1")))
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == f.world.View() })
	if n, _ := idle.query("SELECT 1"); n != 0 {
		t.Errorf("in the next ring: %d", n)
	}
}

// A client that goes away while it waits for an owner leaves the queue.
func TestClientLeavesTheQueue(t *testing.T) {
	f := startFaked(t, Config{WatchInterval: 5 * time.Millisecond}, nil)
	idle, fresh := f.client(t), dialRaw(t, f.Addr())
	f.world.setView(owned("", 2, f.fake.member("m1")))
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == f.world.View() })
	if err := idle.own.Send([]byte("\x03INSERT")); err != nil {
		t.Fatal(err)
	}
	greeting, err := fresh.own.Read()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = fresh.answer(greeting, "app", appPassword, rawCaps) }()
	waitFor(t, "both wait", func() bool { return f.Stats().Queued == 2 })
	start := time.Now()
	_, _ = idle.conn.Close(), fresh.conn.Close()
	waitFor(t, "nobody waits", func() bool { return f.Stats().Queued == 0 && f.Stats().Sessions == 0 })
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("after %v", took)
	}
	if got := f.fake.commands(); len(got) != 0 {
		t.Errorf("the member got %q", got)
	}
}

// A proxy that stops still takes in views while it drains: it holds leases.
func TestLeasesWhileDraining(t *testing.T) {
	world, member := newWorld(), startFake(t, freezes)
	world.setAccounts(native("app", "%", appPassword))
	world.setView(owned("m1", 1, member.member("m1")))
	p, err := New(Config{Addr: "127.0.0.1:0", DrainTimeout: 10 * time.Second}, world, world)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	c := (&faked{Proxy: p, world: world, fake: member}).client(t)
	c.query("BEGIN")
	cancel()
	waitFor(t, "it drains", p.draining.Load)
	world.setView(owned("", 2, member.member("m1")))
	waitFor(t, "the lease is given back", func() bool { return p.Writers()[0].Epoch == 2 })
	if n, _ := c.query("COMMIT"); n != 1213 {
		t.Errorf("commit: %d", n)
	}
	_ = c.conn.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
