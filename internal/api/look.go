package api

import (
	"time"

	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// maxLagAge is how old the reading behind a lag may be for the lag to be shown.
// Heartbeats come every 500 ms; the estimate that is shown may be one of the
// readings before the last, so this is a little more than topology.MaxAge.
const maxLagAge = 2 * topology.MaxAge

// look is one look at a node: everything that an answer is computed from.
type look struct {
	now       time.Time
	node      topology.NodeID
	leader    topology.NodeID
	hasLeader bool
	snap      *topology.Snapshot
	obs       topology.Observations
	lags      []lagguard.Cell
	picture   *lagguard.Picture
	step      topology.Step
	stepAt    time.Time
	proxy     ProxyStats
	apiSocket string
}

func lookAt(n Node, now time.Time) look {
	l := look{
		now: now, node: n.Name(), snap: n.Snapshot(), obs: n.Observations(),
		lags: n.Lags(), picture: n.Picture(), proxy: n.ProxyStats(),
	}
	l.leader, l.hasLeader = n.Leader()
	l.step, l.stepAt = n.LastStep()
	if l.snap == nil {
		l.snap = topology.NewSnapshot()
	}
	return l
}

// lag returns the lag of member with respect to origin; it is unknown if there
// is no cell, or by the rules of fresh.
func (l look) lag(origin, member topology.MemberID) lagguard.Lag {
	for _, c := range l.lags {
		if c.Origin == origin && c.Member == member {
			return l.fresh(c)
		}
	}
	return lagguard.Lag{}
}

// fresh returns the lag of a cell. It is unknown if its reading is too old, or
// if the member does not answer: what it had then is not what it has.
func (l look) fresh(c lagguard.Cell) lagguard.Lag {
	if _, good := l.obs.Good(c.Member, l.now); !good || l.now.Sub(c.Lag.At) > maxLagAge {
		return lagguard.Lag{At: c.Lag.At}
	}
	return c.Lag
}

// lagWas returns the last reading of a lag, however old; false: there was none.
func (l look) lagWas(origin, member topology.MemberID) (LagWas, bool) {
	for _, c := range l.lags {
		if c.Origin != origin || c.Member != member || !c.Lag.Known {
			continue
		}
		low, width := lagMillis(c.Lag)
		age := l.age(c.Lag.At)
		if age == nil {
			return LagWas{}, false
		}
		return LagWas{LowMS: *low, HighMS: *low + *width, AgeMS: *age}, true
	}
	return LagWas{}, false
}

// lagMillis returns the bounds of a lag in whole milliseconds, rounded so that
// the truth stays between low and low+err; nil for an unknown lag.
func lagMillis(lag lagguard.Lag) (low, err *int64) {
	if !lag.Known {
		return nil, nil
	}
	from := lag.Low.Milliseconds()
	to := (lag.High + time.Millisecond - 1).Milliseconds()
	width := to - from
	return &from, &width
}

// age returns how long ago at was, in milliseconds; nil for never.
func (l look) age(at time.Time) *int64 {
	if at.IsZero() {
		return nil
	}
	ms := max(0, l.now.Sub(at).Milliseconds()) // it may have come in after now was read
	return &ms
}
