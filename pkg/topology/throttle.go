package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ThrottleAll is the application of a rule that holds everybody back.
const ThrottleAll = "*"

// MaxThrottles is how many rules a ring has at most.
const MaxThrottles = 64

// MaxThrottleTime is how long a rule may last.
const MaxThrottleTime = 30 * 24 * time.Hour

// ThrottleRule holds an application back, whatever the lag, for a while. Who asks
// whether it may write is told no.
type ThrottleRule struct {
	App   string    `json:"app"`   // as the application calls itself; "*": all
	Ratio float64   `json:"ratio"` // of its questions that are answered no: above 0, at most 1
	Until time.Time `json:"until"` // by the clock of whoever answers
	By    string    `json:"by"`
	Why   string    `json:"why,omitempty"`
}

// ValidApp returns an error, saying what is wrong, if app can not be the name of an
// application: 1 to 64 letters, digits and "-", "_", ".", ":"; or "*".
func ValidApp(app string) error {
	if app == ThrottleAll {
		return nil
	}
	if app == "" || len(app) > 64 {
		return fmt.Errorf("application %q: a name has 1 to 64 characters", app)
	}
	for _, c := range []byte(app) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("-_.:", rune(c)) {
			return fmt.Errorf("application %q: use letters, digits, '-', '_', '.' and ':'", app)
		}
	}
	return nil
}

// Throttle returns the rule that holds app back at now: its own, else that of all.
func (s *Snapshot) Throttle(app string, now time.Time) (ThrottleRule, bool) {
	var all ThrottleRule
	found := false
	for _, r := range s.Throttles {
		if !now.Before(r.Until) {
			continue
		}
		if r.App == app {
			return r, true
		}
		if r.App == ThrottleAll {
			all, found = r, true
		}
	}
	return all, found
}

// LagThresholds returns the ring's thresholds, or the default ones.
func (s *Snapshot) LagThresholds() LagThresholds {
	if s.Ring == nil || s.Ring.Lag == nil {
		return DefaultLagThresholds()
	}
	return *s.Ring.Lag
}

func throttleIndex(rules []ThrottleRule, app string) (int, bool) {
	return slices.BinarySearchFunc(rules, app, func(r ThrottleRule, app string) int { return strings.Compare(r.App, app) })
}
