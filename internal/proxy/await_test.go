package proxy

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

func gtid(seq uint64) topology.Position { return topology.Position{{Domain: 1, Server: 1, Seq: seq}} }

// Those who wait for a member ask it together.
func TestOneAsksForAll(t *testing.T) {
	f, answer := new(follower), make(chan bool)
	var asked []string
	ask := func(p topology.Position) bool {
		asked = append(asked, p.String())
		return <-answer
	}
	var has atomic.Int32
	var waits sync.WaitGroup
	wait := func(seq uint64) {
		waits.Go(func() {
			if f.await(gtid(seq), time.Minute, nil, ask, func() uint32 { return 3 }) {
				has.Add(1)
			}
		})
	}
	wanted := func(seq uint64) func() bool {
		return func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.asked != nil && f.wanted.Seq(1) == seq
		}
	}
	wait(4)
	eventually(t, "the first asks", wanted(0))
	for seq := range uint64(6) {
		wait(seq + 1)
	}
	eventually(t, "the others wait", wanted(6))
	answer <- true
	answer <- true // of one of the two that need more than 4
	waits.Wait()
	if has.Load() != 7 || !slices.Equal(asked, []string{"1-1-4", "1-1-6"}) || f.vain {
		t.Errorf("%d have it, asked %q", has.Load(), asked)
	}

	wait(9)
	eventually(t, "one asks", wanted(0))
	if f.await(gtid(10), time.Millisecond, nil, ask, nil) {
		t.Error("it has what nobody has said that it has")
	}
	answer <- false
	waits.Wait()
	func() {
		defer func() { _ = recover() }()
		f.await(gtid(9), time.Minute, nil, func(topology.Position) bool { panic("a fault") }, func() uint32 { return 3 })
	}()
	if f.asked != nil {
		t.Error("a question of a session that is no more is under way")
	}
	if has.Load() != 7 || !f.vain || f.behind != 3 || !f.await(gtid(6), 0, nil, nil, nil) {
		t.Errorf("%d have it, %+v", has.Load(), f)
	}
}

// ahead is a picture of an owner whose last writes nobody else is known to have.
type ahead struct{ members []balancer.Member }

func (p *ahead) Reads() *balancer.Reads {
	r := &balancer.Reads{At: time.Now()}
	for i, m := range p.members {
		r.Members = append(r.Members, balancer.Readable{Member: m, Level: lagguard.LevelFresh, At: time.Now(), Position: gtid(6), Weight: 1, Domain: uint32(i + 1)})
	}
	return r
}

// The reads of an account that writes go to the owner as long as nobody waits there; then
// they wait elsewhere for what was written. A login that is refused there is not tried
// each time.
func TestReadsLeaveACrowdedOwner(t *testing.T) {
	t.Run("and wait for what was written", func(t *testing.T) { leavesACrowdedOwner(t, false) })
	t.Run("that alone knows the account", func(t *testing.T) { leavesACrowdedOwner(t, true) })
}

func leavesACrowdedOwner(t *testing.T, refused bool) {
	const read = "SELECT a FROM t"
	b, p, s := newBusy(), new(ahead), gate.Settings{Floor: 2, Ceiling: 2}
	m2 := startFake(t, func(c *fakeConn, command []byte) {
		if strings.Contains(string(command[1:]), "MASTER_GTID_WAIT") {
			c.rows(1, row("0"))
			return
		}
		c.ok()
	})
	m2.refuses = refused
	f := startFaked(t, Config{Picture: p, WatchInterval: time.Hour, Gates: func() gate.Settings { return s }}, func(c *fakeConn, command []byte) {
		if strings.HasPrefix(string(command[1:]), "INSERT") {
			writes(c, command)
			return
		}
		b.answer(c, command)
	})
	t.Cleanup(b.release)
	p.members = []balancer.Member{f.fake.member("m1"), m2.member("m2")}
	view := owned("m1", 1, p.members...)
	f.world.setView(view)
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == view })

	c := f.client(t)
	for _, q := range []string{"INSERT INTO t VALUES (1)", read} {
		if n, _ := c.query(q); n != 0 {
			t.Fatalf("%s: %d", q, n)
		}
	}
	if got := m2.commands(); len(got) != 0 || !strings.HasSuffix(b.seen(), read) {
		t.Fatalf("m2 got %q: at the owner nobody waits", got)
	}
	var clients sync.WaitGroup
	for range 12 {
		c := f.client(t)
		clients.Go(func() { c.query("UPDATE t SET hold=1") })
	}
	eventually(t, "some wait", func() bool { return f.waitingAt("m1") >= 10 })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			if n, _ := c.query(read); n != 0 {
				t.Errorf("error %d", n)
			}
		}
	}()
	if refused {
		eventually(t, "the read waits at the owner", func() bool { return f.waitingAt("m1") >= 11 })
		b.release()
	}
	<-done
	got := slices.DeleteFunc(m2.commands(), func(text string) bool { return text == "SET SESSION TRANSACTION READ ONLY" })
	m2.mu.Lock()
	defer m2.mu.Unlock()
	switch {
	case refused && m2.logins != 1:
		t.Errorf("m2 was tried %d times", m2.logins)
	case !refused && !slices.Equal(got, []string{"SELECT MASTER_GTID_WAIT('1-1-7', 0.05)", read, read, read}):
		t.Errorf("m2 got %q", got)
	}
	b.release()
	clients.Wait()
}

// TestQuestionOfAWait holds the question to the words that internal/mysqld is tested against:
// who sets the position keeps out of its way by those locks.
func TestQuestionOfAWait(t *testing.T) {
	p, err := topology.ParsePosition("101-101-7")
	if err != nil {
		t.Fatal(err)
	}
	const want = "SELECT IF(GET_LOCK('sqlring_wait_1', 0.05), IF(IS_FREE_LOCK('sqlring_position'), MASTER_GTID_WAIT('101-101-7', 0.05), -1) + 0*RELEASE_LOCK('sqlring_wait_1'), -1)"
	if got := waitMariaDB(p, 33); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
