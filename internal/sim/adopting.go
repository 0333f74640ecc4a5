package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Rings that are adopted: the servers replicate in a circle that somebody has built, and
// applications write to each of them directly.

// byHand links the servers as a person does: ids of his own, one auto_increment class
// each, all open.
func (w *World) byHand() {
	for i, s := range w.servers {
		s.mem.readOnly = false
		s.disk.upstream = w.servers[(i+len(w.servers)-1)%len(w.servers)].addr
	}
	for _, s := range w.servers {
		s.startApplier()
		s.startReceiver()
	}
}

// byFile is what the config file of a server that somebody has put into a circle gives each
// process: what SQL has set is gone with the process before.
func (s *server) byFile(i int) {
	s.file = identity{serverID: uint32(11 + i), domain: uint32(21 + i), layout: autoinc.Layout{Offset: i + 1, Stride: s.w.opt.Members}}
}

// direct is an application that writes to one server past every proxy.
type direct struct {
	w    *World
	i    int
	s    *server
	proc int // its process as this began
	c    *conn
	seq  int
	over bool
	told []*txn
}

func (d *direct) next() {
	if d.over {
		return
	}
	d.w.after(d.w.between(5*time.Millisecond, 80*time.Millisecond), func() {
		if d.c == nil {
			d.w.dial("direct", d.s, true, time.Second, func(c *conn, err error) {
				if err == nil {
					d.c = c
				}
				d.next()
			})
			return
		}
		d.seq++
		t := &txn{key: writeKey{4000 + d.i, d.seq}, schema: topology.UnitRest, reg: -1, direct: true}
		d.c.call(writeLimit, func(respond func(reply)) { d.s.insert(d.c, t, respond) }, func(r reply) {
			switch {
			case r.err == nil:
				d.told = append(d.told, t)
			case errors.Is(r.err, errReadOnly) && d.s.proc == d.proc: // one that was restarted boots closed
				d.w.breach("I20", "%s refuses a direct write while it is adopted", d.s.id)
			default:
				d.c.leave()
				d.c = nil
			}
			d.next()
		})
	})
}

// adopt makes the ring of a run of servers that replicate already, while the controller
// dies between statements, and perhaps with the word taken back at some step.
func (w *World) adopt() {
	var writers []*direct
	for i, s := range w.servers {
		d := &direct{w: w, i: i, s: s, proc: s.proc}
		writers = append(writers, d)
		d.next()
	}
	w.runUntil(w.now + 500*time.Millisecond)
	w.nemesis.off = false // statements and commands meet their fates; nobody strikes yet
	if w.chance(0.5) {
		w.orderAdopt()
		w.runUntil(w.now + w.between(0, 3*time.Second))
		if op, ok := w.log.snap.Running(); ok && op.Kind == topology.OperationAdopt {
			_ = w.order(topology.AbortOperation{Operation: op.ID})
			w.await("I10", wholeWithin, func() string {
				if w.log.snap.Ring != nil {
					return "the adoption is not given up: " + w.lastWhy()
				}
				return ""
			})
			w.await("I20", initWithin, func() string {
				w.startLeft(writers)
				return w.circling(writers)
			})
			w.runUntil(w.now + time.Second)
			w.await("I20", initWithin, w.beating)
			for _, s := range w.servers { // as the check "schema" says
				s.disk.hasRing = false
				s.disk.data.beats = nil
			}
		}
	}
	if w.log.snap.Ring == nil {
		w.orderAdopt()
	}
	w.await("I10", wholeWithin, func() string {
		w.openFirst()
		if _, busy := w.log.snap.Running(); busy || len(w.log.snap.Units) == 0 {
			return "the circle is not adopted: " + w.lastWhy()
		}
		return ""
	})
	w.nemesis.off = true
	for _, n := range w.nodes {
		if !n.up && w.broken == nil {
			n.start()
		}
	}
	w.runUntil(w.now + 300*time.Millisecond)
	for _, d := range writers {
		d.over = true
	}
	w.runUntil(w.now + writeLimit)
	if w.broken == nil {
		_ = w.order(topology.CloseDirect{})
		w.laws.stats.Adopted++
	}
	w.await("I20", initWithin, func() string { return w.circling(writers) })
}

func (w *World) orderAdopt() {
	var layouts []autoinc.Layout
	for _, s := range w.servers {
		layouts = append(layouts, s.mem.layout)
	}
	stride, slots, err := autoinc.Adopt(layouts, make([]bool, len(layouts)))
	if err != nil {
		w.breach("I20", "%s", err)
		return
	}
	if w.opt.Mutation.AnySlot {
		slots = append(slots[1:], slots[0])
	}
	ring := topology.AdoptRing{Name: "cards", Stride: stride, Durability: w.opt.Durability, Degraded: w.opt.Degraded, Boots: true}
	for i, s := range w.servers {
		ring.Members = append(ring.Members, topology.AdoptedMember{NewMember: topology.NewMember{ID: s.id, Addr: s.addr}, Slot: slots[i]})
	}
	if err := w.order(ring); err != nil {
		w.breach("I10", "the circle can not be adopted: %s", err)
	}
}

// circling says what a circle lacks: both threads of each run, and each has every write
// that an application was told to be done.
func (w *World) circling(writers []*direct) string {
	for _, s := range w.servers {
		if s.mem.receiver.state != topology.ThreadRunning || s.mem.applier.state != topology.ThreadRunning {
			return fmt.Sprintf("%s does not receive (%s), or not apply (%s)", s.id, s.mem.receiver.errText, s.mem.applier.errText)
		}
		for _, d := range writers {
			if i := slices.IndexFunc(d.told, func(t *txn) bool { return s.disk.data.rows[t.key] == nil }); i >= 0 && w.now > 0 && (d.over || i < len(d.told)-50) {
				return fmt.Sprintf("the direct write %v (%s) is not on %s", d.told[i].key, d.told[i].gtid, s.id)
			}
		}
	}
	return ""
}

// openFirst is the DBA, who opens the server that is to own everything where it has begun anew
// meanwhile, and its file says that it is read-only: the adoption asks for that.
func (w *World) openFirst() {
	s := w.servers[0]
	if op, busy := w.log.snap.Running(); busy && (op.Cursor == topology.AdoptPreflight || op.Cursor == topology.AdoptOpen) && s.power == running && s.mem.readOnly {
		s.mem.readOnly = false
		w.laws.stats.Words++
	}
}

// startLeft is the DBA, who starts the threads of who could not be reached when an adoption was
// given up: it has begun anew since, and its threads do not start by themselves. He does as the
// command that gave it up says: it follows whom it did, and what it holds is noted as applied
// first.
func (w *World) startLeft(writers []*direct) {
	for i, s := range w.servers {
		if again := s.proc != writers[i].proc; again && s.power == running && s.mem.receiver.state == topology.ThreadStopped {
			if s.disk.upstream == "" { // it died in between its old link and its new one
				s.disk.upstream = w.servers[(i+len(w.servers)-1)%len(w.servers)].addr
			}
			s.noteHeld()
			s.startApplier()
			s.startReceiver()
		}
	}
}

func makeSchema(d *deed, then func(error)) {
	d.s.disk.hasRing = true
	then(nil)
}

// refuseUntaken refuses what is not safe to take over.
func refuseUntaken(d *deed, then func(error)) {
	d.s.disk.hasRing = d.s.disk.hasRing || d.s.w.opt.Mutation.NoSchema
	if !d.s.disk.hasRing {
		then(fmt.Errorf("%w: it has no schema sqlring", errRule))
		return
	}
	if !d.a.Layout.Within(d.s.mem.layout) && !d.s.w.opt.Mutation.AnySlot {
		then(fmt.Errorf("%w: %s is not within %s", errRule, d.a.Layout, d.s.mem.layout))
		return
	}
	refuseUndrained(d, then)
}

func expelEarlier(d *deed, then func(error)) {
	if d.s.w.opt.Mutation.KeepSessions {
		then(nil)
		return
	}
	expel(d, then)
}

func noteAdopted(d *deed, then func(error)) {
	d.s.noteHeld()
	then(nil)
}

// noteHeld notes all that the server has as applied, under whatever identity it was written.
func (s *server) noteHeld() { s.disk.slavePos = s.disk.slavePos.Union(s.disk.binlogPos) }

// startBothAsTheyAre notes what the server has as applied where both threads stand still: under
// the ids that it has now it does not know all that for its own (S96).
func startBothAsTheyAre(d *deed, then func(error)) {
	m := &d.s.mem
	if m.receiver.state == topology.ThreadStopped && m.applier.state == topology.ThreadStopped && !d.s.w.opt.Mutation.StartUnnoted {
		d.s.noteHeld()
	}
	d.s.startApplier()
	d.s.startReceiver()
	then(nil)
}

// beating says who lacks a heartbeat that stands in somebody's binlog, "" if nobody does: their
// table is not dropped before.
func (w *World) beating() string {
	for _, s := range w.servers {
		has := s.disk.slavePos.Union(s.disk.binlogPos)
		for _, from := range w.servers {
			if slices.ContainsFunc(from.disk.binlog, func(t *txn) bool { return t.ours && has.Seq(t.gtid.Domain) < t.gtid.Seq }) {
				return fmt.Sprintf("%s has not applied all heartbeats of before, which %s has", s.id, from.id)
			}
		}
	}
	return ""
}
