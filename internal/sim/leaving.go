package sim

import (
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Members that leave, by the DBA's word: nothing may be lost by it, nobody is taken out
// for nothing, and the ring is whole without them.

type weighted = struct {
	weight int
	do     func()
}

// leaving lists what is ordered of members besides.
func (n *nemesis) leaving() []weighted {
	return []weighted{{3, n.remove}, {3, n.maintain}, {1, n.endMaintenance}, {1, n.forget}, {1, n.abortLeaving}}
}

// remove has a member leave for good. A ring of three becomes one of two, or of one.
func (n *nemesis) remove() {
	m := n.w.servers[n.w.rng.IntN(len(n.w.servers))].id
	_ = n.w.order(topology.LeaveRing{
		Member: m, Alone: n.w.chance(0.2), Keep: n.w.chance(0.3), Grace: n.w.between(time.Millisecond, 2*time.Second),
	})
}

// maintain has a member out for a while; its server may be stopped and started then.
func (n *nemesis) maintain() {
	w := n.w
	s := w.servers[w.rng.IntN(len(w.servers))]
	until := w.clock().Add(w.between(time.Second, 10*time.Second))
	if w.order(topology.LeaveRing{Member: s.id, Until: until, Alone: w.chance(0.3), Grace: w.between(time.Millisecond, 2*time.Second)}) != nil {
		return
	}
	w.after(w.between(time.Second, 4*time.Second), func() {
		m, ok := w.log.snap.Member(s.id)
		if n.off || !ok || m.State != topology.MemberMaintained || s.power != running {
			return
		}
		w.say("person", "restarts %s", s.id)
		s.kill()
		w.after(w.between(100*time.Millisecond, 3*time.Second), func() {
			if s.power == dead {
				s.boot()
			}
		})
	})
}

func (n *nemesis) endMaintenance() {
	for _, m := range n.w.log.snap.Members {
		if m.Leaving != nil && !m.Leaving.Until.IsZero() {
			_ = n.w.order(topology.EndMaintenance{Member: m.ID})
			return
		}
	}
}

// forget takes a member off the list whose server does not run, or is closed and pulls
// from nobody: what still pulls would go on acknowledging.
func (n *nemesis) forget() {
	for _, m := range n.w.log.snap.Members {
		s := n.w.server(m.ID)
		still := s.power == running && s.mem.readOnly && s.mem.receiver.state == topology.ThreadStopped && !s.mem.semi
		if m.State != topology.MemberActive && (s.power == dead || still) && n.w.order(topology.ForgetMember{Member: m.ID}) == nil {
			return
		}
	}
}

// writePast is a DBA who is not held by read_only and writes on a member that has just
// left the wiring.
func (n *nemesis) writePast(s *server) {
	w := n.w
	w.dial("dba", s, false, time.Second, func(c *conn, err error) {
		if err != nil {
			return
		}
		w.past++
		w.say("person", "writes on %s, past everybody", s.id)
		t := &txn{key: writeKey{pastClient, w.past}, schema: topology.UnitRest, reg: -1}
		c.call(writeLimit, func(respond func(reply)) { s.insert(c, t, respond) }, func(reply) { c.leave() })
	})
}

// pastClient is whose writes those are.
const pastClient = 1000

// abortLeaving takes the word back, at whatever step.
func (n *nemesis) abortLeaving() {
	op, ok := n.w.log.snap.Running()
	if ok && (op.Kind == topology.OperationRemove || op.Kind == topology.OperationMaintain) {
		_ = n.w.order(topology.AbortOperation{Operation: op.ID})
	}
}

// alone reports whether one member is in the ring: its disk is the only one.
func (n *nemesis) alone() bool {
	active := 0
	for _, m := range n.w.log.snap.Members {
		if m.State == topology.MemberActive {
			active++
		}
	}
	return active < 2
}

// left checks that who has left wrote nothing that a member lacks (I14).
func (l *laws) left(before *topology.Snapshot, c topology.Command) {
	op, _ := before.Running()
	switch c.Change.(type) {
	case topology.Unlink:
		if op.Kind == topology.OperationMaintain {
			l.stats.Out++
		} else if l.w.opt.Leaves && !l.w.nemesis.off && l.w.chance(0.3) {
			l.w.after(l.w.between(0, 3*time.Millisecond), func() { l.w.nemesis.writePast(l.w.server(op.Member)) })
		}
		return
	case topology.EndRemove:
		l.stats.Removes++
	default:
		return
	}
	m, _ := before.Member(op.Member)
	gone := l.w.server(m.ID)
	for _, other := range l.w.log.snap.Members {
		s := l.w.server(other.ID)
		if other.State != topology.MemberActive || s.power == dead || s.mem.boot != other.Boot {
			continue // it is lost, and that is another's affair
		}
		for _, t := range gone.disk.binlog {
			own := t.gtid.Domain == m.Identity || slices.Contains(m.Retired, t.gtid.Domain)
			if own && !t.ours && s.disk.data.rows[t.key] == nil {
				l.w.breach("I14", "%s has left, and %s lacks its write %v (%s)", m.ID, other.ID, t.key, t.gtid)
				return
			}
		}
	}
}

// ofMembers are the observations of those that this node takes for members; of others
// nobody asks.
func (e *eyes) ofMembers() []topology.Observation {
	if len(e.n.applied.Members) == 0 {
		return e.obs.Members
	}
	return slices.DeleteFunc(slices.Clone(e.obs.Members), func(o topology.Observation) bool {
		_, ok := e.n.applied.Member(o.Member)
		return !ok
	})
}

func refuseFollowing(d *deed, then func(error)) {
	if d.s.disk.upstream != "" || !d.s.mem.readOnly {
		then(errRule)
		return
	}
	then(nil)
}

func retire(d *deed, then func(error)) {
	d.s.disk.hasRing, d.s.disk.slots = false, topology.SlotTable{}
	then(nil)
}
