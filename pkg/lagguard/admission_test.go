package lagguard

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// behind is a picture of m1 and those that apply what it writes.
func behind(now time.Time, lags map[topology.MemberID]Lag, levels map[topology.MemberID]Level) *Picture {
	p := &Picture{At: now, Ring: "shop", Thresholds: DefaultThresholds(), Members: []MemberLag{{Member: "m1", Level: LevelFresh, Seen: now}}}
	for _, id := range []topology.MemberID{"m2", "m3"} {
		lag, ok := lags[id]
		if !ok {
			continue
		}
		p.Members = append(p.Members, MemberLag{Member: id, Level: levels[id], Seen: now})
		p.Pairs = append(p.Pairs, PairLag{Origin: "m1", Member: id, Lag: lag})
	}
	return p
}

func between(low, high time.Duration, at time.Time) Lag {
	return Lag{Known: true, Low: low, High: high, At: at}
}

// Where the share ends if a lag stays.
func TestTheShareOfWritesFollowsTheLag(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name      string
		low, high time.Duration
		level     Level
		known     bool
		was, want float64
		peer      topology.MemberID
	}{
		{"nobody lags", 0, 300 * ms, LevelFresh, true, 0, 1, "m2"},
		{"at the threshold of warn", 1000 * ms, 1100 * ms, LevelWarn, true, 0, 1, "m2"},
		{"half way to throttle", 2000 * ms, 2100 * ms, LevelWarn, true, 0, 0.5625, "m2"},
		{"at the threshold of throttle", 3000 * ms, 3100 * ms, LevelThrottle, true, 0, FewestWrites, "m2"},
		{"far beyond", time.Hour, time.Hour, LevelDrain, true, 0, FewestWrites, "m2"},
		{"half way back", 1900 * ms, 2000 * ms, LevelThrottle, true, 0.875, 0.5625, "m2"},
		{"it may lag, which is no proof", 0, 5000 * ms, LevelFresh, true, 0, 1, "m2"},
		{"it may have caught up, which is none", 0, 5000 * ms, LevelFresh, true, 0.3, 0.7, "m2"},
		{"it stands still", time.Hour, time.Hour, LevelBroken, true, 0, 1, ""},
		{"it stands still, after it lagged", time.Hour, time.Hour, LevelBroken, true, 0.875, 1, ""},
		{"it is not known", 0, 0, LevelUnknown, false, 0, 1, ""},
		{"it is not known, after it lagged", 0, 0, LevelUnknown, false, 0.5, 0.5, "before"},
	} {
		now := time.Unix(1000, 0)
		list := []Admission{{Member: "m1", Held: tt.was, At: now, Peer: "before"}}
		for range 100 {
			now = now.Add(100 * ms)
			lag := between(tt.low, tt.high, now)
			lag.Known = tt.known
			list = Admit(behind(now, map[topology.MemberID]Lag{"m2": lag}, map[topology.MemberID]Level{"m2": tt.level}), list, now)
		}
		a := list[0]
		if math.Abs(a.Ratio()-tt.want) > 1e-9 || a.Peer != tt.peer || a.Squeezed() != (tt.want < 1) || a.Since.IsZero() == a.Squeezed() {
			t.Errorf("%s: %.4f because of %q since %v, want %.4f because of %q", tt.name, a.Ratio(), a.Peer, a.Since, tt.want, tt.peer)
		}
	}
}

// Of several the worst counts; what was read too long ago is not known; a
// member that comes anew has all places.
func TestTheWorstPeerThatIsKnownCounts(t *testing.T) {
	now := time.Unix(1000, 0)
	p := behind(now, map[topology.MemberID]Lag{
		"m2": between(1500*time.Millisecond, 1600*time.Millisecond, now), "m3": between(2500*time.Millisecond, 2600*time.Millisecond, now),
	}, nil)
	before := []Admission{{Member: "m1", At: now.Add(-time.Minute)}}
	a := Admit(p, before, now)
	if len(a) != 3 || a[0].Peer != "m3" || a[0].Held != shrinks {
		t.Errorf("a step after a minute is of a second at most: %+v", a)
	}
	if a[1].Squeezed() || a[2].Squeezed() {
		t.Errorf("nobody is known to lag behind m2 and m3: %+v", a[1:])
	}
	p.Pairs[1].Lag.At = now.Add(-topology.MaxAge - 1)
	if a := Admit(p, before, now); a[0].Peer != "m2" || math.Abs(a[0].Held-0.21875) > 1e-9 {
		t.Errorf("the reading of m3 is too old: %+v", a[0])
	}
	if Admit(nil, before, now) != nil {
		t.Error("there is no ring, and something is admitted")
	}
}

// An application that always wants more than the slower of two appliers can apply: the
// writes settle at what it applies, the lag stays below the threshold of throttle, no two
// steps differ by much, and all places are back once the load is.
func TestWritesSettleAtWhatThePeersApply(t *testing.T) {
	const tick = 100 * time.Millisecond
	now := time.Unix(1000, 0)
	var list []Admission
	type txn struct{ at time.Time }
	var queue []txn
	credit, owed := 0.0, 0.0
	settled, lowest, steps := 0.0, 1.0, 0
	run := func(seconds int, wanted, applies float64) (worst time.Duration) {
		for i := range seconds * 10 {
			ratio := 1.0
			if list != nil {
				ratio = list[0].Ratio()
			}
			for owed += wanted * ratio * tick.Seconds(); owed >= 1; owed-- {
				queue = append(queue, txn{now})
			}
			for credit = min(credit+applies*tick.Seconds(), 1+applies*tick.Seconds()); credit >= 1 && len(queue) > 0; credit-- {
				queue = queue[1:]
			}
			now = now.Add(tick)
			lag := time.Duration(0)
			if len(queue) > 0 {
				lag = now.Sub(queue[0].at)
			}
			worst = max(worst, lag)
			list = Admit(behind(now, map[topology.MemberID]Lag{"m2": between(max(0, lag-tick), lag+tick, now)}, nil), list, now)
			moved := math.Abs(list[0].Ratio() - ratio)
			if moved > shrinks*tick.Seconds()+1e-9 {
				t.Fatalf("the share moves by %.3f within %s", moved, tick)
			}
			if moved > 0 {
				steps++
			}
			lowest = min(lowest, list[0].Ratio())
			if i >= seconds*5 {
				settled += list[0].Ratio() / float64(seconds*5)
			}
		}
		return worst
	}
	worst := run(120, 1000, 600)
	if worst >= 3*time.Second || worst <= time.Second {
		t.Errorf("the lag was %s at worst: more than warn, less than throttle was expected", worst)
	}
	if settled < 0.55 || settled > 0.65 {
		t.Errorf("writes settle at %.2f of what is wanted; 0.60 is what can be applied", settled)
	}
	if lowest < 0.3 || steps < 10 {
		t.Errorf("the share fell to %.2f, in %d steps", lowest, steps)
	}
	run(30, 300, 600)
	if list[0].Squeezed() {
		t.Errorf("the load is gone: %s", list[0])
	}
	run(30, 1000, 10) // hardly anything is applied
	if list[0].Ratio() != FewestWrites {
		t.Errorf("%s: lag alone leaves %.3f", list[0], FewestWrites)
	}
}

// That writes are held back is told once that lasts, and is over when all places are there.
func TestThatWritesAreHeldBackIsTold(t *testing.T) {
	now := time.Unix(1000, 0)
	p := behind(now, map[topology.MemberID]Lag{"m2": between(2500*time.Millisecond, 2600*time.Millisecond, now)}, map[topology.MemberID]Level{"m2": LevelWarn})
	told := func() (found []topology.Finding) {
		for _, f := range p.Findings() {
			if f.Subject == "writes/m1" {
				found = append(found, f)
			}
		}
		return found
	}
	p.Admissions = Admit(p, nil, now)
	if f := told(); len(f) != 0 || p.Admission("m1").Ratio() != 1 {
		t.Errorf("it has just been seen: %+v", f)
	}
	p.Admissions = Admit(p, p.Admissions, now.Add(400*time.Millisecond))
	f := told()
	if len(f) != 1 || f[0].To != "squeezed" || f[0].Severity != topology.UrgencyWarning || f[0].Hold != squeezeHold || !f[0].Since.Equal(now.Add(400*time.Millisecond)) {
		t.Fatalf("%+v", f)
	}
	if want := "80 % of the places for writes: the lag of m2 behind m1 is 2500 ms (+100)"; f[0].Evidence[0] != want {
		t.Errorf("evidence %q, want %q", f[0].Evidence[0], want)
	}
	if !strings.Contains(f[0].What, "m1") || !strings.Contains(f[0].What, "m2") || f[0].Remedy == "" {
		t.Errorf("%+v", f[0])
	}
	if a := (*Picture)(nil).Admission("m1"); a.Ratio() != 1 || a.String() != "all places for writes" {
		t.Errorf("nothing is known: %s", a)
	}
}
