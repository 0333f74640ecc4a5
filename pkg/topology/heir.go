package topology

import (
	"cmp"
	"slices"
	"time"
)

// best returns the survivor that has most of the lost member's transactions; of
// equals, one that has everything that was acknowledged, of other owners too; of
// those the first in ring order after it, which pulled from it.
func (h heal) best() Member {
	order := h.alive
	if down, ok := formerDownstream(h.s, h.lost.ID); ok {
		at := max(0, slices.IndexFunc(h.alive, func(m Member) bool { return m.ID == down.ID }))
		order = append(slices.Clone(h.alive[at:]), h.alive[:at]...)
	}
	return slices.MaxFunc(order, func(a, b Member) int {
		x, _ := h.o.Of(a.ID)
		y, _ := h.o.Of(b.ID)
		all := func(o Observation) int { return -len(o.Position().Missing(h.op.Mark)) }
		sound := func(m Member) int { // who is about to be lost comes last of equals
			if m.Emptied != "" {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(x.Position().Seq(h.lost.Domain()), y.Position().Seq(h.lost.Domain())), cmp.Compare(all(x), all(y)), cmp.Compare(sound(a), sound(b)))
	})
}

// chooseHeir names the best survivor, if it has everything that was acknowledged
// (S4), and the cut. An owner that only lost its acker stays the heir.
func (h heal) chooseHeir() Step {
	heir := h.best().ID
	seen, _ := h.o.Of(heir)
	var cut Position
	if last, ok := seen.Position().Last(h.lost.Domain()); ok {
		cut = cut.With(last)
	}
	stays := false // it has what it acknowledged itself
	if keeper := h.keeper(); keeper != "" {
		heir, stays = keeper, !h.s.unproven()
		seen, _ = h.o.Of(heir)
	} else if among(h.alive, h.op.Heir) {
		heir = h.op.Heir // he gets units of the lost one besides his own, and has to have what that had
		seen, _ = h.o.Of(heir)
	}
	if len(h.s.ownerless()) == 0 {
		return commit(ChooseHeir{Operation: h.op.ID, From: h.op.Cursor, Cut: cut}, "%s owned nothing", h.lost.ID)
	}
	unsure := !stays && (h.op.MarkUnknown || h.s.Ring.Durability == DurabilitySemiSync && !h.ackerAlive())
	if unsure && h.s.Knows(LawOfHearing) {
		if step, found := h.readmitted(seen, true); found {
			return step
		}
	}
	if unsure && !h.op.AcceptLoss && !h.hasAll(seen) {
		return h.missedAcker(heir)
	}
	if step, found := h.readmitted(seen, false); found {
		return step
	}
	if missing := seen.Position().Missing(h.op.Mark); len(missing) > 0 && !h.op.AcceptLoss {
		if step, found := h.handed(heir, seen); found {
			return step
		}
		return h.missedMark(heir, missing)
	}
	return commit(ChooseHeir{Operation: h.op.ID, From: h.op.Cursor, Heir: heir, Cut: cut}, "it has the most of %s", h.lost.ID)
}

// handed has the heir, whose units are his whoever else is lost, read from a survivor what
// was acknowledged and it lacks; found is false if none has more of that, or none that can send
// it: its binlog begins later, or was emptied, and its numbers say nothing.
func (h heal) handed(heir MemberID, seen Observation) (step Step, found bool) {
	from := h.best()
	theirs, _ := h.o.Of(from.ID)
	m, ok := h.s.Member(heir)
	refuses := seen.Link.Upstream == from.Addr && seen.Link.Receiver == ThreadStopped && seen.Link.ReceiverErrno == errnoPurged
	if !ok || from.ID == heir || from.Emptied != "" || refuses || len(h.more(theirs, seen, false)) == 0 {
		return Step{}, false
	}
	if step, ready := h.readied(m); !ready {
		return step, true
	}
	if step, linked := follow(h.s, m, from, false, h.o, h.now); !linked {
		return step, true
	}
	return wait("%s reads from %s what was acknowledged: %s", heir, from.ID, seen.Position().Missing(h.op.Mark)), true
}

// keeper returns the survivor for whom units are withheld already, empty for none:
// they are still his, whoever else is lost.
//
// It is asked only where no unit needs another heir: the one who gets that must have
// what the lost member had.
func (h heal) keeper() (keeper MemberID) {
	for _, u := range h.s.ownerless() {
		if !among(h.alive, u.Heir) {
			return ""
		}
		if keeper == "" {
			keeper = u.Heir
		}
	}
	return keeper
}

// readmitted returns the step that lets a member count again that was restarted
// while this heal ran, or was out before, if its disk has what was acknowledged and none
// of the others has (S115). What it received and had not applied is gone; what of that was
// acknowledged and is on no disk a person is asked about. unsure: that may be any of the lost
// member's own. Then one that was in the ring is not admitted anew: it may be the acker, and
// stands for one whose relay log is still there, if it carries its token.
func (h heal) readmitted(heir Observation, unsure bool) (Step, bool) {
	for _, m := range h.s.Members {
		seen, good := h.o.Good(m.ID, h.now)
		counts := good && m.ID != h.lost.ID && mayCount(m) && (!isActive(m) || seen.Boot != m.Boot)
		if unsure && isActive(m) && !slices.Contains(h.op.Counted, m.ID) {
			continue
		}
		if !counts || !h.brings(seen, heir, h.asked(seen, unsure)) || !ownIsWhole(h.s, m, h.o, h.now) {
			continue
		}
		if !isActive(m) && (m.Emptied != "" || len(h.beyond(m, seen)) > 0) {
			continue // to be judged, not to flow
		}
		read, flows := h.ownTail(m, seen)
		if !isActive(m) && !flows && read.Kind == StepIdle {
			continue
		}
		if seen.SemiSync.Enabled || !seen.ReadOnly || seen.Apps > 0 {
			step, _ := shut(m, seen)
			return step, true
		}
		if !isActive(m) && !flows {
			return read, true
		}
		if why := unprepared(h.s, m, seen); why != "" {
			return do(m.ID, prepareAction(h.s, m, false), "%s", why), true
		}
		if !isActive(m) {
			return commit(CountAgain{Operation: h.op.ID, Member: m.ID}, "%s has what was acknowledged, as far as any member has, and nothing that has to be judged", m.ID), true
		}
		return do(m.ID, Action{Kind: ActStamp, Boot: m.Boot}, "it was restarted, and has what was acknowledged: it counts again"), true
	}
	return Step{}, false
}

// asked is what may have been acknowledged, as far as a member can have it: the mark, and if
// that is not known for sure all that it has of the lost member's own.
func (h heal) asked(seen Observation, unsure bool) Position {
	asked := h.op.Mark
	if last, some := seen.Position().Last(h.lost.Domain()); unsure && some && last.Seq > asked.Seq(last.Domain) {
		asked = asked.With(last)
	}
	return asked
}

// brings reports whether a member has more of what was acknowledged than the heir, and all of
// it that any survivor has. All need not be on any disk: what is on this one is not to be
// given up with the rest (S115).
func (h heal) brings(seen, heir Observation, asked Position) bool {
	has := seen.Position()
	for _, m := range h.alive {
		theirs, _ := h.o.Of(m.ID)
		for _, g := range asked {
			if min(theirs.Position().Seq(g.Domain), g.Seq) > has.Seq(g.Domain) {
				return false
			}
		}
	}
	return has.Behind(asked) < heir.Position().Behind(asked)
}

// mayCount reports whether a heal may count a member: it is in the ring, or out of it and not
// in quarantine, nor being copied.
func mayCount(m Member) bool {
	return isActive(m) || m.State == MemberDown || m.State == MemberReturning || m.State == MemberHeld
}

// ownTail reports whether what a member that is out has of its own above its cut may flow, as
// there is nothing or sqlring's own rows alone: one that owned nothing when it was lost has a
// heartbeat that nobody else read. Else read finds out, or is idle: it may not, or nobody can
// read it.
func (h heal) ownTail(m Member, seen Observation) (read Step, flows bool) {
	last, some := seen.Binlog.Last(m.Domain())
	if !some || last.Seq <= m.Cut.Seq(m.Domain()) {
		return Step{}, true
	}
	from, found := m.Cut.Last(m.Domain())
	if !found {
		from = GTID{Domain: last.Domain, Server: last.Server, Source: last.Source}
	}
	cut, end := Position{from}, Position{last}
	if _, buried := unread(m, seen.Binlog, cut); len(buried) > 0 {
		return Step{}, false
	}
	if t := seen.Tail; t != nil && t.isAbout(cut, end) {
		if t.Unread.IsZero() {
			return Step{}, t.Verdict == TailEmpty
		}
		if h.now.Sub(t.Unread) < unreadFor {
			return Step{}, false
		}
	}
	return do(m.ID, Action{Kind: ActReadTail, Identity: m.Identity, Retired: m.Retired, After: cut, Layout: h.s.class(m), GivesUp: true},
		"it has what was acknowledged and none of the others has, and %d transactions of its own beside that", cut.Behind(end)), false
}

// unreadFor is for how long a heal goes on without a member whose tail could not be read, and may
// ask a person, before that is tried again.
const unreadFor = time.Minute

// beyond returns in which domains a member that is out has come further than the
// survivors, the lost one, and what was acknowledged. The lost one's own is none of them:
// it was in the ring, and whoever comes in whose disk lacks some of its own gets another
// identity, or has them back first (S23). So what others have of it is no tail, but what
// they read from it, as a survivor may have more of it than was acknowledged.
func (h heal) beyond(m Member, seen Observation) Position {
	known := h.op.Mark
	for _, other := range append(slices.Clone(h.alive), h.lost) {
		if theirs, good := h.o.Good(other.ID, h.now); good {
			known = known.Union(theirs.Position())
		}
	}
	domains, _ := above(known, seen.Binlog, append(slices.Clone(h.alive), m, h.lost))
	return domains
}

// ownIsWhole reports whether a member's disk has all of its own transactions that
// any other has; every other one has to answer.
func ownIsWhole(s *Snapshot, m Member, o Observations, now time.Time) bool {
	seen, _ := o.Of(m.ID)
	for _, other := range s.Members {
		theirs, good := o.Good(other.ID, now)
		if !good || theirs.Reached(m.Domain()) > seen.Binlog.Seq(m.Domain()) {
			return false
		}
	}
	return true
}

// ackerAlive reports whether the member that acknowledged the lost one's commits
// is among the survivors. One that this heal counts again was out, and stands where the
// acker was only now.
func (h heal) ackerAlive() bool {
	acker, ok := h.s.nearest(h.lost.ID, +1, func(m Member) bool { return isActive(m) && !slices.Contains(h.op.Counted, m.ID) })
	return ok && among(h.alive, acker.ID)
}

// hasAll reports whether a survivor has every transaction of the lost member,
// which answers.
func (h heal) hasAll(survivor Observation) bool {
	back, good := h.o.Good(h.lost.ID, h.now)
	return good && survivor.Position().Seq(h.lost.Domain()) >= back.Binlog.Seq(h.lost.Domain())
}

// heirLives reports whether the heir still answers, or else chooses another, once the
// survivors have what is still to be had from the lost member: it may answer again by now.
func (h heal) heirLives() (Step, bool) {
	if h.op.Heir == "" || among(h.alive, h.op.Heir) {
		return Step{}, true
	}
	return h.drain(), false
}
