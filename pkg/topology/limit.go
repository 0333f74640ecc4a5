package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

// MaxLimits is how many rules for statements a ring has at most.
const MaxLimits = 64

// LimitRule holds statements back, for a while. It is about one scope:
//
//	digest:HEX       statements with that digest, as SHOW SQLRING HOTKEYS and EXPLAIN ROUTE name it
//	account:USER     statements of that user
//	network:CIDR     statements of clients from there
//	schema:NAME      statements whose default schema that is
//	all              every statement
type LimitRule struct {
	Scope string `json:"scope"`
	// Concurrency is how many of the statements may be at members at once, for each
	// node; 0: any number.
	Concurrency int `json:"concurrency,omitempty"`
	// Rate is how many may begin in a second, for each node, with as many at once as
	// come in one second; 0: any number.
	Rate float64 `json:"rate,omitempty"`
	// IdleTransaction is how long an open transaction may wait for its client; 0: for ever.
	// It and LongStatement are not for digests and schemas.
	IdleTransaction time.Duration `json:"idle_transaction,omitempty"`
	// LongStatement is how long a statement may run; 0: for ever.
	LongStatement time.Duration `json:"long_statement,omitempty"`
	Until         time.Time     `json:"until"` // by the clock of whoever holds back
	By            string        `json:"by"`
	Why           string        `json:"why,omitempty"`
}

// ParseScope returns the kind and the value of a scope, or an error that says what is
// wrong.
func ParseScope(scope string) (kind, value string, err error) {
	kind, value, _ = strings.Cut(scope, ":")
	if len(value) > 128 {
		return "", "", fmt.Errorf("scope %.20q…: more than 128 bytes", scope)
	}
	switch kind {
	case "all":
		if value == "" {
			return kind, "", nil
		}
	case "digest":
		if _, err := strconv.ParseUint(value, 16, 64); err == nil && len(value) == 16 {
			return kind, value, nil
		}
		return "", "", fmt.Errorf("scope %q: a digest has 16 hexadecimal digits, as EXPLAIN ROUTE shows it", scope)
	case "network":
		if p, err := netip.ParsePrefix(value); err == nil && p == p.Masked() {
			return kind, value, nil
		}
		return "", "", fmt.Errorf("scope %q: a network is written as 192.0.2.0/24", scope)
	case "account", "schema":
		if value != "" {
			return kind, value, nil
		}
	}
	return "", "", fmt.Errorf("scope %q is none of digest:HEX, account:USER, network:CIDR, schema:NAME, all", scope)
}

// GateSettings returns the ring's settings of gates; the zero value stands for the
// default ones.
func (s *Snapshot) GateSettings() gate.Settings {
	if s.Ring == nil || s.Ring.Gates == nil {
		return gate.Settings{}
	}
	return *s.Ring.Gates
}

// LimitsAt returns the rules that hold at now.
func (s *Snapshot) LimitsAt(now time.Time) []LimitRule {
	var rules []LimitRule
	for _, r := range s.Limits {
		if now.Before(r.Until) {
			rules = append(rules, r)
		}
	}
	return rules
}

func limitIndex(rules []LimitRule, scope string) (int, bool) {
	return slices.BinarySearchFunc(rules, scope, func(r LimitRule, scope string) int { return strings.Compare(r.Scope, scope) })
}
