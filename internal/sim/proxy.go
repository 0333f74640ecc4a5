package sim

import (
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// proxy is one node's proxy. It sends writes of a unit only while it holds the lease
// of the newest epoch that it knows, gives the lease of an older one back in the
// moment in which it learns of a newer, and begins nothing in a unit that is drained.
type proxy struct {
	w    *World
	n    *node
	dead bool

	began  time.Time
	index  uint64   // of the snapshot it knows
	shares []*share // as the snapshot lists the units
}

// share is how a proxy stands to one unit.
type share struct {
	unit     topology.UnitID
	owner    topology.MemberID
	epoch    uint64
	draining bool
	until    time.Duration // a remote node's lease ends then
	acked    topology.Position
	cut      bool // what became of a write is not known, since the unit had an owner last
}

func newProxy(w *World, n *node) *proxy {
	p := &proxy{w: w, n: n, began: w.clock()}
	if !n.leads {
		p.renew()
		p.report()
	}
	return p
}

// share returns how the proxy stands to the unit that a schema is part of.
func (p *proxy) share(schema topology.UnitID) *share {
	rest := &share{unit: topology.UnitRest}
	for _, s := range p.shares {
		switch s.unit {
		case schema:
			return s
		case topology.UnitRest:
			rest = s
		}
	}
	return rest
}

// learn takes in a snapshot; an older one than the last is late mail.
func (p *proxy) learn(snap *topology.Snapshot) {
	if p.dead || snap.Index < p.index {
		return
	}
	p.index = snap.Index
	changed := false
	for _, u := range snap.Units {
		changed = p.learnUnit(u) || changed
	}
	switch {
	case !changed:
	case p.n.leads:
		p.n.wake()
	default:
		p.ask()
		p.tell()
	}
}

// learnUnit takes in what became of one unit, and reports whether anything has.
func (p *proxy) learnUnit(u topology.Unit) bool {
	s := p.share(u.ID)
	if s.unit != u.ID || !slices.Contains(p.shares, s) { // parted from another one, or the first
		s = &share{unit: u.ID, acked: s.acked, cut: s.cut}
		p.shares = append(p.shares, s)
	}
	if u.Epoch == s.epoch && u.Draining != s.draining {
		s.draining = u.Draining
		p.w.say(string(p.n.id), "proxy: %s draining %t", s.unit, s.draining)
		p.w.after(u.Grace, func() {
			if s.draining && s.epoch == u.Epoch && !p.dead {
				p.giveUp(s)
			}
		})
		return true
	}
	if u.Epoch <= s.epoch {
		return false
	}
	busy := p.busy(s)
	s.owner, s.epoch, s.until, s.draining = u.Owner, u.Epoch, 0, u.Draining
	s.cut = u.Owner == "" && (s.cut || busy)
	p.w.say(string(p.n.id), "proxy: %s epoch %d, owner %q", s.unit, s.epoch, s.owner)
	p.giveUp(s)
	return true
}

// giveUp has the clients of a unit leave what is under way.
func (p *proxy) giveUp(s *share) {
	for _, c := range p.w.clients {
		if c.n == p.n && p.share(c.schema) == s {
			c.moved(s)
		}
	}
}

// busy reports whether a write in the unit is without its answer.
func (p *proxy) busy(s *share) bool {
	for _, c := range p.w.clients {
		if c.n == p.n && p.share(c.schema) == s && c.write != nil && c.write.sent {
			return true
		}
	}
	return false
}

// holds reports whether a write of that epoch may be acknowledged now.
func (p *proxy) holds(s *share, epoch uint64) bool {
	return !p.dead && s.owner != "" && s.epoch == epoch && (p.n.leads || p.w.now < s.until)
}

// renew asks for the leases again and again.
func (p *proxy) renew() {
	if p.dead {
		return
	}
	p.ask()
	p.w.after(topology.LeaseTTL/3, p.renew)
}

// ask asks the leader for the leases. They count from when they were asked for.
func (p *proxy) ask() {
	for _, s := range p.shares {
		asked, epoch, leader := p.w.now, s.epoch, p.w.leader()
		p.w.net.send(p.n.host(), leader.host(), func() {
			u, _ := p.w.log.snap.Unit(s.unit)
			if !leader.up || u.Epoch != epoch || u.Owner == "" {
				return
			}
			p.w.net.send(leader.host(), p.n.host(), func() {
				if !p.dead && s.epoch == epoch {
					s.until = max(s.until, asked+topology.LeaseTTL)
				}
			})
		})
	}
}

// report tells the leader how the leases stand.
func (p *proxy) report() {
	if p.dead {
		return
	}
	p.tell()
	p.w.after(100*time.Millisecond, p.report)
}

func (p *proxy) tell() {
	said, at, leader := p.writers(), p.w.clock(), p.w.leader()
	p.w.net.send(p.n.host(), leader.host(), func() {
		if last := leader.writers[p.n.id]; leader.up && !last.at.After(at) {
			leader.writers[p.n.id] = report{at, said}
			leader.wake()
		}
	})
}

// report is what a proxy has said, and when.
type report struct {
	at      time.Time
	writers []topology.Writer
}

func (p *proxy) writers() []topology.Writer {
	var said []topology.Writer
	for _, s := range p.shares {
		held := s.owner == "" || s.draining
		said = append(said, topology.Writer{
			Node: p.n.id, Unit: s.unit, Epoch: s.epoch, Holding: s.owner != "", Acked: s.acked, Since: p.began, At: p.w.clock(),
			Quiet: held && !s.cut && !p.busy(s) || p.w.opt.Mutation.AlwaysQuiet,
		})
	}
	return said
}

// ended tells of a drained unit that nothing is under way in it any more.
func (p *proxy) ended(s *share) {
	switch {
	case p.dead || p.busy(s) || s.owner != "" && !s.draining:
	case p.n.leads:
		p.n.wake()
	default:
		p.tell()
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
			seen.Writers = append(seen.Writers, n.proxy.writers()...)
		} else if said, ok := leader.writers[n.id]; ok {
			seen.Writers = append(seen.Writers, said.writers...)
		}
	}
}
