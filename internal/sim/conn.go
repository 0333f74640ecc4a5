package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// What a statement can end with, besides its result.
var (
	errRefused  = errors.New("connection refused")               // nothing was sent
	errLost     = errors.New("lost connection during query")     // 2013: outcome unknown
	errSilent   = errors.New("no answer in time")                // outcome unknown, it may still run
	errReadOnly = errors.New("the server is read-only (1290)")   // not run
	errLockWait = errors.New("lock wait timeout (1205)")         // not run
	errKilled   = errors.New("connection was killed (2006)")     // not run
	errRule     = errors.New("precondition of the action fails") // not run
)

// conn is a connection to one process. Its session copies the server's identity
// and layout when it is made, and keeps the copies.
type conn struct {
	from endpoint
	s    *server
	proc int
	id   uint64
	app  bool // an application's: read_only binds it

	serverID, domain uint32
	layout           autoinc.Layout

	killed bool // KILL CONNECTION
	closed bool // by its client
	busy   int  // statements that are being run
	onWay  int  // statements that were sent and have not arrived
}

// gone reports whether the session has ended on the server's side. One that its
// client has left stays as long as its statement is on its way, or runs: the server
// reads what was sent before it reads of the end.
func (c *conn) gone() bool { return c.busy == 0 && (c.killed || c.closed && c.onWay == 0) }

// leave is the client closing its end.
func (c *conn) leave() {
	if c != nil {
		c.closed = true
	}
}

// reply is what comes back.
type reply struct {
	err  error
	id   uint64
	gtid topology.GTID
}

// call is one statement on its way.
type call struct {
	c       *conn
	settled bool
	then    func(reply)
}

// dial opens a connection; then is called once.
func (w *World) dial(from endpoint, s *server, app bool, limit time.Duration, then func(*conn, error)) {
	settled := false
	settle := func(c *conn, err error) {
		if !settled {
			settled = true
			then(c, err)
		}
	}
	w.net.send(from, s.host(), func() {
		proc := s.proc
		if !s.reach(proc, func() {
			s.mem.lastConn++
			c := &conn{from: from, s: s, proc: proc, id: s.mem.lastConn, app: app, serverID: s.mem.serverID, domain: s.mem.domain, layout: s.mem.layout}
			s.mem.conns = append(s.mem.conns, c)
			w.net.send(s.host(), from, func() { settle(c, nil) })
		}) {
			w.net.send(s.host(), from, func() { settle(nil, errRefused) })
		}
	})
	w.afterAt(from, limit, func() { settle(nil, errSilent) })
}

// call sends a statement. run happens in the server and answers through
// respond, now or later; then is called once, at the latest after limit.
func (c *conn) call(limit time.Duration, run func(respond func(reply)), then func(reply)) {
	w := c.s.w
	k := &call{c: c, then: then}
	w.afterAt(c.from, limit, func() { k.settle(reply{err: errSilent}) })
	c.onWay++
	w.net.send(c.from, c.s.host(), func() {
		if !c.s.reach(c.proc, func() { c.onWay--; k.run(run) }) {
			k.lose()
		}
	})
}

func (k *call) run(run func(respond func(reply))) {
	c, s := k.c, k.c.s
	if c.killed {
		s.w.net.send(s.host(), c.from, func() { k.settle(reply{err: errKilled}) })
		return
	}
	s.pending = append(s.pending, k)
	c.busy++
	answered := false
	run(func(r reply) {
		if answered {
			return
		}
		answered = true
		c.busy--
		if i := slices.Index(s.pending, k); i >= 0 {
			s.pending = slices.Delete(s.pending, i, i+1)
		}
		if c.killed {
			r = reply{err: errLost}
		}
		s.w.net.send(s.host(), c.from, func() { k.settle(r) })
	})
}

// lose tells the client that its connection broke.
func (k *call) lose() {
	k.c.s.w.net.send(k.c.s.host(), k.c.from, func() { k.settle(reply{err: errLost}) })
}

func (k *call) settle(r reply) {
	if !k.settled {
		k.settled = true
		k.then(r)
	}
}

// killConn is KILL CONNECTION: the client hears of it at once, a commit that
// waits for an acknowledgement becomes visible, one before the binlog is undone, and one
// that waits for a row ends at once.
func (s *server) killConn(c *conn) {
	c.killed = true
	for _, k := range slices.Clone(s.pending) {
		if k.c == c {
			k.lose()
		}
	}
	if s.mem.closing != nil && s.mem.closing.conn == c {
		s.endClosing(errKilled)
	}
	for _, m := range slices.Clone(s.mem.commits) {
		switch {
		case m.conn != c:
		case m.stage == stageWaiting:
			s.finish(m)
		case m.stage == stageLocked:
			s.leave(m, errKilled)
		}
	}
}
