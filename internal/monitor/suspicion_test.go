package monitor

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// killable is a ring whose members can refuse connections, and which counts its
// probes.
type killable struct {
	mu     sync.Mutex
	dead   map[topology.MemberID]bool
	probes map[topology.MemberID][]time.Time
}

func (k *killable) Observe(_ context.Context, m topology.Member) topology.Observation {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	k.probes[m.ID] = append(k.probes[m.ID], now)
	o := topology.Observation{Member: m.ID, Asked: now, At: now, Reach: topology.ReachAnswers}
	if k.dead[m.ID] {
		o.Reach = topology.ReachRefused
	}
	return o
}

func (k *killable) Beat(context.Context, topology.Member, uint64) error { return nil }

func (k *killable) Accounts(context.Context, topology.Member) ([]topology.Account, error) {
	return nil, nil
}

func (k *killable) kill(id topology.MemberID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead[id] = true
}

// since returns how often a member was probed after a moment.
func (k *killable) since(id topology.MemberID, moment time.Time) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, at := range k.probes[id] {
		if !at.Before(moment) {
			n++
		}
	}
	return n
}

// watched runs a monitor over a ring of killable members for the time of check.
func watched(t *testing.T, check func(m *Monitor, k *killable)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := &killable{dead: map[topology.MemberID]bool{}, probes: map[topology.MemberID][]time.Time{}}
		m := New(Config{Node: "n1"}, &fixed{snap: ring(), changed: make(chan struct{})}, k)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		time.Sleep(time.Second)
		check(m, k)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A suspicion has every member probed at once: the one that pulls from the suspect
// is the witness.
func TestSuspect(t *testing.T) {
	watched(t, func(m *Monitor, k *killable) {
		time.Sleep(100 * time.Millisecond) // between two probes
		moment := time.Now()
		m.Suspect("m1")
		synctest.Wait()
		for _, id := range []topology.MemberID{"m1", "m2"} {
			if n := k.since(id, moment); n != 1 || !time.Now().Equal(moment) {
				t.Errorf("%s: %d probes at once", id, n)
			}
		}
		m.Suspect("nobody")
	})
}

// A member that has just ceased to answer, and its neighbours, are probed quickly,
// for as long as a verdict takes, and not for ever.
func TestProbesHurry(t *testing.T) {
	watched(t, func(_ *Monitor, k *killable) {
		k.kill("m1")
		time.Sleep(300 * time.Millisecond) // seen by now
		for _, id := range []topology.MemberID{"m1", "m2"} {
			moment := time.Now()
			time.Sleep(500 * time.Millisecond)
			if n := k.since(id, moment); n < 10 {
				t.Errorf("%s: %d probes in 500 ms", id, n)
			}
		}
		time.Sleep(5 * time.Second)
		moment := time.Now()
		time.Sleep(10 * time.Second)
		if n := k.since("m1", moment); n > 45 {
			t.Errorf("%d probes in 10 s, long after", n)
		}
	})
}

// leases is a proxy that knows of an epoch.
type leases struct{ epoch uint64 }

func (l leases) Writers() []topology.Writer {
	return []topology.Writer{{Node: "n1", Unit: topology.UnitRest, Epoch: l.epoch}}
}

// What the proxy says of its leases is part of what was observed, and a change of
// it wakes who waits for an observation.
func TestReport(t *testing.T) {
	watched(t, func(m *Monitor, _ *killable) {
		if o := m.Observations(); len(o.Nodes) != 0 || len(o.Writers) != 0 {
			t.Errorf("without a proxy: %v %v", o.Nodes, o.Writers)
		}
		woken := m.Changed()
		m.Report(leases{3})
		<-woken
		o := m.Observations()
		if len(o.Nodes) != 1 || o.Nodes[0] != "n1" || len(o.Writers) != 1 || o.Writers[0].Epoch != 3 || len(o.Members) != 2 {
			t.Errorf("%+v", o)
		}
		woken = m.Changed()
		m.LeasesChanged()
		<-woken
	})
}
