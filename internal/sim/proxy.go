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

func newProxy(w *World, n *node) *proxy {
	p := &proxy{w: w, n: n, began: w.clock()}
	if !n.leads {
		p.renew()
		p.report()
	}
	return p
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
	if !p.n.leads {
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
	return !p.dead && p.owner != "" && p.epoch == epoch && (p.n.leads || p.w.now < p.until)
}

// renew asks for the lease again and again.
func (p *proxy) renew() {
	if p.dead {
		return
	}
	p.ask()
	p.w.after(topology.LeaseTTL/3, p.renew)
}

// ask asks the leader for the lease. It counts from when it was asked for.
func (p *proxy) ask() {
	asked, epoch, leader := p.w.now, p.epoch, p.w.leader()
	p.w.net.send(p.n.host(), leader.host(), func() {
		u, _ := p.w.log.snap.Unit(topology.UnitRest)
		if !leader.up || u.Epoch != epoch || u.Owner == "" {
			return
		}
		p.w.net.send(leader.host(), p.n.host(), func() {
			if !p.dead && p.epoch == epoch {
				p.until = max(p.until, asked+topology.LeaseTTL)
			}
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
	said, leader := p.writer(), p.w.leader()
	p.w.net.send(p.n.host(), leader.host(), func() {
		if last := leader.writers[said.Node]; leader.up && !last.At.After(said.At) {
			leader.writers[said.Node] = said
			leader.wake()
		}
	})
}

func (p *proxy) writer() topology.Writer {
	return topology.Writer{
		Node: p.n.id, Unit: topology.UnitRest, Epoch: p.epoch, Holding: p.owner != "", Acked: p.acked, Since: p.began, At: p.w.clock(),
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

// addWriters fills in what the leader knows of the proxies.
func (w *World) addWriters(seen *topology.Observations) {
	leader := w.leader()
	for _, n := range w.nodes {
		seen.Nodes = append(seen.Nodes, n.id)
		if n == leader {
			seen.Writers = append(seen.Writers, n.proxy.writer())
		} else if said, ok := leader.writers[n.id]; ok {
			seen.Writers = append(seen.Writers, said)
		}
	}
}
