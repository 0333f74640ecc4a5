package topology

import (
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

// MaxAccountDefaults is for how many users a ring has defaults at most.
const MaxAccountDefaults = 256

// AccountDefault is what statements of a user ask for at the gates if neither their text,
// their attributes nor their session says anything. It is about all accounts of that user
// name, whatever their host part.
type AccountDefault struct {
	User     string        `json:"user"`
	Priority gate.Priority `json:"priority"`
	// Deadline is within which an answer is of use; 0: that is not known.
	Deadline time.Duration `json:"deadline,omitempty"`
	Until    time.Time     `json:"until,omitzero"` // by the clock of whoever queues; zero: for ever
	By       string        `json:"by"`
	Why      string        `json:"why,omitempty"`
}

// HeldBack reports whether the account is served after others: then it has an end.
func (a AccountDefault) HeldBack() bool { return a.Priority < gate.Normal }

// AccountsAt returns the defaults that hold at now.
func (s *Snapshot) AccountsAt(now time.Time) []AccountDefault {
	var list []AccountDefault
	for _, a := range s.Accounts {
		if a.Until.IsZero() || now.Before(a.Until) {
			list = append(list, a)
		}
	}
	return list
}

func accountIndex(list []AccountDefault, user string) (int, bool) {
	return slices.BinarySearchFunc(list, user, func(a AccountDefault, user string) int { return strings.Compare(a.User, user) })
}
