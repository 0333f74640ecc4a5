package monitor

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// readable returns what is published of a member.
func readable(t *testing.T, m *Monitor, id topology.MemberID) balancer.Readable {
	t.Helper()
	for _, r := range m.Reads().Members {
		if r.Member.ID == id {
			return r
		}
	}
	t.Fatalf("%s is not in %+v", id, m.Reads())
	return balancer.Readable{}
}

func TestReadsOfAHealthyRing(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, _ *servers, state *fixed) {
		for _, id := range []topology.MemberID{"m1", "m2"} {
			r := readable(t, m, id)
			if r.Level != lagguard.LevelFresh || time.Since(r.At) > 300*time.Millisecond || r.Domain == 0 || r.Member.Layout.Stride != 16 {
				t.Errorf("%+v", r)
			}
			if r.Position.Seq(101) == 0 || r.Position.Seq(102) == 0 {
				t.Errorf("%s sees %s", id, r.Position)
			}
		}
		next := ring()
		next.Index, next.Members[1].Site, next.Members[1].Weight = 2, "lyon", 3
		changed := m.ReadsChanged()
		state.set(next)
		<-changed
		if r := readable(t, m, "m2"); r.Site != "lyon" || r.Weight != 3 {
			t.Errorf("%+v", r)
		}
	})
}

// Each sample is published at once: whoever waits is woken with a newer position.
func TestReadsAreReplacedAtEachSample(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, _ *servers, _ *fixed) {
		began, count := time.Now(), 0
		for time.Since(began) < 5*time.Second {
			before := m.Reads()
			<-m.ReadsChanged()
			now := m.Reads()
			if now.At.Before(before.At) {
				t.Fatal("the picture was replaced by an older one")
			}
			if now != before { // else it was read between being replaced and being told of
				count++
			}
		}
		if count < 20 || count > 45 { // two members, every 250 ms; two of one moment may be seen as one
			t.Errorf("%d pictures in 5 s", count)
		}
	})
}

func TestALaggingMemberIsLookedAtOften(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, s *servers, _ *fixed) {
		stopped := time.Now()
		s.set(func() { s.stopped["m2"] = stopped })
		for {
			<-m.ReadsChanged()
			if r := readable(t, m, "m2"); r.Level == lagguard.LevelThrottle {
				// 3 s over the threshold for 1 s, and a probe and a beat every 100 ms.
				if late := time.Since(stopped) - 4*time.Second; late < 0 || late > 220*time.Millisecond {
					t.Errorf("throttle after %s", time.Since(stopped))
				}
				break
			}
		}
		if r := readable(t, m, "m1"); r.Level != lagguard.LevelFresh {
			t.Errorf("m1: %+v", r)
		}
		began, count := time.Now(), 0
		for time.Since(began) < 2*time.Second {
			<-m.ReadsChanged()
			count++
		}
		if count < 20 || count > 42 { // two of one moment may be seen as one; every 250 ms there are 16
			t.Errorf("%d samples of two members in 2 s", count)
		}
		ask := balancer.Ask{Now: time.Now(), Owner: "m1"}
		for i := range uint64(10) {
			ask.Draws[0] = i
			if to, why, ok := m.Reads().Choose(ask); to.ID != "m1" || !ok || why != balancer.ReadAny {
				t.Fatalf("to %s: %s", to.ID, why)
			}
		}
		s.set(func() { delete(s.stopped, "m2") })
		time.Sleep(9 * time.Second)
		if r := readable(t, m, "m2"); r.Level != lagguard.LevelThrottle {
			t.Errorf("%s before its time is over", r.Level)
		}
		time.Sleep(2 * time.Second)
		if r := readable(t, m, "m2"); r.Level != lagguard.LevelFresh {
			t.Errorf("%s: %s", r.Level, r.Why)
		}
	})
}

func TestASilentMemberIsNotReadFrom(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, s *servers, _ *fixed) {
		s.set(func() { s.silent["m2"] = true })
		time.Sleep(1300 * time.Millisecond) // a probe, and its deadline
		r := readable(t, m, "m2")
		if r.Level != lagguard.LevelUnknown || !r.At.IsZero() || r.Position != nil {
			t.Errorf("%+v", r)
		}
		// The survivor lags behind nobody who answers.
		time.Sleep(20 * time.Second)
		if r := readable(t, m, "m1"); r.Level != lagguard.LevelFresh {
			t.Errorf("m1: %+v", r)
		}
	})
}

func TestARestartedProcessIsNotReadFrom(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, s *servers, _ *fixed) {
		s.set(func() { s.boot = map[topology.MemberID]uint64{"m2": 7} })
		time.Sleep(300 * time.Millisecond)
		if r := readable(t, m, "m2"); r.Level != lagguard.LevelUnknown || r.Why == "" {
			t.Errorf("%+v", r)
		}
	})
}

func TestHalted(t *testing.T) {
	running := topology.Link{Upstream: "a:1", Receiver: topology.ThreadRunning, Applier: topology.ThreadRunning}
	for _, tt := range []struct {
		name string
		edit func(*topology.Link)
		want bool
	}{
		{"runs", func(*topology.Link) {}, false},
		{"connects", func(l *topology.Link) { l.Receiver = topology.ThreadConnecting }, false},
		{"applier stopped", func(l *topology.Link) { l.Applier = topology.ThreadStopped }, true},
		{"applier failed", func(l *topology.Link) { l.ApplierErrno = 1062 }, true},
		{"receiver stopped", func(l *topology.Link) { l.Receiver = topology.ThreadStopped }, true},
		{"follows nobody", func(l *topology.Link) { *l = topology.Link{} }, true},
	} {
		link := running
		tt.edit(&link)
		if got, why := halted(link, topology.Member{ID: "m1"}); got != tt.want || got != (why != "") {
			t.Errorf("%s: %v %q", tt.name, got, why)
		}
	}
}

func TestAMemberThatLeftIsNotReadFrom(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, _ *servers, state *fixed) {
		next := ring()
		next.Index, next.Members[1].State = 2, topology.MemberDown
		changed := m.ReadsChanged()
		state.set(next)
		<-changed
		if r := m.Reads(); len(r.Members) != 1 || r.Members[0].Member.ID != "m1" {
			t.Errorf("%+v", r)
		}
		time.Sleep(5 * time.Second)
		if r := readable(t, m, "m1"); r.Level != lagguard.LevelFresh {
			t.Errorf("the only member of the ring is %s: %s", r.Level, r.Why)
		}
		state.set(topology.NewSnapshot())
		time.Sleep(time.Second)
		if m.Reads() != nil || len(m.states) != 0 || len(m.lags) != 0 {
			t.Errorf("still there: %+v %v %v", m.Reads(), m.states, m.lags)
		}
	})
}

// What is known of each pair: how far behind in transactions, how fast, and who is to
// blame; and what was told of it, once for each change.
func TestPictureOfALaggingMember(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, s *servers, _ *fixed) {
		if p := m.Picture(); p.Ring != "demo" || len(p.Members) != 2 || len(p.Pairs) != 2 || p.Hop.To != "" {
			t.Fatalf("%+v", p)
		}
		s.set(func() { s.stopped["m2"] = time.Now() })
		time.Sleep(6 * time.Second)
		p := m.Picture()
		late, _ := p.Pair("m1", "m2")
		// A beat every 500 ms, and every 100 ms once it lags.
		if f := late.Flow; !f.Known || f.Behind < 40 || f.Behind > 60 || f.Apply > 1 || f.Arrival < 5 || f.ETA != lagguard.Never {
			t.Errorf("%+v", f)
		}
		if back, _ := p.Pair("m2", "m1"); back.Flow.Behind > 1 || back.State.Level != lagguard.LevelFresh {
			t.Errorf("%+v", back)
		}
		if p.Hop.From != "m1" || p.Hop.To != "m2" || p.Hop.Adds < 5*time.Second {
			t.Errorf("%s", p.Hop)
		}
		if l, _ := p.Member("m2"); l.Level != lagguard.LevelThrottle || l.Behind != "m1" || l.From != lagguard.LevelWarn || time.Since(l.Since) > 3*time.Second {
			t.Errorf("%+v", l)
		}
		if l, _ := p.Member("m1"); l.Level != lagguard.LevelFresh || l.Behind != "" || l.Why == "" {
			t.Errorf("%+v", l)
		}
		s.set(func() { delete(s.stopped, "m2") })
		time.Sleep(time.Minute)
		var told []string
		for _, moved := range m.Transitions() {
			if moved.Member == "m2" {
				told = append(told, moved.From.String()+" "+moved.To.String())
			}
		}
		if got := strings.Join(told, ", "); got != "unknown fresh, fresh warn, warn throttle, throttle fresh" {
			t.Errorf("told of %s", got)
		}
	})
}

// A lag that swings about a threshold, however long: two changes.
func TestASwingingLagDoesNotFlap(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, s *servers, _ *fixed) {
		before := len(m.Transitions())
		for range 60 { // the applier stops for 1.6 s, and runs for 400 ms
			s.set(func() { s.stopped["m2"] = time.Now() })
			time.Sleep(1600 * time.Millisecond)
			s.set(func() { delete(s.stopped, "m2") })
			time.Sleep(400 * time.Millisecond)
		}
		if moved := m.Transitions()[before:]; len(moved) > 2 {
			t.Errorf("%d changes of level in 2 min: %+v", len(moved), moved)
		}
	})
}

// The thresholds are the ring's, and hold at once.
func TestThresholdsFollowTheRing(t *testing.T) {
	run(t, func(t *testing.T, m *Monitor, s *servers, state *fixed) {
		next := ring()
		thresholds := lagguard.DefaultThresholds()
		thresholds.Warn.Enter, thresholds.Warn.Leave, thresholds.Warn.Hold = 200*time.Millisecond, 150*time.Millisecond, 0
		next.Index, next.Ring.Lag = 2, &thresholds
		state.set(next)
		s.set(func() { s.stopped["m2"] = time.Now() })
		time.Sleep(1300 * time.Millisecond) // the next beat, and the probe after it
		if l, _ := m.Picture().Member("m2"); l.Level != lagguard.LevelWarn || m.Picture().Thresholds != thresholds {
			t.Errorf("%+v", l)
		}
	})
}

func TestTransitionsAreBounded(t *testing.T) {
	m := New(Config{Node: "n1"}, &fixed{snap: ring(), changed: make(chan struct{})}, &servers{})
	for i := range 2*maxTransitions + 7 {
		level := lagguard.LevelFresh
		if i%2 == 1 {
			level = lagguard.LevelWarn
		}
		m.states[pair{"m1", "m1"}] = lagguard.State{Level: level}
		m.states[pair{"m2", "m1"}] = lagguard.State{Level: level}
		m.publishLag()
	}
	if n := len(m.Transitions()); n != maxTransitions {
		t.Errorf("%d are kept", n)
	}
}
