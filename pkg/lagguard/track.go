package lagguard

import (
	"slices"
	"time"
)

// keptBeats bounds what a Track remembers. The newest half of it is complete: at ten
// beats a second the last 3 minutes. What is older is thinned out, to gaps of a
// sixty-fourth of its age, so that a lag of days has bounds still, if wider ones.
const keptBeats = 4096

// Sent is one heartbeat of an origin, by the sending node's monotonic clock.
type Sent struct {
	Seq   uint64    // rising by 1 from beat to beat
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
		t.thin()
	}
	t.beats = append(t.beats, Sent{Seq: seq, At: at})
}

// thin drops beats of the older half where the beats beside them are not further
// apart than a part of their age.
func (t *Track) thin() {
	const part = 64
	newest := t.beats[len(t.beats)-1].At
	kept := t.beats[:1]
	for i := 1; i < len(t.beats); i++ {
		b := t.beats[i]
		if i < keptBeats/2 && t.beats[i+1].At.Sub(kept[len(kept)-1].At) < newest.Sub(b.At)/part {
			continue
		}
		kept = append(kept, b)
	}
	if len(kept) == len(t.beats) { // all of them are long ago
		kept = slices.Delete(kept, 0, keptBeats/4)
	}
	t.beats = kept
}

// Estimate bounds the lag at a reading: see the function of that name.
func (t *Track) Estimate(r Reading) Lag { return Estimate(t.beats, r) }

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
