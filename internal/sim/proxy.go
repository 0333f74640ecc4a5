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

	began     time.Time
	index     uint64   // of the snapshot it knows
	leaseless bool     // isolation is continue in that
	isolation uint64   // how often it was changed by then
	shares    []*share // as the snapshot lists the units
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

func newProxy(w *World, n *node) *proxy { return &proxy{w: w, n: n, began: w.clock()} }

// beside reports whether it is not the only proxy.
func (p *proxy) beside() bool { return len(p.w.nodes) > 1 }

// timed reports whether its lease ends by itself: there are others, and isolation is fence, as
// far as it knows.
func (p *proxy) timed() bool { return p.beside() && !p.leaseless }

// begin has it ask for leases and report, for as long as it lives.
func (p *proxy) begin() {
	if p.beside() {
		p.renew()
		p.report()
	}
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
	p.leaseless = snap.Ring != nil && snap.Ring.Isolation == topology.IsolationContinue
	if snap.Ring != nil {
		p.isolation = snap.Ring.Isolations
	}
	changed := false
	for _, u := range snap.Units {
		changed = p.learnUnit(u) || changed
	}
	changed = p.forgetJoined(snap) || changed
	switch {
	case !changed:
	case !p.beside():
		p.n.wake()
	default:
		p.ask()
		p.tell()
	}
}

// forgetJoined has "*" know what was acknowledged in units that are a part of it again.
func (p *proxy) forgetJoined(snap *topology.Snapshot) bool {
	rest, had := p.share(topology.UnitRest), len(p.shares)
	p.shares = slices.DeleteFunc(p.shares, func(s *share) bool {
		if _, there := snap.Unit(s.unit); there || s == rest {
			return false
		}
		p.giveUp(s)
		rest.acked = rest.acked.Union(s.acked)
		p.w.say(string(p.n.id), "proxy: %s is a part of %s again", s.unit, rest.unit)
		return true
	})
	return len(p.shares) < had
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
		p.n.after(u.Grace, func() {
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
	return !p.dead && s.owner != "" && s.epoch == epoch && (!p.timed() || p.w.now < s.until)
}

// answers is holds, as the proxy itself looks at it.
func (p *proxy) answers(s *share, epoch uint64) bool {
	if p.w.opt.Mutation.ByTimer && p.timed() {
		return !p.dead && s.owner != "" && s.epoch == epoch && s.until > 0
	}
	return p.holds(s, epoch)
}

// lapse has a timer end a lease: a mutation's.
func (p *proxy) lapse(s *share) {
	if until := s.until; p.w.opt.Mutation.ByTimer {
		p.n.after(until-p.w.now, func() {
			if s.until == until {
				s.until = 0
			}
		})
	}
}

// renew asks for the leases again and again.
func (p *proxy) renew() {
	if p.dead {
		return
	}
	p.ask()
	p.n.after(topology.LeaseTTL/3, p.renew)
}

// asked is a lease that is asked for.
type asked struct {
	share *share
	unit  topology.UnitID
	epoch uint64
}

// ask asks whom it takes for the leader for the leases of all units that it knows. They
// count from when they were asked for.
func (p *proxy) ask() {
	if !p.beside() {
		return
	}
	at, leader := p.w.now, p.n.knows
	var all []asked
	for _, s := range p.shares {
		all = append(all, asked{s, s.unit, s.epoch})
	}
	p.w.net.send(p.n.host(), leader.host(), func() {
		leader.grant(p.n, all, func(given []asked) {
			p.n.after(p.n.stutter(), func() { // a busy process reads its answers late
				if p.w.opt.Mutation.FromAnswer {
					at = p.w.now
				}
				for _, g := range given {
					if !p.dead && g.share.epoch == g.epoch {
						g.share.until = max(g.share.until, at+topology.LeaseTTL)
						p.lapse(g.share)
					}
				}
			})
		})
	})
}

// report tells the leader how the leases stand.
func (p *proxy) report() {
	if p.dead {
		return
	}
	p.tell()
	p.n.after(100*time.Millisecond, p.report)
}

func (p *proxy) tell() {
	said, leader, sent := p.writers(), p.n.knows, p.w.now
	seen, hears := p.n.sightings(), p.n.hears()
	p.n.seam(func() {
		went := p.w.now
		p.w.net.send(p.n.host(), leader.host(), func() {
			late := p.w.now-went > topology.LeaseTTL/2 // the call was given up by then
			if late && p.w.opt.Stops && leader.woke >= went {
				late = false // it stood in the socket, and is read all the same
			}
			if last := leader.writers[p.n.id]; !leader.up || leader.fleet == nil || leader.fleet.over || late || last.sent > sent {
				return
			}
			for i := range said {
				said[i].At = p.w.clock()
			}
			if p.w.opt.Stops { // it says how old they are, and they are taken for that old when it is read
				seen = aged(seen, p.w.now-sent)
			}
			leader.writers[p.n.id] = report{sent, said, topology.Place{Node: p.n.id, Site: p.n.site(), HeardAt: p.w.clock(), Hears: hears}}
			leader.others[p.n.id] = seen
			leader.wake()
		})
	})
}

// aged moves the times of sightings on by how long the report lay unread: a leader reckons their
// age from when it reads, so one that was stopped takes old news for new.
func aged(seen []topology.Sighting, by time.Duration) []topology.Sighting {
	for i := range seen {
		seen[i].At = seen[i].At.Add(by)
	}
	return seen
}

// report is what a proxy has said, and when.
type report struct {
	sent    time.Duration
	writers []topology.Writer
	place   topology.Place
}

func (p *proxy) writers() []topology.Writer {
	var said []topology.Writer
	for _, s := range p.shares {
		held := s.owner == "" || s.draining
		said = append(said, topology.Writer{
			Node: p.n.id, Unit: s.unit, Epoch: s.epoch, Holding: s.owner != "", Acked: s.acked, Since: p.began, At: p.w.clock(), Timed: p.timed(), Isolations: p.isolation,
			Quiet: held && !s.cut && !p.busy(s) || p.w.opt.Mutation.AlwaysQuiet,
		})
	}
	return said
}

// ended tells of a drained unit that nothing is under way in it any more.
func (p *proxy) ended(s *share) {
	switch {
	case p.dead || p.busy(s) || s.owner != "" && !s.draining:
	case !p.beside():
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

// addWriters fills in what the node knows of the proxies: its own it asks itself.
func (n *node) addWriters(seen *topology.Observations) {
	for _, other := range n.w.nodes {
		seen.Nodes = append(seen.Nodes, other.id)
		if other == n {
			seen.Writers = append(seen.Writers, n.proxy.writers()...)
		} else if said, ok := n.writers[other.id]; ok {
			seen.Writers = append(seen.Writers, said.writers...)
			seen.Places = append(seen.Places, said.place)
		}
	}
	for _, other := range n.w.nodes {
		seen.Others = append(seen.Others, n.others[other.id]...)
	}
	seen.Grants = n.given()
	seen.Site, seen.Hears = n.site(), n.hears()
}

// sightings is how this node sees the members, for the leader. All machines have the
// same clock here; leases are where they are told apart.
func (n *node) sightings() []topology.Sighting {
	var seen []topology.Sighting
	if !n.voter || n.witness() {
		return nil // it does not look
	}
	for _, o := range n.eyes.obs.Members {
		seen = append(seen, topology.Sighting{Node: n.id, Member: o.Member, Reach: o.Reach, Boot: o.Boot, At: o.At})
	}
	return seen
}
