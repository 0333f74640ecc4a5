package sim

import (
	"slices"
	"time"
)

// endpoint names a machine: a member or a node.
type endpoint string

// network carries messages between machines. A path that is cut holds what was
// sent over it: when it is whole again TCP sends it once more, so that
// something can arrive long after its sender has given it up.
type network struct {
	w    *World
	cuts []cut
	held []parcel
}

type cut struct{ a, b endpoint } // b empty: a is cut from everybody

type parcel struct {
	from, to endpoint
	arrive   func()
}

func newNetwork(w *World) *network { return &network{w: w} }

func (n *network) whole(a, b endpoint) bool {
	if a == b {
		return true
	}
	for _, c := range n.cuts {
		switch {
		case c.b == "" && (c.a == a || c.a == b):
			return false
		case c.a == a && c.b == b, c.a == b && c.b == a:
			return false
		}
	}
	return true
}

// send has arrive happen at the other end after one way's latency.
func (n *network) send(from, to endpoint, arrive func()) {
	n.w.after(n.latency(from, to), func() {
		if n.whole(from, to) {
			n.w.at(to, arrive)
			return
		}
		n.held = append(n.held, parcel{from, to, arrive})
	})
}

func (n *network) latency(a, b endpoint) time.Duration {
	if a == b {
		return 20 * time.Microsecond
	}
	return n.w.between(50*time.Microsecond, 600*time.Microsecond)
}

func (n *network) cut(a, b endpoint) {
	n.cuts = append(n.cuts, cut{a, b})
}

// mend takes a cut away; what was held arrives in the next moments.
func (n *network) mend(a, b endpoint) {
	for _, s := range n.w.servers {
		if s.doubted() {
			s.doubtedAt = n.w.now
		}
	}
	if i := slices.Index(n.cuts, cut{a, b}); i >= 0 {
		n.cuts = slices.Delete(n.cuts, i, i+1)
	}
	held := n.held
	n.held = nil
	for _, p := range held {
		if !n.whole(p.from, p.to) {
			n.held = append(n.held, p)
			continue
		}
		n.w.after(n.w.between(time.Millisecond, 200*time.Millisecond), func() { n.w.at(p.to, p.arrive) })
	}
}
