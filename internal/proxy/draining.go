package proxy

import (
	"slices"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A unit that is Draining is about to leave its owner in a planned way: what was
// begun in it comes to its end, nothing is begun, and once nothing is under way the
// proxy says so. A session is at work from before its command has looked at the view
// until the command's answer was delivered, or the transaction is over that it began.
// It says in which units first and looks at the view after; takeIn stores the view first and
// looks at the sessions after. So a session either sees the new view or is seen. LOCK TABLES
// counts as a transaction does.

// held reports whether work may not begin in a unit by this view.
func held(view *balancer.View, unit topology.UnitID) bool {
	route, ok := view.OwnerOf(unit)
	return !ok || route.Draining
}

// enter lets a command begin, or has it wait while one of its units is drained or has no
// owner. A transaction that is open goes on in the units that it has touched; if it waits
// for another one, it stays at work.
func (s *session) enter() *wire.Error {
	was := s.working.Load()
	if !s.mem.isUnderWay() {
		was = nil
	}
	if was != nil && was == s.aimed {
		return nil
	}
	defer s.leaveQueue()
	for {
		changed := s.p.changed()
		view := s.p.view.Load()
		if told := s.aim(view); told != nil {
			return s.stayOut(was, told)
		}
		route, waits := s.heldUp(view, was)
		if s.link == nil || !waits { // without a link, connect waits
			s.working.Store(s.aimed)
			if s.p.view.Load() != view {
				continue
			}
			return nil
		}
		if was != nil {
			s.working.Store(was)
		}
		told := wire.NewError(wire.NoOwner, "sqlring: unit %s moves (epoch %d; waited %v)", route.Unit, route.Epoch, s.p.cfg.QueueTimeout)
		if told := s.wait(changed, s.p.cfg.QueueTimeout, refusal{RefusedOwner, told}); told != nil {
			return s.stayOut(was, told)
		}
	}
}

// heldUp returns the route of a unit that the command may not begin in by this view, those
// aside that its transaction is at work in already.
func (s *session) heldUp(view *balancer.View, already *work) (balancer.Route, bool) {
	for _, unit := range s.aimed.list() {
		if held(view, unit) && !slices.Contains(already.list(), unit) {
			route, _ := view.OwnerOf(unit)
			return route, true
		}
	}
	return balancer.Route{}, false
}

// stayOut leaves an open transaction at work where it was before a command that was told
// off.
func (s *session) stayOut(was *work, told *wire.Error) *wire.Error {
	if was != nil {
		s.aimed = was
		s.working.Store(was)
	}
	return told
}

// answered says that the session's command has been answered.
func (s *session) answered() {
	if s.mem.isUnderWay() {
		return
	}
	s.idle()
}

// isUnderWay reports whether something goes on between commands that a unit can not be moved
// away from: an open transaction; or locks of tables, for which a server waits that is to be closed.
func (m *memory) isUnderWay() bool {
	return m.inTransaction() || m.pins&(1<<balancer.EffectTableLocks|1<<balancer.EffectGlobalReadLock) != 0
}

// idle says that the session has nothing under way.
func (s *session) idle() {
	was := s.working.Swap(nil)
	if was == nil || s.p.cfg.Eyes == nil {
		return
	}
	view := s.p.view.Load()
	for _, unit := range was.units {
		if held(view, unit) {
			s.p.cfg.Eyes.LeasesChanged()
			return
		}
	}
}

// atWork reports whether any session has something under way in a unit.
func (p *Proxy) atWork(unit topology.UnitID) bool {
	for _, s := range p.all() {
		if slices.Contains(s.working.Load().list(), unit) {
			return true
		}
	}
	return false
}

// leave notes, when a view was taken in, in which units something was cut by it whose
// answer is not known.
func (l *lease) leave(before, view *balancer.View, atWork func(topology.UnitID) bool) {
	for _, unit := range unitsOf(view) {
		was, _ := before.OwnerOf(unit)
		is, owned := view.OwnerOf(unit)
		switch {
		case owned && was.Epoch != is.Epoch:
			l.mu.Lock()
			delete(l.doubts, unit)
			l.mu.Unlock()
		case was.Epoch != is.Epoch && atWork(unit):
			l.doubt(&work{[]topology.UnitID{unit}})
		}
	}
}

// doubt notes that what became of something in some units is not known.
func (l *lease) doubt(in *work) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubts == nil {
		l.doubts = make(map[topology.UnitID]bool)
	}
	for _, unit := range in.list() {
		l.doubts[unit] = true
	}
}

func (l *lease) doubted(unit topology.UnitID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.doubts[unit]
}

// quiet reports whether nothing is under way in the unit, and nothing begins.
func (p *Proxy) quiet(view *balancer.View, unit topology.UnitID) bool {
	return held(view, unit) && !p.lease.doubted(unit) && !p.atWork(unit)
}
