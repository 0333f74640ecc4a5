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

// In a ring with one node the lease on a unit is the newest view that the proxy
// has taken in: it may acknowledge writes of that view's epoch, as long as that
// epoch has an owner. Taking in a view of a later epoch gives the lease back.
//
// What makes this safe (S3, I5) is an order on each side. A session that has read
// that a write is done
//
//  1. records its GTID in acked,
//  2. then compares the epochs of the units that it is at work in with the newest ones,
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
// which they were a part of. The caller holds the lock, and stores the view before it
// lets it go: what is recorded in "*" after that belongs to an epoch that has ended, and
// nobody is told of it.
func (l *lease) divide(before, view *balancer.View) {
	known := unitsOf(before)
	for _, unit := range unitsOf(view) {
		if !slices.Contains(known, unit) {
			l.credit(unit, l.acked[sessionUnit])
		}
	}
}

// acknowledge is called when the member says that a write is done, before the
// client is told. An empty gtid stands for one that the packet had no place for.
func (s *session) acknowledge(gtid []byte) {
	position := s.p.lease.record(s.aimed, gtid)
	if s.account != nil { // it is logged in
		s.account.add(position)
	}
	s.written.add(position)
	s.wroteAt = s.link.route.Member.ID
	s.expired = s.expired || !s.stands() || s.strikes.hit()
}

// withhold keeps from the client an answer that came when the lease was over, or to
// a statement that a KILL may have made end before its replica had it.
func (s *session) withhold(c command) error {
	was := s.link.route
	s.expired = false
	s.p.count.expired.Add(1)
	why := fmt.Sprintf("after it had ceased to own unit %s", was.Unit)
	newest, _ := s.p.view.Load().OwnerOf(was.Unit)
	if s.stands() {
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
