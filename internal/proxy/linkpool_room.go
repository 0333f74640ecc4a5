package proxy

import (
	"errors"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A member has connections for others too: other nodes' proxies, and who comes to it without
// one. If it takes no more (1040), that is as if the pool were full: who wanted a link goes
// back to the head of the queue, and for a while no more are opened than there are. Then
// one more is tried, and with each that the member lets in there may be one more, until
// proxy.member_links are.

const (
	roomPause      = 2 * time.Second        // for how long a member that takes no more connections is not asked for more
	roomPauseAlone = 200 * time.Millisecond // the same if there is none that could be waited for
	closingPause   = 100 * time.Millisecond // how long a member may count a connection still that was closed
)

// room is how many links there may be for now. It is guarded by the pool's lock.
type room struct {
	most   int       // of no meaning if until is zero
	until  time.Time // when one more is tried; zero: the member takes whoever comes
	closed time.Time // when a link was closed last to make place for another one
}

// mostLinks returns how many links there may be to a member: proxy.member_links, and no more
// than this node's share of what the member takes.
func (p *Proxy) mostLinks(id topology.MemberID) int {
	most := p.cfg.MemberLinks
	if p.cfg.Room == nil {
		return most
	}
	if share := p.cfg.Room(id); share > 0 {
		most = min(most, share)
	}
	return most
}

// mayHaveLocked returns how many links there may be now.
func (lp *linkPool) mayHaveLocked() int {
	if lp.room.until.IsZero() {
		return lp.limit
	}
	return min(lp.room.most, lp.limit)
}

// takesNoMore reports whether the member has lately let nobody in.
func (lp *linkPool) takesNoMore() bool {
	lp.mu.Lock()
	defer lp.mu.Unlock()
	return !lp.room.until.IsZero()
}

// refused ends what take has begun when it returned nothing: the member takes no more.
func (lp *linkPool) refused(err error) {
	lp.p.count.linksRefused.Add(1)
	lp.mu.Lock()
	lp.opening--
	news, most, pause := lp.room.until.IsZero(), len(lp.links), roomPause
	if most == 0 {
		pause = roomPauseAlone
	}
	lp.room = room{most, time.Now().Add(pause), lp.room.closed}
	limit := lp.limit
	lp.mu.Unlock()
	if news {
		lp.p.log.Warn("member takes no more connections; its max_connections is reached: statements wait for those that there are",
			"member", string(lp.member.ID), "links", most, "member_links", limit, "error", err)
	}
}

// widenLocked lets there be one link more, and tells the first who waits. It is called when a
// member that took no more is to be tried again, and when it has let one in.
func (lp *linkPool) widenLocked() {
	if lp.room.until.IsZero() {
		return
	}
	lp.room.most = max(lp.room.most, len(lp.links)+lp.opening) + 1
	lp.room.until = time.Now().Add(roomPause)
	if lp.room.most >= lp.limit {
		lp.room.until = time.Time{}
		lp.p.log.Info("member takes connections again", "member", string(lp.member.ID), "links", len(lp.links))
	}
	lp.offerPlace()
}

// openInRoom opens a link in a place of the pool. A member counts a connection for a moment
// still that was closed to make that place.
func (s *session) openInRoom(pool *linkPool, route balancer.Route, reading bool) (*link, error) {
	for end := time.Now().Add(closingPause); ; {
		l, err := s.open(route, reading)
		if !takesNoMore(err) || !pool.closedLately() || time.Now().After(end) || s.strikes.isStruck() {
			return l, err
		}
		timer := time.NewTimer(firstPause)
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return nil, s.ctx.Err()
		}
	}
}

// closedLately reports whether the member may count a connection still that was closed.
func (lp *linkPool) closedLately() bool {
	lp.mu.Lock()
	defer lp.mu.Unlock()
	return time.Since(lp.room.closed) < closingPause
}

// closes notes that a link is closed to make place for another one.
func (lp *linkPool) closes() {
	lp.mu.Lock()
	defer lp.mu.Unlock()
	lp.room.closed = time.Now()
}

// tryRoomLocked is called at every tick.
func (lp *linkPool) tryRoomLocked() {
	lp.limit = lp.p.mostLinks(lp.member.ID)
	if !lp.room.until.IsZero() && time.Now().After(lp.room.until) {
		lp.widenLocked()
	}
}

// takesNoMore tells a member's word that it has all the connections that it may have. What an
// account may have is another matter.
func takesNoMore(err error) bool {
	number, _ := wire.TooManyConnections.Code()
	var refused *wire.Error
	return errors.As(err, &refused) && refused.Number == number
}

// inUse says in words why there is no link to be had.
func (lp *linkPool) inUse() string {
	lp.mu.Lock()
	defer lp.mu.Unlock()
	return lp.inUseLocked()
}

func (lp *linkPool) inUseLocked() string {
	if lp.room.until.IsZero() {
		return "all are in use (proxy.member_links)"
	}
	return "all are in use, and it takes no more (its max_connections)"
}

// full is what a client is told whose command found no link in time.
func (p *Proxy) full(id topology.MemberID, waited time.Duration) *wire.Error {
	why := "all are in use"
	p.mu.Lock()
	pool := p.pools[id]
	p.mu.Unlock()
	if pool != nil {
		why = pool.inUse()
	}
	return wire.NewError(wire.TooManyConnections, "sqlring: connections to member %s: %s; waited %v; this was not run", id, why, waited.Round(time.Millisecond))
}
