package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// dissolve ends the ring of a run, after everything else was looked at: among faults, for
// a while, and with the word taken back at some step.
func (w *World) dissolve() {
	ownerless := slices.ContainsFunc(w.log.snap.Units, func(u topology.Unit) bool { return u.Owner == "" })
	if w.broken != nil || !w.opt.Dissolves || ownerless { // that waits for a person, as the policy wants it
		return
	}
	change := topology.DissolveRing{Without: true, Open: topology.DissolveOpen(w.rng.IntN(3)), Keep: w.chance(0.3), Grace: w.between(time.Millisecond, time.Second)}
	w.nemesis.off, w.calm = false, false
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
		_, busy := w.log.snap.Running()
		waits := slices.ContainsFunc(w.log.snap.Units, func(u topology.Unit) bool { return u.Owner == "" })
		if waits && !busy && w.calm && w.log.snap.Ring.Degraded == topology.DegradedRefuse {
			return "" // for an acker, or for the word about one
		}
		if !busy && !waits {
			_ = w.order(change)
		}
		return "the ring is not dissolved: " + w.lastWhy()
	})
}

// apart checks what a ring leaves behind: the members that were in it and could be asked
// have the same, follow nobody, and are open as was ordered (I15).
func (l *laws) apart(before *topology.Snapshot, c topology.Command) {
	end, ok := c.Change.(topology.EndDissolve)
	if !ok {
		return
	}
	l.stats.Dissolved++
	op, _ := before.Running()
	var first *server
	for _, m := range before.Members {
		s := l.w.server(m.ID)
		if m.State != topology.MemberActive || slices.Contains(end.Left, m.ID) || s.power == dead || s.mem.boot != m.Boot {
			continue
		}
		if first == nil {
			first = s
		}
		opens := op.Open == topology.OpenAll || op.Open == topology.OpenOwners && before.Inherits(m.ID)
		why := ""
		switch {
		case len(s.disk.data.rows) != len(first.disk.data.rows):
			why = fmt.Sprintf("holds %d rows, %s %d", len(s.disk.data.rows), first.id, len(first.disk.data.rows))
		case s.disk.upstream != "":
			why = "still follows " + s.disk.upstream
		case s.mem.semi:
			why = "is still armed"
		case opens == s.mem.readOnly && !l.openedUnseen(s):
			why = fmt.Sprintf("is read-only: %t", s.mem.readOnly)
		}
		if why != "" {
			l.w.breach("I15", "the ring is dissolved, and %s %s", m.ID, why)
			return
		}
	}
}

// openedUnseen reports whether somebody has opened a member by hand since the leader has
// looked at it last: the ring that ends a moment later can not know.
func (l *laws) openedUnseen(s *server) bool {
	seen, _ := l.w.leader().eyes.obs.Of(s.id)
	return s.opened > 0 && !seen.Asked.After(genesis().Add(s.opened))
}
