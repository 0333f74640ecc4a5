package lagguard

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Reading is what one member had of one origin's beats at one moment.
type Reading struct {
	Seen     uint64    // the newest beat that had arrived; 0: none
	Asked    time.Time // when the question was sent
	Answered time.Time // when its answer was complete
}

// Lag is how stale a member is with respect to one origin: the time since the
// commit of the oldest transaction of the origin that the member had not
// applied. The truth lies between Low and High. The zero value is "unknown".
type Lag struct {
	Known bool
	Low   time.Duration // at least this; 0 if no beat is missing
	High  time.Duration // at most this
	At    time.Time     // of the reading
}

// ErrorBound returns High - Low: how exact the estimate is.
func (l Lag) ErrorBound() time.Duration { return l.High - l.Low }

// String returns for example "1200 ms (+35)".
func (l Lag) String() string {
	if !l.Known {
		return "unknown"
	}
	return fmt.Sprintf("%d ms (+%d)", l.Low.Milliseconds(), l.ErrorBound().Milliseconds())
}

// Estimate bounds the lag at a reading from the beats that were sent to the
// origin. With s the newest beat that is remembered and not after the one seen, and
// n the first one after what was seen that the origin acknowledged:
//
//   - the member lacks n, which was committed when it was acknowledged, so it is
//     stale by at least Asked - Acked(n); by 0 if there is no such beat;
//   - the member has all that was committed before s was sent, so it is stale by
//     at most Answered - At(s).
//
// The lag is unknown if what was seen is not between the beats that are remembered:
// it was sent by a node before us.
func Estimate(beats []Sent, r Reading) Lag {
	at, exact := slices.BinarySearchFunc(beats, r.Seen, func(b Sent, seq uint64) int { return cmp.Compare(b.Seq, seq) })
	if !exact {
		at--
	}
	if at < 0 || r.Seen > beats[len(beats)-1].Seq {
		return Lag{At: r.Answered}
	}
	lag := Lag{Known: true, High: r.Answered.Sub(beats[at].At), At: r.Answered}
	for _, next := range beats[at+1:] {
		if !next.Acked.IsZero() {
			lag.Low = max(0, r.Asked.Sub(next.Acked))
			break
		}
	}
	return lag
}

// Sharper returns the better of two estimates for showing: the newer one, unless
// neither found a beat missing and the older one, no older than keep, is more
// exact. Between two beats nothing is missing, and only the bound grows.
func Sharper(older, newer Lag, keep time.Duration) Lag {
	idle := older.Known && newer.Known && older.Low == 0 && newer.Low == 0
	if idle && newer.At.Sub(older.At) <= keep && older.High < newer.High {
		return older
	}
	return newer
}
