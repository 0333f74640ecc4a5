package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

// SetGates changes the settings of the gates in front of the members.
type SetGates struct {
	Settings *gate.Settings `json:"settings"` // nil: the default ones
}

func (g SetGates) String() string {
	if g.Settings == nil {
		return "set the gates to their defaults"
	}
	return "set the gates: " + g.Settings.String()
}

func (g SetGates) apply(s *Snapshot, c Command) error {
	if s.Ring == nil {
		return fmt.Errorf("%w: there is no ring", ErrLaw)
	}
	if g.Settings != nil {
		if err := g.Settings.Validate(); err != nil {
			return fmt.Errorf("%w: gates: %w", ErrLaw, err)
		}
	}
	s.Ring.Gates = g.Settings
	s.record(c, "gate", "", g.String())
	return nil
}

// SetLimit holds statements back for a while. A rule that the scope has is replaced.
type SetLimit struct {
	Scope           string        `json:"scope"`
	Concurrency     int           `json:"concurrency,omitempty"`
	Rate            float64       `json:"rate,omitempty"`
	IdleTransaction time.Duration `json:"idle_transaction,omitempty"`
	LongStatement   time.Duration `json:"long_statement,omitempty"`
	For             time.Duration `json:"for"` // from the time of the command
}

func (l SetLimit) String() string {
	var what []string
	if l.Concurrency > 0 {
		what = append(what, fmt.Sprintf("%d at once", l.Concurrency))
	}
	if l.Rate > 0 {
		what = append(what, fmt.Sprintf("%g a second", l.Rate))
	}
	if l.IdleTransaction > 0 {
		what = append(what, fmt.Sprintf("transactions idle for %s end", l.IdleTransaction))
	}
	if l.LongStatement > 0 {
		what = append(what, fmt.Sprintf("statements end after %s", l.LongStatement))
	}
	return fmt.Sprintf("limit %s for %s: %s", l.Scope, l.For, strings.Join(what, ", "))
}

func (l SetLimit) apply(s *Snapshot, c Command) error {
	kind, _, err := ParseScope(l.Scope)
	const shortest, longest = 100 * time.Millisecond, 24 * time.Hour
	switch {
	case s.Ring == nil:
		return fmt.Errorf("%w: there is no ring", ErrLaw)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrLaw, err)
	case l.Concurrency < 0 || l.Concurrency > gate.MaxPlaces:
		return fmt.Errorf("%w: concurrency %d is not in 1..%d", ErrLaw, l.Concurrency, gate.MaxPlaces)
	case !(l.Rate >= 0 && l.Rate <= 1e6):
		return fmt.Errorf("%w: rate %g is not above 0 and at most 1000000 a second", ErrLaw, l.Rate)
	case l.IdleTransaction != 0 && (l.IdleTransaction < shortest || l.IdleTransaction > longest):
		return fmt.Errorf("%w: idle transaction %s is not in %s..%s", ErrLaw, l.IdleTransaction, shortest, longest)
	case l.LongStatement != 0 && (l.LongStatement < shortest || l.LongStatement > longest):
		return fmt.Errorf("%w: long statement %s is not in %s..%s", ErrLaw, l.LongStatement, shortest, longest)
	case l.Concurrency == 0 && l.Rate == 0 && l.IdleTransaction == 0 && l.LongStatement == 0:
		return fmt.Errorf("%w: a rule without a limit: give concurrency, rate, idle transaction or long statement", ErrLaw)
	case (l.IdleTransaction != 0 || l.LongStatement != 0) && (kind == "digest" || kind == "schema"):
		return fmt.Errorf("%w: idle transactions and long statements are limited for account, network or all, not for %s: a transaction has statements of many kinds", ErrLaw, kind)
	case l.For <= 0 || l.For > MaxThrottleTime:
		return fmt.Errorf("%w: a rule lasts for more than 0 s and at most %s, not %s", ErrLaw, MaxThrottleTime, l.For)
	}
	s.Limits = slices.DeleteFunc(slices.Clone(s.Limits), func(r LimitRule) bool { return r.Scope == l.Scope || !c.At.Before(r.Until) })
	if len(s.Limits) >= MaxLimits {
		return fmt.Errorf("%w: there are %d rules already: clear one", ErrLaw, MaxLimits)
	}
	at, _ := limitIndex(s.Limits, l.Scope)
	s.Limits = slices.Insert(s.Limits, at, LimitRule{
		Scope: l.Scope, Concurrency: l.Concurrency, Rate: l.Rate, IdleTransaction: l.IdleTransaction, LongStatement: l.LongStatement,
		Until: c.At.Add(l.For).UTC(), By: c.By, Why: c.Why,
	})
	s.record(c, "limit", "", l.String())
	return nil
}

// ClearLimit takes the rule of a scope away.
type ClearLimit struct {
	Scope string `json:"scope"`
}

func (l ClearLimit) String() string { return "limit " + l.Scope + " no more" }

func (l ClearLimit) apply(s *Snapshot, c Command) error {
	at, ok := limitIndex(s.Limits, l.Scope)
	if !ok {
		return fmt.Errorf("%w: no rule limits %q", ErrStale, l.Scope)
	}
	s.Limits = slices.Delete(slices.Clone(s.Limits), at, at+1)
	s.record(c, "limit", "", l.String())
	return nil
}
