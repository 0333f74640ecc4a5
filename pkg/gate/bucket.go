package gate

import "time"

// Bucket lets a number of statements begin in a second: a token bucket with room for those
// of one second. The zero value is full.
type Bucket struct {
	used float64 // tokens taken that have not come back yet
	at   Instant
}

// Take takes a token, or says when there will be one. The rate may be another one each time:
// by a lower one nobody waits for what was taken by a higher one.
func (b *Bucket) Take(rate float64, now Instant) (wait time.Duration) {
	if b.at != 0 {
		b.used = max(0, b.used-rate*now.Sub(b.at).Seconds())
	}
	b.used = min(b.used, max(rate, 1))
	b.at = now
	if b.used+1 <= max(rate, 1) {
		b.used++
		return 0
	}
	return max(time.Duration((b.used+1-max(rate, 1))/rate*float64(time.Second)), time.Millisecond)
}

// GiveBack puts a token back that was taken for a statement that did not begin.
func (b *Bucket) GiveBack() { b.used = max(0, b.used-1) }
