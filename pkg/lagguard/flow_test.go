package lagguard

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// metered reads a sequence that moves on by perSecond for a while, every 250 ms.
func metered(perSecond float64, seconds int) Meter {
	var m Meter
	for i := 0; i <= 4*seconds; i++ {
		m = m.Read(101, 1000+uint64(perSecond*float64(i)/4), at(i*250))
	}
	return m
}

func TestMeter(t *testing.T) {
	var none Meter
	if _, ok := none.Read(101, 7, at(0)).Rate(); ok {
		t.Error("a rate after one reading")
	}
	if rate, ok := metered(400, 10).Rate(); !ok || math.Abs(rate-400) > 1 {
		t.Errorf("%.1f per second, want 400", rate)
	}
	m := metered(400, 10)
	for i := 1; i <= 80; i++ { // 20 s of silence
		m = m.Read(101, 5000, at(10_000+i*250))
	}
	if rate, _ := m.Rate(); rate > 15 {
		t.Errorf("%.1f per second after 20 s of silence", rate)
	}
	if _, ok := m.Read(102, 9000, at(40_000)).Rate(); ok {
		t.Error("the rate of another domain")
	}
	if _, ok := m.Read(101, 1, at(40_000)).Rate(); ok {
		t.Error("the rate of a sequence that went back")
	}
	if _, ok := none.Read(101, 0, at(0)).Read(101, 1<<40, at(250)).Rate(); ok {
		t.Error("a position that was set counts as transactions")
	}
	if same := m.Read(101, 9000, m.at); same != m {
		t.Error("two readings of one moment")
	}
}

func TestFlow(t *testing.T) {
	for _, tt := range []struct {
		name             string
		place            Place
		commits, applies float64
		want             string
	}{
		{"caught up", Place{1000, 1000, 1000}, 100, 100, "behind 0, 0 received, eta 0s"},
		{"the member was read later", Place{1000, 1003, 1003}, 100, 100, "behind 0, 0 received, eta 0s"},
		{"on their way", Place{1002, 1001, 1000}, 100, 100, "behind 2, 1 received, eta 20ms"},
		{"catches up", Place{2000, 2000, 1000}, 100, 300, "behind 1000, 1000 received, eta 5s"},
		{"falls behind", Place{2000, 2000, 1000}, 300, 100, "behind 1000, 1000 received, eta never"},
		{"keeps its distance", Place{2000, 1100, 1000}, 100, 100, "behind 1000, 100 received, eta never"},
		{"stands still", Place{2000, 2000, 1000}, 0, 0, "behind 1000, 1000 received, eta never"},
	} {
		f := FlowOf(tt.place, metered(tt.commits, 20), metered(tt.applies, 20))
		eta := "never"
		if f.ETA != Never {
			eta = f.ETA.Round(10 * time.Millisecond).String()
		}
		if got := fmt.Sprintf("behind %d, %d received, eta %s", f.Behind, f.Queued, eta); got != tt.want || !f.Known {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
