package sim

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Rings whose stride is resized. They begin with a slot for each member and no more, so
// that whoever joins gets one that a resize has opened.

// renewal is what a server's memory says of its layout.
type renewal struct {
	stride int
	below  uint64
}

func setSlot(d *deed, then func(error)) {
	d.s.mem.renewed = renewal{}
	d.s.mem.layout = d.a.Layout
	d.s.w.say(string(d.s.id), "gives out %s to whoever connects", d.a.Layout)
	then(nil)
}

// noteSlot takes the id of a connection that was begun after the layout was set.
func noteSlot(d *deed, then func(error)) {
	d.s.mem.lastConn++
	d.s.mem.renewed = renewal{d.a.Layout.Stride, d.s.mem.lastConn}
	then(nil)
}

func endOlder(d *deed, then func(error)) {
	for _, c := range d.s.mem.conns {
		if c.app && !c.killed && c.id < d.a.Below {
			d.s.killConn(c)
		}
	}
	then(nil)
}

// renewal is what the server says of it.
func (s *server) renewal() topology.Renewal {
	r := topology.Renewal{Stride: s.mem.renewed.stride, Below: s.mem.renewed.below}
	for _, c := range s.mem.conns {
		if c.app && c.id < r.Below {
			r.Older++
		}
	}
	return r
}

// strideOf is the stride that a ring begins with; 0: the default.
func (o Options) strideOf() int {
	if o.Resizes {
		return o.Members
	}
	return 0
}

// resize gives the ring twice its stride, up to a size that it does not come to need.
func (n *nemesis) resize() {
	snap := n.w.log.snap
	if len(snap.Units) == 0 || snap.Ring.Stride >= 64 {
		return
	}
	to := snap.Ring.Stride * (2 + n.w.rng.IntN(2))
	_ = n.w.order(topology.BeginResize{To: to, Grace: n.w.between(50*time.Millisecond, 6*time.Second)}) // refused: a member is out
}

// cancelResize takes it back, at whatever step.
func (n *nemesis) cancelResize() { _ = n.w.order(topology.CancelResize{}) }
