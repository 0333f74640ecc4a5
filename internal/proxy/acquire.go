package proxy

import (
	"errors"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// How a session comes by a link: the pools of the members, and what is done with what
// they give.

// acquire gets a link to the member of a route, for reads alone or for all: one from
// the pool that is made the session's, or a fresh one.
func (s *session) acquire(route balancer.Route, changed <-chan struct{}, reading bool) (*link, error) {
	pool := s.p.linksTo(route.Member)
	if pool == nil {
		return nil, errPoolClosed
	}
	want := wanted{key: s.as.key(), born: s.generation, schema: s.mem.schema, settings: s.mem.settingsFor(reading), attrs: s.as.login.Attributes, who: s, reading: reading}
	for {
		l, err := pool.take(&s.ctx, want, changed)
		if err != nil {
			return nil, err
		}
		if l == nil {
			if l, err = s.openIn(pool, route, reading); !takesNoMore(err) || reading { // a read goes elsewhere
				return l, err
			}
			want.returns = true
			continue
		}
		l.route.Unit, l.route.Epoch, l.route.Why = route.Unit, route.Epoch, route.Why
		err = s.makeOwn(l, reading)
		var told *wire.Error
		switch {
		case err == nil:
			pool.active.Add(1)
			return l, nil
		case errors.As(err, &told):
			pool.discard(l)
			return nil, refusedBy(route.Member.ID, err)
		case s.ctx.Err() != nil:
			pool.discard(l)
			return nil, s.ctx.Err()
		}
		s.p.log.Debug("pooled link lost", "member", string(route.Member.ID), "error", err)
		pool.discard(l) // it was closed while nobody looked; the next one may do
	}
}

// makeOwn makes a link of the pool the session's. Mostly there is nothing to be done.
func (s *session) makeOwn(l *link, reading bool) error {
	if l.will == nil && l.at.shelf.tidy() && l.at.settings == s.mem.settingsFor(reading) && l.at.schema == s.mem.schema {
		l.reading.Store(reading)
		return errors.Join(l.inherit(s), l.adopt(&s.mem))
	}
	return l.within(&s.ctx, s.p.cfg.BackendTimeout, func() error {
		if err := l.inherit(s); err != nil {
			return err
		}
		l.reading.Store(reading)
		return l.adopt(&s.mem)
	})
}

// openIn opens a link in the place that the pool has kept for it.
func (s *session) openIn(pool *linkPool, route balancer.Route, reading bool) (*link, error) {
	l, err := s.openInRoom(pool, route, reading)
	switch {
	case takesNoMore(err):
		pool.refused(err)
		return nil, err
	case err != nil:
		pool.opened(nil)
		return nil, err
	}
	l.owner, l.lifetime = s, s.p.cfg.LinkLifetime
	l.reading.Store(reading)
	pool.opened(l)
	pool.active.Add(1)
	if l.confined {
		s.mem.layout, s.mem.violated = route.Member.Layout, false
		return l, nil
	}
	err = l.within(&s.ctx, s.p.cfg.BackendTimeout, func() error { return l.adopt(&s.mem) })
	if err != nil {
		pool.active.Add(-1)
		pool.discard(l)
		return nil, refusedBy(route.Member.ID, err)
	}
	return l, nil
}

// discard closes a link of the pool that its holder can not use.
func (lp *linkPool) discard(l *link) {
	l.disown()
	lp.lost(l)
	l.close()
}

// patience is how long the command may still wait in all, for an owner or a link. It is
// called where there is something to wait for.
func (s *session) patience() time.Duration {
	now := s.p.now()
	if s.until == 0 {
		s.until = now.Add(s.p.cfg.QueueTimeout)
	}
	left := s.until.Sub(now)
	if s.waitsForNobody() { // deadlines are not for what ends a transaction, nor for logins
		return left
	}
	var r gate.Request
	if s.urgency(&r, now); r.Deadline != 0 {
		left = min(left, r.Deadline.Sub(now)-s.usual())
	}
	return left
}

// hasBeenThere returns for how long the command has been there, as far as it had to wait.
func (s *session) hasBeenThere() time.Duration {
	if s.came == 0 {
		return s.p.cfg.QueueTimeout
	}
	return s.p.now().Sub(s.came).Round(time.Millisecond)
}

// usual is what statements like the command under way take at the member where it has a place;
// 0: that is not known.
func (s *session) usual() time.Duration {
	g := s.admitted.gate
	if g == nil {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gate.Usual(s.digest())
}

// linksTo returns the pool of a member, nil if the member is not what it was any more.
func (p *Proxy) linksTo(m balancer.Member) *linkPool {
	now, there := memberOf(p.view.Load(), m.ID)
	now.Version, m.Version = "", "" // is learned in passing
	if !there || now != m {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pool := p.pools[m.ID]
	if pool == nil || pool.member != m {
		if pool != nil {
			pool.close()
		}
		pool = &linkPool{p: p, member: m, limit: p.mostLinks(m.ID)}
		p.pools[m.ID] = pool
	}
	return pool
}

// prunePools closes the links to members that are not in the view any more, or not the
// same any more.
func (p *Proxy) prunePools(view *balancer.View) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, pool := range p.pools {
		if m, ok := memberOf(view, id); !ok || !pool.serves(m) {
			pool.close()
			delete(p.pools, id)
		}
	}
}

func (lp *linkPool) serves(m balancer.Member) bool {
	m.Version = ""
	return lp.member == m
}

func memberOf(view *balancer.View, id topology.MemberID) (balancer.Member, bool) {
	if view == nil {
		return balancer.Member{}, false
	}
	for _, m := range view.Members {
		if m.ID == id {
			return m, true
		}
	}
	return balancer.Member{}, false
}

// sweepPools is called at every tick.
func (p *Proxy) sweepPools() {
	p.mu.Lock()
	pools := make([]*linkPool, 0, len(p.pools))
	for _, pool := range p.pools {
		pools = append(pools, pool)
	}
	p.mu.Unlock()
	for _, pool := range pools {
		pool.sweep(uint32(p.cfg.LinkIdle / p.cfg.WatchInterval))
	}
}

// closePools is called when no session is left.
func (p *Proxy) closePools() { p.prunePools(nil) }
