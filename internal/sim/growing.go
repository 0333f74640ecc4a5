package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Rings that grow: a member gets another one's data while everything else goes on.

// basis is what a copy has left on a disk: a binlog begins after it.
type basis struct {
	data table
	pos  topology.Position
	mark uint64 // the copy that is complete; 0: none
	half bool   // something was dropped, and no mark was written since
}

func (b *table) clone() table {
	c := *b
	c.rows, c.beats = maps.Clone(b.rows), slices.Clone(b.beats)
	return c
}

// copyJob is a copy that a leadership makes.
type copyJob struct {
	f       *fleet
	s       *server
	order   topology.CopyOrder
	c       *conn
	said    topology.CopyProgress
	source  *server
	sproc   int
	data    table
	pos     topology.Position
	stopped bool
}

// startCopy has a copy begin; it goes on by itself.
func startCopy(d *deed, then func(error)) {
	if old := d.f.copies[d.m.ID]; old != nil && old.order.ID == d.a.Copy.ID &&
		(old.said.State == topology.CopyDone || old.said.State == topology.CopyRunning && old.order.Name == d.a.Copy.Name) {
		then(nil)
		return
	}
	j := &copyJob{f: d.f, s: d.s, order: d.a.Copy, source: d.s.w.serverAt(d.a.Copy.From)}
	j.said = topology.CopyProgress{ID: j.order.ID, From: j.order.Name, State: topology.CopyRunning, At: d.s.w.clock(), Attempts: 1}
	if old := d.f.copies[d.m.ID]; old != nil {
		old.stopped = true
		if old.order.ID == j.order.ID && old.order.Name == j.order.Name {
			j.said.Attempts = old.said.Attempts + 1
		}
	}
	d.f.copies[d.m.ID] = j
	then(nil)
	d.f.w.dial(d.f.n.host(), d.s, false, actionLimit, func(c *conn, err error) {
		if j.c = c; err != nil {
			j.fail(err)
			return
		}
		j.step(j.seize, func() { j.step(j.begin, j.snapshot) })
	})
}

func (j *copyJob) fail(err error) {
	if j.said.State == topology.CopyRunning {
		j.said.State, j.said.Error, j.said.At = topology.CopyFailed, err.Error(), j.f.w.clock()
		j.f.w.say(string(j.f.n.id), "copy %d to %s: %s", j.order.ID, j.s.id, err)
	}
}

// step runs one statement on the connection of the copy.
func (j *copyJob) step(run func(func(error)), next func()) {
	if j.f.over || j.f.dead || j.stopped || j.said.State != topology.CopyRunning {
		return
	}
	j.c.call(actionLimit, func(respond func(reply)) { run(func(err error) { respond(reply{err: err}) }) }, func(r reply) {
		switch {
		case r.err != nil:
			j.fail(r.err)
		case j.said.State == topology.CopyRunning:
			next()
		}
	})
}

// seize ends whoever writes a copy into the member, and looks whether this one
// stands there already.
func (j *copyJob) seize(then func(error)) {
	s := j.s
	if j.f.term < s.mem.term {
		then(errKilled)
		return
	}
	if old := s.mem.copier; old != nil && old != j.c {
		s.killConn(old)
	}
	s.mem.copier = j.c
	if s.disk.base.mark == j.order.ID {
		j.said.State, j.said.Position, j.said.At = topology.CopyDone, s.disk.base.pos, s.w.clock()
	}
	then(nil)
}

// begin drops what the member holds.
func (j *copyJob) begin(then func(error)) {
	if !j.s.mem.readOnly || j.s.disk.upstream != "" {
		then(fmt.Errorf("%w: it is open, or follows somebody", errRule))
		return
	}
	j.s.disk.base.mark, j.s.disk.base.half = 0, true
	j.s.disk.data = newTable()
	then(nil)
}

// snapshot is read at the source in one moment: what is visible there, and nothing
// that waits for an acknowledgement.
func (j *copyJob) snapshot() {
	w := j.f.w
	w.net.send(j.f.n.host(), j.source.host(), func() {
		j.sproc = j.source.proc
		alive := j.source.reach(j.source.proc, func() {
			j.data, j.pos = j.source.disk.data.clone(), j.source.visiblePos()
			j.read(w.now + w.between(20*time.Millisecond, 4*time.Second))
		})
		if !alive {
			j.fail(errRefused)
		}
	})
}

// visiblePos is the position of what can be seen.
func (s *server) visiblePos() topology.Position {
	pos := s.disk.base.pos
	waiting := map[*txn]bool{}
	for _, c := range s.mem.commits {
		waiting[c.t] = c.stage == stageWaiting
	}
	for _, t := range s.disk.binlog {
		if !waiting[t] {
			pos = pos.With(t.gtid)
		}
	}
	return pos
}

// read takes a while; the source has to be there all the time, and half the rows are
// on the member before the end.
func (j *copyJob) read(until time.Duration) {
	w := j.f.w
	switch {
	case j.source.proc != j.sproc || j.source.power != running || !w.net.whole(j.f.n.host(), j.source.host()):
		j.fail(errLost)
	case w.now < until:
		j.step(func(then func(error)) { then(nil) }, func() { j.f.n.after(50*time.Millisecond, func() { j.read(until) }) })
	default:
		j.step(j.half, func() { j.step(j.rows, func() { j.step(j.place, func() { j.step(j.marked, j.done) }) }) })
	}
}

func (j *copyJob) half(then func(error)) {
	for key, t := range j.data.rows {
		if key.seq%2 == 0 {
			j.s.disk.data.rows[key] = t
		}
	}
	then(nil)
}

func (j *copyJob) rows(then func(error)) {
	j.s.disk.data = j.data.clone()
	then(nil)
}

func (j *copyJob) place(then func(error)) {
	d := &j.s.disk
	for _, u := range slices.Clone(j.s.mem.dumps) {
		u.close()
	}
	d.binlog, d.binlogPos, d.slavePos = nil, j.pos, j.pos
	d.base, d.emptied = basis{data: j.data.clone(), pos: j.pos, half: true}, false
	delete(j.s.w.laws.emptied, j.s.id)
	then(nil)
}

func (j *copyJob) marked(then func(error)) {
	j.s.disk.base.mark, j.s.disk.base.half = j.order.ID, false
	j.s.disk.events = copyEvents(j.source.disk.events)
	j.s.w.say(string(j.s.id), "copy %d is complete at %s: %d rows", j.order.ID, j.pos, len(j.data.rows))
	then(nil)
}

func (j *copyJob) done() {
	j.said.State, j.said.Position, j.said.At = topology.CopyDone, j.pos, j.f.w.clock()
}

// grow gives the ring another member, or tries again with one that was not taken.
func (n *nemesis) grow() {
	w := n.w
	var spare *server
	for _, s := range w.servers {
		if _, member := w.log.snap.Member(s.id); !member {
			spare = s
		}
	}
	if spare == nil {
		if len(w.servers) >= w.opt.Members+w.opt.Grows {
			return
		}
		spare = newServer(w, len(w.servers))
		w.servers = append(w.servers, spare)
		for _, x := range w.nodes {
			if x.up && x.voter {
				x.eyes.probe(spare)
				x.eyes.beat(spare)
			}
		}
	}
	add := topology.BeginAdd{Member: topology.NewMember{ID: spare.id, Addr: spare.addr, Site: spare.site()}, Discard: true}
	if w.chance(0.3) {
		add.After = w.servers[w.rng.IntN(w.opt.Members)].id
	}
	_ = w.order(add)
}

// reclone gives up what a member holds that is out.
func (n *nemesis) reclone() {
	for _, m := range n.w.log.snap.Members {
		out := m.State == topology.MemberDown || m.State == topology.MemberQuarantined || m.State == topology.MemberHeld
		if out && !n.w.opt.Double && n.w.order(topology.BeginReclone{Member: m.ID}) == nil {
			return
		}
	}
}

// abortCopying takes the word back, at whatever step.
func (n *nemesis) abortCopying() {
	op, ok := n.w.log.snap.Running()
	if ok && (op.Kind == topology.OperationAdd || op.Kind == topology.OperationReclone) {
		_ = n.w.order(topology.AbortOperation{Operation: op.ID})
	}
}

// anew is what status tells him to type of a binlog that was emptied.
const anew = "its data anew: sqlring master reclone "

// letIn is a person who does what is said of a member that is out by a word.
func (w *World) letIn() int {
	if op, running := w.log.snap.Running(); running && strings.Contains(w.lastWhy(), "give up what it holds: sqlring master reclone "+string(op.Member)) {
		w.say("person", "ends %s", op.ID)
		_ = w.order(topology.AbortOperation{Operation: op.ID})
		_ = w.order(topology.BeginReclone{Member: op.Member})
		return 1
	}
	for _, m := range w.log.snap.Members {
		switch {
		case m.State == topology.MemberCopying && m.Copy.Halted && strings.Contains(w.lastWhy(), "sqlring master reclone "+string(m.ID)):
			w.say("person", "has %s copied anew", m.ID)
			_ = w.order(topology.BeginReclone{Member: m.ID})
			return 1
		case m.State == topology.MemberQuarantined && strings.Contains(m.Why, anew+string(m.ID)):
			if w.order(topology.BeginReclone{Member: m.ID}) == nil {
				w.say("person", "has %s copied anew, whose binlog was emptied", m.ID)
				return 1
			}
		case m.State == topology.MemberHeld && strings.Contains(m.Why, "to let it in: sqlring master rejoin"):
			w.say("person", "lets %s in", m.ID)
			_ = w.order(topology.BeginRejoin{Member: m.ID})
			return 1
		}
	}
	return 0
}

// loaded gives a server rows from before there was a ring.
func (s *server) loaded(rows int) {
	for i := range rows {
		t := &txn{gtid: topology.GTID{Domain: 0, Server: 1, Seq: uint64(i + 1)}, key: writeKey{client: 3000, seq: i}, id: uint64(i + 1), reg: -1, schema: "cards"}
		s.disk.log(t)
		s.disk.data.apply(t)
	}
	s.mem.readOnly = false
}

// noteApplied notes everything that stands in the binlog of a server that goes on
// serving as applied.
func noteApplied(d *deed, then func(error)) {
	s := d.s
	if !s.w.opt.Mutation.Unnoted {
		s.disk.slavePos = s.disk.slavePos.Union(s.disk.binlogPos)
	}
	s.disk.hasRing = true
	then(nil)
}

func endCopy(d *deed, then func(error)) {
	if job := d.f.copies[d.m.ID]; job != nil {
		job.stopped = true
		job.fail(errKilled)
	}
	if old := d.s.mem.copier; old != nil {
		d.s.killConn(old)
		d.s.mem.copier = nil
	}
	then(nil)
}
