package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Binlogs that are emptied by hand (S81, S82, S84). Nobody can put that right, and nobody can
// see it who was not looking: so what the world promises here is what becomes of a member of
// which it was found.

// unpromised is the law of a run that ends without a verdict: a binlog was emptied, and no
// leader has seen both sides of it.
const unpromised = "nobody has seen it"

// seenWithin is how long a leader has to see that a binlog was emptied: its node may be busy,
// and a new one takes the hands of every member first.
const seenWithin = 4 * time.Second

// emptyBinlog is a DBA who types RESET MASTER at a member that owns nothing, and then writes
// there, until it has given out as many numbers of its own again as it had. Whoever pulls
// from it has all that it had, and notices nothing. Its applier waits for him meanwhile, so
// that a probe can see it.
func (n *nemesis) emptyBinlog() {
	w := n.w
	first := w.rng.IntN(len(w.servers))
	n.emptyOne(append(slices.Clone(w.servers[first:]), w.servers[:first]...), w.now+8*time.Second)
}

// emptyOne empties the first of them that can be, and tries it again until then: a follower
// that has all is rare under load.
func (n *nemesis) emptyOne(servers []*server, until time.Duration) {
	w := n.w
	for _, s := range servers {
		if n.mayEmpty(s) {
			n.empty(s)
			return
		}
	}
	if w.now < until {
		w.after(w.between(200*time.Microsecond, 5*time.Millisecond), func() { n.emptyOne(servers, until) })
	}
}

// mayEmpty reports whether that is a loss that the ring can bear.
func (n *nemesis) mayEmpty(s *server) bool {
	w := n.w
	m, _ := w.log.snap.Member(s.id)
	_, under := w.log.snap.Running()
	if n.off || n.parted || under || m.Leaving != nil || w.log.snap.Owns(s.id) || w.log.snap.Inherits(s.id) {
		return false
	}
	for _, other := range w.servers {
		in, _ := w.log.snap.Member(other.id)
		if in.State != topology.MemberActive || other.ailing() || other.power != running || other.mem.boot != in.Boot || other.disk.emptied {
			return false
		}
		if other.disk.upstream == s.addr && !other.mem.receiver.received.Covers(s.disk.binlogPos) {
			return false
		}
	}
	return true
}

// empty does it.
func (n *nemesis) empty(s *server) {
	w := n.w
	m, _ := w.log.snap.Member(s.id)
	had := s.disk.binlogPos.Seq(m.Identity)
	for _, d := range slices.Clone(s.mem.dumps) {
		d.close()
		d.lost()
	}
	s.disk.base = basis{data: s.disk.data.clone(), pos: s.disk.binlogPos, mark: s.disk.base.mark}
	s.disk.binlog, s.disk.binlogPos, s.disk.emptied = nil, nil, true
	for seq := range had + 1 + w.rng.Uint64N(3) {
		t := &txn{ours: true, reg: -1, beat: topology.Beat{Origin: s.id, Node: "dba", Seq: seq + 1}}
		t.gtid = topology.GTID{Domain: m.Identity, Server: m.Identity, Seq: seq + 1}
		s.disk.log(t)
		s.disk.data.apply(t)
	}
	s.mem.applier.locked = w.now + 2*time.Second
	w.say("nemesis", "%s: somebody empties its binlog, which had %d of its own, and writes: %s", s.id, had, s.disk.binlogPos)
	a := s.ails()
	n.until(seenWithin, func() {
		s.cured(a)
		if s.disk.emptied && !w.laws.emptied[s.id] {
			w.breach(unpromised, "%s", s.id)
		}
	})
}

// unseen reports whether a binlog was emptied that no leader has found to be.
func (w *World) unseen() bool {
	return slices.ContainsFunc(w.servers, func(s *server) bool { return s.disk.emptied && !w.laws.emptied[s.id] })
}

// foundEmptied notes that a leader has found a binlog to be emptied, and has every node
// restarted a moment later: those who come up have seen nothing.
func (l *laws) foundEmptied(c topology.Command) {
	var id topology.MemberID
	switch change := c.Change.(type) {
	case topology.NoteEmptied:
		id = change.Member
	case topology.BeginHeal:
		if id = change.Member; !strings.Contains(c.Why, "emptied by hand") {
			return
		}
	default:
		return
	}
	n := l.w.nemesis
	if s := l.w.server(id); s.disk.emptied && !l.emptied[id] {
		l.emptied[id] = true
		l.stats.Emptied++
		if n.off {
			return
		}
		l.w.after(l.w.between(0, 30*time.Millisecond), func() {
			for _, x := range l.w.nodes {
				n.restart(x)
			}
		})
	}
}

// backEmptied checks that nobody comes back with what it holds whose binlog was found to be
// emptied (I22).
func (l *laws) backEmptied(before *topology.Snapshot, c topology.Command) {
	op, _ := before.Running()
	back := op.Member
	switch change := c.Change.(type) {
	case topology.Readmit:
	case topology.CountAgain:
		back = change.Member
	default:
		return
	}
	if s := l.w.server(back); s.disk.emptied && l.emptied[back] {
		l.w.breach("I22", "%s is in the ring again with a binlog that was emptied: %s", back, s.disk.binlogPos)
	}
}
