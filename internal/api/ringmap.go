package api

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// RingMap is the wiring of the ring: who follows whom, as meant and as seen.
type RingMap struct {
	Ring   string    `json:"ring"`
	At     time.Time `json:"at"`
	Health Health    `json:"health" enum:"ok,degraded,down"`
	Linked []string  `json:"linked" doc:"the members that take part in the wiring, in ring order: each is meant to follow the one before it, the first the last"`
	Edges  []Edge    `json:"edges" doc:"one for each member that is linked or follows somebody, in ring order"`
	Out    []Outside `json:"out" doc:"the members that do not take part"`
}

// Edge is how one member follows another.
type Edge struct {
	Member   string `json:"member" doc:"who follows"`
	Meant    string `json:"meant" doc:"whom it is meant to follow; empty: nobody"`
	Seen     string `json:"seen" doc:"whom it follows: a member, or host:port if it is none; empty: nobody, or not known"`
	Known    bool   `json:"known" doc:"whether seen is known"`
	OK       bool   `json:"ok" doc:"it follows whom it is meant to, and both threads run"`
	Receiver string `json:"receiver" doc:"stopped, connecting, running or unknown"`
	Applier  string `json:"applier" doc:"stopped, connecting, running or unknown"`
	Error    string `json:"error"`
	LagMS    *int64 `json:"lag_ms" doc:"how stale it is with respect to whom it is meant to follow, at least; null: not known"`
	LagErrMS *int64 `json:"lag_err_ms" doc:"the truth lies between lag_ms and lag_ms + lag_err_ms"`
}

// Outside is a member that does not take part in the wiring.
type Outside struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Why   string `json:"why"`
}

func (l look) ringMap() RingMap {
	r := RingMap{At: l.now.UTC(), Linked: []string{}, Edges: []Edge{}, Out: []Outside{}}
	r.Health, _ = l.health()
	if l.snap.Ring == nil {
		return r
	}
	r.Ring = l.snap.Ring.Name
	for _, m := range l.snap.Members {
		edge := l.edge(m)
		if m.Linked() {
			r.Linked = append(r.Linked, string(m.ID))
		} else {
			r.Out = append(r.Out, Outside{Name: string(m.ID), State: m.State.String(), Why: m.Why})
		}
		if m.Linked() || edge.Seen != "" {
			r.Edges = append(r.Edges, edge)
		}
	}
	return r
}

func (l look) edge(m topology.Member) Edge {
	e := Edge{Member: string(m.ID), Receiver: topology.ThreadUnknown.String(), Applier: topology.ThreadUnknown.String()}
	up, meant := l.snap.Upstream(m.ID)
	if meant {
		e.Meant = string(up.ID)
		e.LagMS, e.LagErrMS = lagMillis(l.lag(up.ID, m.ID))
	}
	seen, good := l.obs.Good(m.ID, l.now)
	if !good {
		e.Error = unseen(seen, l.now)
		return e
	}
	link := linkOf(seen)
	e.Known, e.Seen = true, l.nameOf(link.Upstream)
	e.Receiver, e.Applier, e.Error = link.Receiver, link.Applier, link.Error
	running := seen.Link.Receiver == topology.ThreadRunning && seen.Link.Applier == topology.ThreadRunning
	e.OK = e.Seen == e.Meant && (running || !meant)
	return e
}

// nameOf returns the member at addr, or addr itself.
func (l look) nameOf(addr string) string {
	for _, m := range l.snap.Members {
		if m.Addr == addr {
			return string(m.ID)
		}
	}
	return addr
}
