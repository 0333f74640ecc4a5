package monitor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixed is a state that does not change until the test replaces it.
type fixed struct {
	mu      sync.Mutex
	snap    *topology.Snapshot
	changed chan struct{}
}

func (f *fixed) Snapshot() *topology.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snap
}

func (f *fixed) Changed(uint64) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fixed) set(s *topology.Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snap = s
	close(f.changed)
	f.changed = make(chan struct{})
}

// servers is a ring of model servers: a beat arrives on the others after delay,
// unless the applier of a member is stopped.
type servers struct {
	mu      sync.Mutex
	beats   map[topology.MemberID][]arrival // by origin
	stopped map[topology.MemberID]time.Time // applier of a member
	silent  map[topology.MemberID]bool
	hangs   map[topology.MemberID]bool // writes wait for an acker
	reads   int
	boot    map[topology.MemberID]uint64 // token of the process, above what was admitted
	carries map[topology.MemberID]uint32 // identity of the process, if it is not what the first snapshot says
	beatAs  map[topology.MemberID]uint32 // the identity that the last heartbeat was to be written under
}

type arrival struct {
	seq uint64
	at  time.Time
}

const delay = 4 * time.Millisecond

func (s *servers) Observe(ctx context.Context, m topology.Member) topology.Observation {
	o := topology.Observation{Member: m.ID, Asked: time.Now()}
	s.mu.Lock()
	silent := s.silent[m.ID]
	s.mu.Unlock()
	if silent {
		<-ctx.Done()
		o.At, o.Reach, o.Error = time.Now(), topology.ReachSilent, ctx.Err().Error()
		return o
	}
	time.Sleep(time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	o.At, o.Reach, o.HasRing, o.ServerID, o.Domain = time.Now(), topology.ReachAnswers, true, m.Identity, m.Identity
	if id := s.carries[m.ID]; id != 0 {
		o.ServerID, o.Domain = id, id
	}
	o.Greeting, o.Boot = "10.11.19-MariaDB", s.boot[m.ID]
	for _, origin := range []topology.MemberID{"m1", "m2"} {
		var seen uint64
		for _, a := range s.beats[origin] {
			arrived := a.at.Add(delay)
			stopped, stop := s.stopped[m.ID]
			if !arrived.After(time.Now()) && (!stop || !arrived.After(stopped)) {
				seen = a.seq
			}
		}
		o.Beats = append(o.Beats, topology.Beat{Origin: origin, Node: "n1", Seq: seen})
		identity := map[topology.MemberID]uint32{"m1": 101, "m2": 102}[origin]
		if at := (topology.GTID{Domain: identity, Server: identity, Seq: seen}); origin == m.ID {
			o.Binlog = o.Binlog.With(at)
		} else {
			o.Applied = o.Applied.With(at)
			o.Link = topology.Link{Upstream: "x", Receiver: topology.ThreadRunning, Applier: topology.ThreadRunning}
		}
	}
	return o
}

func (s *servers) Beat(ctx context.Context, m topology.Member, seq uint64) error {
	s.mu.Lock()
	hangs := s.hangs[m.ID]
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beats[m.ID] = append(s.beats[m.ID], arrival{seq, time.Now()})
	s.beatAs[m.ID] = m.Identity
	return nil
}

func (s *servers) Accounts(context.Context, topology.Member) ([]topology.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.reads == 1 {
		return nil, errors.New("the first read fails")
	}
	return []topology.Account{{User: fmt.Sprintf("app%d", s.reads), Host: "%"}}, nil
}

func ring() *topology.Snapshot {
	s := topology.NewSnapshot()
	s.Index, s.Ring = 1, &topology.Ring{Name: "demo", Stride: 16}
	s.Members = []topology.Member{
		{ID: "m1", Addr: "127.0.0.1:1", State: topology.MemberActive, Identity: 101, Slot: 1},
		{ID: "m2", Addr: "127.0.0.1:2", State: topology.MemberActive, Identity: 102, Slot: 2},
	}
	s.Units = []topology.Unit{{ID: "*", Owner: "m1", Epoch: 1}}
	return s
}

// run starts a monitor of the ring inside a bubble of fake time, and ends it.
func run(t *testing.T, f func(t *testing.T, m *Monitor, s *servers, state *fixed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		state := &fixed{snap: ring(), changed: make(chan struct{})}
		s := &servers{
			beats: map[topology.MemberID][]arrival{}, stopped: map[topology.MemberID]time.Time{},
			silent: map[topology.MemberID]bool{}, hangs: map[topology.MemberID]bool{},
			carries: map[topology.MemberID]uint32{}, beatAs: map[topology.MemberID]uint32{},
		}
		m := New(Config{Node: "n1"}, state, s)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := m.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(3 * time.Second)
		f(t, m, s, state)
		cancel()
		wg.Wait()
	})
}

func (s *servers) set(edit func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit()
}

func TestLagOfAHealthyRingIsNarrow(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, _ *servers, _ *fixed) {
		cells := m.Lags()
		if len(cells) != 2 {
			t.Fatalf("%d pairs, want 2", len(cells))
		}
		for _, c := range cells {
			if !c.Lag.Known || c.Lag.Low != 0 || c.Lag.High > 50*time.Millisecond {
				t.Errorf("%s -> %s: %s", c.Origin, c.Member, c.Lag)
			}
		}
	})
}

func TestLagOfAStoppedApplierHoldsTheTruth(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, s *servers, _ *fixed) {
		stopped := time.Now()
		s.set(func() { s.stopped["m2"] = stopped })
		for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			time.Sleep(pause)
			lag := m.Lags()[0].Lag // m1 -> m2
			truth := lag.At.Sub(stopped)
			if !lag.Known || truth < lag.Low || truth > lag.High+delay || lag.ErrorBound() > time.Second {
				t.Fatalf("stopped %s ago, lag %s", truth, lag)
			}
		}
		if back := m.Lags()[1].Lag; back.Low != 0 {
			t.Fatalf("m2 -> m1 lags too: %s", back)
		}
	})
}

func TestASilentMemberIsUnknownAndSlowsNobody(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, s *servers, _ *fixed) {
		s.set(func() { s.silent["m2"] = true })
		began := time.Now()
		time.Sleep(5 * time.Second)
		obs := m.Observations()
		frozen, _ := obs.Of("m2")
		if frozen.Reach != topology.ReachSilent || frozen.Since.Before(began) || frozen.HasRing {
			t.Errorf("m2: %s since %s, has ring %v", frozen.Reach, frozen.Since, frozen.HasRing)
		}
		if alive, ok := obs.Good("m1", time.Now()); !ok || time.Since(alive.At) > 300*time.Millisecond {
			t.Errorf("m1 was seen %s ago", time.Since(alive.At))
		}
		if lag := m.Lags()[0].Lag; lag.Known {
			t.Errorf("the lag of a silent member is known: %s", lag)
		}
	})
}

func TestAHangingWriteIsNotADeadMember(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, s *servers, _ *fixed) {
		s.set(func() { s.hangs["m1"] = true })
		time.Sleep(5 * time.Second)
		if _, ok := m.Observations().Good("m1", time.Now()); !ok {
			t.Error("m1 answers probes, and is not seen")
		}
	})
}

func TestViewFollowsTheOwner(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, _ *servers, state *fixed) {
		view := m.View()
		if got := view.Units[0]; got != (balancer.Unit{ID: "*", Owner: "m1", Epoch: 1}) {
			t.Fatalf("unit %+v", got)
		}
		if got := view.Members[1]; got.ID != "m2" || got.Version != "10.11.19-MariaDB" || got.Layout.Offset != 2 {
			t.Fatalf("member %+v", got)
		}
		changed := m.ViewChanged()
		time.Sleep(2 * time.Second)
		select {
		case <-changed:
			t.Fatal("the view was replaced although nothing changed")
		default:
		}
		next := ring()
		next.Index, next.Units[0].Owner, next.Units[0].Epoch = 2, "", 2
		state.set(next)
		<-changed
		if got := m.View().Units[0]; got.Owner != "" || got.Epoch != 2 {
			t.Fatalf("unit %+v", got)
		}
	})
}

func TestAMemberThatLeavesIsForgotten(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, _ *servers, state *fixed) {
		var gone atomic.Int32
		m.cfg.Gone = func(topology.Member) { gone.Add(1) }
		members := len(m.Observations().Members)
		state.set(topology.NewSnapshot())
		time.Sleep(2 * time.Second)
		if int(gone.Load()) != members {
			t.Errorf("%d of %d members are said to have gone", gone.Load(), members)
		}
		if obs := m.Observations(); len(obs.Members) != 0 {
			t.Fatalf("still seen: %v", obs.Members)
		}
		if m.View() != nil {
			t.Fatal("a view without a ring")
		}
	})
}

func TestAccountsAreReadAgainWhenAskedButNotWithoutBound(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, s *servers, _ *fixed) {
		if got := m.Accounts(); len(got) != 1 || got[0].User == "app1" {
			t.Fatalf("accounts %v", got)
		}
		s.set(func() { s.reads = 100 })
		began := time.Now()
		for range 50 {
			<-m.Refresh()
		}
		if took := time.Since(began); took < 4*time.Second {
			t.Fatalf("50 reads in %s: whoever tries names loads a member", took)
		}
		if got := m.Accounts(); got[0].User == "app2" {
			t.Fatalf("not read again: %v", got)
		}
	})
}
