package proxy

import (
	"bytes"
	"slices"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A statement goes to the owner of the units that it touches (balancer.View.Touches).
// Those of a transaction are all that its statements have touched: they have one owner,
// and each of their epochs has to hold when it commits. What would write units of
// different owners is refused, and so is what a session that can not leave its
// connection may do elsewhere only. While the ring has the unit "*" alone none of this
// costs anything.

// work is the units that a session is at work in. It is immutable.
type work struct{ units []topology.UnitID }

// restWork is that of all sessions while there is one unit.
var restWork = &work{[]topology.UnitID{sessionUnit}}

// list returns the units; none of a nil work.
func (w *work) list() []topology.UnitID {
	if w == nil {
		return nil
	}
	return w.units
}

// aiming is what a session knows of the units of the command under way.
type aiming struct {
	seen   *balancer.View  // by which the rest was found
	aimed  *work           // its units, and those of the open transaction
	unit   topology.UnitID // one of them: its owner's is the link
	spans  bool            // it reads units of other owners too
	writes bool            // it may write; not set while there is one unit
	tied   bool            // what keeps the session on its link is in the way
	begins bool            // the open transaction, which is empty, begins at their owner: begun.go
}

// aim finds out in which units the command under way is at work by a view. told is what
// the client gets if they can not be had together; nothing has changed then.
func (s *session) aim(view *balancer.View) (told *wire.Error) {
	s.tied, s.begins = false, false
	if !view.Divided() {
		s.aiming = aiming{seen: view, aimed: restWork, unit: sessionUnit}
		return nil
	}
	t := s.touches(view)
	open := s.link != nil && s.mem.inTransaction()
	stays := s.link != nil && !s.link.reading.Load() && !s.movable()
	if t.Neutral && s.link != nil && !s.link.reading.Load() && (stays || s.looksBack()) {
		if !stays {
			s.aimAt([]topology.UnitID{s.link.route.Unit})
		}
		s.seen, s.unit, s.spans, s.writes = view, s.link.route.Unit, false, false
		return nil
	}
	units := t.Units
	begins := false
	if open {
		if begins = s.beginsElsewhere(view, units); !begins {
			units = union(s.aimed.list(), units)
		}
	}
	if !open && s.link != nil && s.mem.isUnderWay() { // its locks are still those of where it was
		if all := union(s.aimed.list(), units); view.Apart(all) == nil {
			units = all
		}
	}
	spans := false
	if err := view.Apart(units); err != nil {
		if t.Writes || stays || s.sees == balancer.ConsistencyStrong {
			return apart(err, open && !begins)
		}
		units, spans = units[:1], true
	}
	if told := s.away(view, units[0], stays && !open); told != nil {
		s.tied = true
		return told
	}
	s.aimAt(units)
	s.seen, s.unit, s.spans, s.writes, s.begins = view, units[0], spans, t.Writes && !t.Neutral, begins
	return nil
}

func (s *session) aimAt(units []topology.UnitID) {
	if s.aimed == nil || !slices.Equal(s.aimed.units, units) {
		s.aimed = &work{units}
	}
}

func union(a, b []topology.UnitID) []topology.UnitID {
	sum := slices.Concat(a, b)
	slices.Sort(sum)
	return slices.Compact(sum)
}

// touches returns what the command under way touches.
func (s *session) touches(view *balancer.View) balancer.Touch {
	plan, schema, cut := s.plan, s.mem.schema, false
	switch p := s.meant; {
	case p != nil:
		plan, schema, cut = p.plan, p.schema, isCut(p.plan)
	case s.code == wire.ComQuery || s.code == wire.ComStmtPrepare:
		cut = isCut(plan)
	default:
		plan = nil
	}
	switch {
	case !cut:
		return view.Touches(plan, schema)
	case s.rows != nil:
		return view.TouchesRows(s.beginning, schema)
	}
	several := s.caps.Has(wire.MultiStatements)
	if len(s.mem.option) > 0 {
		several = s.mem.option[0] == 0 // MYSQL_OPTION_MULTI_STATEMENTS_ON
	}
	return view.TouchesCut(s.beginning, schema, !several)
}

// isCut reports whether a plan is not that of all of a text.
func isCut(p *balancer.Plan) bool { return p == nil || p.Effects.Has(balancer.EffectTruncated) }

// readBeginning makes a plan of what a text begins with that is too long to be read.
func (s *session) readBeginning(text []byte) {
	dialect := s.mem.dialect(s.p.version())
	i := bytes.IndexAny(text, `'"`)
	if i >= 0 {
		text = text[:i]
	}
	s.beginning, _, _ = s.p.reader.plan(text, dialect)
	if s.plan == nil && i >= 0 && s.code == wire.ComQuery {
		whole, _, _ := s.p.reader.plan(append(bytes.Clone(text), balancer.RowsEnd...), dialect)
		if s.rows = balancer.NewRows(whole, dialect); s.rows != nil {
			s.rowsFrom = i
		}
	}
}

// notRows is told that the command under way, of which a part is sent already, is not what
// it was taken for. It returns what the client is told if it can not go on where it is.
func (s *session) notRows() *wire.Error {
	s.rows = nil
	s.mem.stickTo(balancer.StickTruncated)
	view := s.p.view.Load()
	if !view.Divided() {
		return nil
	}
	for _, unit := range s.touches(view).Units {
		if !slices.Contains(s.aimed.list(), unit) {
			return wire.NewError(wire.NoOwner, "sqlring: this statement is too long to be held (%d MiB) and has more than rows of values behind its beginning, so that it may touch unit %s too; "+
				"it was not run. Make it shorter, or run it with the schema of its table as the default one (USE) and without the multi-statement option", heldText>>20, unit)
		}
	}
	return nil
}

// apart is what a client gets whose statement would need several owners.
func apart(err error, open bool) *wire.Error {
	whose := "this statement touches, or may touch,"
	if open {
		whose = "the open transaction would with this statement touch"
	}
	return wire.NewError(wire.NoOwner, "sqlring: %s %v; it was not run. "+
		"Each statement and transaction needs units of one owner: split it, or begin it with the unit's schema as the default one (USE), or give the units one owner (sqlring unit move)", whose, err)
}

// away is what a client gets whose session has to stay where it is, while the unit is
// another member's. If the member is no owner any more of what the session was at, the
// connection is lost anyway.
func (s *session) away(view *balancer.View, unit topology.UnitID, stays bool) *wire.Error {
	route, ok := view.OwnerOf(unit)
	if !stays || !ok || same(route.Member, s.link.route.Member) || !ownsAll(view, s.link.route.Member, s.aimed.list()) {
		return nil
	}
	return wire.NewError(wire.NoOwner, "sqlring: this statement is of unit %s, whose owner is %s, and the session has state that keeps it on its connection to %s (SHOW SQLRING PINS); "+
		"it was not run. Use another connection for it, or give the units one owner (sqlring unit move)", unit, route.Member.ID, s.link.route.Member.ID)
}

// routed returns where the command under way goes. If ok is false it has to wait: route
// is that of the unit which has no owner, or is drained.
func (s *session) routed(view *balancer.View) (route balancer.Route, ok bool) {
	for _, unit := range s.aimed.list() {
		if r, ok := view.OwnerOf(unit); !ok || r.Draining {
			return r, false
		}
	}
	return view.OwnerOf(s.unit)
}

// ownsAll reports whether a member owns all of some units.
func ownsAll(view *balancer.View, m balancer.Member, units []topology.UnitID) bool {
	for _, unit := range units {
		if route, ok := view.OwnerOf(unit); !ok || !same(route.Member, m) {
			return false
		}
	}
	return true
}

// ownsAny reports whether a member owns any unit.
func ownsAny(view *balancer.View, m balancer.Member) bool {
	return slices.ContainsFunc(unitsOf(view), func(unit topology.UnitID) bool {
		route, ok := view.OwnerOf(unit)
		return ok && same(route.Member, m)
	})
}

// unitsOf returns the units of a view: "*", if nothing is known.
func unitsOf(view *balancer.View) []topology.UnitID {
	if !view.Divided() {
		return restWork.units
	}
	units := make([]topology.UnitID, 0, len(view.Units))
	for i := range view.Units {
		units = append(units, view.Units[i].ID)
	}
	return units
}

// stands reports whether the epochs by which the command was begun are the newest.
func (s *session) stands() bool { return s.view.Same(s.p.view.Load(), s.aimed.list()) }
