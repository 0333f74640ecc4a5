package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/history"
	"github.com/sqlring/sqlring/pkg/topology"
)

// How long the phases of a run may take, in virtual time.
const (
	initWithin  = 20 * time.Second
	wholeWithin = 60 * time.Second
	afterglow   = 2 * time.Second // of load in a whole ring
)

// Stats is what a run has seen, to tell a busy seed from an idle one.
type Stats struct {
	Events    int
	Writes    int
	Outcomes  [3]int // ok, failed, unknown
	Heals     int
	Severed   int // of the heals: because of sites that do not reach each other
	Rejoins   int
	Joins     int           // of units, to "*"
	Moves     int           // units that got another owner in a planned way
	Removes   int           // members that have left
	Out       int           // maintenances
	Dissolved int           // rings
	Fired     int           // runs of events
	Adopted   int           // rings
	Replayed  int           // transactions of tails
	Grown     int           // members that have got another one's data
	Resized   int           // rings that got another stride
	Emptied   int           // binlogs, which was found
	Unseen    int           // runs that end since it was not
	Five      int           // rings with five voters
	Unfenced  int           // times when isolation was set to continue
	TwoLost   int           // times when two voters were killed or stopped at once
	Parted    int           // times when two of five were cut off from the others
	Stopped   int           // nodes, for a while
	Trapped   int           // of them between two steps of something
	Words     int           // commands that a person had to give
	Calm      time.Duration // from the end of faults to a whole ring
}

// Result is how a run ended.
type Result struct {
	Broken     *Violation // nil: every law held
	Stats      Stats
	Grants     []history.Grant // with Options.Record, of unit "*"
	Writes     []history.Write
	Transcript string // with Options.Trace
}

// Run makes a world and lets it live: a ring is made, faults are drawn under
// load, they end, and the ring must be whole again.
func Run(opt Options) Result {
	w := newWorld(opt)
	w.say("world", "%s", opt)
	w.live()
	if opt.Voters == 5 {
		w.laws.stats.Five++
	}
	if w.broken != nil && w.broken.Law == unpromised {
		w.broken = nil
		w.laws.stats.Unseen++
	}
	r := Result{Broken: w.broken, Stats: w.laws.stats, Grants: w.laws.grants, Writes: w.laws.written}
	if opt.Trace {
		r.Transcript = w.trace.last(len(w.trace.lines))
	}
	return r
}

func (w *World) live() {
	for _, n := range w.nodes {
		n.start()
	}
	w.watchRaft(0)
	w.runEvents()
	w.runUntil(time.Second)
	if err := w.log.init(w.opt); err != nil {
		w.breach("I10", "%s", err)
		return
	}
	if w.opt.Adopts {
		w.adopt()
	}
	w.await("I10", initWithin, w.unwhole)
	for _, c := range w.clients {
		c.think()
	}
	w.runUntil(w.now + 300*time.Millisecond)
	w.nemesis.off = false
	w.nemesis.storm()
	w.runUntil(w.now + w.opt.Storm)

	w.nemesis.end()
	ended := w.now
	w.await("I10", wholeWithin, w.unwhole)
	w.laws.stats.Calm = w.now - ended
	w.runUntil(w.now + afterglow)
	for _, c := range w.clients {
		c.paused = true
	}
	w.await("I7", queueLimit+writeLimit, w.unequal)
	w.finally()
	w.dissolve()
}

// await lets the world go on until lack says "", or breaks the law.
func (w *World) await(law string, limit time.Duration, lack func() string) {
	deadline := w.now + limit
	for w.broken == nil {
		why := lack()
		if why == "" {
			return
		}
		if w.now >= deadline {
			w.breach(law, "after %s: %s", limit, why)
			return
		}
		w.runUntil(w.now + 100*time.Millisecond)
		if w.calm {
			w.laws.stats.Words += w.person()
		}
	}
}

// unwhole says what the ring lacks, "" for nothing: every member is in it or in
// quarantine with the command that is needed, linked, and the owner is armed.
func (w *World) unwhole() string {
	s := w.log.snap
	op, ok := s.Running()
	if ok && op.Kind == topology.OperationRestart && strings.Contains(w.laws.stuckFor, "its disk has lost some") {
		return "" // an older copy of a disk, and who has the rest is out: a person has to choose, and is told how
	}
	if ok {
		return fmt.Sprintf("operation %s (%s of %s) stands at %q: %s", op.ID, op.Kind, op.Member, op.Cursor, w.lastWhy())
	}
	ownerless := slices.ContainsFunc(s.Units, func(u topology.Unit) bool { return u.Owner == "" })
	withheld := ownerless && s.Ring.Degraded == topology.DegradedRefuse
	if withheld && strings.Contains(w.laws.stuckFor, "in quarantine") && strings.Contains(w.laws.stuckFor, "sqlring master rejoin") {
		return "" // as the policy wants it, and the one command is named
	}
	if len(s.Units) == 0 || ownerless {
		return "a unit has no owner: " + w.lastWhy()
	}
	for _, m := range s.Members {
		if m.State == topology.MemberQuarantined && strings.Contains(m.Why, "sqlring ") && !strings.Contains(m.Why, anew) {
			continue
		}
		if m.Leaving != nil {
			return fmt.Sprintf("%s is still to leave: %s", m.ID, w.lastWhy())
		}
		if m.State != topology.MemberActive {
			return fmt.Sprintf("%s is %s: %s", m.ID, m.State, w.lastWhy())
		}
		if why := w.unfit(m); why != "" {
			return fmt.Sprintf("%s %s: %s", m.ID, why, w.lastWhy())
		}
	}
	return ""
}

func (w *World) lastWhy() string {
	n := w.leader()
	if n.ctl == nil {
		return "no controller"
	}
	d := n.ctl.Last()
	return fmt.Sprintf("%s (%s) at %s", d.Step, d.Error, d.At.Sub(genesis()))
}

// unfit says what an active member lacks.
func (w *World) unfit(m topology.Member) string {
	snap, s := w.log.snap, w.server(m.ID)
	owns := snap.Owns(m.ID)
	up, linked := snap.Upstream(m.ID)
	r, a := s.mem.receiver, s.mem.applier
	switch {
	case s.power != running || s.mem.boot != m.Boot:
		return "is not the process that was admitted"
	case s.mem.serverID != m.Identity || s.mem.domain != m.Identity:
		return "does not have its identity"
	case owns == s.mem.readOnly:
		return "is open or closed, and should not be"
	case linked && (s.disk.upstream != up.Addr || r.state != topology.ThreadRunning || a.state != topology.ThreadRunning):
		return "is not linked"
	case snap.Ring.Durability == topology.DurabilitySemiSync && owns && linked && (m.SemiSync != topology.SemiSyncArmed || !s.mem.semi || s.ackers() != 1):
		return "owns the unit and is not armed"
	case !owns && s.mem.semi:
		return "owns nothing and is armed"
	}
	if lacks := w.unmirrored(s); lacks != "" {
		return lacks
	}
	return w.unscheduled(s)
}

// unequal says where members differ, "" for nowhere.
func (w *World) unequal() string {
	for _, c := range w.clients {
		if c.write != nil {
			return fmt.Sprintf("client %d still waits", c.i)
		}
	}
	var first *server
	for _, m := range w.log.snap.Members {
		s := w.server(m.ID)
		switch {
		case m.State != topology.MemberActive:
		case first == nil:
			first = s
		case !s.disk.data.equal(&first.disk.data):
			return fmt.Sprintf("%s holds %d rows, %s %d; at %s and %s", first.id, len(first.disk.data.rows), s.id, len(s.disk.data.rows), first.disk.binlogPos, s.disk.binlogPos)
		}
	}
	return ""
}

// finally looks for every acknowledged write on every member that is in the
// ring.
func (w *World) finally() {
	if w.broken != nil {
		return
	}
	for _, m := range w.log.snap.Members {
		for _, a := range w.laws.acked {
			if m.State != topology.MemberActive || !a.armed || w.opt.Double {
				continue
			}
			if w.server(m.ID).disk.data.rows[a.t.key] == nil {
				w.breach("I1", "the acknowledged write %v (%s) is not on %s", a.t.key, a.t.gtid, m.ID)
				return
			}
		}
	}
}

func (s *Stats) add(o Stats) {
	s.Events += o.Events
	s.Writes += o.Writes
	for i, n := range o.Outcomes {
		s.Outcomes[i] += n
	}
	s.Heals += o.Heals
	s.Severed += o.Severed
	s.Rejoins += o.Rejoins
	s.Joins += o.Joins
	s.Moves += o.Moves
	s.Removes += o.Removes
	s.Out += o.Out
	s.Dissolved += o.Dissolved
	s.Fired += o.Fired
	s.Grown += o.Grown
	s.Resized += o.Resized
	s.Adopted += o.Adopted
	s.Replayed += o.Replayed
	s.Emptied += o.Emptied
	s.Unseen += o.Unseen
	s.Five += o.Five
	s.TwoLost += o.TwoLost
	s.Unfenced += o.Unfenced
	s.Parted += o.Parted
	s.Stopped += o.Stopped
	s.Trapped += o.Trapped
	s.Words += o.Words
	s.Calm = max(s.Calm, o.Calm)
}

// String prints the sums, and the longest calm.
func (s Stats) String() string {
	return fmt.Sprintf("%d events, %d writes (%d ok, %d failed, %d unknown), %d heals (%d of severed sites), %d rejoins, %d moves, %d joins, %d removed, %d maintained, %d dissolved, %d adopted, %d replayed, %d copied, %d resized, %d binlogs emptied (and %d that nobody saw), %d events run, %d rings of five voters (two cut off %d times), two voters lost %d times, %d nodes stopped (%d between two steps), continue set %d times, %d words of a person, whole again within %s",
		s.Events, s.Writes, s.Outcomes[outcomeOK], s.Outcomes[outcomeFailed], s.Outcomes[outcomeUnknown], s.Heals, s.Severed, s.Rejoins, s.Moves, s.Joins, s.Removes, s.Out, s.Dissolved, s.Adopted, s.Replayed, s.Grown, s.Resized, s.Emptied, s.Unseen, s.Fired, s.Five, s.Parted, s.TwoLost, s.Stopped, s.Trapped, s.Unfenced, s.Words, s.Calm)
}

// dump writes the state of every server into the transcript.
func (w *World) dump() {
	for _, s := range w.servers {
		w.say(string(s.id), "power %d, binlog %s, slave_pos %s, follows %q receiver %s %q received %s, applier %s %q relay %d busy %t, semi %t ackers %d commits %d",
			s.power, s.disk.binlogPos, s.disk.slavePos, s.disk.upstream, s.mem.receiver.state, s.mem.receiver.errText, s.mem.receiver.received,
			s.mem.applier.state, s.mem.applier.errText, len(s.mem.applier.relay), s.mem.applier.busy, s.mem.semi, s.ackers(), len(s.mem.commits))
	}
}
