package sim

import (
	"fmt"
	"slices"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Tails that are replayed: what only a member in quarantine holds is written anew at the
// owners, one transaction after the other, by one connection to each.

// replayTail does an action, transaction by transaction.
func replayTail(d *deed, then func(error)) {
	r := &topology.Replay{Operation: d.a.Replay.Operation, Cut: d.a.After}
	j := &replayJob{d: d, then: then, out: r, tail: d.s.disk.tail(d.a.After), conns: map[topology.MemberID]*conn{}}
	j.epochs = map[topology.UnitID]uint64{}
	for _, u := range d.f.n.applied.Units {
		j.epochs[u.ID] = u.Epoch
	}
	j.next()
}

type replayJob struct {
	d      *deed
	then   func(error)
	out    *topology.Replay
	tail   []*txn
	conns  map[topology.MemberID]*conn
	epochs map[topology.UnitID]uint64 // when it was ordered
}

func (j *replayJob) end(err error) {
	for _, c := range j.conns {
		c.leave()
	}
	if err == nil {
		j.d.f.replays[j.d.m.ID] = j.out
		j.d.s.w.say(string(j.d.s.id), "replay: %s", j.out.Sum)
	}
	j.then(err)
}

func (j *replayJob) next() {
	if len(j.tail) == 0 {
		j.end(nil)
		return
	}
	t := j.tail[0]
	j.tail = j.tail[1:]
	j.out.End = j.out.End.With(t.gtid)
	switch {
	case t.ours:
		j.next()
		return
	case t.reg >= 0: // the model has no before-images
		j.out.Sum.Conflicts++
		j.out.Sum.First = "an update"
		j.next()
		return
	}
	owner, _ := j.d.a.Replay.Of(string(t.schema))
	j.at(owner, func(c *conn, err error) {
		if err != nil || j.d.ended || j.d.f.dead {
			j.end(err)
			return
		}
		j.write(c, t, owner.Unit)
	})
}

// at connects to an owner and takes the lock of replays there, in this leadership's term.
func (j *replayJob) at(owner topology.ReplayOwner, then func(*conn, error)) {
	if c := j.conns[owner.Member]; c != nil {
		then(c, nil)
		return
	}
	s, f := j.d.s.w.serverAt(owner.Addr), j.d.f
	f.w.dial(f.n.host(), s, false, seizeLimit, func(c *conn, err error) {
		if err != nil {
			then(nil, err)
			return
		}
		j.conns[owner.Member] = c
		c.call(seizeLimit, func(respond func(reply)) {
			s.seizeReplay(c, f.term, func(err error) {
				if err == nil && s.mem.readOnly {
					err = fmt.Errorf("%w: it is read-only", errRule)
				}
				respond(reply{err: err})
			})
		}, func(r reply) { then(c, r.err) })
	})
}

// seizeReplay ends whoever else replays at a server (S56).
func (s *server) seizeReplay(c *conn, term uint64, then func(error)) {
	if term < s.mem.term {
		then(errKilled)
		return
	}
	old := s.mem.replayer
	if old != nil && old != c && !old.killed {
		s.killConn(old)
	}
	if old != nil && old != c && old.busy > 0 {
		then(errLockWait)
		return
	}
	s.mem.replayer = c
	then(nil)
}

// write replays one transaction: its key is its mark, which the transaction itself writes.
func (j *replayJob) write(c *conn, t *txn, unit topology.UnitID) {
	s := c.s
	c.call(actionLimit, func(respond func(reply)) {
		switch {
		case s.disk.data.rows[t.key] != nil && !s.w.opt.Mutation.Unmarked:
			respond(reply{id: 1})
			return
		case slices.ContainsFunc(s.mem.commits, func(c *commit) bool { return c.t.key == t.key }):
			respond(reply{err: errLockWait})
			return
		}
		again := &txn{key: t.key, schema: t.schema, id: t.id, reg: -1, unit: unit, epoch: j.epochs[unit], replays: t}
		s.begin(&commit{t: again, conn: c, end: func(err error) { respond(reply{err: err}) }})
	}, func(r reply) {
		switch {
		case r.err != nil:
			j.end(r.err)
			return
		case r.id == 1:
			j.out.Sum.Already++
		default:
			j.out.Sum.Replayed++
		}
		j.next()
	})
}

// replay is a person who has what only a member in quarantine holds written anew.
func (n *nemesis) replay() {
	for _, m := range n.w.log.snap.Members {
		if m.State == topology.MemberQuarantined && n.w.order(topology.BeginReplay{Member: m.ID}) == nil {
			return
		}
	}
}
