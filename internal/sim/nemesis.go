package sim

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// nemesis draws faults. It loses at most one member at a time: while one is out
// or ailing, only that one is hit again, unless the seed allows double losses.
type nemesis struct {
	w   *World
	off bool
	ail []func() // ends of the faults that are in force

	parted bool // the sites are
}

func newNemesis(w *World) *nemesis { return &nemesis{w: w, off: true} }

// storm draws faults until it is over.
func (n *nemesis) storm() {
	if n.off {
		return
	}
	n.strike()
	n.w.after(n.w.between(n.w.opt.Every/4, n.w.opt.Every*7/4), n.storm)
}

// end takes every fault away; what is dead is started.
func (n *nemesis) end() {
	n.off, n.w.calm = true, true
	ail := n.ail
	n.ail = nil
	for _, cure := range ail {
		cure()
	}
	for _, s := range n.w.servers {
		s.thaw()
		if s.power == dead {
			s.boot()
		}
		s.mem.applier.slow, s.mem.applier.locked = 0, 0
	}
	for _, x := range n.w.nodes {
		x.busy = 0
		x.goOn()
		if !x.up {
			x.start()
		}
	}
	n.w.say("nemesis", "all faults have ended")
}

// until puts a cure off; the calm brings it at once.
func (n *nemesis) until(d time.Duration, cure func()) {
	done := false
	once := func() {
		if !done {
			done = true
			cure()
		}
	}
	n.ail = append(n.ail, once)
	n.w.after(d, once)
}

// strike draws one fault.
func (n *nemesis) strike() {
	w := n.w
	faults := []weighted{
		{6, n.killMember},
		{4, n.freezeMember},
		{3, n.isolateMember},
		{2, n.cutLink},
		{2, n.blindNode},
		{3, n.holdApplier},
		{3, n.killNode},
		{3, n.deposeLeader},
		{2, n.busyNode},
		{2, n.isolateNode},
		{2, n.meddle},
	}
	if w.opt.Empties {
		faults = append(faults, weighted{6, n.emptyBinlog})
	}
	if w.opt.Sites {
		faults = append(faults, weighted{6, n.partSites})
	}
	faults = append(faults, n.amongVoters()...)
	if w.opt.Stops {
		faults = append(faults, weighted{6, n.stopNode}, weighted{6, n.trapNode})
	}
	faults = append(faults, n.orders()...)
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	pick := w.rng.IntN(total)
	for _, f := range faults {
		if pick -= f.weight; pick < 0 {
			f.do()
			return
		}
	}
}

// orders are what a person may have the ring do.
func (n *nemesis) orders() (orders []weighted) {
	w := n.w
	if w.opt.Moves {
		orders = append(orders, weighted{12, n.moveUnit}, weighted{1, n.abort}, weighted{1, n.drainMember})
	}
	if w.opt.Grows > 0 {
		orders = append(orders, weighted{8, n.grow}, weighted{2, n.reclone}, weighted{1, n.abortCopying})
	}
	if w.opt.Resizes {
		orders = append(orders, weighted{8, n.resize}, weighted{1, n.cancelResize})
	}
	if w.opt.Replays {
		orders = append(orders, weighted{10, n.replay})
	}
	if w.opt.Leaves {
		orders = append(orders, n.leaving()...)
	}
	if w.opt.Continues {
		orders = append(orders, weighted{20, n.unfence})
	}
	if w.opt.Units > 1 && len(w.log.snap.Units) < w.opt.Units {
		orders = append(orders, weighted{12, n.divide})
	}
	if w.opt.Moves && len(w.log.snap.Units) > 1 {
		orders = append(orders, weighted{6, n.join})
	}
	return orders
}

// victim draws a member that may be lost now.
func (n *nemesis) victim() *server {
	w := n.w
	s := w.servers[w.rng.IntN(len(w.servers))]
	if n.parted {
		return nil // one loss is enough
	}
	if w.opt.Double && w.chance(0.3) {
		return s
	}
	for _, weak := range w.servers {
		m, ok := w.log.snap.Member(weak.id)
		if m.State == topology.MemberCopying && !m.Copy.Again {
			if w.chance(0.4) {
				return weak
			}
			continue // the ring is whole without it
		}
		switch {
		case !ok && len(w.log.snap.Units) > 0, m.State == topology.MemberLeaving, m.State == topology.MemberMaintained:
			continue // the ring is whole without it
		}
		if !ok || m.State == topology.MemberJoining {
			return nil // the ring is being made: nothing is promised yet
		}
		if weak.ailing() || m.State != topology.MemberActive || weak.power != running || weak.mem.boot != m.Boot {
			return weak
		}
	}
	return s
}

func (n *nemesis) killMember() {
	if s := n.victim(); s != nil {
		old := n.w.chance(0.15) && !n.alone() && !s.disk.emptied
		n.crash(s, old)
	}
}

// crash kills a member; a supervisor starts it at once, or somebody later. With
// old it comes back with an older state of its disk.
func (n *nemesis) crash(s *server, old bool) {
	if s.power == dead {
		return
	}
	s.kill()
	s.lostAt = n.w.now
	a := s.ails()
	down := n.w.between(100*time.Millisecond, 300*time.Millisecond)
	if n.w.chance(0.5) {
		down = n.w.between(300*time.Millisecond, 8*time.Second)
	}
	if old {
		s.rollBack(n.w.rng.IntN(30))
	}
	n.until(down, func() {
		s.cured(a)
		if s.power == dead {
			s.boot()
		}
	})
}

func (n *nemesis) freezeMember() {
	s := n.victim()
	if s == nil || s.ailing() || s.power != running {
		return
	}
	n.freeze(s, n.w.between(50*time.Millisecond, 7*time.Second))
}

// freeze stops the process for a while; one that is killed meanwhile is frozen no more,
// and the next one is not this fault's.
func (n *nemesis) freeze(s *server, d time.Duration) {
	s.freeze()
	a := s.ails()
	a.ofProcess = true
	proc := s.proc
	n.until(d, func() {
		s.well(a)
		if s.proc == proc {
			s.thaw()
		}
	})
}

func (n *nemesis) isolateMember() {
	s := n.victim()
	if s == nil || s.ailing() {
		return
	}
	n.w.net.cut(s.host(), "")
	n.w.say("nemesis", "%s is cut off from everybody", s.id)
	a := s.ails()
	n.until(n.w.between(100*time.Millisecond, 7*time.Second), func() {
		s.well(a)
		n.w.net.mend(s.host(), "")
		n.w.say("nemesis", "%s is reachable again", s.id)
	})
}

func (n *nemesis) cutLink() {
	w := n.w
	i := w.rng.IntN(len(w.servers))
	n.sever(w.servers[i].host(), w.servers[(i+1)%len(w.servers)].host(), w.between(100*time.Millisecond, 4*time.Second))
}

// blindNode cuts one node off from one member that its neighbours still see.
func (n *nemesis) blindNode() {
	w := n.w
	a := w.nodes[w.rng.IntN(len(w.nodes))].host()
	b := w.servers[w.rng.IntN(len(w.servers))].host()
	if len(w.nodes) > 1 && w.chance(0.5) {
		a, b = w.lead.host(), w.nodes[w.rng.IntN(len(w.nodes))].host()
	}
	n.sever(a, b, w.between(100*time.Millisecond, 6*time.Second))
}

func (n *nemesis) sever(a, b endpoint, d time.Duration) {
	n.w.net.cut(a, b)
	n.w.say("nemesis", "%s and %s do not reach each other", a, b)
	n.until(d, func() {
		n.w.net.mend(a, b)
		n.w.say("nemesis", "%s and %s reach each other", a, b)
	})
}

func (n *nemesis) holdApplier() {
	w := n.w
	s := w.servers[w.rng.IntN(len(w.servers))]
	if s.power != running {
		return
	}
	proc := s.proc
	if w.chance(0.5) {
		s.mem.applier.locked = w.now + w.between(200*time.Millisecond, 5*time.Second)
		w.say("nemesis", "%s: somebody holds a table lock until %s", s.id, s.mem.applier.locked)
		return
	}
	s.mem.applier.slow = w.between(5*time.Millisecond, 60*time.Millisecond)
	w.say("nemesis", "%s: its applier takes %s a transaction", s.id, s.mem.applier.slow)
	n.until(w.between(time.Second, 6*time.Second), func() {
		if s.proc == proc {
			s.mem.applier.slow = 0
		}
	})
}

func (n *nemesis) killNode() {
	x := n.w.nodes[n.w.rng.IntN(len(n.w.nodes))]
	n.restart(x)
}

func (n *nemesis) restart(x *node) {
	if !x.up {
		return
	}
	x.crash()
	n.until(n.w.between(20*time.Millisecond, 2*time.Second), x.start)
}

// isolateNode cuts a node off from the other nodes: it goes on seeing the members,
// and its clients. If it leads it does not know yet that others do soon.
func (n *nemesis) isolateNode() {
	w := n.w
	x := w.nodes[w.rng.IntN(len(w.nodes))]
	d := w.between(300*time.Millisecond, 6*time.Second)
	for _, other := range w.nodes {
		if other != x {
			n.sever(x.host(), other.host(), d)
		}
	}
}

func (n *nemesis) deposeLeader() { n.w.leader().depose() }

func (n *nemesis) busyNode() {
	x := n.w.nodes[n.w.rng.IntN(len(n.w.nodes))]
	x.busy = n.w.now + n.w.between(200*time.Millisecond, 3*time.Second)
	n.w.say("nemesis", "%s is busy until %s", x.id, x.busy)
}

// meddle is a DBA at the wrong prompt.
func (n *nemesis) meddle() {
	w := n.w
	s := w.servers[w.rng.IntN(len(w.servers))]
	m, ok := w.log.snap.Member(s.id)
	if s.power != running || !ok || m.State != topology.MemberActive || s.mem.boot != m.Boot {
		return
	}
	switch w.rng.IntN(3) {
	case 0:
		w.say("nemesis", "%s: somebody stops its receiver", s.id)
		s.stopReceiver(func() {})
	case 1:
		w.say("nemesis", "%s: somebody sets its network timeout", s.id)
		s.mem.settings.NetTimeout = 60
	case 2:
		if !w.log.snap.Owns(s.id) {
			w.say("nemesis", "%s: somebody opens it", s.id)
			s.mem.readOnly, s.opened = false, w.now
		}
	}
}
