package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// What CREATE EVENT makes runs at the owner of its schema's unit alone (I16, ADR 14). An
// event is in one of three states on each member, and that is all that is kept of it:
//
//   - EventEnabled: it fires here. So it may be at the owner alone.
//   - EventReplica: it is enabled, at the owner. Who becomes the owner enables it.
//   - EventDisabled: the DBA has disabled it, and nobody enables it. A server tells a
//     replica of both alike, so that each member is made to say what the owner says.
//
// So what is wanted of an event stands on every member's disk, and a loss of the owner
// loses none of it.

// EventStatus is what a server does with an event.
type EventStatus uint8

// The states, as information_schema.events has them. The zero value is EventUnknown.
const (
	EventUnknown  EventStatus = iota
	EventEnabled              // ENABLED
	EventDisabled             // DISABLED
	EventReplica              // SLAVESIDE_DISABLED, REPLICA_SIDE_DISABLED
)

var eventNames = [...]string{"unknown", "enabled", "disabled", "the owner's"}

func (e EventStatus) String() string { return enumName(eventNames[:], int(e)) }

// MarshalText writes the state's name.
func (e EventStatus) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads a state's name.
func (e *EventStatus) UnmarshalText(text []byte) error { return enumParse(eventNames[:], text, e) }

// EventState is an event, and a state of it: as it is on a member, or as it is to be.
type EventState struct {
	Schema string      `json:"schema"`
	Name   string      `json:"name"`
	Status EventStatus `json:"status"`
}

// Compare orders states by schema, then name.
func (e EventState) Compare(other EventState) int {
	if n := strings.Compare(e.Schema, other.Schema); n != 0 {
		return n
	}
	return strings.Compare(e.Name, other.Name)
}

// Scheduler is event_scheduler of a server. The zero value is "not known".
type Scheduler uint8

// The states.
const (
	SchedulerUnknown Scheduler = iota
	SchedulerOff
	SchedulerOn
	SchedulerNever // DISABLED: it was started without one, and SQL does not change that
)

var schedulerNames = [...]string{"unknown", "OFF", "ON", "DISABLED"}

func (x Scheduler) String() string { return enumName(schedulerNames[:], int(x)) }

// MarshalText writes the state as the server names it.
func (x Scheduler) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// UnmarshalText reads a state as the server names it.
func (x *Scheduler) UnmarshalText(text []byte) error { return enumParse(schedulerNames[:], text, x) }

// MaxEventsSeen is how many events of a member are looked at. Who has more looks after
// them himself.
const MaxEventsSeen = 1000

// EventsSeen is what a server says of its events. It was read before its position, so
// that what an event which does not fire any more has written is in that.
type EventsSeen struct {
	Scheduler Scheduler    `json:"scheduler"`
	List      []EventState `json:"list,omitempty"`   // sorted by schema, then name; of schemas that are not the server's
	More      bool         `json:"more,omitempty"`   // there are more than MaxEventsSeen
	Firing    []string     `json:"firing,omitempty"` // the schemas of those that are at work, sorted; "" if it is not known yet
	// Trouble is why the node could not do what was ordered last, at TroubleAt.
	Trouble   string    `json:"trouble,omitempty"`
	TroubleAt time.Time `json:"trouble_at,omitzero"`
}

// Status returns the state of an event, EventUnknown if there is none of that name.
func (e EventsSeen) Status(schema, name string) EventStatus {
	at, found := slices.BinarySearchFunc(e.List, EventState{Schema: schema, Name: name}, EventState.Compare)
	if !found {
		return EventUnknown
	}
	return e.List[at].Status
}

// fires reports whether an event of the schema is at work, or may be.
func (e EventsSeen) fires(schema string) bool {
	return slices.ContainsFunc(e.Firing, func(s string) bool { return s == "" || s == schema })
}

// EventOrder says what a member's events are to be. It is part of ActEvents.
type EventOrder struct {
	Set       []EventState // the state that each is to have; one that is not there is none
	Hush      []string     // schemas in which nothing of an event may be at work; "" stands for all
	Scheduler Scheduler    // SchedulerOn, SchedulerOff; SchedulerUnknown: as it is
}

// maxOrdered is how many events one action changes.
const maxOrdered = 100

func (e EventOrder) empty() bool {
	return len(e.Set) == 0 && len(e.Hush) == 0 && e.Scheduler == SchedulerUnknown
}

func (e EventOrder) bounded() EventOrder {
	e.Set = e.Set[:min(len(e.Set), maxOrdered)]
	return e
}

// String says the order in words.
func (e EventOrder) String() string {
	var parts []string
	for _, status := range []EventStatus{EventEnabled, EventReplica, EventDisabled} {
		var names []string
		for _, x := range e.Set {
			if x.Status == status {
				names = append(names, x.Schema+"."+x.Name)
			}
		}
		if n := len(names); n > 3 {
			names = append(names[:3], fmt.Sprintf("%d others", n-3))
		}
		if len(names) > 0 {
			parts = append(parts, strings.Join(names, ", ")+" "+status.String())
		}
	}
	if len(e.Hush) > 0 {
		parts = append(parts, "none at work")
	}
	if e.Scheduler != SchedulerUnknown {
		parts = append(parts, "scheduler "+e.Scheduler.String())
	}
	return strings.Join(parts, "; ")
}

// unitAt returns the unit that a schema is a part of.
func (s *Snapshot) unitAt(schema string) Unit {
	if u, ok := s.Unit(UnitID(schema)); ok {
		return u
	}
	u, _ := s.Unit(UnitRest)
	return u
}

// quiesce orders that no event begins at a member that is out of the ring, nor goes on.
// What state they have stays: it is set right once the member is in the ring, before
// anything begins there.
func quiesce(seen Observation) EventOrder {
	var order EventOrder
	if seen.Events.Scheduler == SchedulerOn && len(seen.Events.List) > 0 {
		order.Scheduler = SchedulerOff
	}
	if order.Scheduler != SchedulerUnknown || len(seen.Events.Firing) > 0 {
		order.Hush = []string{""}
	}
	return order
}

// silence orders that no event fires at a member, of those schemas that are asked for.
func silence(seen Observation, of func(schema string) bool) EventOrder {
	var order EventOrder
	hushed := map[string]bool{}
	for _, e := range seen.Events.List {
		if !of(e.Schema) {
			continue
		}
		fires := e.Status == EventEnabled
		if fires {
			order.Set = append(order.Set, EventState{e.Schema, e.Name, EventReplica})
		}
		if (fires || seen.Events.fires(e.Schema)) && !hushed[e.Schema] {
			hushed[e.Schema] = true
			order.Hush = append(order.Hush, e.Schema)
		}
	}
	for _, schema := range seen.Events.Firing { // one that ends with its last run
		if !hushed[schema] && (schema == "" || of(schema)) {
			hushed[schema] = true
			order.Hush = append(order.Hush, schema)
		}
	}
	return order.bounded()
}

// mirror orders that a member which does not own the schemas says of each event what
// the owner says: that it is disabled, or the owner's.
func mirror(seen, owner Observation, of func(schema string) bool) EventOrder {
	var order EventOrder
	for _, e := range seen.Events.List {
		if !of(e.Schema) || e.Status == EventEnabled {
			continue
		}
		want := EventUnknown
		switch owner.Events.Status(e.Schema, e.Name) {
		case EventDisabled:
			want = EventDisabled
		case EventEnabled, EventReplica:
			want = EventReplica
		case EventUnknown: // it was made or dropped there just now
		}
		if want != EventUnknown && want != e.Status {
			order.Set = append(order.Set, EventState{e.Schema, e.Name, want})
		}
	}
	return order.bounded()
}

// tended is what a member's events are to be while nothing is under way. It owns a unit
// from the command on that grants it, and until the one that takes it.
func tended(s *Snapshot, m Member, seen Observation, o Observations, now time.Time) EventOrder {
	if seen.Events.More || len(seen.Events.List) == 0 && len(seen.Events.Firing) == 0 {
		return EventOrder{}
	}
	order := silence(seen, func(schema string) bool { return s.unitAt(schema).Owner != m.ID })
	for _, owner := range s.Members {
		theirs, good := o.Good(owner.ID, now)
		if owner.ID == m.ID || !good || theirs.Events.More {
			continue
		}
		copied := mirror(seen, theirs, func(schema string) bool { return s.unitAt(schema).Owner == owner.ID })
		order.Set = append(order.Set, copied.Set...)
	}
	if !seen.ReadOnly {
		for _, e := range seen.Events.List {
			if e.Status == EventReplica && s.unitAt(e.Schema).Owner == m.ID {
				order.Set = append(order.Set, EventState{e.Schema, e.Name, EventEnabled})
			}
		}
	}
	order = order.bounded()
	if order.Scheduler = schedulerFor(s, m, seen); len(order.Set) == maxOrdered { // the rest comes first
		order.Scheduler = SchedulerUnknown
	}
	return order
}

// schedulerFor is what the scheduler of a member that has events is to be, unknown if it
// is that already: on where one may fire, off where none may.
func schedulerFor(s *Snapshot, m Member, seen Observation) Scheduler {
	mine := slices.ContainsFunc(seen.Events.List, func(e EventState) bool {
		return e.Status != EventDisabled && s.unitAt(e.Schema).Owner == m.ID
	})
	switch {
	case mine && !seen.ReadOnly && seen.Events.Scheduler == SchedulerOff:
		return SchedulerOn
	case !s.Owns(m.ID) && len(seen.Events.List) > 0 && seen.Events.Scheduler == SchedulerOn:
		return SchedulerOff
	}
	return SchedulerUnknown
}

// troubledFor is how long what could not be done is not tried again: there is more to
// be done in a ring.
const troubledFor = 30 * time.Second

// tendEvents has a member's events be as they should.
func tendEvents(s *Snapshot, m Member, seen Observation, o Observations, now time.Time) Step {
	order := tended(s, m, seen, o, now)
	switch {
	case order.empty():
		return idle("its events are as they should be")
	case seen.Events.Trouble != "" && now.Sub(seen.Events.TroubleAt) < troubledFor:
		return wait("the events of %s are not as they should be (%s): %s", m.ID, order, seen.Events.Trouble)
	}
	return do(m.ID, Action{Kind: ActEvents, Identity: m.Identity, Events: order}, "an event runs at the owner of its schema, and nowhere else")
}

// untended says whose events could not be switched, if all else is as it should be.
func untended(s *Snapshot, o Observations, now time.Time) Step {
	for _, m := range s.Members {
		seen, good := o.Good(m.ID, now)
		if step := tendEvents(s, m, seen, o, now); m.State == MemberActive && good && step.Kind == StepWait {
			return step
		}
	}
	return idle("the ring is as it should be")
}

// eventsHandedOver sees to it that no event of the units fires at the old owner, before
// its position counts, and that the new one knows of each whether it is to fire there.
// ok is false as long as step is not done.
func (mv move) eventsHandedOver() (step Step, ok bool) {
	moved := func(schema string) bool {
		return slices.ContainsFunc(mv.units, func(u Unit) bool { return mv.s.unitAt(schema).ID == u.ID })
	}
	for _, seen := range []Observation{mv.old, mv.new} {
		if seen.Events.Trouble != "" && seen.Events.TroubleAt.After(mv.op.Began) {
			return commit(TurnBack{Operation: mv.op.ID, From: mv.op.Cursor}, "the events of %s can not be handed over: %s", seen.Member, seen.Events.Trouble), false
		}
	}
	if order := silence(mv.old, moved); !order.empty() {
		return do(mv.from.ID, Action{Kind: ActEvents, Identity: mv.from.Identity, Events: order}, "its events may write what its position does not have"), false
	}
	if mv.old.Events.More {
		return Step{}, true // ready has refused the move, unless they were made since
	}
	order := mirror(mv.new, mv.old, moved)
	if late := silence(mv.new, moved); !late.empty() {
		order.Set, order.Hush = append(order.Set, late.Set...), late.Hush
	}
	if !order.empty() {
		return do(mv.to.ID, Action{Kind: ActEvents, Identity: mv.to.Identity, Events: order}, "which events %s has disabled has to be known before it owns nothing of them", mv.from.ID), false
	}
	return Step{}, true
}
