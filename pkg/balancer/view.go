package balancer

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Member is what a proxy has to know of a member to send sessions there.
type Member struct {
	ID      topology.MemberID
	Network string         // "tcp" or "unix"
	Addr    string         // host:port, or the path of a socket
	Version string         // as the server greets clients; empty if not known
	Layout  autoinc.Layout // auto_increment values of sessions there; zero if not known
	Boot    uint64         // token of the process that was admitted; 0: not to be checked
	Drained bool           // reads do not go there, unless nobody else can answer them
}

// Unit is a unit of data with its one writer.
type Unit struct {
	ID    topology.UnitID
	Owner topology.MemberID // "" if nobody owns it: writes wait
	Epoch uint64            // counts changes of the owner
	// Draining and Grace are those of [topology.Unit]: what was begun in the unit
	// goes on in this epoch, for at most Grace from when the proxy took the first such
	// view in, and is cut then; nothing is begun in it. Commands that would begin
	// something wait as they do without an owner. Once all has had its final answer
	// the proxy reports [topology.Writer].Quiet, and calls LeasesChanged. A later view
	// of the same epoch without Draining takes that back.
	Draining bool
	Grace    time.Duration
}

// View is an immutable picture of the ring as a proxy routes by it. Members and
// Units are sorted by id. A nil View stands for "nothing is known" and is valid;
// so is the zero View, a ring without members.
type View struct {
	Ring    string
	Members []Member
	Units   []Unit
}

// Route says where the writes of a unit go. It is comparable: two equal routes
// lead to the same place.
type Route struct {
	Member Member
	Unit   topology.UnitID
	Epoch  uint64
	Why    Why
	// Draining says that nothing may be begun there: see [Unit].
	Draining bool
}

// Why is the reason for a route, or for there being none.
type Why uint8

// The reasons.
const (
	WhyNoView    Why = iota // nothing is known of the ring yet
	WhyNoUnit               // neither the unit nor "*" exists
	WhyNoOwner              // nobody owns the unit at present
	WhyNoMember             // the owner is not among the members
	WhyNoLayout             // the owner's auto_increment layout is not known
	WhyOwner                // the unit's own owner
	WhyRestOwner            // the owner of "*", which holds the unit
)

// String returns the reason as people read it.
func (w Why) String() string {
	switch w {
	case WhyNoView:
		return "the state of the ring is not known yet"
	case WhyNoUnit:
		return "no such unit, and no unit *"
	case WhyNoOwner:
		return "no member owns the unit"
	case WhyNoMember:
		return "the owner is not a member"
	case WhyNoLayout:
		return "the owner's auto_increment slot is not known"
	case WhyOwner:
		return "owner of the unit"
	case WhyRestOwner:
		return "owner of *"
	}
	return fmt.Sprintf("reason %d", uint8(w))
}

// OwnerOf returns where the writes of unit go. A unit that is not listed is part
// of "*". If ok is false there is nowhere to go at present, and Route.Why says
// why; Unit and Epoch are set as far as known.
//
// An owner whose layout is not valid is no route: a session without a slot could
// give out another member's auto_increment values.
func (v *View) OwnerOf(unit topology.UnitID) (route Route, ok bool) {
	if v == nil {
		return Route{Unit: unit, Why: WhyNoView}, false
	}
	why := WhyOwner
	u, found := v.unit(unit)
	if !found {
		why = WhyRestOwner
		if u, found = v.unit(topology.UnitRest); !found {
			return Route{Unit: unit, Why: WhyNoUnit}, false
		}
	}
	route = Route{Unit: u.ID, Epoch: u.Epoch, Why: why, Draining: u.Draining}
	if u.Owner == "" {
		route.Why = WhyNoOwner
		return route, false
	}
	i, found := slices.BinarySearchFunc(v.Members, u.Owner, func(m Member, id topology.MemberID) int {
		return cmp.Compare(m.ID, id)
	})
	if !found {
		route.Why = WhyNoMember
		return route, false
	}
	route.Member = v.Members[i]
	if route.Member.Layout.Validate() != nil {
		route.Why = WhyNoLayout
		return route, false
	}
	return route, true
}

func (v *View) unit(id topology.UnitID) (Unit, bool) {
	i, ok := slices.BinarySearchFunc(v.Units, id, func(u Unit, id topology.UnitID) int {
		return cmp.Compare(u.ID, id)
	})
	if !ok {
		return Unit{}, false
	}
	return v.Units[i], true
}
