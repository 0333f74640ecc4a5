package proxy

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// committed answers that a write is done, as this transaction.
func (c *fakeConn) committed(gtid string) {
	c.status(wire.StatusAutocommit|wire.StatusSessionChanged, variable("last_gtid", gtid))
}

func (f *faked) writer(t testing.TB) topology.Writer {
	t.Helper()
	writers := f.Writers()
	if len(writers) != 1 || writers[0].Unit != topology.UnitRest || writers[0].Holding || writers[0].Node != "n1" {
		t.Fatalf("writers %+v", writers)
	}
	return writers[0]
}

func TestWritersSayWhatWasAcknowledged(t *testing.T) {
	f := startFaked(t, Config{Node: "n1"}, func(c *fakeConn, command []byte) {
		if gtid, ok := strings.CutPrefix(string(command[1:]), "INSERT "); ok {
			c.committed(gtid)
			return
		}
		c.ok()
	})
	c := f.client(t)
	for _, text := range []string{"INSERT 101-101-7", "INSERT 102-102-3", "SELECT 1", "INSERT 101-101-9", "INSERT 101-101-8"} {
		if n, _ := c.query(text); n != 0 {
			t.Fatalf("%s: %d", text, n)
		}
	}
	w := f.writer(t)
	if got := w.Acked.String(); got != "101-101-9,102-102-3" || w.Epoch != 1 || time.Since(w.Since) > time.Minute {
		t.Errorf("%+v", w)
	}
	before := w.Since
	c.query("INSERT not a gtid")
	if w := f.writer(t); !w.Since.After(before) || w.Acked.String() != "101-101-9,102-102-3" {
		t.Errorf("what was acknowledged is not complete any more, but: %+v", w)
	}
	f.world.setView(owned("", 5, f.fake.member("m1")))
	waitFor(t, "an epoch without an owner counts", func() bool { return f.writer(t).Epoch == 5 })
}

// An INSERT … RETURNING to a client with EOF packets is acknowledged by one, which
// has no place for the GTID: MariaDB is asked for it, of MySQL it is not known.
func TestWriteWithoutGTID(t *testing.T) {
	f := startFaked(t, Config{Node: "n1"}, nil)
	f.client(t)
	since := f.writer(t).Since
	eof := wire.OK{Status: wire.StatusAutocommit, Mute: true}
	for _, tt := range []struct {
		name string
		code wire.Command
		kind balancer.Kind
		ok   wire.OK
		want bool
	}{
		{"a read", wire.ComQuery, balancer.KindRead, eof, false},
		{"rows of a cursor", wire.ComStmtFetch, balancer.KindRead, eof, false},
		{"fields of a table", wire.ComFieldList, balancer.KindOther, eof, false},
		{"a result of several", wire.ComQuery, balancer.KindOther, wire.OK{Status: wire.StatusMoreResults, Mute: true}, false},
		{"inside a transaction", wire.ComQuery, balancer.KindChange, wire.OK{Status: wire.StatusInTransaction, Mute: true}, false},
		{"a change of nothing", wire.ComQuery, balancer.KindChange, wire.OK{Status: wire.StatusAutocommit}, false},
		{"INSERT … RETURNING", wire.ComStmtExecute, balancer.KindChange, eof, true},
	} {
		s := &session{p: f.Proxy, link: f.all()[0].at(), code: tt.code, underway: &underway{current: balancer.Statement{Kind: tt.kind}, plan: new(balancer.Plan)}}
		s.ObserveOK(&tt.ok)
		if s.mem.askWritten != tt.want || f.writer(t).Since.After(since) {
			t.Errorf("%s: it is asked for: %v", tt.name, s.mem.askWritten)
		}
	}
	s := &session{p: f.Proxy, link: f.all()[0].at(), code: wire.ComStmtExecute, underway: &underway{current: balancer.Statement{Kind: balancer.KindChange}}}
	s.link.version.Flavour = topology.FlavourMySQL
	if s.ObserveOK(&eof); s.mem.askWritten || !f.writer(t).Since.After(since) {
		t.Error("a MySQL is asked, or what was acknowledged is complete")
	}
}

// An answer that comes when the lease is over is not given to the client, even
// though the member is the owner again.
func TestAnswerOnDeadLease(t *testing.T) {
	release := make(chan struct{})
	f := startFaked(t, Config{Node: "n1"}, func(c *fakeConn, command []byte) {
		switch text := string(command[1:]); text {
		case "INSERT held", "COMMIT":
			<-release
			c.committed("101-101-7")
		case "BEGIN":
			c.status(wire.StatusAutocommit|wire.StatusInTransaction, nil)
		case "INSERT held; SELECT":
			c.status(wire.StatusAutocommit|wire.StatusMoreResults, nil)
			<-release
			c.committed("101-101-8")
		default:
			c.ok()
		}
	})
	tests := []struct {
		name, before, text string
		number             int
		state              string
		after              int
	}{
		{"autocommit write", "SELECT 1", "INSERT held", 1105, "08007", 0},
		{"commit", "BEGIN", "COMMIT", 1105, "08007", 0},
		{"after some of the answer", "SELECT 1", "INSERT held; SELECT", 0, "", -1},
	}
	epoch := uint64(1)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := f.client(t)
			c.query(tt.before)
			type answer struct {
				number int
				state  string
			}
			answers := make(chan answer, 1)
			go func() {
				number, state := c.query(tt.text)
				answers <- answer{number, state}
			}()
			waitFor(t, "the write is at the member", func() bool {
				seen := f.fake.commands()
				return seen[len(seen)-1] == tt.text
			})
			epoch++
			f.world.setView(owned("m1", epoch, f.fake.member("m1")))
			waitFor(t, "the view is taken in", func() bool { return f.writer(t).Epoch == epoch })
			release <- struct{}{}
			if got := <-answers; got != (answer{tt.number, tt.state}) {
				t.Errorf("got %+v", got)
			}
			if n, _ := c.query("SELECT 2"); n != tt.after {
				t.Errorf("then %d", n)
			}
			if s := f.Stats(); s.Expired != uint64(i+1) || s.LinksLost != 0 || s.LinksCut != 0 {
				t.Errorf("stats %+v", s)
			}
			if got := f.writer(t).Acked.Seq(101); got < 7 {
				t.Errorf("acked %d: it has to be recorded before the epoch is looked at", got)
			}
		})
	}
}

// A unit that moves again and again under load: whatever a client was told to be
// done on a link of an epoch is in what Writers says once it reports a later one.
// Every write has a GTID domain of its own, and every epoch a member.
func TestLeaseRace(t *testing.T) {
	const epochs, sessions = 8, 12
	var mu sync.Mutex
	ran := map[int]int{} // by write: the epoch of the member that ran it
	f := startFaked(t, Config{Node: "n1"}, nil)
	members := make([]*fake, epochs+1)
	for epoch := 1; epoch <= epochs; epoch++ {
		members[epoch] = startFake(t, func(c *fakeConn, command []byte) {
			var write int
			if n, _ := fmt.Sscanf(string(command[1:]), "INSERT %d", &write); n == 0 {
				c.ok()
				return
			}
			mu.Lock()
			ran[write] = epoch
			mu.Unlock()
			c.committed(fmt.Sprintf("%d-1-1", write))
		})
	}
	grant := func(epoch int) {
		id := topology.MemberID(fmt.Sprintf("m%d", epoch))
		f.world.setView(owned(id, uint64(epoch), members[epoch].member(id)))
	}
	grant(1)
	waitFor(t, "the first epoch is granted", func() bool { return f.view.Load() == f.world.View() })
	stop := make(chan struct{})
	told := make([][]int, sessions)
	var clients sync.WaitGroup
	for i := range sessions {
		c := f.client(t)
		clients.Go(func() {
			for write := i + 1; ; write += sessions {
				select {
				case <-stop:
					return
				default:
				}
				if n, _ := c.query(fmt.Sprintf("INSERT %d", write)); n == 0 {
					told[i] = append(told[i], write)
				} else if n == -1 {
					t.Error("a connection broke")
					return
				}
			}
		})
	}
	marks := make([]topology.Position, epochs+1) // by epoch: what was acknowledged before it
	for epoch := 2; epoch <= epochs; epoch++ {
		time.Sleep(10 * time.Millisecond)
		grant(epoch)
		for f.writer(t).Epoch < uint64(epoch) {
			time.Sleep(10 * time.Microsecond)
		}
		marks[epoch] = f.writer(t).Acked
	}
	close(stop)
	clients.Wait()
	total := 0
	for _, writes := range told {
		for _, write := range writes {
			total++
			if epoch := ran[write]; epoch < epochs && marks[epoch+1].Seq(uint32(write)) == 0 {
				t.Errorf("write %d of epoch %d was acknowledged, and is not in the mark of epoch %d", write, epoch, epoch+1)
			}
		}
	}
	s := f.Stats()
	t.Logf("%d writes acknowledged, %d kept back, %d links cut, %d unknown", total, s.Expired, s.LinksCut, s.Unknown)
	if total < 100 || s.Unknown == 0 {
		t.Error("that is no race")
	}
}
