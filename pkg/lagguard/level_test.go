package lagguard

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sqlring/sqlring/pkg/topology"
)

// run steps through samples 100 ms apart and returns the levels with the moments
// (in ms) at which they were entered.
func run(t *testing.T, sample func(ms int) Sample, until int) string {
	t.Helper()
	thresholds := DefaultThresholds()
	var s State
	got := ""
	for ms := 0; ms <= until; ms += 100 {
		before := s
		s = Step(thresholds, s, sample(ms), at(ms))
		if s.Level == before.Level && !before.Since.IsZero() {
			continue
		}
		if !s.Since.Equal(at(ms)) || s.From != before.Level || s.Why == "" {
			t.Fatalf("at %d ms: %+v after %+v", ms, s, before)
		}
		got += fmt.Sprintf("%s@%d ", s.Level, ms)
	}
	return got
}

func lagOf(low, high int) Sample {
	return Sample{Lag: Lag{Known: true, Low: time.Duration(low) * time.Millisecond, High: time.Duration(high) * time.Millisecond}}
}

func TestStep(t *testing.T) {
	unknown := Sample{Why: "it does not answer"}
	// piecewise returns a sample by the time: each part holds up to its moment.
	type part struct {
		until  int
		sample Sample
	}
	piecewise := func(parts ...part) func(int) Sample {
		return func(ms int) Sample {
			for _, p := range parts {
				if ms < p.until {
					return p.sample
				}
			}
			return parts[len(parts)-1].sample
		}
	}
	halted := func(low int) Sample {
		s := lagOf(low, low+10)
		s.Halted, s.Why = true, "its applier is stopped"
		return s
	}
	for _, tt := range []struct {
		name    string
		samples func(int) Sample
		until   int
		want    string
	}{
		{"nothing known", piecewise(part{0, unknown}), 9000, "unknown@0 "},
		{"known from the start, and believed after a second", piecewise(part{0, lagOf(0, 10)}), 9000, "unknown@0 fresh@1000 "},
		{"far behind from the start", piecewise(part{0, lagOf(40000, 40100)}), 3000, "drain@0 "},
		{"a lag that grows by a second a second", func(ms int) Sample {
			return lagOf(max(0, ms-2000), max(0, ms-2000)+100)
		}, 40000, "unknown@0 fresh@1000 warn@4000 throttle@6000 drain@37000 "},
		{"one long commit is no reason", piecewise(part{2000, lagOf(0, 10)}, part{2900, lagOf(2500, 2600)}, part{0, lagOf(0, 10)}), 9000, "unknown@0 fresh@1000 "},
		{
			"catches up: level by level, each after its time", piecewise(
				part{2000, lagOf(31000, 31100)}, part{0, lagOf(0, 10)}), 60000,
			"drain@0 fresh@32000 ",
		},
		{
			"catches up half way", piecewise(
				part{2000, lagOf(31000, 31100)}, part{0, lagOf(4000, 4100)}), 60000,
			"drain@0 throttle@32000 ",
		},
		{"not known to have caught up", piecewise(part{2000, lagOf(1200, 1300)}, part{0, lagOf(0, 900)}), 60000, "unknown@0 warn@1000 "},
		{
			"silence is unknown at once, and back after a second", piecewise(
				part{3000, lagOf(0, 10)}, part{3500, unknown}, part{0, lagOf(0, 10)}), 9000,
			"unknown@0 fresh@1000 unknown@3000 fresh@4500 ",
		},
		{"answers every other time: it stays unknown", func(ms int) Sample {
			if ms > 2000 && ms/100%2 == 0 {
				return unknown
			}
			return lagOf(0, 10)
		}, 9000, "unknown@0 fresh@1000 unknown@2200 "},
		{
			"replication stands still", piecewise(
				part{2000, lagOf(0, 10)}, part{8000, halted(0)}, part{0, lagOf(0, 10)}), 60000,
			"unknown@0 fresh@1000 broken@5000 fresh@13000 ",
		},
		{"broken dominates silence", piecewise(
			part{5000, halted(0)}, part{9000, unknown}, part{0, halted(0)}), 20000, "unknown@0 fresh@1000 broken@3000 "},
		{"re-pointed within its time", piecewise(
			part{2000, lagOf(0, 10)}, part{4900, halted(0)}, part{0, lagOf(0, 10)}), 9000, "unknown@0 fresh@1000 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := run(t, tt.samples, tt.until); got != tt.want {
				t.Fatalf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A lag that swings about a threshold, however fast and wide, moves the level once
// at the most.
func TestStepDoesNotFlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		thresholds := DefaultThresholds()
		limit := rapid.SampledFrom([]topology.LagThreshold{thresholds.Warn, thresholds.Throttle, thresholds.Drain}).Draw(t, "threshold")
		period := rapid.IntRange(1, 40).Draw(t, "period") // in samples of 100 ms; half of it over, half under
		low := rapid.Int64Range(int64(limit.Leave), int64(limit.Enter)-1).Draw(t, "low")
		high := rapid.Int64Range(int64(limit.Enter), int64(limit.Enter)*2).Draw(t, "high")
		s := State{}
		for ms := range 20 { // it begins below
			s = Step(thresholds, s, Sample{Lag: Lag{Known: true, Low: time.Duration(low), High: time.Duration(low)}}, at(ms*100))
		}
		moves := 0
		for i := range 3000 {
			lag := Lag{Known: true, Low: time.Duration(low), High: time.Duration(low)}
			if i%(2*period) < period {
				lag.Low, lag.High = time.Duration(high), time.Duration(high)
			}
			before := s.Level
			s = Step(thresholds, s, Sample{Lag: lag}, at(2000+i*100))
			if s.Level != before {
				moves++
			}
		}
		if moves > 2 { // to the threshold's own level, and to that of a threshold within the swing
			t.Fatalf("%d moves", moves)
		}
	})
}

// TestStepNeverCallsTheUnknownFresh: whatever came before, a sample without a known
// lag gives a level that is not read from, and so does a lag proven over throttle for
// longer than its hold time.
func TestStepNeverCallsTheUnknownFresh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		thresholds := DefaultThresholds()
		var s State
		now, over := 0, 0
		for range rapid.IntRange(1, 200).Draw(t, "samples") {
			step := rapid.IntRange(1, 3000).Draw(t, "step")
			now += step
			sample := Sample{Halted: rapid.IntRange(0, 9).Draw(t, "halted") == 0, Why: "because"}
			if rapid.IntRange(0, 4).Draw(t, "known") > 0 {
				low := rapid.IntRange(0, 60000).Draw(t, "low")
				sample.Lag = Lag{Known: true, Low: time.Duration(low) * time.Millisecond, High: time.Duration(low+rapid.IntRange(0, 500).Draw(t, "width")) * time.Millisecond}
			}
			if sample.Lag.Known && sample.Lag.Low >= thresholds.Throttle.Enter {
				if over == 0 {
					over = now
				}
			} else {
				over = 0
			}
			s = Step(thresholds, s, sample, at(now))
			if s.Level.Readable() && !sample.Lag.Known {
				t.Fatalf("%s, and its lag is not known", s.Level)
			}
			if s.Level.Readable() && over > 0 && now-over >= 1000 {
				t.Fatalf("%s, and its lag is %s for %d ms", s.Level, sample.Lag, now-over)
			}
		}
	})
}

func TestWorst(t *testing.T) {
	order := []Level{LevelFresh, LevelWarn, LevelThrottle, LevelDrain, LevelUnknown, LevelBroken}
	for i, a := range order {
		for j, b := range order {
			if got := b.Worse(a); got != (j > i) {
				t.Errorf("%s worse than %s: %v", b, a, got)
			}
			want := order[max(i, j)]
			if got := Worst(State{Level: a}, State{Level: b}); got.Level != want {
				t.Errorf("worst of %s and %s: %s", a, b, got.Level)
			}
		}
	}
	early, late := State{Level: LevelWarn, Since: at(1)}, State{Level: LevelWarn, Since: at(2)}
	if Worst(early, late) != early || Worst(late, early) != early {
		t.Error("of two of a level, the one that is there for longer")
	}
}

func TestLevelNames(t *testing.T) {
	for _, l := range Levels() {
		var back Level
		text, _ := l.MarshalText()
		if err := back.UnmarshalText(text); err != nil || back != l {
			t.Errorf("%s: %v %v", l, back, err)
		}
	}
	var l Level
	if err := l.UnmarshalText([]byte("fine")); err == nil {
		t.Error("fine is no level")
	}
}
