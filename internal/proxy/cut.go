package proxy

import (
	"context"

	"github.com/sqlring/sqlring/pkg/balancer"
)

// attempt is a link being opened: to whom, and how to give it up.
type attempt struct {
	member  balancer.Member
	reading bool
	units   *work
	cancel  context.CancelFunc
}

// takeIn makes the newest view the one that the proxy acts by, and frees those
// who wait for, or on, a member that is no longer the owner. Only Run's watch
// calls it, so that views are taken in one after the other.
func (p *Proxy) takeIn() {
	view := p.views.View()
	if view == p.view.Load() || goesBack(p.view.Load(), view) {
		return
	}
	before := p.view.Load()
	p.lease.mu.Lock()
	p.lease.divide(before, view)
	p.view.Store(view) // from here on no older lease is held
	p.forgetReached()
	p.lease.mu.Unlock()
	p.lease.leave(before, view, p.atWork)
	p.dissolved.Store(view == nil) // before those who wait look again
	p.mu.Lock()
	close(p.next)
	p.next = make(chan struct{})
	p.mu.Unlock()
	p.prunePools(view)
	p.cut()
	if p.cfg.Eyes != nil {
		p.cfg.Eyes.LeasesChanged()
	}
}

// goesBack reports whether a view has an older epoch of a unit than the one before:
// a lease that was given back is not to be had again by it (I5).
func goesBack(before, view *balancer.View) bool {
	if before == nil || view == nil {
		return false
	}
	for _, unit := range view.Units {
		for _, old := range before.Units {
			if old.ID == unit.ID && unit.Epoch < old.Epoch {
				return true
			}
		}
	}
	return false
}

// changed returns a channel that is closed when the next view was taken in.
func (p *Proxy) changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// cut wakes the sessions that are at work on a link to a member that is not the
// owner of a unit that they are at work in: a frozen one would keep them for ever. Idle sessions are left alone; they
// look at the view before their next command. A session that goes to work, or
// gets a link, while this runs, looks at the view after that, and finds the new
// one.
func (p *Proxy) cut() {
	for _, s := range p.all() {
		if a := s.opening.Load(); a != nil && !p.serves(a.member, a.reading, a.units) {
			a.cancel()
		}
		l := s.atMember.Load()
		if l == nil || s.phase.Load()&1 == 0 || l.cutOff.Load() || p.serves(l.route.Member, l.reading.Load(), s.working.Load()) {
			continue
		}
		p.count.linksCut.Add(1)
		l.cut()
	}
}

// serves reports whether a member may do what a link to it is for, in some units; if
// nobody can say in which, it has to own one.
func (p *Proxy) serves(m balancer.Member, reading bool, in *work) bool {
	switch {
	case reading:
	case in == nil:
		return ownsAny(p.view.Load(), m)
	default:
		return ownsAll(p.view.Load(), m, in.units)
	}
	now, there := memberOf(p.view.Load(), m.ID)
	return there && same(now, m)
}

// same reports whether two entries of views are the same process.
func same(a, b balancer.Member) bool { return a.ID == b.ID && a.Addr == b.Addr && a.Boot == b.Boot }
