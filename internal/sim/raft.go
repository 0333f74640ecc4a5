package sim

import (
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
		if v.up && n.w.net.whole(n.host(), v.host()) {
			reached++
		}
	}
	return n.up && n.voter && 2*reached > len(n.w.voters())
}

func (w *World) voters() []*node { return w.nodes[:w.opt.Voters] }

// candidate draws a voter that can lead, another one than not if there is one.
func (w *World) candidate(not *node) *node {
	var fit []*node
	for _, v := range w.voters() {
		if v != not && v.fit() {
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
		w.after(w.between(0, wakesLate), func() { old.resign(over) })
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
	n.w.after(n.w.between(time.Millisecond, 5*time.Millisecond), func() {
		leads := n.w.lead == n && f.term == n.w.log.term && n.fit()
		then(leads || n.w.opt.Mutation.Unverified)
	})
}

// grant answers a proxy that asks for the lease of an epoch. The leader asks the
// majority first, then looks at the state, and notes what it gives.
func (n *node) grant(asks *node, epoch uint64, give func()) {
	f := n.fleet
	if !n.up || f == nil || f.over {
		return
	}
	n.verified(f, func(leads bool) {
		u, _ := n.applied.Unit(topology.UnitRest)
		if !leads || !n.up || f.over || u.Epoch != epoch || u.Owner == "" {
			return
		}
		n.grants[asks.id] = topology.Grant{Node: asks.id, Unit: u.ID, Epoch: epoch, Until: n.w.clock().Add(topology.LeaseTTL)}
		n.w.net.send(n.host(), asks.host(), give)
	})
}

// given returns what this leadership has given, in the order of the nodes.
func (n *node) given() []topology.Grant {
	var all []topology.Grant
	for _, other := range n.w.nodes {
		if g, ok := n.grants[other.id]; ok {
			all = append(all, g)
		}
	}
	return all
}
