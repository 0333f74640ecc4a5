package topology

import (
	"fmt"
	"time"
)

// LagThreshold says when a lag level is entered and when it is left. Entering asks
// for proof that the member lags (the lower bound of its lag), leaving for proof
// that it does not (the upper bound): between the two a member stays what it is.
type LagThreshold struct {
	Enter   time.Duration `json:"enter"`   // the lag is at least this
	Leave   time.Duration `json:"leave"`   // the lag is below this; less than Enter
	Hold    time.Duration `json:"hold"`    // for how long it has to be at least Enter
	Release time.Duration `json:"release"` // for how long it has to be below Leave
}

// LagThresholds is when a member is in which lag level. It is a setting of the ring.
// Levels and their meaning are those of package lagguard.
type LagThresholds struct {
	Warn     LagThreshold `json:"warn"`
	Throttle LagThreshold `json:"throttle"`
	Drain    LagThreshold `json:"drain"`
	// BrokenHold is for how long replication has to stand still before the member
	// is broken, BrokenRelease for how long it has to run again.
	BrokenHold    time.Duration `json:"broken_hold"`
	BrokenRelease time.Duration `json:"broken_release"`
	// KnownHold is for how long a lag that was not known has to be known.
	KnownHold time.Duration `json:"known_hold"`
}

// DefaultLagThresholds returns what holds for a ring that sets nothing else:
//
//	level     enter        leave
//	warn      1 s for 1 s  below 500 ms for 5 s
//	throttle  3 s for 1 s  below 1.5 s for 10 s
//	drain     30 s for 5 s below 5 s for 30 s
//	broken    3 s          5 s
//	unknown   at once      1 s
func DefaultLagThresholds() LagThresholds {
	return LagThresholds{
		Warn:       LagThreshold{Enter: time.Second, Leave: 500 * time.Millisecond, Hold: time.Second, Release: 5 * time.Second},
		Throttle:   LagThreshold{Enter: 3 * time.Second, Leave: 1500 * time.Millisecond, Hold: time.Second, Release: 10 * time.Second},
		Drain:      LagThreshold{Enter: 30 * time.Second, Leave: 5 * time.Second, Hold: 5 * time.Second, Release: 30 * time.Second},
		BrokenHold: 3 * time.Second, BrokenRelease: 5 * time.Second, KnownHold: time.Second,
	}
}

// Bounds of what can be set. A lag below MinLagThreshold is inside the error of the
// measurement: half a second between two heartbeats while all is well.
const (
	MinLagThreshold = 100 * time.Millisecond
	MaxLagThreshold = 24 * time.Hour
)

// String lists the levels, for example "warn 1s/500ms (1s, 5s), …": enter/leave (hold,
// release).
func (t LagThresholds) String() string {
	level := func(name string, at LagThreshold) string {
		return fmt.Sprintf("%s %s/%s (%s, %s)", name, at.Enter, at.Leave, at.Hold, at.Release)
	}
	return fmt.Sprintf("%s, %s, %s, broken (%s, %s), unknown (0s, %s)", level("warn", t.Warn), level("throttle", t.Throttle),
		level("drain", t.Drain), t.BrokenHold, t.BrokenRelease, t.KnownHold)
}

// Validate returns an error that names the level and the field if the thresholds do
// not rise from level to level, or are outside of their bounds.
func (t LagThresholds) Validate() error {
	levels := []struct {
		name string
		at   LagThreshold
	}{{"warn", t.Warn}, {"throttle", t.Throttle}, {"drain", t.Drain}}
	for i, level := range levels {
		if err := level.at.validate(); err != nil {
			return fmt.Errorf("%s: %w", level.name, err)
		}
		if i == 0 {
			continue
		}
		below := levels[i-1]
		if level.at.Enter <= below.at.Enter || level.at.Leave < below.at.Leave {
			return fmt.Errorf("%s (enter %s, leave %s) is not above %s (enter %s, leave %s)",
				level.name, level.at.Enter, level.at.Leave, below.name, below.at.Enter, below.at.Leave)
		}
	}
	for _, hold := range []struct {
		name string
		at   time.Duration
	}{{"broken: hold", t.BrokenHold}, {"broken: release", t.BrokenRelease}, {"unknown: release", t.KnownHold}} {
		if err := validHold(hold.at); err != nil {
			return fmt.Errorf("%s: %w", hold.name, err)
		}
	}
	return nil
}

func (t LagThreshold) validate() error {
	switch {
	case t.Leave < MinLagThreshold:
		return fmt.Errorf("leave is %s, at least %s can be told", t.Leave, MinLagThreshold)
	case t.Enter > MaxLagThreshold:
		return fmt.Errorf("enter is %s, at most %s is allowed", t.Enter, MaxLagThreshold)
	case t.Leave >= t.Enter:
		return fmt.Errorf("leave (%s) is not below enter (%s): the level would flap", t.Leave, t.Enter)
	}
	if err := validHold(t.Hold); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	if err := validHold(t.Release); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

func validHold(d time.Duration) error {
	if d < 0 || d > time.Hour {
		return fmt.Errorf("%s is not in 0..1h", d)
	}
	return nil
}
