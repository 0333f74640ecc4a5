package topology

import (
	"fmt"
	"slices"
	"time"
)

// Grant is a lease that the present leader has given: the proxy of Node may
// acknowledge writes to Unit in Epoch. The proxy counts LeaseTTL from when it
// asked, on its own clock; the leader from when it answered, on its own: so the
// leader's Until is the later one, and no clocks are compared.
type Grant struct {
	Node  NodeID    `json:"node"`
	Unit  UnitID    `json:"unit"`
	Epoch uint64    `json:"epoch"`
	Until time.Time `json:"until"` // by the leader's clock
	// Known are the units that the proxy knew of. A lease on "*" is one on every other
	// unit too: it may have been parted from "*" since.
	Known []UnitID `json:"known"`
}

// covers reports whether writes to an ended epoch of the unit may be acknowledged by g.
func (g Grant) covers(unit Unit) bool {
	return g.Unit == unit.ID && g.Epoch < unit.Epoch || g.Unit == UnitRest && !slices.Contains(g.Known, unit.ID)
}

// alive reports whether an ended epoch of the unit may still be acknowledged by
// the node's proxy because of what this leadership or an earlier one gave it.
func (o Observations) alive(node NodeID, unit Unit, now time.Time) bool {
	if !o.Led.IsZero() && now.Sub(o.Led) <= LeaseTTL {
		return true // of what an earlier leader gave, nothing is known
	}
	if o.Led.IsZero() && now.Sub(unit.Since) <= LeaseTTL {
		return true
	}
	return slices.ContainsFunc(o.Grants, func(g Grant) bool {
		return g.Node == node && g.covers(unit) && !now.After(g.Until)
	})
}

// Sighting is how another node saw a member last. A witness looks at none.
type Sighting struct {
	Node   NodeID    `json:"node"`
	Member MemberID  `json:"member"`
	Reach  Reach     `json:"reach"`
	Boot   uint64    `json:"boot"`
	At     time.Time `json:"at"` // of the probe, on the leader's clock
}

// outvoted says why the other nodes do not agree that a member is down which this
// one has seen fail since Since; "" if they do. One that has seen it answer after
// that vetoes; of those that have looked lately a strict majority must see it down.
// Where the member's site is severed from this one, cut is set, and only those have a
// say that stand at this one: that others reach the member does not help here.
func (o Observations) outvoted(m Member, seen Observation, cut bool, now time.Time) string {
	lookers, down := 1, 1
	for _, other := range o.Others {
		if other.Member != m.ID || now.Sub(other.At) > MaxAge || cut && o.siteOf(other.Node) != o.Site {
			continue
		}
		lookers++
		switch {
		case other.Reach == ReachAnswers && other.Boot == m.Boot && other.At.After(seen.Since):
			return fmt.Sprintf("but node %s sees it answer", other.Node)
		case other.Reach == ReachRefused || other.Reach == ReachSilent:
			down++
		}
	}
	if 2*down <= lookers {
		return fmt.Sprintf("and only %d of %d nodes say so", down, lookers)
	}
	return ""
}
