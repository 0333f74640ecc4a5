package sim

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// applier is the SQL thread: one transaction at a time.
type applier struct {
	state    topology.ThreadState
	relay    []*txn // received and not applied
	busy     bool
	stopping []func() // STOP SLAVE SQL_THREAD: ends with the transaction in hand
	errno    int
	errText  string

	slow   time.Duration // per transaction, on top
	locked time.Duration // moment until which somebody holds LOCK TABLES
}

const errnoOutOfOrder = 1950 // ER_GTID_STRICT_OUT_OF_ORDER

// startApplier is START SLAVE SQL_THREAD.
func (s *server) startApplier() {
	if s.mem.applier.state == topology.ThreadRunning {
		return
	}
	s.relayLoss()
	s.mem.applier.state, s.mem.applier.errno, s.mem.applier.errText = topology.ThreadRunning, 0, ""
	s.apply()
}

// stopApplier is STOP SLAVE SQL_THREAD. It takes effect even if nobody waits
// for it any more.
func (s *server) stopApplier(then func()) {
	a := &s.mem.applier
	if !a.busy {
		a.state = topology.ThreadStopped
		then()
		return
	}
	a.stopping = append(a.stopping, then)
}

// apply takes the next transaction in hand.
func (s *server) apply() {
	a := &s.mem.applier
	if a.busy || a.state != topology.ThreadRunning || len(a.relay) == 0 {
		return
	}
	a.busy = true
	t := a.relay[0]
	pause := s.w.between(20*time.Microsecond, 200*time.Microsecond) + a.slow
	if s.w.opt.Slow && !s.w.calm {
		pause += 40 * time.Millisecond
	}
	s.local(max(pause, a.locked-s.w.now), func() { s.applyOne(t) })
}

func (s *server) applyOne(t *txn) {
	switch {
	case t.gtid.Server == s.mem.serverID:
		// Its own transaction has come round. If it has lost it, it is dropped all
		// the same: that is why an identity is renewed.
		s.disk.slavePos = s.disk.slavePos.With(t.gtid)
		s.applied(nil)
	case s.disk.slavePos.Seq(t.gtid.Domain) >= t.gtid.Seq && s.mem.settings.IgnoreDuplicates:
		s.applied(nil)
	case s.mem.settings.GTIDStrict && s.disk.binlogPos.Seq(t.gtid.Domain) >= t.gtid.Seq:
		s.applied(fmt.Errorf("out of order: %s after %s", t.gtid, s.disk.binlogPos))
	case t.ours && !s.disk.hasRing:
		s.applied(fmt.Errorf("there is no table sqlring.heartbeat: %s", t.gtid))
	default:
		s.w.laws.applying(s, t)
		s.begin(&commit{t: t, end: s.applied})
	}
}

// applied ends the work on a transaction.
func (s *server) applied(err error) {
	a := &s.mem.applier
	a.busy = false
	if err != nil {
		a.state, a.errno, a.errText = topology.ThreadStopped, errnoOutOfOrder, err.Error()
		s.w.say(string(s.id), "applier stops: %s", err)
	} else if len(a.relay) > 0 {
		a.relay = a.relay[1:]
	}
	if stopping := a.stopping; len(stopping) > 0 {
		a.stopping, a.state = nil, topology.ThreadStopped
		for _, then := range stopping {
			then()
		}
	}
	s.apply()
}
