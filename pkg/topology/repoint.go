package topology

// follow is the one primitive that changes a link (S1, S6): it returns the next
// step that brings m to follow upstream, or ok if it does, with both threads
// running. Each step is taken only when the one before is seen to have worked:
//
//  1. semi-sync is off on the upstream that it leaves, and on the one that it
//     is to acknowledge to;
//  2. its receiver is stopped, its applier runs on;
//  3. everything that was received is applied;
//  4. it is pointed anew, and both threads are started.
func follow(s *Snapshot, m, upstream Member, acker bool, o Observations) (step Step, ok bool) {
	seen, _ := o.Of(m.ID)
	link := seen.Link
	action := Action{Kind: ActFollow, Upstream: upstream.Addr, UpstreamName: upstream.ID, Acker: acker}
	if link.Upstream == upstream.Addr {
		switch {
		case link.Applier == ThreadStopped && link.ApplierErrno != 0:
			return stuck("member %s: its applier stopped with error %d: %s", m.ID, link.ApplierErrno, link.ApplierError), false
		case link.Receiver == ThreadStopped || link.Applier == ThreadStopped:
			return do(m.ID, action, "its replication threads do not run"), false
		case link.Receiver != ThreadRunning || link.Applier != ThreadRunning:
			return wait("member %s connects to %s: %s", m.ID, upstream.ID, orNothing(link.ReceiverError)), false
		case seen.Settings.AckerEnabled != acker:
			return do(m.ID, action, "whether it acknowledges is not as it should be"), false
		}
		return Step{}, true
	}
	for _, other := range s.Members {
		comes, leaves := other.ID == upstream.ID && acker, other.Addr == link.Upstream
		if !comes && !leaves {
			continue
		}
		if step, off := disarmed(other, o); !off {
			return step, false
		}
	}
	if link.Upstream == "" {
		return do(m.ID, action, "it does not follow %s", upstream.ID), false
	}
	if step, done := drained(m, seen); !done {
		return step, false
	}
	return do(m.ID, action, "all that it received is applied, it leaves %s", link.Upstream), false
}

// drained reports whether m receives nothing more and has applied everything, or
// else the step that brings it there.
func drained(m Member, seen Observation) (Step, bool) {
	link := seen.Link
	switch {
	case link.Upstream == "":
		return Step{}, true
	case link.Receiver != ThreadStopped:
		return do(m.ID, Action{Kind: ActStopReceiver}, "what can still come from %s is fixed by this", link.Upstream), false
	case seen.Drained():
		return Step{}, true
	case link.Applier == ThreadStopped && link.ApplierErrno != 0:
		return stuck("member %s: its applier stopped with error %d and %d received transactions are not applied: %s",
			m.ID, link.ApplierErrno, seen.Position().Behind(link.Received), link.ApplierError), false
	case link.Applier == ThreadStopped:
		return stuck("member %s: somebody stopped its applier, %d received transactions are not applied; on that server: START SLAVE SQL_THREAD",
			m.ID, seen.Position().Behind(link.Received)), false
	}
	return wait("member %s applies what it received: %d transactions to go", m.ID, seen.Position().Behind(link.Received)), false
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
// that brings it there: the order through raft first, the switch after.
func disarmed(m Member, o Observations) (Step, bool) {
	if m.SemiSync == SemiSyncArmed {
		return commit(OrderSemiSync{Member: m.ID, From: SemiSyncArmed, To: SemiSyncDegraded}, "its acker changes, nothing may wait for the one that goes"), false
	}
	if seen, _ := o.Of(m.ID); seen.Reach == ReachAnswers && seen.SemiSync.Enabled {
		return do(m.ID, Action{Kind: ActDisarm}, "raft has ordered its semi-sync %s", m.SemiSync), false
	}
	return Step{}, true
}

func orNothing(text string) string {
	if text == "" {
		return "no error so far"
	}
	return text
}
