package topology

import (
	"fmt"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

// SetAccount says what statements of a user ask for who say nothing themselves. What the
// user has is replaced.
type SetAccount struct {
	User     string        `json:"user"`
	Priority gate.Priority `json:"priority"`
	Deadline time.Duration `json:"deadline,omitempty"` // 0: none
	For      time.Duration `json:"for,omitempty"`      // from the time of the command; 0: until it is cleared
}

func (a SetAccount) String() string {
	text := fmt.Sprintf("statements of %s are of priority %s", a.User, a.Priority)
	if a.Deadline > 0 {
		text += fmt.Sprintf(", with a deadline of %s", a.Deadline)
	}
	if a.For > 0 {
		text += fmt.Sprintf(", for %s", a.For)
	}
	return text
}

func (a SetAccount) apply(s *Snapshot, c Command) error {
	const shortest, longest = time.Millisecond, time.Hour
	set := AccountDefault{User: a.User, Priority: a.Priority, Deadline: a.Deadline, By: c.By, Why: c.Why}
	switch {
	case s.Ring == nil:
		return fmt.Errorf("%w: there is no ring", ErrLaw)
	case a.User == "" || len(a.User) > 128:
		return fmt.Errorf("%w: user %q: a name has 1 to 128 bytes", ErrLaw, cut(a.User, 40))
	case a.Priority < gate.Background || a.Priority > gate.Urgent:
		return fmt.Errorf("%w: priority %d is none of background, normal, high, urgent", ErrLaw, a.Priority)
	case a.Deadline != 0 && (a.Deadline < shortest || a.Deadline > longest):
		return fmt.Errorf("%w: deadline %s is not in %s..%s", ErrLaw, a.Deadline, shortest, longest)
	case a.Priority == gate.Normal && a.Deadline == 0:
		return fmt.Errorf("%w: this is what every account has: give a priority other than normal, or a deadline, or clear what %s has", ErrLaw, a.User)
	case a.For < 0 || a.For > MaxThrottleTime:
		return fmt.Errorf("%w: it lasts for at most %s, or until it is cleared; not for %s", ErrLaw, MaxThrottleTime, a.For)
	case set.HeldBack() && a.For == 0:
		return fmt.Errorf("%w: what holds an account back has an end, in at most %s: give one", ErrLaw, MaxThrottleTime)
	case a.For > 0:
		set.Until = c.At.Add(a.For).UTC()
	}
	s.Accounts = slices.DeleteFunc(slices.Clone(s.Accounts), func(old AccountDefault) bool {
		return old.User == a.User || !old.Until.IsZero() && !c.At.Before(old.Until)
	})
	if len(s.Accounts) >= MaxAccountDefaults {
		return fmt.Errorf("%w: %d users have defaults already: clear one", ErrLaw, MaxAccountDefaults)
	}
	at, _ := accountIndex(s.Accounts, a.User)
	s.Accounts = slices.Insert(s.Accounts, at, set)
	s.record(c, "account", "", a.String())
	return nil
}

// ClearAccount takes what a user has away.
type ClearAccount struct {
	User string `json:"user"`
}

func (a ClearAccount) String() string { return "statements of " + a.User + " are as all others" }

func (a ClearAccount) apply(s *Snapshot, c Command) error {
	at, ok := accountIndex(s.Accounts, a.User)
	if !ok {
		return fmt.Errorf("%w: user %q has no defaults", ErrStale, cut(a.User, 40))
	}
	s.Accounts = slices.Delete(slices.Clone(s.Accounts), at, at+1)
	s.record(c, "account", "", a.String())
	return nil
}
