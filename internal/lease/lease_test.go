package lease

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

const rest = topology.UnitRest

// raft is a state whose leader can be doubted, and is asked at a known moment.
type raft struct {
	snap   atomic.Pointer[topology.Snapshot]
	verify func(context.Context) error
}

func newRaft(owner topology.MemberID, epoch uint64) *raft {
	r := &raft{verify: func(context.Context) error { return nil }}
	r.move(owner, epoch)
	return r
}

func (r *raft) move(owner topology.MemberID, epoch uint64) {
	r.snap.Store(&topology.Snapshot{Units: []topology.Unit{{ID: rest, Owner: owner, Epoch: epoch}}})
}

func (r *raft) Snapshot() *topology.Snapshot           { return r.snap.Load() }
func (r *raft) VerifyLeader(ctx context.Context) error { return r.verify(ctx) }

func asks(node topology.NodeID, seq, epoch uint64) Request {
	return Request{Node: node, Start: 1, Seq: seq, Writers: []topology.Writer{{Node: node, Unit: rest, Epoch: epoch}}}
}

func leading(r *raft) *Book {
	b := NewBook("n1", r, func() {})
	b.Begin(7)
	return b
}

func seen(b *Book) topology.Observations {
	return b.Extend(topology.Observations{Nodes: []topology.NodeID{"n1"}}, []topology.NodeID{"n1", "n2", "n3"})
}

func TestBookGivesWhatStands(t *testing.T) {
	for _, tt := range []struct {
		name  string
		owner topology.MemberID
		asked uint64
		given int
	}{
		{"the epoch that stands", "m1", 4, 1},
		{"one that has ended", "m1", 3, 0},
		{"one that is not here yet", "m1", 5, 0},
		{"nobody owns it", "", 4, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := leading(newRaft(tt.owner, 4))
			answer, err := b.Answer(t.Context(), asks("n2", 1, tt.asked))
			if err != nil || len(answer.Given) != tt.given || len(seen(b).Grants) != tt.given {
				t.Errorf("given %v, %v; written down %v", answer.Given, err, seen(b).Grants)
			}
		})
	}
}

// The majority is asked first: what is committed meanwhile counts.
func TestBookLooksAfterTheMajorityHasAnswered(t *testing.T) {
	r := newRaft("m1", 4)
	r.verify = func(context.Context) error { r.move("", 5); return nil }
	if answer, err := leading(r).Answer(t.Context(), asks("n2", 1, 4)); err != nil || len(answer.Given) > 0 {
		t.Errorf("given %v, %v", answer.Given, err)
	}
}

func TestBookOfNoLeader(t *testing.T) {
	r := newRaft("m1", 4)
	b := leading(r)
	r.verify = func(context.Context) error { return errors.New("alone") }
	if _, err := b.Answer(t.Context(), asks("n2", 1, 4)); !errors.Is(err, ErrNotLeader) {
		t.Errorf("without a majority: %v", err)
	}
	r.verify = func(context.Context) error { b.Begin(0); return nil }
	if _, err := b.Answer(t.Context(), asks("n2", 2, 4)); !errors.Is(err, ErrNotLeader) {
		t.Errorf("deposed meanwhile: %v", err)
	}
	r.verify = func(context.Context) error { t.Error("asked the majority"); return nil }
	if _, err := b.Answer(t.Context(), asks("n2", 3, 4)); !errors.Is(err, ErrNotLeader) {
		t.Errorf("no leader: %v", err)
	}
	if o := seen(b); len(o.Grants)+len(o.Writers) > 0 || len(o.Nodes) != 1 {
		t.Errorf("a closed book says %+v", o)
	}
}

func TestBookHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := leading(newRaft("m1", 4))
		mark := func(text string) topology.Position {
			p, err := topology.ParsePosition(text)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		first, second := asks("n2", 1, 4), asks("n2", 2, 4)
		first.Writers[0].Acked, second.Writers[0].Acked = mark("101-101-5"), mark("101-101-9")
		second.Seen = []Seen{{Member: "m1", Reach: topology.ReachSilent, Age: time.Second}}
		if _, err := b.Answer(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Answer(t.Context(), first); err == nil {
			t.Error("late mail is taken for news")
		}
		o := seen(b)
		if len(o.Writers) != 1 || o.Writers[0].Acked.String() != "101-101-9" || !o.Writers[0].At.Equal(time.Now()) {
			t.Errorf("heard %+v", o.Writers)
		}
		if len(o.Others) != 1 || o.Others[0].Reach != topology.ReachSilent || time.Since(o.Others[0].At) != time.Second {
			t.Errorf("n2 sees %+v", o.Others)
		}
		if len(o.Nodes) != 3 {
			t.Errorf("nodes %v", o.Nodes)
		}
		witness := asks("n3", 1, 0)
		witness.Witness, witness.Writers = true, nil
		if _, err := b.Answer(t.Context(), witness); err != nil {
			t.Fatal(err)
		}
		if o := seen(b); len(o.Nodes) != 2 {
			t.Errorf("a witness holds leases: %v", o.Nodes)
		}
		if o := b.Extend(topology.Observations{}, []topology.NodeID{"n2"}); len(o.Nodes) != 0 {
			t.Errorf("before its own proxy is there, a leader knows the nodes %v", o.Nodes)
		}
	})
}

// Who is barred gets nothing more, and what it was given is remembered though it is
// in no configuration any more.
func TestBookBars(t *testing.T) {
	b := leading(newRaft("m1", 4))
	if _, err := b.Answer(t.Context(), asks("n4", 1, 4)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Bar("n4"); err != nil {
		t.Fatal(err)
	}
	if answer, err := b.Answer(t.Context(), asks("n4", 2, 4)); err != nil || len(answer.Given) > 0 {
		t.Errorf("barred, and given %v, %v", answer.Given, err)
	}
	if o := seen(b); len(o.Nodes) != 4 || len(o.Grants) != 1 {
		t.Errorf("nodes %v, grants %v", o.Nodes, o.Grants)
	}
	b.Unbar("n4")
	if answer, _ := b.Answer(t.Context(), asks("n4", 3, 4)); len(answer.Given) != 1 {
		t.Error("barred for ever")
	}
}

// holder is one whose questions go to answer, on synctest's clock.
func holder(t *testing.T, answer func(Request) (Answer, error)) (*Holder, *atomic.Bool) {
	sole, began := new(atomic.Bool), time.Now()
	h := NewHolder(HolderConfig{
		Node: "n2", Logger: slog.New(slog.DiscardHandler), Sole: sole.Load,
		Writers: func() []topology.Writer { return []topology.Writer{{Node: "n2", Unit: rest, Epoch: 4}} },
		Seen:    func() []Seen { return nil },
		Ask:     func(_ context.Context, r Request) (Answer, error) { return answer(r) },
		Clock:   func() time.Duration { return time.Since(began) },
	})
	go func() {
		if err := h.Run(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	return h, sole
}

func gives(r Request) (Answer, error) {
	return Answer{Leader: "n1", Given: []Given{{rest, r.Writers[0].Epoch}}}, nil
}

func TestHolderCountsFromItsQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := holder(t, func(r Request) (Answer, error) {
			time.Sleep(300 * time.Millisecond)
			return gives(r)
		})
		if h.Left(rest, 4) != 0 {
			t.Error("a lease before the first answer")
		}
		<-h.Granted()
		if got, want := h.Left(rest, 4), topology.LeaseTTL-300*time.Millisecond; got != want {
			t.Errorf("%v left, want %v", got, want)
		}
		if h.Left(rest, 3) != 0 || h.Left(rest, 5) != 0 || h.Left("shop", 4) != 0 {
			t.Error("a lease of another epoch or unit")
		}
	})
}

func TestHolderRenewsAndLosesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		var asked atomic.Int64
		h, sole := holder(t, func(r Request) (Answer, error) {
			asked.Add(1)
			if gone.Load() {
				return Answer{}, ErrNotLeader
			}
			return gives(r)
		})
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			if h.Left(rest, 4) < topology.LeaseTTL/2 {
				t.Fatalf("%v left, though the leader answers", h.Left(rest, 4))
			}
		}
		if n := asked.Load(); n > 17 {
			t.Errorf("asked %d times in 10 s", n)
		}
		gone.Store(true)
		time.Sleep(topology.LeaseTTL)
		if h.Left(rest, 4) != 0 {
			t.Errorf("%v left, two seconds after the leader went", h.Left(rest, 4))
		}
		sole.Store(true)
		if h.Left(rest, 9) != forever {
			t.Error("a node that is the only one needs a lease")
		}
	})
}

func TestHolderAsksAtOnceWhenTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		h, _ := holder(t, func(r Request) (Answer, error) { asked.Add(1); return gives(r) })
		synctest.Wait()
		h.Renew()
		h.Renew()
		synctest.Wait()
		if n := asked.Load(); n < 2 || n > 3 { // two words before it looks are one
			t.Errorf("asked %d times", n)
		}
	})
}

func TestClockRunsOn(t *testing.T) {
	before := boottime()
	time.Sleep(20 * time.Millisecond)
	if passed := boottime() - before; passed < 20*time.Millisecond || passed > 10*time.Second {
		t.Errorf("20 ms were %v", passed)
	}
}
