package sim

import (
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Intervals of the eyes: the monitor's defaults.
const (
	probeEvery   = 250 * time.Millisecond
	probeAnxious = 100 * time.Millisecond // of a member that does not answer
	probeLimit   = time.Second
	beatEvery    = 500 * time.Millisecond
)

// eyes is what one node has seen of the members. It is lost with the process.
type eyes struct {
	w       *World
	n       *node
	dead    bool
	obs     topology.Observations
	since   map[topology.MemberID]topology.Observation
	probing map[topology.MemberID]int
	beating map[topology.MemberID]*conn
	beatSeq uint64
}

func newEyes(w *World, n *node) *eyes {
	e := &eyes{
		w: w, n: n,
		since:   map[topology.MemberID]topology.Observation{},
		probing: map[topology.MemberID]int{},
		beating: map[topology.MemberID]*conn{},
		beatSeq: uint64(w.clock().UnixMilli()),
	}
	for _, s := range w.servers {
		e.probe(s)
		n.after(w.between(0, beatEvery), func() { e.beat(s) })
	}
	return e
}

// Observations implements controller.Eyes.
func (e *eyes) Observations() topology.Observations {
	seen := topology.Observations{Members: e.ofMembers()}
	e.n.addWriters(&seen)
	if lie := e.w.opt.Mutation.Seen; lie != nil {
		seen = lie(e.w, seen)
	}
	return seen
}

// Changed implements controller.Eyes; the world wakes the controller itself.
func (e *eyes) Changed() <-chan struct{} { return nil }

// Poke implements controller.Eyes.
func (e *eyes) Poke(id topology.MemberID) {
	e.n.after(100*time.Microsecond, func() { e.probe(e.w.server(id)) })
}

// probe asks a member, and takes its turn for the next time.
func (e *eyes) probe(s *server) {
	if e.dead {
		return
	}
	e.probing[s.id]++
	turn := e.probing[s.id]
	asked, knew, settled := e.w.clock(), e.n.applied, false
	settle := func(o topology.Observation) {
		if settled || e.dead || turn != e.probing[s.id] {
			return
		}
		settled = true
		o.Member, o.Asked, o.At = s.id, asked, e.w.clock()
		e.note(o, knew)
		pause := probeEvery
		if o.Reach != topology.ReachAnswers {
			pause = probeAnxious
		}
		e.n.after(pause, func() {
			if turn == e.probing[s.id] {
				e.probe(s)
			}
		})
	}
	back := func(o topology.Observation) {
		e.w.net.send(s.host(), e.n.host(), func() { e.n.after(e.n.stutter(), func() { settle(o) }) })
	}
	e.w.net.send(e.n.host(), s.host(), func() {
		if !s.reach(s.proc, func() { back(s.observe()) }) {
			back(topology.Observation{Reach: topology.ReachRefused, Error: errRefused.Error()})
		}
	})
	e.n.after(probeLimit, func() { settle(topology.Observation{Reach: topology.ReachSilent, Error: errSilent.Error()}) })
}

func (e *eyes) note(o topology.Observation, knew *topology.Snapshot) {
	first, ok := e.since[o.Member]
	if !ok || first.Reach != o.Reach {
		e.since[o.Member], first = o, o
		e.w.say(string(e.n.id), "sees %s: %s", o.Member, o.Reach)
	}
	o.Since = first.At
	before, _ := e.obs.Of(o.Member)
	o = knew.Filled(o.After(before))
	if o.Reach == topology.ReachAnswers && e.n.fleet != nil {
		o.Tail, o.Replay = e.n.fleet.tails[o.Member], e.n.fleet.replays[o.Member]
		if job := e.n.fleet.copies[o.Member]; job != nil {
			said := job.said
			o.Copy = &said
		}
	}
	e.obs = e.obs.With(o)
	e.n.wake()
}

// beat writes this node's heartbeat row on a member that carries the identity
// that was issued to it; one at a time, for it may hang.
func (e *eyes) beat(s *server) {
	if e.dead {
		return
	}
	e.n.after(beatEvery, func() { e.beat(s) })
	intent, ok := e.n.applied.Member(s.id)
	seen, _ := e.obs.Of(s.id)
	if !ok || !intent.Linked() || seen.Reach != topology.ReachAnswers || !seen.HasRing ||
		seen.ServerID != intent.Identity || seen.Domain != intent.Identity || e.beating[s.id] != nil {
		return
	}
	e.beatSeq++
	t := &txn{ours: true, reg: -1, beat: topology.Beat{Origin: s.id, Node: e.n.id, Seq: e.beatSeq}}
	e.beating[s.id] = &conn{}
	done := func() { e.beating[s.id] = nil }
	e.w.dial(e.n.host(), s, false, probeLimit, func(c *conn, err error) {
		if err != nil {
			done()
			return
		}
		e.beating[s.id] = c
		c.call(5*time.Minute, func(respond func(reply)) {
			if c.serverID != s.mem.serverID || c.domain != s.mem.domain || !s.carries(intent.Identity) {
				respond(reply{err: errRule})
				return
			}
			s.begin(&commit{t: t, conn: c, end: func(err error) { respond(reply{err: err}) }})
		}, func(reply) { c.leave(); done() })
	})
}

// observe is what the server says of itself.
func (s *server) observe() topology.Observation {
	m := &s.mem
	var schemas []string
	if len(s.disk.data.rows) > 0 {
		schemas = []string{"cards"}
	}
	o := topology.Observation{
		Reach:   topology.ReachAnswers,
		Version: topology.ServerVersion{Flavour: topology.FlavourMariaDB, Major: 10, Minor: 11, Patch: 19},
		Boot:    m.boot, ServerID: m.serverID, Domain: m.domain, ReadOnly: m.readOnly, Layout: m.layout, Settings: m.settings,
		SemiSync: topology.SemiSyncStatus{Enabled: m.semi, On: m.semi, Ackers: s.ackers(), Acking: m.receiver.acking && m.receiver.state == topology.ThreadRunning},
		Applied:  s.disk.slavePos, Binlog: s.disk.binlogPos,
		Schemas: schemas, HasRing: s.disk.hasRing, Slots: s.slotsSeen(), Beats: s.disk.data.beats,
		Link: topology.Link{
			Upstream: s.disk.upstream, Receiver: m.receiver.state, ReceiverError: m.receiver.errText, ReceiverErrno: m.receiver.errno,
			Applier: m.applier.state, ApplierErrno: m.applier.errno, ApplierError: m.applier.errText,
			Received: m.receiver.received,
		},
	}
	if s.w.opt.Adopts {
		for _, d := range m.dumps {
			o.SemiSync.Replicas = append(o.SemiSync.Replicas, d.d.mem.serverID)
		}
	}
	if m.semi {
		for _, c := range m.commits {
			if c.stage == stageWaiting {
				o.SemiSync.Waiting++
			}
		}
	}
	o.Beats = slices.Clip(o.Beats)
	o.Events = topology.EventsSeen{Scheduler: m.scheduler, List: slices.Clone(s.disk.events)}
	m.conns = slices.DeleteFunc(m.conns, (*conn).gone)
	o.Renewed = s.renewal()
	for _, c := range m.conns {
		if c.app {
			o.Apps++
			if c.busy > 0 {
				o.Busy++
			}
			o.AppsTo = max(o.AppsTo, c.id)
			if o.AppsFrom == 0 || c.id < o.AppsFrom {
				o.AppsFrom = c.id
			}
		}
	}
	return o
}
