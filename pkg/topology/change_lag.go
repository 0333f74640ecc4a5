package topology

import (
	"fmt"
	"slices"
	"time"
)

// SetLagThresholds changes when a member is in which lag level.
type SetLagThresholds struct {
	Thresholds *LagThresholds `json:"thresholds"` // nil: the default ones
}

func (t SetLagThresholds) String() string {
	if t.Thresholds == nil {
		return "set the lag thresholds to their defaults"
	}
	return "set the lag thresholds: " + t.Thresholds.String()
}

func (t SetLagThresholds) apply(s *Snapshot, c Command) error {
	if s.Ring == nil {
		return fmt.Errorf("%w: there is no ring", ErrLaw)
	}
	if t.Thresholds != nil {
		if err := t.Thresholds.Validate(); err != nil {
			return fmt.Errorf("%w: lag thresholds: %w", ErrLaw, err)
		}
	}
	s.Ring.Lag = t.Thresholds
	s.record(c, "lag", "", t.String())
	return nil
}

// SetThrottle holds an application back for a while. A rule that it has is replaced.
type SetThrottle struct {
	App   string        `json:"app"`
	Ratio float64       `json:"ratio"`
	For   time.Duration `json:"for"` // from the time of the command
}

func (t SetThrottle) String() string {
	return fmt.Sprintf("hold %s back for %s, %g of the time", t.App, t.For, t.Ratio)
}

func (t SetThrottle) apply(s *Snapshot, c Command) error {
	switch err := ValidApp(t.App); {
	case s.Ring == nil:
		return fmt.Errorf("%w: there is no ring", ErrLaw)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrLaw, err)
	case !(t.Ratio > 0 && t.Ratio <= 1):
		return fmt.Errorf("%w: ratio %g is not above 0 and at most 1", ErrLaw, t.Ratio)
	case t.For <= 0 || t.For > MaxThrottleTime:
		return fmt.Errorf("%w: a rule lasts for more than 0 s and at most %s, not %s", ErrLaw, MaxThrottleTime, t.For)
	}
	s.Throttles = slices.DeleteFunc(slices.Clone(s.Throttles), func(r ThrottleRule) bool {
		return r.App == t.App || !c.At.Before(r.Until)
	})
	if len(s.Throttles) >= MaxThrottles {
		return fmt.Errorf("%w: there are %d rules already: clear one", ErrLaw, MaxThrottles)
	}
	at, _ := throttleIndex(s.Throttles, t.App)
	s.Throttles = slices.Insert(s.Throttles, at, ThrottleRule{
		App: t.App, Ratio: t.Ratio, Until: c.At.Add(t.For).UTC(), By: c.By, Why: c.Why,
	})
	s.record(c, "throttle", "", t.String())
	return nil
}

// ClearThrottle takes the rule of an application away.
type ClearThrottle struct {
	App string `json:"app"`
}

func (t ClearThrottle) String() string { return fmt.Sprintf("hold %s back no more", t.App) }

func (t ClearThrottle) apply(s *Snapshot, c Command) error {
	at, ok := throttleIndex(s.Throttles, t.App)
	if !ok {
		return fmt.Errorf("%w: no rule holds %q back", ErrStale, t.App)
	}
	s.Throttles = slices.Delete(slices.Clone(s.Throttles), at, at+1)
	s.record(c, "throttle", "", t.String())
	return nil
}
