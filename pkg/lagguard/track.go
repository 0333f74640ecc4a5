package lagguard

import (
	"slices"
	"time"
)

// keptBeats bounds what a Track remembers: at two beats a second, over an hour.
const keptBeats = 8192

// Sent is one heartbeat of an origin, by the sending node's monotonic clock.
type Sent struct {
	Seq   uint64    // 1, 2, 3, … without a gap
	At    time.Time // when the write was sent
	Acked time.Time // when the origin had answered it; zero: not known
}

// Track remembers the beats that a node sent to one origin, oldest first. The
// zero value is empty. It is a value of one goroutine.
type Track struct {
	beats []Sent
}

// Send notes that the beat seq is being written. Beats are noted in order; one
// that is not above the last is ignored.
func (t *Track) Send(seq uint64, at time.Time) {
	if n := len(t.beats); n > 0 && t.beats[n-1].Seq >= seq {
		return
	}
	if len(t.beats) >= keptBeats {
		t.beats = slices.Delete(t.beats, 0, keptBeats/2)
	}
	t.beats = append(t.beats, Sent{Seq: seq, At: at})
}

// Ack notes that the origin has answered the write of seq.
func (t *Track) Ack(seq uint64, at time.Time) {
	for i := len(t.beats) - 1; i >= 0 && t.beats[i].Seq >= seq; i-- {
		if t.beats[i].Seq == seq {
			t.beats[i].Acked = at
		}
	}
}

// Beats returns a copy of what is remembered, oldest first.
func (t *Track) Beats() []Sent { return slices.Clone(t.beats) }
