package topology

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// eventsSeen reads what a scenario says of a member's events.
func eventsSeen(t *testing.T, e EventsSeen, key, value string, now time.Time) EventsSeen {
	t.Helper()
	switch key {
	case "scheduler":
		parse(t, e.Scheduler.UnmarshalText, value)
	case "firing":
		e.Firing = strings.Split(value, ",")
	case "trouble":
		e.Trouble, e.TroubleAt = value, now
	case "events":
		e.List = nil
		for word := range strings.SplitSeq(value, ",") {
			full, state, _ := strings.Cut(word, ":")
			schema, name, _ := strings.Cut(full, ".")
			if state == "replica" {
				state = EventReplica.String()
			}
			x := EventState{Schema: schema, Name: name}
			parse(t, x.Status.UnmarshalText, state)
			e.List = append(e.List, x)
		}
	}
	return e
}

// eventsAfter is what a healthy server shows after ActEvents.
func eventsAfter(e EventsSeen, order EventOrder) EventsSeen {
	e.List, e.Trouble = slices.Clone(e.List), ""
	for i, x := range e.List {
		for _, want := range order.Set {
			if x.Schema == want.Schema && x.Name == want.Name {
				e.List[i].Status = want.Status
			}
		}
	}
	if len(order.Hush) > 0 {
		e.Firing = nil
	}
	if order.Scheduler != SchedulerUnknown {
		e.Scheduler = order.Scheduler
	}
	return e
}

// Many events are switched in several steps, and the scheduler begins when none is left
// that may not run.
func TestEventsAreSwitchedInSteps(t *testing.T) {
	s := &Snapshot{
		Ring: &Ring{}, Members: []Member{{ID: "m1"}, {ID: "m2"}},
		Units: []Unit{{ID: UnitRest, Owner: "m2"}, {ID: "shop", Owner: "m1"}},
	}
	seen := Observation{Member: "m1", Events: EventsSeen{Scheduler: SchedulerOff}}
	for i := range 3 * maxOrdered / 2 {
		seen.Events.List = append(seen.Events.List, EventState{Schema: "cards", Name: fmt.Sprintf("e%03d", i), Status: EventEnabled})
	}
	seen.Events.List = append(seen.Events.List, EventState{Schema: "shop", Name: "tick", Status: EventReplica})
	steps := 0
	for ; ; steps++ {
		order := tended(s, s.Members[0], seen, Observations{}, time.Time{})
		if order.empty() {
			break
		}
		if len(order.Set) > maxOrdered {
			t.Fatalf("%d in one step", len(order.Set))
		}
		seen.Events = eventsAfter(seen.Events, order)
		if seen.Events.Scheduler == SchedulerOn && silence(seen, func(schema string) bool { return schema == "cards" }).Set != nil {
			t.Fatal("the scheduler runs where others' events are enabled")
		}
	}
	if steps != 2 || seen.Events.Status("shop", "tick") != EventEnabled || seen.Events.Scheduler != SchedulerOn {
		t.Errorf("after %d steps: %s, scheduler %s", steps, seen.Events.Status("shop", "tick"), seen.Events.Scheduler)
	}
	seen.Events.More = true
	seen.Events.List[0].Status = EventEnabled
	if order := tended(s, s.Members[0], seen, Observations{}, time.Time{}); !order.empty() {
		t.Errorf("of more events than are looked at: %s", order)
	}
}
