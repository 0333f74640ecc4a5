package gate

import (
	"testing"
	"time"
)

func TestBucketLetsSoManyBeginInASecond(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 20, 1000} {
		var b Bucket
		began, now, taken := at(0), at(0), 0
		for now.Sub(began) < 20*time.Second {
			if wait := b.Take(rate, now); wait > 0 {
				now = now.Add(wait)
				continue
			}
			taken++
		}
		if want := 20*rate + max(rate, 1); float64(taken) > want+1 || float64(taken) < 20*rate*0.95-1 {
			t.Errorf("%g a second: %d in 20 s, %g at the most", rate, taken, want)
		}
	}
}

// TestALowerRateOwesNothing: what was taken while more was allowed is nothing that those who
// come by a lower rate wait for.
func TestALowerRateOwesNothing(t *testing.T) {
	var b Bucket
	for range 100 {
		if wait := b.Take(100, at(0)); wait > 0 {
			t.Fatalf("the first hundred wait for %s", wait)
		}
	}
	if wait := b.Take(1, at(0)); wait <= 0 || wait > time.Second {
		t.Errorf("one a second are allowed now: the next one waits for %s", wait)
	}
	b.GiveBack()
	if wait := b.Take(1, at(0)); wait != 0 {
		t.Errorf("a token was given back, and one waits for %s", wait)
	}
}
