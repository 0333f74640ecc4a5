package sim

import (
	"time"
)

// Nodes that stop (SIGSTOP, a machine that is suspended): nothing is read, sent or decided;
// what came meanwhile waits in its sockets, its timers are over all at once when it goes on,
// in whatever order, and it does what it was about to do. Leases and epochs have to bear it.

const (
	longestStop = 7 * time.Second
	wakesUp     = 5 * time.Millisecond // within which all that has waited for a node happens
)

// after has do happen in the node's process d from now, or once that goes on.
func (n *node) after(d time.Duration, do func()) { n.w.after(d, func() { n.run(do) }) }

// run has do happen in the node's process: now, or once that goes on.
func (n *node) run(do func()) {
	if n.stopped {
		n.waits = append(n.waits, do)
		return
	}
	do()
}

// seam is a place between two steps of the node's process: it may stop there.
func (n *node) seam(do func()) {
	if d := n.trap; d > 0 {
		n.trap = 0
		n.w.laws.stats.Trapped++
		n.w.nemesis.stop(n, d)
	}
	n.run(do)
}

// later is a seam that takes a moment where nodes stop, and none elsewhere.
func (n *node) later(do func()) {
	if !n.w.opt.Stops {
		do()
		return
	}
	n.after(n.w.between(0, 200*time.Microsecond), func() { n.seam(do) })
}

// alive reports whether the process is there, and goes on.
func (n *node) alive() bool { return n.up && !n.stopped }

// goOn ends a stop, as the end of the process does too: nothing that has waited for it is
// lost, but it may be that nobody is there to take it.
func (n *node) goOn() {
	n.trap = 0
	if !n.stopped {
		return
	}
	n.stopped, n.woke, n.slept = false, n.w.now, n.w.now-n.fell
	n.w.say(string(n.id), "goes on after %s, %d things have waited", n.slept, len(n.waits))
	waits := n.waits
	n.waits = nil
	for _, do := range waits {
		n.after(n.w.between(0, wakesUp), do)
	}
}

// overslept is how much older than usual what the node has seen may be, and what it has
// decided, since it has just gone on.
func (n *node) overslept() time.Duration {
	switch {
	case n.stopped:
		return n.w.now - n.fell
	case n.slept > 0 && n.w.now-n.woke < time.Second:
		return n.slept + n.w.now - n.woke
	}
	return 0
}

// at has do happen where it arrives: in a server's machine now, in a node once it goes on.
func (w *World) at(to endpoint, do func()) {
	for _, n := range w.nodes {
		if n.stopped && n.host() == to {
			n.run(do)
			return
		}
	}
	do()
}

// afterAt is after for whoever stands at an endpoint.
func (w *World) afterAt(who endpoint, d time.Duration, do func()) {
	w.after(d, func() { w.at(who, do) })
}

// stop stops a node's process for a while.
func (n *nemesis) stop(x *node, d time.Duration) {
	if !x.alive() || n.off {
		return
	}
	x.stopped, x.fell = true, n.w.now
	n.w.laws.stats.Stopped++
	n.w.say("nemesis", "%s is stopped for %s", x.id, d)
	n.countLost()
	fell := x.fell
	n.until(d, func() {
		if x.fell == fell {
			x.goOn()
		}
	})
}

// stopNode stops a node wherever it is; every second time the one that leads.
func (n *nemesis) stopNode() { n.stop(n.anyNode(), n.w.between(50*time.Millisecond, longestStop)) }

// trapNode stops a node between two steps of something: a lease that was looked at and the
// statement that it was looked at for, two statements of an action, a decision and its command.
func (n *nemesis) trapNode() {
	n.anyNode().trap = n.w.between(300*time.Millisecond, longestStop)
}

func (n *nemesis) anyNode() *node {
	w := n.w
	if w.chance(0.5) {
		return w.lead
	}
	return w.nodes[w.rng.IntN(len(w.nodes))]
}
