package sim

import (
	"errors"
	"time"
)

// needlessBelow is how long a member must have been silent for taking it out to
// be no needless takeover.
const needlessBelow = 800 * time.Millisecond

// fate is what befalls one statement of an action.
type fate struct {
	err       error // it is not sent
	replyLost bool  // it is run, and nobody hears of it
	pause     time.Duration
}

var errBefore = errors.New("failed before it was sent")

// between draws what happens between two statements of an action.
func (n *nemesis) between(d *deed) fate {
	w := n.w
	if n.off || !w.chance(w.opt.Flaky) {
		return fate{}
	}
	switch w.rng.IntN(6) {
	case 0:
		return fate{err: errBefore}
	case 1:
		return fate{replyLost: true}
	case 2:
		w.leader().depose()
		return fate{pause: w.between(100*time.Millisecond, 3*time.Second)}
	case 3:
		n.restart(w.leader())
		return fate{}
	case 4:
		if n.victim() == d.s {
			n.crash(d.s, false)
		}
		return fate{}
	}
	return fate{pause: w.between(100*time.Millisecond, 2*time.Second)}
}

// proposal is what befalls a command.
type proposal uint8

const (
	fateCommitted proposal = iota
	fateRefused
	fateUnknown // committed, and the proposer does not hear of it
	fateLate    // the same, a while later
)

func (n *nemesis) proposing() proposal {
	if n.off || !n.w.chance(n.w.opt.Flaky) {
		return fateCommitted
	}
	return proposal(1 + n.w.rng.IntN(3))
}

// wasLost reports whether there was reason to take the member out.
func (s *server) wasLost() bool {
	now := s.w.now
	m, _ := s.w.log.replica.Member(s.id)
	switch {
	case s.power == dead, s.mem.boot != m.Boot, s.disk.emptied:
		return true
	case s.ailingFor(needlessBelow):
		return true
	}
	// What a probe says is as old as its deadline.
	now -= s.w.lead.overslept()
	return now-s.lostAt < 4*time.Second || s.doubted() || (s.doubtedAt > 0 && now-s.doubtedAt < probeAge)
}

// probeAge is how old the newest knowledge of a member may be that does not
// answer: the deadline of a probe and its way, and the second between two attempts
// of a neighbour's receiver.
const probeAge = 2100 * time.Millisecond

// toldWithin is how long after its start, or after it was stopped, a node may have told the
// leader nothing of what it sees:
// its first probe, and its first report.
const toldWithin = 500 * time.Millisecond

// doubted reports whether nobody who looks, and whom the leader hears, sees the member answer, nor
// every neighbour reaches it: more can not be known about it. Nobody reaches one that
// is frozen.
func (s *server) doubted() bool {
	w := s.w
	for _, v := range w.voters() {
		told := v.alive() && !v.witness() && w.now-max(v.began, v.woke) >= toldWithin
		if s.power != frozen && told && w.net.whole(v.host(), s.host()) && w.net.whole(v.host(), w.lead.host()) {
			return false
		}
	}
	if s.power == frozen {
		return true
	}
	for _, o := range w.servers {
		if o != s && !w.net.whole(o.host(), s.host()) {
			return true
		}
	}
	return false
}

// rollBack has the member come back with a copy of its disk that lacks the last
// n transactions.
func (s *server) rollBack(n int) {
	if s.disk.binlog == nil {
		return
	}
	keep := s.disk.binlog[:max(min(1, len(s.disk.binlog)), len(s.disk.binlog)-n)]
	was := s.disk
	s.disk = disk{data: newTable(), hasRing: was.hasRing, upstream: was.upstream, base: was.base}
	if was.base.pos != nil {
		s.disk.data, s.disk.binlogPos, s.disk.slavePos = was.base.data.clone(), was.base.pos, was.base.pos
	}
	for _, t := range keep {
		s.disk.log(t)
		s.disk.data.apply(t)
		if m, ok := s.w.log.snap.Member(s.id); !ok || t.gtid.Domain != m.Identity {
			s.disk.slavePos = s.disk.slavePos.With(t.gtid)
		}
	}
	s.w.say(string(s.id), "its disk is %d transactions old: %s", len(was.binlog)-len(keep), s.disk.binlogPos)
}
