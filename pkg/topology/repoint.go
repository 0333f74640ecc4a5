package topology

import (
	"fmt"
	"time"
)

// retryAfter is how long a receiver that stopped with an error is left alone: most
// such errors need a person, and some need only time.
const retryAfter = 5 * time.Second

// follow is the one primitive that changes a link (S1, S6): it returns the next
// step that brings m to follow upstream, or ok if it does, with both threads
// running. Each step is taken only when the one before is seen to have worked:
//
//  1. semi-sync is off on the upstream that it leaves, on the one that it is to
//     acknowledge to, and on m itself, whose applier may wait for an ack;
//  2. its receiver is stopped, its applier runs on;
//  3. everything that was received is applied;
//  4. it is pointed anew, and both threads are started.
//
// What the upstream's binlog does not begin early enough for, m reads from another
// member before that (S35).
func follow(s *Snapshot, m, upstream Member, acker bool, o Observations, now time.Time) (step Step, ok bool) {
	feeder, found := feederOf(s, m, upstream, o, now)
	switch {
	case !found:
		return stuck("member %s lacks what the binlog of %s begins after, and no other member that answers can send it: start one that can; or end what runs (sqlring operation abort) and give up what it holds: sqlring master reclone %s", m.ID, upstream.ID, m.ID), false
	case feeder.ID == upstream.ID:
		return pull(s, m, upstream, acker, o, now)
	}
	if step, ok := pull(s, m, feeder, false, o, now); !ok {
		return step, false
	}
	seen, _ := o.Of(m.ID)
	return wait("member %s reads from %s what the binlog of %s begins after: %d transactions to go", m.ID, feeder.ID, upstream.ID, seen.Position().Behind(upstream.Base)), false
}

// feederOf returns whom m can read from on its way to upstream: that one itself, or
// the nearest before it in ring order whose binlog begins early enough.
func feederOf(s *Snapshot, m, upstream Member, o Observations, now time.Time) (Member, bool) {
	seen, _ := o.Of(m.ID)
	if seen.Link.Upstream == upstream.Addr && seen.Link.Receiver == ThreadRunning || seen.Position().Covers(upstream.Base) {
		return upstream, true
	}
	feeder, found := s.nearest(upstream.ID, -1, func(x Member) bool {
		theirs, good := o.Good(x.ID, now)
		return x.State == MemberActive && x.ID != m.ID && good && theirs.Boot == x.Boot && seen.Position().Covers(x.Base)
	})
	return feeder, found
}

// pull is follow without a look at what the upstream can send.
func pull(s *Snapshot, m, upstream Member, acker bool, o Observations, now time.Time) (step Step, ok bool) {
	seen, good := o.Good(m.ID, now)
	if !good {
		return unheard(m.ID, seen, now), false
	}
	link := seen.Link
	action := Action{Kind: ActFollow, Identity: m.Identity, Upstream: upstream.Addr, UpstreamName: upstream.ID, Acker: acker}
	start := "" // why the receiver is to be started where it stands already
	if link.Upstream == upstream.Addr {
		switch {
		case link.Applier == ThreadStopped && outOfRoom(link.ApplierErrno) && now.Sub(link.Halted) < retryAfter:
			return wait("member %s: its applier found no room (error %d: %s), and is started again every %s: %s", m.ID, link.ApplierErrno, link.ApplierError, retryAfter, makeRoom), false
		case link.Applier == ThreadStopped && link.ApplierErrno != 0 && !outOfRoom(link.ApplierErrno) && !endedInHalf(seen):
			return applierFailed(m, seen), false
		case link.Receiver == ThreadStopped && refusedBy(link.ReceiverErrno) && now.Sub(link.Since) < retryAfter:
			return wait("member %s: its receiver stopped with error %d: %s; it is started again every %s", m.ID, link.ReceiverErrno, link.ReceiverError, retryAfter), false
		case link.Receiver == ThreadStopped || link.Applier == ThreadStopped:
			start = "its replication threads do not run"
		case link.Receiver != ThreadRunning || link.Applier != ThreadRunning:
			return wait("member %s connects to %s: %s%s", m.ID, upstream.ID, orNothing(link.ReceiverError), shadowed(link.ReceiverErrno, upstream)), false
		case seen.Settings.AckerEnabled != acker:
			start = "whether it acknowledges is not as it should be"
		default:
			return Step{}, true
		}
	}
	if step, off := ackersOff(s, m, upstream, acker, o, now); !off {
		return step, false
	}
	if start != "" {
		return do(m.ID, action, "%s", start), false
	}
	if link.Upstream == "" {
		return do(m.ID, action, "it does not follow %s", upstream.ID), false
	}
	if step, done := drained(m, seen); !done {
		return step, false
	}
	return do(m.ID, action, "all that it received is applied, it leaves %s", link.Upstream), false
}

// refusedBy reports whether an error of the receiver is the upstream's own word: it
// was reached (2000 to 2999 are the client library's: it was not).
func refusedBy(errno int) bool { return errno != 0 && (errno < 2000 || errno > 2999) }

// errnoDenied is ER_ACCESS_DENIED_ERROR.
const errnoDenied = 1045

// shadowed says what keeps the replication account out where its password is right: the
// server takes the account with the most specific host part, and then looks for no other
// (MySQL manual, "Access Control, Stage 1").
func shadowed(errno int, upstream Member) string {
	if errno != errnoDenied {
		return ""
	}
	return fmt.Sprintf("; if %s has an anonymous account (SELECT Host FROM mysql.user WHERE User=''), that one is taken in its place: DROP USER ''@'HOST' there", upstream.ID)
}

// ackersOff reports whether nobody waits for an ack that the change of m's link
// could keep from coming, or else the step that brings it there: the upstream
// that it leaves, the one that it is to acknowledge to, and m itself, whose
// applier may wait while it is stopped.
func ackersOff(s *Snapshot, m, upstream Member, acker bool, o Observations, now time.Time) (Step, bool) {
	seen, _ := o.Of(m.ID)
	moves := seen.Link.Upstream != upstream.Addr
	acks := seen.Settings.AckerEnabled || seen.SemiSync.Acking // whom it does not acknowledge to does not wait for it
	for _, other := range s.Members {
		comes := other.ID == upstream.ID && acker
		leaves := moves && (other.Addr == seen.Link.Upstream && acks && !ackedBesides(s, other, m, o) || other.ID == m.ID)
		theirs, _ := o.Of(other.ID)
		gone := other.State == MemberDown || other.State == MemberQuarantined || other.State == MemberHeld || other.State == MemberMaintained || other.State == MemberCopying && other.ID != m.ID || failing(theirs, now)
		if gone || (!comes && !leaves) {
			continue
		}
		if step, off := disarmed(s, other, o, now); !off {
			return step, false
		}
	}
	return Step{}, true
}

// ackedBesides reports whether the acker of a member is another one than m, and the only one
// that it counts, while m receives nothing: then nobody waits for m. An owner that was to be
// disarmed all the same would be armed again, for it has its acker, without an end.
func ackedBesides(s *Snapshot, other, m Member, o Observations) bool {
	acker, paired := s.Downstream(other.ID)
	seen, _ := o.Of(m.ID)
	if !paired || acker.ID == m.ID || seen.Link.Receiver != ThreadStopped {
		return false
	}
	_, ok := armed(s, other, o)
	return ok
}

// drained reports whether m receives nothing more and has applied everything, or
// else the step that brings it there. The receiver is never stopped while the
// applier does not run: what was received would be thrown away (S1). Where both
// stand still already, it was.
func drained(m Member, seen Observation) (Step, bool) {
	link := seen.Link
	receives := link.Upstream != "" && link.Receiver != ThreadStopped
	switch {
	case !receives && (seen.Drained() || link.Upstream == "" || link.Applier == ThreadStopped):
		return Step{}, true
	case link.Applier == ThreadStopped && link.ApplierErrno != 0 && !outOfRoom(link.ApplierErrno):
		return applierFailed(m, seen), false
	case receives && link.Applier != ThreadRunning:
		return do(m.ID, Action{Kind: ActFollow, Identity: m.Identity, Upstream: link.Upstream, Acker: seen.Settings.AckerEnabled}, "its applier must run before its receiver is stopped"), false
	case receives:
		return do(m.ID, Action{Kind: ActStopReceiver}, "what can still come from %s is fixed by this", link.Upstream), false
	}
	return wait("member %s applies what it received: %d transactions to go%s", m.ID, seen.Applied.Behind(link.Received), eta(seen)), false
}

// eta says how long draining takes at the rate of the last two probes, "" if that
// can not be told.
func eta(seen Observation) string {
	before, left := seen.Earlier.Behind(seen.Link.Received), seen.Position().Behind(seen.Link.Received)
	took := seen.At.Sub(seen.EarlierAt)
	if seen.EarlierAt.IsZero() || took <= 0 || before <= left {
		return ""
	}
	rest := time.Duration(float64(left) / float64(before-left) * float64(took))
	return fmt.Sprintf(", about %s at the present rate", rest.Round(100*time.Millisecond))
}

func applierFailed(m Member, seen Observation) Step {
	return stuck("member %s: its applier stopped with error %d, %d received transactions are not applied: %s; mend the cause there, then: START SLAVE SQL_THREAD",
		m.ID, seen.Link.ApplierErrno, seen.Position().Behind(seen.Link.Received), seen.Link.ApplierError)
}

// detached reports whether m follows nobody, or else the step that brings it
// there.
func detached(m Member, seen Observation) (Step, bool) {
	if seen.Link.Upstream == "" {
		return Step{}, true
	}
	if step, done := drained(m, seen); !done {
		return step, false
	}
	return do(m.ID, Action{Kind: ActDetach}, "there is nobody to follow"), false
}

// disarmed reports whether no commit of m waits for an acker, or else the step
// that brings it there: the order through raft first, the switch after. What is
// not known is not off.
func disarmed(s *Snapshot, m Member, o Observations, now time.Time) (Step, bool) {
	if m.SemiSync == SemiSyncArmed {
		return commit(OrderSemiSync{Member: m.ID, From: SemiSyncArmed, To: SemiSyncDegraded}, "its acker changes, nothing may wait for the one that goes"), false
	}
	seen, good := o.Good(m.ID, now)
	switch {
	case !good:
		return unheard(m.ID, seen, now), false
	case seen.SemiSync.Enabled:
		// Commits that wait are answered OK by this: what is withheld must be so first.
		if step, over := leasesOver(s, o, now); s.Inherits(m.ID) && !over {
			return step, false
		}
		return do(m.ID, Action{Kind: ActDisarm}, "raft has ordered its semi-sync %s", m.SemiSync), false
	}
	return Step{}, true
}

// shut reports whether a member that is out of the ring takes no writes, waits
// for nobody and acknowledges to nobody, or else the step that brings it there.
// A process that was frozen or cut off may still be open and armed, and have an
// application's statements queued: they end here.
func shut(m Member, seen Observation) (Step, bool) {
	loud := quiesce(seen)
	switch {
	case !loud.empty():
		return do(m.ID, Action{Kind: ActEvents, Events: loud}, "it is out of the ring, and its events run elsewhere"), false
	case seen.SemiSync.Enabled:
		return do(m.ID, Action{Kind: ActDisarm}, "it is out of the ring, nothing there may wait for an acker"), false
	case !seen.ReadOnly:
		return do(m.ID, Action{Kind: ActClose}, "it is out of the ring and must not take writes"), false
	case seen.Apps > 0:
		return do(m.ID, Action{Kind: ActExpel}, "%d connections of applications are left on it", seen.Apps), false
	case seen.Link.Receiver == ThreadStopped || seen.Link.Upstream == "":
		return Step{}, true
	case applierBroke(seen):
		return applierFailed(m, seen), false
	case seen.Link.Applier == ThreadStopped && len(seen.Unapplied()) > 0 && seen.Carries(m):
		return do(m.ID, Action{Kind: ActFollow, Identity: m.Identity, Upstream: seen.Link.Upstream, Acker: seen.Settings.AckerEnabled}, "its applier must run before its receiver is stopped"), false
	}
	return do(m.ID, Action{Kind: ActStopReceiver}, "it is out of the ring and must not acknowledge to anybody"), false
}

// applierBroke reports whether the applier stopped at something that it can not apply;
// whose disk was full can, later.
func applierBroke(seen Observation) bool {
	return !outOfRoom(seen.Link.ApplierErrno) && seen.Link.Applier == ThreadStopped && seen.Link.ApplierErrno != 0 && len(seen.Unapplied()) > 0
}

// endedInHalf reports whether the applier of a MySQL left an error without anything that it
// could not apply: it was ended while it waited for the rest of a transaction (S71, S83). It
// is started again; what is meant by an error that stays is said when that fails.
func endedInHalf(seen Observation) bool {
	return seen.Version.Flavour == FlavourMySQL && seen.Drained()
}

func orNothing(text string) string {
	if text == "" {
		return "no error so far"
	}
	return text
}
