package lagguard

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }

// beats of 500 ms, each acknowledged 2 ms after it was sent.
func beatsUpTo(n int) []Sent {
	var t Track
	for i := 1; i <= n; i++ {
		t.Send(uint64(i), at(i*500))
		t.Ack(uint64(i), at(i*500+2))
	}
	return t.Beats()
}

func TestEstimate(t *testing.T) {
	unacked := append(beatsUpTo(3), Sent{Seq: 4, At: at(2000)})
	for _, tt := range []struct {
		name    string
		beats   []Sent
		reading Reading
		want    string
	}{
		{"nothing missing, read at once", beatsUpTo(3), Reading{3, at(1510), at(1511)}, "0 ms (+11)"},
		{"nothing missing, read late", beatsUpTo(3), Reading{3, at(1900), at(1901)}, "0 ms (+401)"},
		{"one missing", beatsUpTo(4), Reading{3, at(2302), at(2303)}, "300 ms (+503)"},
		{"stopped for long", beatsUpTo(20), Reading{10, at(10002), at(10004)}, "4500 ms (+504)"},
		{"the next beat hangs at the origin", unacked, Reading{3, at(2600), at(2601)}, "0 ms (+1101)"},
		{"none seen", beatsUpTo(3), Reading{0, at(1510), at(1511)}, "unknown"},
		{"a beat of another node's life", beatsUpTo(3), Reading{900, at(1510), at(1511)}, "unknown"},
		{"no beats sent", nil, Reading{1, at(1510), at(1511)}, "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Estimate(tt.beats, tt.reading).String(); got != tt.want {
				t.Fatalf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestEstimateHoldsTheTruth lets an applier stop at any moment and reads at any
// later one: the true staleness is always between the bounds.
func TestEstimateHoldsTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.IntRange(50, 1000).Draw(t, "interval")
		ack := rapid.IntRange(0, interval-1).Draw(t, "ack")
		stopped := rapid.IntRange(2*interval, 20*interval).Draw(t, "stopped")
		read := stopped + rapid.IntRange(0, 20*interval).Draw(t, "after")
		rtt := rapid.IntRange(0, 30).Draw(t, "rtt")
		var track Track
		seen := uint64(0)
		for i := 1; i*interval <= read; i++ {
			commit := i*interval + ack // the latest moment at which it can have committed
			track.Send(uint64(i), at(i*interval))
			if commit <= read {
				track.Ack(uint64(i), at(commit))
			}
			if commit <= stopped {
				seen = uint64(i)
			}
		}
		lag := Estimate(track.Beats(), Reading{seen, at(read), at(read + rtt)})
		if !lag.Known {
			return // stopped before the first beat
		}
		// The member has everything up to stopped, so it is stale by read-stopped
		// at most, and by at least the age of the first beat that it lacks.
		truth := time.Duration(read-stopped) * time.Millisecond
		if truth < lag.Low || truth > lag.High {
			t.Fatalf("truth %s is not in %s..%s", truth, lag.Low, lag.High)
		}
	})
}

func TestTrackIsBounded(t *testing.T) {
	var track Track
	for i := 1; i <= 3*keptBeats; i++ {
		track.Send(uint64(i), at(i))
		track.Ack(uint64(i), at(i))
	}
	beats := track.Beats()
	if len(beats) > keptBeats || beats[len(beats)-1].Seq != 3*keptBeats || beats[0].Seq != 1 {
		t.Fatalf("kept %d beats, the last is %d", len(beats), beats[len(beats)-1].Seq)
	}
	track.Send(5, at(0))
	if n := len(track.Beats()); n != len(beats) {
		t.Fatalf("an old beat was noted again: %d", n)
	}
}

// TestAnOldLagHasBoundsStill: an applier that stood still for two days at ten beats a
// second: what a node remembers is thin there, and the truth is between the bounds.
func TestAnOldLagHasBoundsStill(t *testing.T) {
	var track Track
	const beats = 2 * 24 * 3600 * 10
	for i := 1; i <= beats; i++ {
		track.Send(uint64(i), at(i*100))
		track.Ack(uint64(i), at(i*100+2))
	}
	for _, seen := range []int{1, 2, 999, beats / 2, beats - 5000, beats - 1} {
		now := beats*100 + 50
		lag := track.Estimate(Reading{uint64(seen), at(now), at(now + 1)})
		truth := time.Duration(now-(seen*100+100)) * time.Millisecond // since the first that it lacks
		if !lag.Known || truth < lag.Low-2*time.Millisecond || truth > lag.High || lag.Low < truth/2 || lag.High > 2*truth+time.Second {
			t.Errorf("seen %d: %s, truth %s", seen, lag, truth)
		}
	}
	if n := len(track.Beats()); n > keptBeats {
		t.Errorf("%d beats", n)
	}
}

func TestSharper(t *testing.T) {
	exact := Lag{Known: true, High: 10 * time.Millisecond, At: at(0)}
	wide := Lag{Known: true, High: 400 * time.Millisecond, At: at(400)}
	late := Lag{Known: true, High: 800 * time.Millisecond, At: at(2000)}
	behind := Lag{Known: true, Low: time.Millisecond, High: time.Second, At: at(400)}
	for _, tt := range []struct {
		name         string
		older, newer Lag
		want         Lag
	}{
		{"between two beats", exact, wide, exact},
		{"too old", exact, late, late},
		{"a beat is missing", exact, behind, behind},
		{"not known any more", exact, Lag{At: at(100)}, Lag{At: at(100)}},
		{"first", Lag{}, wide, wide},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Sharper(tt.older, tt.newer, time.Second); got != tt.want {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
		})
	}
}
