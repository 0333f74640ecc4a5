package sim

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// proxy is one node's proxy, for the unit "*" alone. It sends writes only while
// it holds the lease of the newest epoch that it knows, and gives the lease of
// an older one back in the moment in which it learns of a newer.
type proxy struct {
	w    *World
	n    *node
	dead bool

	began time.Time
	index uint64 // of the snapshot it knows
	owner topology.MemberID
	epoch uint64
	until time.Duration // a remote node's lease ends then
	acked topology.Position
}

func newProxy(w *World, n *node) *proxy { return &proxy{w: w, n: n, began: w.clock()} }

// timed reports whether its lease ends by itself: it is not the only proxy.
func (p *proxy) timed() bool { return len(p.w.nodes) > 1 }

// begin has it ask for leases and report, for as long as it lives.
func (p *proxy) begin() {
	if p.timed() {
		p.renew()
		p.report()
	}
}

// learn takes in a snapshot; an older one than the last is late mail.
func (p *proxy) learn(snap *topology.Snapshot) {
	if p.dead || snap.Index < p.index {
		return
	}
	p.index = snap.Index
	u, _ := snap.Unit(topology.UnitRest)
	if u.Epoch <= p.epoch {
		return
	}
	p.owner, p.epoch, p.until = u.Owner, u.Epoch, 0
	p.w.say(string(p.n.id), "proxy: epoch %d, owner %q", p.epoch, p.owner)
	if p.timed() {
		p.ask()
		p.tell()
	} else {
		p.n.wake()
	}
	for _, c := range p.w.clients {
		if c.n == p.n {
			c.moved()
		}
	}
}

// holds reports whether a write of that epoch may be acknowledged now.
func (p *proxy) holds(epoch uint64) bool {
	return !p.dead && p.owner != "" && p.epoch == epoch && (!p.timed() || p.w.now < p.until)
}

// renew asks for the lease again and again.
func (p *proxy) renew() {
	if p.dead {
		return
	}
	p.ask()
	p.w.after(topology.LeaseTTL/3, p.renew)
}

// ask asks whom it takes for the leader. The lease counts from when it was asked
// for.
func (p *proxy) ask() {
	asked, epoch, leader := p.w.now, p.epoch, p.n.knows
	if !p.timed() {
		return
	}
	p.w.net.send(p.n.host(), leader.host(), func() {
		leader.grant(p.n, epoch, func() {
			p.w.after(p.n.stutter(), func() { // a busy process reads its answers late
				if p.w.opt.Mutation.FromAnswer {
					asked = p.w.now
				}
				if !p.dead && p.epoch == epoch {
					p.until = max(p.until, asked+topology.LeaseTTL)
				}
			})
		})
	})
}

// report tells the leader how the lease stands.
func (p *proxy) report() {
	if p.dead {
		return
	}
	p.tell()
	p.w.after(100*time.Millisecond, p.report)
}

func (p *proxy) tell() {
	said, leader, sent := p.writer(), p.n.knows, p.w.now
	seen := p.n.sightings()
	p.w.net.send(p.n.host(), leader.host(), func() {
		late := p.w.now-sent > topology.LeaseTTL/2 // the call was given up by then
		if leader.up && leader.fleet != nil && !leader.fleet.over && !late {
			said.At = p.w.clock()
			leader.writers[said.Node] = said
			leader.others[said.Node] = seen
			leader.wake()
		}
	})
}

func (p *proxy) writer() topology.Writer {
	return topology.Writer{
		Node: p.n.id, Unit: topology.UnitRest, Epoch: p.epoch, Acked: p.acked, Since: p.began, At: p.w.clock(), Timed: p.timed(),
	}
}

func (p *proxy) die() {
	p.dead = true
	for _, c := range p.w.clients {
		if c.n == p.n {
			c.cutOff()
		}
	}
}

// addWriters fills in what the node knows of the proxies: its own it asks itself.
func (n *node) addWriters(seen *topology.Observations) {
	for _, other := range n.w.nodes {
		seen.Nodes = append(seen.Nodes, other.id)
		if other == n {
			seen.Writers = append(seen.Writers, n.proxy.writer())
		} else if said, ok := n.writers[other.id]; ok {
			seen.Writers = append(seen.Writers, said)
		}
	}
	for _, other := range n.w.nodes {
		seen.Others = append(seen.Others, n.others[other.id]...)
	}
	seen.Grants = n.given()
}

// sightings is how this node sees the members, for the leader. All machines have the
// same clock here; leases are where they are told apart.
func (n *node) sightings() []topology.Sighting {
	var seen []topology.Sighting
	if !n.voter {
		return nil // it does not look
	}
	for _, o := range n.eyes.obs.Members {
		seen = append(seen, topology.Sighting{Node: n.id, Member: o.Member, Reach: o.Reach, Boot: o.Boot, At: o.At})
	}
	return seen
}
