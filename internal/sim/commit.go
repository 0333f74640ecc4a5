package sim

import (
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

type stage uint8

const (
	stageFlush   stage = iota // not in the binlog yet
	stageWaiting              // in the binlog, waits for the acker: not visible (AFTER_SYNC)
	stageLocked               // waits for the row that another one overwrites; a SET read_only waits for it too
)

// commit is a transaction on its way to being visible. The applier's commits
// take the same way as a client's, the wait for an acknowledgement included.
type commit struct {
	t     *txn
	conn  *conn // nil: the applier
	stage stage
	index int // of t in the binlog
	work  time.Duration
	end   func(error)
}

// closing is a SET GLOBAL read_only=1 that waits for the commits before it;
// every commit after it queues.
type closing struct {
	conn *conn
	then func(error)
}

// insert runs a client's write.
func (s *server) insert(c *conn, t *txn, respond func(reply)) {
	if s.mem.readOnly && c.app {
		respond(reply{err: errReadOnly})
		return
	}
	t.id = nextID(max(s.mem.counter, s.disk.data.maxID), c.layout)
	s.mem.counter = t.id
	s.begin(&commit{t: t, conn: c, end: func(err error) {
		respond(reply{err: err, id: t.id, gtid: t.gtid})
	}})
}

// nextID returns the lowest value of the layout above last.
func nextID(last uint64, l autoinc.Layout) uint64 {
	offset, stride := uint64(l.Effective().Offset), uint64(l.Stride)
	if last < offset {
		return offset
	}
	return offset + ((last-offset)/stride+1)*stride
}

func (s *server) begin(c *commit) {
	if s.mem.closing != nil {
		s.mem.gated = append(s.mem.gated, c)
		return
	}
	s.mem.commits = append(s.mem.commits, c)
	c.work = s.w.between(50*time.Microsecond, 700*time.Microsecond)
	if s.holder(c) != nil {
		c.stage = stageLocked
		return
	}
	s.local(c.work, func() { s.flush(c) })
}

// holder returns who has the lock of the row that c overwrites, nil if c can have it: InnoDB
// gives it to one after the other, and until what was written is visible. So no two of
// one row are in the binlog and wait, and it is all one in which order connections are ended.
// The lock is waited for as long as it takes; a server gives up after 50 s.
func (s *server) holder(c *commit) *commit {
	for _, other := range s.mem.commits {
		if other == c {
			return nil
		}
		if c.t.reg >= 0 && other.t.reg == c.t.reg {
			return other
		}
	}
	return nil
}

// unlock gives the row of who has ended to the next one that waits for it.
func (s *server) unlock(reg int) {
	for _, c := range s.mem.commits {
		if c.t.reg == reg && c.stage == stageLocked && s.holder(c) == nil {
			c.stage = stageFlush
			s.local(c.work, func() { s.flush(c) })
			return
		}
	}
}

func (s *server) flush(c *commit) {
	if c.conn != nil {
		if c.conn.killed {
			s.leave(c, errKilled)
			return
		}
		c.t.gtid = topology.GTID{Domain: c.conn.domain, Server: c.conn.serverID, Seq: s.disk.binlogPos.Seq(c.conn.domain) + 1}
	}
	c.index = len(s.disk.binlog)
	s.disk.log(c.t)
	s.w.laws.logged(s, c)
	c.stage = stageWaiting
	c.t.waited = c.t.waited || s.mem.semi && c.conn != nil
	s.wakeDumps()
	if !s.mem.semi {
		s.finish(c)
	}
}

// acked is the acknowledgement of everything up to a place in the binlog.
func (s *server) acked(index int) {
	var waiting []*commit
	for _, c := range s.mem.commits {
		if c.stage == stageWaiting && c.index <= index {
			waiting = append(waiting, c)
		}
	}
	slices.SortFunc(waiting, func(a, b *commit) int { return a.index - b.index })
	for _, c := range waiting {
		s.finish(c)
	}
}

// disarm switches semi-sync off: whoever waits gets his OK, acknowledged or not.
func (s *server) disarm() {
	s.mem.semi = false
	s.acked(len(s.disk.binlog))
}

func (s *server) finish(c *commit) {
	s.disk.data.apply(c.t)
	if c.conn == nil {
		s.disk.slavePos = s.disk.slavePos.With(c.t.gtid)
	}
	s.leave(c, nil)
	s.w.laws.visible(s)
}

func (s *server) leave(c *commit, err error) {
	i := slices.Index(s.mem.commits, c)
	if i < 0 {
		return
	}
	s.mem.commits = slices.Delete(s.mem.commits, i, i+1)
	if c.t.reg >= 0 {
		s.unlock(c.t.reg)
	}
	c.end(err)
	if s.mem.closing != nil && len(s.mem.commits) == 0 {
		s.endClosing(nil)
	}
}

// shut is SET GLOBAL read_only=1 with lock_wait_timeout=2. A server that is closed already
// waits for nobody.
func (s *server) shut(c *conn, then func(error)) {
	switch {
	case s.mem.readOnly:
		then(nil)
		return
	case s.mem.closing != nil:
		then(errLockWait)
		return
	case len(s.mem.commits) == 0:
		s.mem.readOnly = true
		then(nil)
		return
	}
	mine := &closing{conn: c, then: then}
	s.mem.closing = mine
	s.local(2*time.Second, func() {
		if s.mem.closing == mine {
			s.endClosing(errLockWait)
		}
	})
}

func (s *server) endClosing(err error) {
	mine, gated := s.mem.closing, s.mem.gated
	s.mem.closing, s.mem.gated = nil, nil
	if err == nil {
		s.mem.readOnly = true
	}
	for _, c := range gated {
		if s.mem.readOnly && c.conn != nil && c.conn.app {
			c.end(errReadOnly)
			continue
		}
		s.begin(c)
	}
	mine.then(err)
}
