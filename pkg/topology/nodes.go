package topology

import (
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
		return g.Node == node && g.Unit == unit.ID && g.Epoch < unit.Epoch && !now.After(g.Until)
	})
}
