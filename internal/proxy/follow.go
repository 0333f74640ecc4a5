package proxy

import (
	"fmt"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Writes are seen in the order in which they were made: one at another owner than the
// session wrote at last waits there for what it has written before. What was written is known from
// the answers; where one did not tell (MySQL, to clients that get EOF packets), a member's
// position will do that was asked for after the write was done: it has the write in it. Members
// are asked for that all the time, for the picture of reads, so nobody has to ask again.

// identify has the writes of a token that nobody has named be known, as far as the picture of
// the members tells: by all that the member has where they were done.
func (p *Proxy) identify(t *token) {
	v := t.vague.Load()
	if v == nil || p.cfg.Picture == nil {
		return
	}
	view, reads := p.view.Load(), p.cfg.Picture.Reads()
	for _, at := range v.at {
		if m, there := memberOf(view, at); !there || !ownsAny(view, m) {
			t.succeeded(v, ownersOf(view))
			return
		}
	}
	for _, at := range v.at {
		position, ok := reads.Since(at, v.since)
		if !ok {
			continue
		}
		t.name(position, at, v)
		if v = t.vague.Load(); v == nil { // else it is what is left, or newer
			return
		}
	}
}

// ownersOf returns who owns any unit of a view; nil while one has no owner.
func ownersOf(view *balancer.View) (owners []topology.MemberID) {
	for _, unit := range unitsOf(view) {
		route, ok := view.OwnerOf(unit)
		if !ok {
			return nil
		}
		owners = append(owners, route.Member.ID)
	}
	return owners
}

// follow has a member that is about to be written at, and is not the one that the session
// wrote at last, wait until it has that. What a read over several owners' units has to see
// is waited for as well.
func (s *session) follow() *wire.Error {
	if !s.spans && (!s.writes || s.wroteAt == "" || s.wroteAt == s.link.route.Member.ID) || s.p.cfg.Picture == nil || s.p.cfg.Picture.Reads() == nil {
		return nil
	}
	id, began := s.link.route.Member.ID, time.Now()
	for {
		need, unnamed := s.lacking(id)
		if len(need) == 0 && len(unnamed) == 0 || len(unnamed) == 0 && (s.p.has(id, need) || s.awaits(id, need)) {
			return nil
		}
		if s.strikes.calledOff() {
			return interruption()
		}
		if s.link.cutOff.Load() || s.ctx.Err() != nil { // the command finds out
			return nil
		}
		if s.patience() <= 0 {
			return wire.NewError(wire.NoOwner, "sqlring: member %s does not have yet what was written before elsewhere (%s; waited %v); this was not run", id, inWords(need, unnamed), time.Since(began).Round(time.Millisecond))
		}
		over := s.waitsFor(fmt.Sprintf("%s to have what the session has written elsewhere", id))
		time.Sleep(firstPause) // it may have said no at once
		over()
	}
}

// inWords says what lacking has returned.
func inWords(need topology.Position, unnamed string) string {
	if unnamed != "" {
		return "its answer did not tell as what, and " + unnamed + " has not been seen since"
	}
	return need.String()
}

// lacking returns what a member has to get from others before the command may run there, and
// at which members something was written that is to be there too and is not known yet; "" for none.
func (s *session) lacking(id topology.MemberID) (need topology.Position, unnamed string) {
	t := &s.written
	if s.spans {
		switch s.sees {
		case balancer.ConsistencyEventual:
			return nil, ""
		case balancer.ConsistencyAccount, balancer.ConsistencyStrong:
			t = s.account
		case balancer.ConsistencySession:
		}
	}
	s.p.identify(t)
	need, others := t.beside(id)
	names := make([]string, 0, len(others))
	for _, other := range others {
		names = append(names, string(other))
	}
	return beyond(s.p.cfg.Picture.Reads(), id, need), strings.Join(names, ", ")
}
