package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Deadlines of a write.
const (
	queueLimit = 10 * time.Second // waiting for an owner
	writeLimit = 5 * time.Second  // waiting for its answer
)

// client is an application with one connection to a proxy. It writes, notes what
// it was told, and never sends a write twice.
type client struct {
	w *World
	i int
	n *node
	// schema is what it writes in: a unit of its own, or a part of "*".
	schema topology.UnitID

	seq    int
	write  *write
	c      *conn
	bound  topology.MemberID
	unit   topology.UnitID // that c was opened for
	epoch  uint64          // that c was opened under
	last   int             // newest write that was acknowledged to it by an armed owner
	paused bool            // the load has ended
}

// write is the one that the client waits for.
type write struct {
	t     *txn
	began time.Duration
	sent  bool
	unit  topology.UnitID
	epoch uint64
	over  bool
}

func newClient(w *World, i int, n *node) *client {
	return &client{w: w, i: i, n: n, schema: schemaOf(i, w.opt.Units)}
}

// schemaOf returns the schema of the i-th client, if there are so many units.
func schemaOf(i, units int) topology.UnitID {
	if units < 2 || i%units == 0 {
		return topology.UnitRest
	}
	return topology.UnitID(fmt.Sprintf("s%d", i%units))
}

func (c *client) think() {
	c.n.after(c.w.between(10*time.Millisecond, 300*time.Millisecond), c.next)
}

func (c *client) next() {
	if c.paused || !c.n.up {
		c.think()
		return
	}
	c.seq++
	t := &txn{key: writeKey{c.i, c.seq}, schema: c.schema, reg: -1}
	if c.w.opt.Updates && c.w.chance(0.2) {
		t.reg = c.w.rng.IntN(registers)
		if c.schema != topology.UnitRest {
			t.reg += registers * (c.i % c.w.opt.Units)
		}
	}
	c.write = &write{t: t, began: c.w.now}
	c.w.laws.stats.Writes++
	c.try(c.write)
}

// try sends the write if its proxy may, or waits in the queue.
func (c *client) try(x *write) {
	if x.over {
		return
	}
	p := c.n.proxy
	s := p.share(c.schema)
	again := func(d time.Duration) { c.n.after(d, func() { c.try(x) }) }
	switch {
	case c.w.now-x.began > queueLimit:
		c.end(x, outcomeFailed, "nobody took it in time")
	case !p.answers(s, s.epoch) || s.draining:
		again(20 * time.Millisecond)
	case c.c == nil || c.bound != s.owner || c.epoch != s.epoch || c.unit != s.unit:
		owner, unit, epoch := s.owner, s.unit, s.epoch
		c.w.dial(c.n.host(), c.w.server(owner), true, time.Second, func(fresh *conn, err error) {
			if err != nil || p.dead || x.over {
				fresh.leave()
				again(50 * time.Millisecond)
				return
			}
			c.drop()
			c.c, c.bound, c.unit, c.epoch = fresh, owner, unit, epoch
			c.try(x)
		})
	default:
		c.send(x, p, s)
	}
}

func (c *client) send(x *write, p *proxy, s *share) {
	x.sent, x.unit, x.epoch = true, s.unit, s.epoch
	x.t.unit, x.t.epoch = s.unit, s.epoch
	server, conn := c.w.server(c.bound), c.c
	c.n.seam(func() { c.call(x, p, s, server, conn) })
}

// call sends the write, whatever has happened since its lease was looked at.
func (c *client) call(x *write, p *proxy, s *share, server *server, conn *conn) {
	conn.call(writeLimit, func(respond func(reply)) { server.insert(conn, x.t, respond) }, func(r reply) {
		if r.err != nil && c.c == conn && !errors.Is(r.err, errReadOnly) {
			c.drop()
		}
		if x.over {
			return
		}
		defer p.ended(s)
		s.cut = s.cut || errors.Is(r.err, errSilent) || errors.Is(r.err, errLost)
		switch {
		case r.err == nil:
			s.acked = s.acked.With(r.gtid)
			if !p.answers(s, x.epoch) && !c.w.opt.Mutation.KeepLease {
				c.end(x, outcomeUnknown, "its OK came on a lease that is over")
				return
			}
			c.w.laws.acknowledged(c, x, server)
			c.end(x, outcomeOK, "")
		case errors.Is(r.err, errReadOnly), errors.Is(r.err, errKilled):
			c.end(x, outcomeFailed, r.err.Error())
		case c.w.opt.Mutation.Resend && errors.Is(r.err, errLost):
			copied := *x.t
			x.t = &copied
			c.try(x)
		case c.w.opt.Mutation.FailedUnknown:
			c.end(x, outcomeFailed, r.err.Error())
		default:
			c.end(x, outcomeUnknown, r.err.Error())
		}
	})
}

// moved is the proxy hearing of a new epoch, or that the grace is over. A statement
// on its way is given up or waited for; either is allowed.
func (c *client) moved(s *share) {
	c.drop()
	if x := c.write; x != nil && x.sent && c.w.chance(0.5) {
		s.cut = s.cut || s.owner == "" || s.draining
		c.end(x, outcomeUnknown, "the unit moves")
	}
}

// cutOff is the proxy dying: the client's connection breaks.
func (c *client) cutOff() {
	c.drop()
	if x := c.write; x != nil {
		if x.sent {
			c.end(x, outcomeUnknown, "the proxy died")
		} else {
			c.end(x, outcomeFailed, "the proxy died")
		}
	}
}

func (c *client) drop() {
	c.c.leave()
	c.c = nil
}

func (c *client) end(x *write, o outcome, why string) {
	if x.over {
		return
	}
	x.over = true
	c.write = nil
	c.w.laws.ended(x, o)
	if o != outcomeOK {
		c.w.say("client", "%v on %s: %s %s", x.t.key, c.bound, o, why)
	}
	c.think()
}
