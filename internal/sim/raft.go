package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// How raft behaves, with the profile lan: a leader that has lost the majority, or
// its life, is replaced after an election, and may notice it late: it was paused.
const (
	raftLook  = 100 * time.Millisecond // how often the world looks at the leader
	raftFails = 500 * time.Millisecond // for how long it must have failed
	wakesLate = 3 * time.Second        // how long an old leader may think that it leads
)

// watchRaft has another voter elected when the leader has failed.
func (w *World) watchRaft(failed time.Duration) {
	if w.lead.fit() {
		failed = 0
	} else if failed += raftLook; failed >= raftFails {
		if next := w.candidate(w.lead); next != nil {
			w.elect(next)
			failed = 0
		}
	}
	w.after(raftLook, func() { w.watchRaft(failed) })
}

// fit reports whether the node can lead: it is up and reaches a majority.
func (n *node) fit() bool {
	reached := 0
	for _, v := range n.w.voters() {
		if v.alive() && n.w.net.whole(n.host(), v.host()) {
			reached++
		}
	}
	return n.alive() && n.voter && 2*reached > len(n.w.voters())
}

func (w *World) voters() []*node { return w.nodes[:w.opt.Voters] }

// candidate draws a voter that can lead, another one than not if there is one.
func (w *World) candidate(not *node) *node {
	var fit []*node
	for _, v := range w.voters() {
		if v != not && v.fit() && !v.witness() {
			fit = append(fit, v)
		}
	}
	switch {
	case len(fit) > 0:
		return fit[w.rng.IntN(len(fit))]
	case not.fit():
		return not
	}
	return nil
}

// elect makes n the leader, in a new term. Whoever led before notices it now or
// much later; the others when they hear of it.
func (w *World) elect(n *node) {
	old := w.lead
	if old != n && old.up && old.fleet != nil {
		over := old.fleet
		old.after(w.between(0, wakesLate), func() { old.resign(over) })
	}
	w.lead = n
	w.say("raft", "%s is elected", n.id)
	n.lead()
	for _, other := range w.nodes {
		w.net.send(n.host(), other.host(), func() { other.follow(n) })
	}
}

// resign ends a leadership on the node that had it.
func (n *node) resign(f *fleet) {
	if f.over || n.fleet != f {
		return
	}
	n.w.say(string(n.id), "leadership ends")
	f.over = true
	n.turn++
}

// follow takes n for the leader from now on, unless a newer one is known.
func (n *node) follow(leader *node) {
	if n.up && n.w.lead == leader {
		n.knows = leader
		n.proxy.ask()
	}
}

// verified calls then with whether a majority takes n for the leader after now.
func (n *node) verified(f *fleet, then func(bool)) {
	n.after(n.w.between(time.Millisecond, 5*time.Millisecond), func() {
		leads := n.w.lead == n && f.term == n.w.log.term && n.fit()
		n.later(func() { then(leads || n.w.opt.Mutation.Unverified) })
	})
}

// grantKey is whom a lease was given, and on what.
type grantKey struct {
	node topology.NodeID
	unit topology.UnitID
}

// grant answers a proxy that asks for leases. The leader asks the majority first, then
// looks at the state, and notes what it gives.
func (n *node) grant(asks *node, all []asked, give func([]asked)) {
	f := n.fleet
	if !n.up || f == nil || f.over {
		return
	}
	n.verified(f, func(leads bool) {
		if !leads || !n.up || f.over {
			return
		}
		var given []asked
		var known []topology.UnitID
		for _, a := range all {
			known = append(known, a.unit)
		}
		for _, a := range all {
			if u, _ := n.applied.Unit(a.unit); u.Epoch == a.epoch && u.Owner != "" {
				given = append(given, a)
				n.grants[grantKey{asks.id, a.unit}] = topology.Grant{
					Node: asks.id, Unit: a.unit, Epoch: a.epoch, Until: n.w.clock().Add(topology.LeaseTTL), Known: known,
				}
			}
		}
		n.seam(func() { n.w.net.send(n.host(), asks.host(), func() { give(given) }) })
	})
}

// given returns what this leadership has given, in the order of the nodes and units.
func (n *node) given() []topology.Grant {
	var all []topology.Grant
	for _, g := range n.grants {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b topology.Grant) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Unit, b.Unit))
	})
	return all
}
