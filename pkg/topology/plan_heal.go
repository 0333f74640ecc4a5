package topology

import (
	"slices"
	"time"
)

// The steps of operation heal, in order. The lost member was taken out by the
// command that began it, so its units have no owner before the first step. A
// crash at any step leaves queued writes and closed members, never a second
// writer.
const (
	HealLeases Cursor = "leases" // every proxy has given its lease back, or it has run out (S3)
	HealFreeze Cursor = "freeze" // nothing more can come from the lost member (S2); nobody waits for its acks
	HealDrain  Cursor = "drain"  // survivors apply what they received (S1); the heir is chosen (S4)
	HealWire   Cursor = "wire"   // the ring is closed without it
	HealOpen   Cursor = "open"   // the heir is opened and granted (S5)
)

func healCursors() []Cursor {
	return []Cursor{HealLeases, HealFreeze, HealDrain, HealWire, HealOpen}
}

func nextHeal(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	lost, ok := s.Member(op.Member)
	if !ok {
		return stuck("operation %s heals the loss of %s, which is not a member", op.ID, op.Member)
	}
	if op.Cursor == HealLeases {
		return healLeases(s, op, o, now)
	}
	alive, step, ok := roll(s, o, now)
	op.AcceptLoss = Accepted(s, op, o, now)
	if ok && op.AcceptLoss {
		alive = restartedToo(s, o, now)
	}
	switch {
	case !ok:
		return step
	case len(alive) == 0 && allRestarted(s, lost.ID, o, now):
		return commit(BeginRestart{}, "every member was restarted, and each has its disk")
	case len(alive) == 0:
		return missed("no survivor of the loss of %s is left: bring it back, and the ring comes up again; or give up what only it has: sqlring ring heal --accept-loss", lost.ID)
	}
	if step, ok := ackersConnected(s, alive, o, now); !ok {
		return step
	}
	h := heal{s: s, op: op, lost: lost, alive: alive, o: o, now: now}
	switch op.Cursor {
	case HealFreeze:
		return h.freeze()
	case HealDrain:
		return h.drain()
	case HealWire:
		return h.wire()
	case HealOpen:
		return h.open()
	}
	return stuck("operation %s stands at %q, which is not a step of heal", op.ID, op.Cursor)
}

// restartedToo returns the active members that answer, with whatever process: by
// the DBA's word, what a restarted one had received and not applied is given up.
func restartedToo(s *Snapshot, o Observations, now time.Time) []Member {
	var alive []Member
	for _, m := range s.Members {
		if _, good := o.Good(m.ID, now); good && m.State == MemberActive {
			alive = append(alive, m)
		}
	}
	return alive
}

// heal is what the steps after leases look at. alive are the survivors that
// answer with the process that was admitted; of every other one it is known that
// it does not.
type heal struct {
	s     *Snapshot
	op    Operation
	lost  Member
	alive []Member
	o     Observations
	now   time.Time
}

// freeze stops whoever pulls from the lost member from receiving more, and frees
// whoever waits for its acknowledgement.
func (h heal) freeze() Step {
	for _, m := range h.alive {
		acker, _ := h.s.nearest(m.ID, +1, func(x Member) bool { return x.State == MemberActive || x.ID == h.lost.ID })
		if m.SemiSync == SemiSyncArmed && acker.ID != h.lost.ID {
			continue
		}
		if step, off := disarmed(h.s, m, h.o, h.now); !off {
			return step
		}
	}
	for _, m := range h.alive {
		seen, _ := h.o.Of(m.ID)
		if seen.Link.Upstream != h.lost.Addr || seen.Link.Receiver == ThreadStopped {
			continue
		}
		if seen.Link.Applier == ThreadStopped && seen.Link.ApplierErrno != 0 && !outOfRoom(seen.Link.ApplierErrno) {
			return applierFailed(m, seen)
		}
		if seen.Link.Applier == ThreadStopped && len(seen.Unapplied()) > 0 {
			start := Action{Kind: ActFollow, Identity: m.Identity, Upstream: h.lost.Addr, UpstreamName: h.lost.ID, Acker: seen.Settings.AckerEnabled}
			return do(m.ID, start, "its applier must run before its receiver is stopped")
		}
		return do(m.ID, Action{Kind: ActStopReceiver}, "nothing more may come from %s", h.lost.ID)
	}
	down, _ := formerDownstream(h.s, h.lost.ID)
	_, back := h.o.Good(h.lost.ID, h.now)
	if !among(h.alive, down.ID) && !back && !h.op.AcceptLoss {
		return missed("member %s, which pulled from %s, is lost too: bring one of them back, or give up what only they have: sqlring ring heal --accept-loss",
			down.ID, h.lost.ID)
	}
	return advance(h.op, HealDrain, "nothing more can come from %s", h.lost.ID)
}

func formerDownstream(s *Snapshot, id MemberID) (Member, bool) { return s.nearest(id, +1, isActive) }

func formerUpstream(s *Snapshot, id MemberID) (Member, bool) { return s.nearest(id, -1, isActive) }

func isActive(m Member) bool { return m.State == MemberActive }

// drain waits until those who pulled from the lost member have applied what they
// received, and chooses the heir.
func (h heal) drain() Step {
	if step, fed := h.feed(); !fed {
		return step
	}
	for _, m := range h.alive {
		seen, _ := h.o.Of(m.ID)
		if seen.Link.Upstream != h.lost.Addr {
			continue
		}
		if halted := seen.Link.Receiver == ThreadStopped && seen.Link.Applier == ThreadStopped; halted && len(seen.Unapplied()) > 0 && !h.op.AcceptLoss {
			return missed("member %s: its applier stopped (error %d %s), and what it received up to %s stands in its relay log alone: leave it running; bring %s back, or give that up: sqlring ring heal --accept-loss",
				m.ID, seen.Link.ApplierErrno, seen.Link.ApplierError, seen.Unapplied(), h.lost.ID)
		}
		if step, done := drained(m, seen); !done {
			return step
		}
	}
	return h.chooseHeir()
}

// feed lets the best survivor read from the lost member, if that answers again
// and may hold acknowledged transactions that no survivor has. Nobody has
// written since it was lost, so all that it holds may flow; it is shut first.
func (h heal) feed() (Step, bool) {
	back, good := h.o.Good(h.lost.ID, h.now)
	heir := h.best()
	theirs, _ := h.o.Of(heir.ID)
	own, has := back.Binlog.Seq(h.lost.Domain()), theirs.Position().Seq(h.lost.Domain())
	needed := !h.op.Armed || !h.ackerAlive() || len(theirs.Unapplied()) > 0 || !theirs.Position().Covers(h.op.Mark)
	link := theirs.Link
	refuses := link.Upstream == h.lost.Addr && link.Receiver == ThreadStopped && link.ReceiverErrno == errnoPurged // its binlog has not what comes next
	_, emptied := hadMore(h.s, h.lost, back, h.o, h.now)                                                           // its numbers say nothing, and it can send nothing from before (S82)
	if !good || !needed || has >= own || refuses || emptied || h.lost.Emptied != "" || h.disksDiffer(own) {
		return Step{}, true
	}
	if step, ok := shut(h.lost, back); !ok {
		return step, false
	}
	if why := unprepared(h.s, h.lost, back); why != "" {
		return do(h.lost.ID, prepareAction(h.s, h.lost, false), "%s", why), false
	}
	if step, ok := h.readied(heir); !ok {
		return step, false
	}
	if step, ok := follow(h.s, heir, h.lost, false, h.o, h.now); !ok {
		return step, false
	}
	return wait("%s reads from %s what no other has: %d transactions to go", heir.ID, h.lost.ID, own-has), false
}

// disksDiffer reports whether anybody has received more of the lost member's own than its disk
// has, up to own: it would give those numbers out again under its identity (S117).
func (h heal) disksDiffer(own uint64) bool {
	return slices.ContainsFunc(h.s.Members, func(m Member) bool {
		theirs, good := h.o.Good(m.ID, h.now)
		return good && m.ID != h.lost.ID && theirs.Reached(h.lost.Domain()) > own
	})
}

// wire closes the ring without the lost member: its downstream follows its
// upstream. With one survivor left there is nobody to follow.
func (h heal) wire() Step {
	if step, ok := h.heirLives(); !ok {
		return step
	}
	down, ok := formerDownstream(h.s, h.lost.ID)
	switch {
	case !ok:
		return stuck("no member is left in the ring")
	case !among(h.alive, down.ID):
		return advance(h.op, HealOpen, "%s is lost too, the ring is closed when that is healed", down.ID)
	}
	seen, _ := h.o.Of(down.ID)
	upstream, _ := h.s.Upstream(down.ID)
	if !among(h.alive, upstream.ID) {
		if step, ok := detached(down, seen); !ok {
			return step
		}
		return advance(h.op, HealOpen, "%s has nobody to follow", down.ID)
	}
	if !seen.Carries(down) && seen.Boot != down.Boot && down.ID != h.op.Heir {
		return advance(h.op, HealOpen, "%s was restarted, the ring is closed when that is healed", down.ID)
	}
	if step, ok := h.readied(down); !ok {
		return step
	}
	if step, ok := follow(h.s, down, upstream, true, h.o, h.now); !ok {
		return step
	}
	return advance(h.op, HealOpen, "%s follows %s", down.ID, upstream.ID)
}

// readied reports whether a survivor that is to follow another one carries its identity, or
// else the step that brings it there: by the DBA's word one that was restarted is a survivor
// too, and whoever was not prepared is refused every link (S99).
func (h heal) readied(m Member) (Step, bool) {
	seen, _ := h.o.Of(m.ID)
	switch {
	case seen.Carries(m):
		return Step{}, true
	case seen.Boot != m.Boot && (seen.SemiSync.Enabled || !seen.ReadOnly || seen.Apps > 0):
		return shut(m, seen)
	case !seen.ReadOnly:
		if step, ok := answered(h.s, m, h.o, h.now); !ok {
			return step, false
		}
		return do(m.ID, Action{Kind: ActClose}, "its identity is not set: it is closed until that is put right"), false
	}
	if step, still := standsStill(h.s, m, h.o, h.now); !still {
		return step, false
	}
	return do(m.ID, prepareAction(h.s, m, false), "%s", unprepared(h.s, m, seen)), false
}

// open opens the heir and grants it the units. Under DegradedRefuse they are
// withheld until its commits wait for an acker, which upkeep sees to.
func (h heal) open() Step {
	if h.op.Heir == "" {
		return commit(EndHeal{Operation: h.op.ID}, "%s owned nothing, the ring goes on without it", h.lost.ID)
	}
	if step, ok := h.heirLives(); !ok {
		return step
	}
	if h.s.Ring.Durability == DurabilitySemiSync && h.s.Ring.Degraded == DegradedRefuse {
		return commit(EndHeal{Operation: h.op.ID, Withhold: true}, "degraded is refuse: writes wait until %s has an acker", h.op.Heir)
	}
	if h.s.unproven() {
		return commit(EndHeal{Operation: h.op.ID, Withhold: true}, "the state was restored: writes wait until %s has all that the others have", h.op.Heir)
	}
	heir, _ := h.s.Member(h.op.Heir)
	seen, _ := h.o.Of(heir.ID)
	if why := unprepared(h.s, heir, seen); why != "" {
		return do(heir.ID, prepareAction(h.s, heir, false), "%s", why)
	}
	has := "everything that was acknowledged"
	if h.op.AcceptLoss {
		has = "what was acknowledged but for what a person has given up"
	}
	if seen.ReadOnly {
		return do(heir.ID, openAction(heir), "it has %s and takes over", has)
	}
	order := SemiSyncOff
	if h.s.Ring.Durability == DurabilitySemiSync {
		order = SemiSyncDegraded
	}
	return commit(EndHeal{Operation: h.op.ID, SemiSync: order, Proxies: proxies(h.o)}, "%s is open and has %s", heir.ID, has)
}
