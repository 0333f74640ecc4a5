package proxy

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Lease is what this proxy may acknowledge writes by, in a ring with several nodes. It
// is asked before a statement that may write is sent, before the last packet of LOAD
// DATA, and after an OK was read (S15). Both calls return at once.
type Lease interface {
	// Left returns for how long writes to the unit in that epoch may be acknowledged
	// still; 0: not any more, or not yet.
	Left(unit topology.UnitID, epoch uint64) time.Duration
	// Granted returns a channel that is closed when a lease was given.
	Granted() <-chan struct{}
}

// leaseMargin is what must be left of a lease for a statement to be begun: most end
// within it, so that their OK can be passed on. While a leader answers, more than a
// second is always left; when none does, clients had rather wait than not know.
const leaseMargin = 500 * time.Millisecond

// In a ring with one node the lease on a unit is the newest view that the proxy
// has taken in: it may acknowledge writes of that view's epoch, as long as that
// epoch has an owner. Taking in a view of a later epoch gives the lease back.
//
// What makes this safe (S3, I5) is an order on each side. A session that has read
// that a write is done
//
//  1. records its GTID in acked,
//  2. then compares the epochs of the units that it is at work in with the newest ones,
//     and looks whether the leases of those epochs last,
//  3. and tells its client only if they are the same.
//
// Writers reads the epoch first and acked second. So when it reports an epoch,
// every session that is still to pass 2 will find its link too old, and what the
// others have passed on is in acked.
type lease struct {
	mu    sync.Mutex
	acked map[topology.UnitID]topology.Position // what clients were told to be done in each unit, of all epochs
	since time.Time                             // since when acked is complete
	// doubts: units in which work was cut by a view, and what became of it is not known.
	doubts map[topology.UnitID]bool
}

// Eyes is who watches the members, and is told what the proxy is the first to
// know. Both calls return at once.
type Eyes interface {
	// Suspect says that a link to the member broke or could not be made.
	Suspect(member topology.MemberID)
	// LeasesChanged says that Writers has something new to report.
	LeasesChanged()
}

// Writers returns how this proxy stands to each unit: which epoch it knows of, and
// what it has acknowledged in it. Giving a lease back is atomic,
// so Holding is never set. It is safe for concurrent use.
func (p *Proxy) Writers() []topology.Writer {
	view := p.view.Load()
	units := unitsOf(view)
	writers := make([]topology.Writer, 0, len(units))
	for _, unit := range units {
		route, _ := view.OwnerOf(unit)
		writers = append(writers, topology.Writer{Node: p.cfg.Node, Unit: unit, Epoch: route.Epoch, Quiet: p.quiet(view, unit), At: time.Now()})
	}
	p.lease.mu.Lock()
	defer p.lease.mu.Unlock()
	for i := range writers {
		writers[i].Acked, writers[i].Since = p.lease.acked[writers[i].Unit], p.lease.since
	}
	return writers
}

// record notes a transaction in some units whose client is about to be told that it is
// done. One whose GTID is not known, or can not be read, makes acked incomplete so far.
func (l *lease) record(in *work, gtid []byte) topology.Position {
	position, err := topology.ParsePosition(string(gtid))
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || len(position) == 0 {
		l.since = time.Now()
		return nil
	}
	for _, unit := range in.list() {
		l.credit(unit, position)
	}
	return position
}

// credit adds to what was acknowledged in a unit. The caller holds the lock.
func (l *lease) credit(unit topology.UnitID, position topology.Position) {
	if l.acked == nil {
		l.acked = make(map[topology.UnitID]topology.Position)
	}
	l.acked[unit] = l.acked[unit].Union(position)
}

// divide has units that are new in a view begin with what was acknowledged in "*",
// which they were a part of, and "*" have what was acknowledged in those that are a part
// of it again. The caller holds the lock, and stores the view before it
// lets it go: what is recorded in "*" after that belongs to an epoch that has ended, and
// nobody is told of it.
func (l *lease) divide(before, view *balancer.View) {
	known := unitsOf(before)
	for _, unit := range unitsOf(view) {
		if !slices.Contains(known, unit) {
			l.credit(unit, l.acked[sessionUnit])
		}
	}
	now := unitsOf(view)
	for _, unit := range known {
		if !slices.Contains(now, unit) {
			l.credit(sessionUnit, l.acked[unit])
			delete(l.acked, unit)
			delete(l.doubts, unit) // whatever it was, it has ended before the unit was joined
		}
	}
}

// acknowledge is called when the member says that a write is done, before the
// client is told. An empty gtid stands for one that the packet had no place for.
func (s *session) acknowledge(gtid []byte) {
	s.noteWrite(gtid)
	s.expired = s.expired || !s.stands() || !s.holds() || s.strikes.hit()
}

// noteWrite notes what reads have to see from now on, and writes at other owners.
func (s *session) noteWrite(gtid []byte) { s.noteToken(s.p.lease.record(s.aimed, gtid)) }

// noteToken does so of a position; an empty one is of a write that nobody has named.
func (s *session) noteToken(position topology.Position) {
	at := s.link.route.Member.ID
	if s.account != nil { // it is logged in
		s.account.add(position, at, s.vague)
	}
	s.written.add(position, at, s.written.vague.Load())
	s.wroteAt = at
}

// holds reports whether a write over the session's link may be acknowledged now.
func (s *session) holds() bool {
	_, lacks := s.lacks(0)
	return !lacks
}

// lacks returns a unit that the session is at work in whose lease does not last longer
// than for so long; false if there is none.
func (s *session) lacks(margin time.Duration) (balancer.Route, bool) {
	l := s.p.cfg.Lease
	if l == nil {
		return balancer.Route{}, false
	}
	for _, unit := range s.aimed.list() {
		if route, _ := s.view.OwnerOf(unit); l.Left(unit, route.Epoch) <= margin {
			return route, true
		}
	}
	return balancer.Route{}, false
}

// awaitLease waits until a command that may write can be begun: the lease is to
// outlast it. Reads do not wait. It returns what ready returns, which looks again
// after each wait whether the link leads to the owner still.
func (s *session) awaitLease(c command) (told *wire.Error, err error) {
	l := s.p.cfg.Lease
	if l == nil || s.link.reading.Load() || !s.mayWrite(c) {
		return nil, nil
	}
	defer s.leaveQueue()
	for {
		granted := l.Granted()
		route, lacks := s.lacks(leaseMargin)
		if !lacks {
			return nil, nil
		}
		told := wire.NewError(wire.NoOwner, "sqlring: this node has no lease on unit %s (epoch %d), since no leader answers it; waited %v; this was not run",
			route.Unit, route.Epoch, s.p.cfg.QueueTimeout)
		if told := s.wait(granted, firstPause, refusal{RefusedOwner, told}); told != nil {
			return told, nil
		}
		if told, err := s.ready(); told != nil || err != nil {
			return told, err
		}
	}
}

// mayWrite reports whether a command can change data or end a transaction.
func (s *session) mayWrite(c command) bool {
	switch c.code {
	case wire.ComResetConnection, wire.ComChangeUser, wire.ComProcessKill, wire.ComQuit:
		return false
	}
	switch s.current.Kind {
	case balancer.KindRead, balancer.KindSet, balancer.KindRollback, balancer.KindKill:
		return false
	case balancer.KindOther, balancer.KindChange, balancer.KindBegin, balancer.KindCommit:
	}
	return changes(c.code)
}

// withhold keeps from the client an answer that came when the lease was over, or to
// a statement that a KILL may have made end before its replica had it.
func (s *session) withhold(c command) error {
	was := s.link.route
	s.expired = false
	s.p.count.expired.Add(1)
	why := fmt.Sprintf("after it had ceased to own unit %s", was.Unit)
	newest, _ := s.p.view.Load().OwnerOf(was.Unit)
	switch {
	case !s.stands():
	case !s.holds():
		why = fmt.Sprintf("when this node's lease on unit %s was over", was.Unit)
	default:
		why = "when a KILL QUERY had come for it"
	}
	s.p.log.Info("answer can not be passed on", "session", s.id, "member", string(was.Member.ID), "it_came", why,
		"epoch", was.Epoch, "newest_epoch", newest.Epoch, "delivered", s.delivered)
	stuck := s.mem.sticks() != balancer.StickNone
	s.dropLink()
	if s.delivered {
		return errExpired
	}
	s.p.count.outcomeUnknown.Add(1)
	told := wire.NewError(wire.OutcomeUnknown,
		"sqlring: member %s was done with this %s; whether it stays done is not known", was.Member.ID, why)
	return s.tellInstead(c, told, stuck)
}
