package gate

import "time"

// Bucket lets a number of statements begin in a second: a token bucket with room for those
// of one second. The zero value is full.
type Bucket struct {
	used float64 // tokens taken that have not come back yet
	at   Instant
}

// Take takes a token, or says when there will be one.
func (b *Bucket) Take(rate float64, now Instant) (wait time.Duration) {
	if b.at != 0 {
		b.used = max(0, b.used-rate*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.used+1 <= max(rate, 1) {
		b.used++
		return 0
	}
	return max(time.Duration((b.used+1-max(rate, 1))/rate*float64(time.Second)), time.Millisecond)
}
