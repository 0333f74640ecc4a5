package sim

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// dissolve ends the ring of a run, after everything else was looked at: with statements
// and commands that fail, members and nodes that die, and the word taken back once.
func (w *World) dissolve() {
	if w.broken != nil || !w.opt.Dissolves {
		return
	}
	members := w.log.snap.Members
	procs := map[topology.MemberID]int{}
	for _, s := range w.servers {
		procs[s.id] = s.proc
	}
	change := topology.DissolveRing{Without: true, Open: topology.DissolveOpen(w.rng.IntN(3)), Keep: w.chance(0.3), Grace: w.between(time.Millisecond, time.Second)}
	w.nemesis.off, w.calm = false, false // between two statements; no storm
	ends := w.now + w.between(time.Second, 5*time.Second)
	if w.chance(0.3) {
		w.after(w.between(0, 200*time.Millisecond), func() {
			if op, ok := w.log.snap.Running(); ok && op.Kind == topology.OperationDissolve {
				_ = w.order(topology.AbortOperation{Operation: op.ID})
			}
		})
	}
	w.await("I10", 2*wholeWithin, func() string {
		if w.log.snap.Ring == nil {
			return ""
		}
		if w.now >= ends && !w.calm {
			w.nemesis.end()
		}
		if _, busy := w.log.snap.Running(); !busy {
			_ = w.order(change) // refused while it is not whole
		}
		return "the ring is not dissolved: " + w.lastWhy()
	})
	w.nemesis.end()
	if w.broken == nil {
		w.apart(members, procs, change)
	}
}

// apart checks what is left of a ring: the members that were in it are equal, and follow
// nobody, but for one that was lost while they were taken apart.
func (w *World) apart(members []topology.Member, procs map[topology.MemberID]int, change topology.DissolveRing) {
	var first *server
	for _, m := range members {
		s := w.server(m.ID)
		if m.State != topology.MemberActive {
			continue
		}
		if first == nil {
			first = s
		}
		why := ""
		switch {
		case !s.disk.data.equal(&first.disk.data) && len(s.disk.data.rows) != len(first.disk.data.rows):
			why = fmt.Sprintf("holds %d rows, %s %d", len(s.disk.data.rows), first.id, len(first.disk.data.rows))
		case s.proc == procs[m.ID] && s.disk.upstream != "":
			why = "still follows " + s.disk.upstream
		case s.mem.semi:
			why = "is still armed"
		case change.Open == topology.OpenNone && !s.mem.readOnly:
			why = "is open"
		}
		if why != "" {
			w.breach("I15", "the ring is dissolved, and %s %s", m.ID, why)
			return
		}
	}
	w.laws.stats.Dissolved++
}
