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
