package proxy

import (
	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// A unit that is Draining is about to leave its owner in a planned way: what was
// begun in it comes to its end, nothing is begun, and once nothing is under way the
// proxy says so. A session is at work from before its command has looked at the view
// until the command's answer was delivered, or the transaction is over that it began.
// It says so first and looks at the view after; takeIn stores the view first and
// looks at the sessions after. So a session either sees the new view or is seen.

// held reports whether work may not begin by this view.
func held(view *balancer.View) bool {
	route, ok := view.OwnerOf(sessionUnit)
	return !ok || route.Draining
}

// enter lets a command begin, or has it wait while its unit is drained or has no
// owner. A transaction that is open goes on.
func (s *session) enter() *wire.Error {
	if s.mem.inTransaction() && s.working.Load() {
		return nil
	}
	defer s.leaveQueue()
	for {
		changed := s.p.changed()
		view := s.p.view.Load()
		if s.link == nil || !held(view) {
			s.working.Store(true)
			if view = s.p.view.Load(); s.link == nil || !held(view) {
				return nil // without a link, connect waits
			}
		}
		route, _ := view.OwnerOf(sessionUnit)
		told := wire.NewError(wire.NoOwner, "sqlring: unit %s moves (epoch %d; waited %v)", route.Unit, route.Epoch, s.p.cfg.QueueTimeout)
		if told := s.wait(changed, s.p.cfg.QueueTimeout, refusal{RefusedOwner, told}); told != nil {
			return told
		}
	}
}

// answered says that the session's command has been answered.
func (s *session) answered() {
	if s.mem.inTransaction() {
		return
	}
	s.idle()
}

// idle says that the session has nothing under way.
func (s *session) idle() {
	if s.working.Swap(false) && s.p.cfg.Eyes != nil && held(s.p.view.Load()) {
		s.p.cfg.Eyes.LeasesChanged()
	}
}

// atWork reports whether any session has something under way.
func (p *Proxy) atWork() bool {
	for _, s := range p.all() {
		if s.working.Load() {
			return true
		}
	}
	return false
}

// leave notes, when a view was taken in, whether something was cut by it whose answer
// is not known.
func (l *lease) leave(before, view *balancer.View, atWork func() bool) {
	was, _ := before.OwnerOf(sessionUnit)
	is, owned := view.OwnerOf(sessionUnit)
	switch {
	case owned && was.Epoch != is.Epoch:
		l.unanswered.Store(false)
	case was.Epoch != is.Epoch && atWork():
		l.unanswered.Store(true)
	}
}

// quiet reports whether nothing is under way in the unit, and nothing begins.
func (p *Proxy) quiet(view *balancer.View) bool {
	return held(view) && !p.lease.unanswered.Load() && !p.atWork()
}
