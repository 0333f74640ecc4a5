package topology

import (
	"fmt"
	"slices"
)

// Isolation says what a proxy does whose node hears of no leader, in a ring with
// several nodes.
type Isolation uint8

// The two policies.
const (
	// IsolationFence: without a lease no writes, since another side may take over. The
	// default.
	IsolationFence Isolation = iota
	// IsolationContinue: writes go on to the owner that was known last. Nothing is moved
	// by itself then: a lost owner waits for a person.
	IsolationContinue
)

var isolationNames = [...]string{"fence", "continue"}

func (i Isolation) String() string { return enumName(isolationNames[:], int(i)) }

// MarshalText writes the policy's name.
func (i Isolation) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads a policy's name.
func (i *Isolation) UnmarshalText(text []byte) error { return enumParse(isolationNames[:], text, i) }

// SetIsolation changes the policy. Each proxy obeys when it hears of it. After a change
// to fence nobody is excused by time until every proxy has said that it acts on leases
// again; then Settled is noted.
type SetIsolation struct {
	To      Isolation `json:"to"`
	Settled bool      `json:"settled,omitempty"`
}

func (i SetIsolation) String() string {
	if i.Settled {
		return "note that every proxy acts on leases again"
	}
	return fmt.Sprintf("set isolation to %s", i.To)
}

func (i SetIsolation) apply(s *Snapshot, c Command) error {
	switch {
	case s.Ring == nil:
		return fmt.Errorf("%w: there is no ring", ErrLaw)
	case i.Settled && (s.Ring.Isolation != i.To || !s.Ring.Unfenced):
		return fmt.Errorf("%w: isolation is %s", ErrStale, s.Ring.Isolation)
	case !i.Settled && s.Ring.Isolation == i.To:
		return fmt.Errorf("%w: isolation is %s already", ErrStale, i.To)
	}
	s.Ring.Isolation, s.Ring.Unfenced = i.To, !i.Settled
	if !i.Settled && s.Knows(LawOfHearing) {
		s.Ring.Isolations++
	}
	s.record(c, "ring", "", i.String())
	return nil
}

// settleIsolation notes that every proxy acts on leases again; ok is false if there is
// nothing to note, or not yet. What a node said before it heard of this order does not count: it
// may have heard of continue since, and been cut off.
func settleIsolation(s *Snapshot, o Observations) (step Step, ok bool) {
	if !s.Ring.Unfenced || s.Ring.Isolation != IsolationFence {
		return Step{}, false
	}
	for _, node := range o.Nodes {
		if !slices.ContainsFunc(o.Writers, func(w Writer) bool { return w.Node == node && (w.timed(s.Ring) || len(o.Nodes) == 1) }) {
			return Step{}, false
		}
	}
	return commit(SetIsolation{To: IsolationFence, Settled: true}, "every proxy says that it acts on leases"), len(o.Nodes) > 0
}
