package topology

import (
	"fmt"
	"slices"
	"time"
)

// armed reports whether the owner's commits wait for its downstream, and for nobody
// else, or else the step that brings it there. An acker that is ahead of the owner
// never acknowledges what it has already, so the owner is armed only once its
// position covers that of its acker, read after the acker connected (S6).
func armed(s *Snapshot, owner Member, o Observations) (Step, bool) {
	seen, _ := o.Of(owner.ID)
	acker, ok := s.Downstream(owner.ID)
	if !ok {
		return stuck("member %s has no downstream that could acknowledge its commits", owner.ID), false
	}
	down, _ := o.Of(acker.ID)
	linked := down.Link.Upstream == owner.Addr && down.Link.Receiver == ThreadRunning
	listed := len(seen.SemiSync.Replicas) == 0 || slices.Contains(seen.SemiSync.Replicas, acker.Identity)
	if linked && listed && ruled(acker, down) && down.SemiSync.Acking && seen.SemiSync.Enabled && seen.SemiSync.On && seen.SemiSync.Ackers == 1 {
		return Step{}, true
	}
	theirs, at, known := down.PositionBefore(seen.Asked)
	switch {
	case !linked:
		return wait("the acker %s is not connected to %s: its receiver is %s: %s", acker.ID, owner.ID, down.Link.Receiver, orNothing(down.Link.ReceiverError)), false
	case !ruled(acker, down):
		return wait("the identity or the rules of the acker %s were changed: that is put right first", acker.ID), false
	case !known || at.Before(down.Link.Since):
		return wait("the position of %s was read before that of its acker", owner.ID), false
	case !seen.Position().Covers(theirs):
		return wait("%s catches up with its acker %s: %s", owner.ID, acker.ID, seen.Position().Missing(theirs)), false
	case !seen.SemiSync.Enabled:
		return do(owner.ID, Action{Kind: ActArm, Identity: owner.Identity}, "its acker %s is connected and not ahead", acker.ID), false
	case strangerAcks(seen.SemiSync, acker) && fullAcker(s, seen, acker, o) != "":
		return wait("%s, which is out since its disk is full, counts as an acker of %s as well, whose commits wait for nobody until that ends: %s", fullAcker(s, seen, acker, o), owner.ID, makeRoom), false
	case strangerAcks(seen.SemiSync, acker) && emptiedAcker(s, seen, acker, o) != "":
		return wait("a member that is out counts as an acker of %s as well, whose commits wait for nobody until that ends: %s", owner.ID, emptiedAcker(s, seen, acker, o)), false
	case strangerAcks(seen.SemiSync, acker):
		return stuck("%d replicas acknowledge to %s, %s alone belongs to the ring: on the other: SET GLOBAL rpl_semi_sync_slave_enabled=0 (MySQL: rpl_semi_sync_replica_enabled), and start its receiver again",
			seen.SemiSync.Ackers, owner.ID, acker.ID), false
	}
	return wait("semi-sync of %s is not on yet: %d ackers, %s acknowledges: %t", owner.ID, seen.SemiSync.Ackers, acker.ID, down.SemiSync.Acking), false
}

// strangerAcks reports whether somebody acknowledges besides the acker. While the
// server ends an earlier connection of that, it counts both.
func strangerAcks(s SemiSyncStatus, acker Member) bool {
	other := func(id uint32) bool { return id != acker.Identity }
	return s.Ackers > 1 && (len(s.Replicas) == 0 || s.Ackers > len(s.Replicas) || slices.ContainsFunc(s.Replicas, other))
}

// stillFor is how long a binlog must have stood still for that to say something:
// probes that follow each other at once see no more than a pause between two writes.
const stillFor = 100 * time.Millisecond

// stalled reports whether commits of an owner wait for what its acker had before:
// it has reconnected, and acknowledges nothing that it has already. The owner's
// binlog has stood still for a probe's time, and the acker had applied all of it
// before that; so nothing is lost by answering them.
func stalled(owner Member, acker Member, o Observations) bool {
	seen, _ := o.Of(owner.ID)
	down, _ := o.Of(acker.ID)
	theirs, _, known := down.PositionBefore(seen.Asked)
	if owner.Source != "" {
		return seen.SemiSync.Enabled && seen.SemiSync.Waiting > 0 && known && stalledMySQL(owner, seen, theirs)
	}
	own := seen.Binlog.Seq(owner.Domain())
	return seen.SemiSync.Enabled && seen.SemiSync.Waiting > 0 && known && !seen.EarlierAt.IsZero() && seen.Asked.Sub(seen.EarlierAt) >= stillFor &&
		own > 0 && seen.Earlier.Seq(owner.Domain()) == own && theirs.Seq(owner.Domain()) >= own
}

// answered reports whether the commits of a member are answered, or else the step that
// orders and throws the switch (S97). SET GLOBAL read_only=1 waits behind those that are not,
// and ends by its lock_wait_timeout: whatever closes a member would be tried without an end.
func answered(s *Snapshot, m Member, o Observations, now time.Time) (Step, bool) {
	acker, paired := s.Downstream(m.ID)
	why := ackless(m, acker, o, now)
	switch {
	case why != "" && m.SemiSync != SemiSyncArmed:
		return disarmed(s, m, o, now)
	case why != "" && paired:
		return commit(OrderSemiSync{Member: m.ID, From: SemiSyncArmed, To: SemiSyncDegraded}, "%s", why), false
	}
	return Step{}, true // or the last of the ring, and its acker is being healed
}

// upkeepSemiSync keeps the switch as ordered, of a member whose commits are answered. An
// owner that goes on without an acker is armed again once it has one, and the order says so
// after that was read back.
func upkeepSemiSync(s *Snapshot, m Member, o Observations, now time.Time) (Step, bool) {
	acker, paired := s.Downstream(m.ID)
	wanted := paired && (s.Owns(m.ID) || s.Inherits(m.ID)) && s.Ring.Durability == DurabilitySemiSync
	switch {
	case !wanted && m.SemiSync != SemiSyncArmed:
		return disarmed(s, m, o, now)
	case !wanted:
		return Step{}, true // the last of the ring, and its acker is being healed
	}
	if _, linked := follow(s, acker, m, true, o, now); !linked && m.SemiSync != SemiSyncArmed {
		return disarmed(s, m, o, now) // the acker's turn comes; nothing may wait for it meanwhile
	}
	step, ok := armed(s, m, o)
	seen, _ := o.Of(m.ID)
	switch {
	case ok && m.SemiSync != SemiSyncArmed:
		return commit(OrderSemiSync{Member: m.ID, From: m.SemiSync, To: SemiSyncArmed}, "its commits wait for its acker"), false
	case ok || step.Kind == StepDo:
		return step, ok
	case m.SemiSync == SemiSyncArmed && strangerAcks(seen.SemiSync, acker):
		// What another one alone has received must not count as safe.
		return commit(OrderSemiSync{Member: m.ID, From: SemiSyncArmed, To: SemiSyncDegraded}, "%s", step.Why), false
	case m.SemiSync == SemiSyncArmed:
		return step, false
	case seen.SemiSync.Ackers > 0:
		return step, true // nothing hangs; whoever acknowledges besides is being seen to
	}
	return disarmed(s, m, o, now) // its acker has to be linked first
}

// ackless says why the commits of a member wait for an acknowledgement that will
// not come, "" if they do not. A server counts the connection of an acker that was
// cut off for as long as it does not notice, so the acker's own word counts too. An
// acker that comes back from a cut can hang a MariaDB that is still armed, in
// ending its earlier connection: it is disarmed before.
func ackless(m, acker Member, o Observations, now time.Time) string {
	seen, _ := o.Of(m.ID)
	down, answers := o.Good(acker.ID, now)
	switch {
	case !seen.SemiSync.Enabled:
		return ""
	case seen.SemiSync.Ackers == 0:
		return fmt.Sprintf("its acker %s is not connected", acker.ID)
	case answers && down.Link.Upstream == m.Addr && down.Link.lost(now):
		return fmt.Sprintf("its acker %s has lost it", acker.ID)
	case stalled(m, acker, o):
		return fmt.Sprintf("its acker %s came back with all that waits, and acknowledges none of it", acker.ID)
	}
	return ""
}

// ackersConnected orders off the semi-sync of an owner whose acker has gone: while
// an operation runs nobody mends that link, but a move that gets ready (S98), and every commit
// would wait for it.
func ackersConnected(s *Snapshot, alive []Member, o Observations, now time.Time) (Step, bool) {
	for _, m := range alive {
		acker, _ := s.Downstream(m.ID)
		why := ackless(m, acker, o, now)
		if why != "" && m.SemiSync == SemiSyncArmed {
			return commit(OrderSemiSync{Member: m.ID, From: SemiSyncArmed, To: SemiSyncDegraded}, "%s", why), false
		}
		if why != "" {
			return do(m.ID, Action{Kind: ActDisarm}, "raft has ordered its semi-sync %s", m.SemiSync), false
		}
	}
	return Step{}, true
}
