package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// What CREATE EVENT has made: in each schema one event that is to run, and one that the
// DBA has disabled. Their states stand on disk, whether the scheduler runs in memory.

// fireEvery is how often an event of the model runs.
const fireEvery = 100 * time.Millisecond

const (
	tickEvent  = "tick"
	neverEvent = "never"
)

// restSchema is a schema that is no unit.
const restSchema = "cards"

// schemas are those of the world.
func (w *World) schemas() []string {
	found := []string{restSchema}
	for i := range w.opt.Units {
		if id := schemaOf(i, w.opt.Units); id != topology.UnitRest {
			found = append(found, string(id))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// runEvents has events run wherever they do, from now on.
func (w *World) runEvents() {
	if !w.eventsMade && len(w.log.snap.Units) > 0 {
		w.makeEvents()
	}
	w.eventsKnown = w.eventsKnown || w.eventsMade && w.toBeKnown()
	for _, s := range w.servers {
		for _, e := range s.disk.events {
			if s.power == running && s.mem.scheduler == topology.SchedulerOn && e.Status == topology.EventEnabled {
				w.laws.fired(s, e)
			}
		}
	}
	w.after(fireEvery, w.runEvents)
}

// soonKnown is how long the rest of the ring may take to look at an event that was made.
const soonKnown = 3 * time.Second

// toBeKnown reports whether every server knows that the DBA has disabled an event, or has
// had the time to, with the server that it was made on. One that dies before anybody has
// looked at it takes that with it: others were sent the event as one that is another's.
func (w *World) toBeKnown() bool {
	if w.now-w.eventsAt > soonKnown && w.eventsOn.power == running && w.eventsOn.proc == w.eventsProc {
		return true
	}
	for _, s := range w.servers {
		for _, e := range s.disk.events {
			if e.Name == neverEvent && e.Status != topology.EventDisabled {
				return false
			}
		}
	}
	return true
}

// makeEvents has the DBA make the events at the owner. Replication tells of both alike.
func (w *World) makeEvents() {
	owner := w.log.snap.Units[0].Owner
	if owner == "" {
		return
	}
	w.eventsMade, w.eventsAt, w.eventsOn = true, w.now, w.server(owner)
	w.eventsProc = w.eventsOn.proc
	for _, s := range w.servers {
		for _, schema := range w.schemas() {
			never, tick := topology.EventReplica, topology.EventReplica
			if s.id == owner {
				never, tick = topology.EventDisabled, topology.EventEnabled
			}
			s.disk.events = append(s.disk.events, topology.EventState{Schema: schema, Name: neverEvent, Status: never}, topology.EventState{Schema: schema, Name: tickEvent, Status: tick})
		}
	}
}

// copyEvents is what a copy makes of the source's events.
func copyEvents(from []topology.EventState) []topology.EventState {
	events := slices.Clone(from)
	for i := range events {
		if events[i].Status == topology.EventEnabled {
			events[i].Status = topology.EventReplica
		}
	}
	return events
}

// setEvents does what ActEvents says.
func setEvents(d *deed, then func(error)) {
	s := d.s
	for _, want := range d.a.Events.Set {
		for i := range s.disk.events {
			if e := &s.disk.events[i]; e.Schema == want.Schema && e.Name == want.Name {
				e.Status = want.Status
			}
		}
	}
	if d.a.Events.Scheduler != topology.SchedulerUnknown {
		s.mem.scheduler = d.a.Events.Scheduler
	}
	s.w.say(string(s.id), "events: %s", d.a.Events)
	then(nil)
}

// unitOfSchema returns the unit that a schema is a part of now.
func (l *laws) unitOfSchema(schema string) topology.Unit {
	if u, ok := l.w.log.snap.Unit(topology.UnitID(schema)); ok {
		return u
	}
	u, _ := l.w.log.snap.Unit(topology.UnitRest)
	return u
}

// fired checks that an event which runs is to run, and here (I16). A member that is out
// of the ring, or not known to be yet, is nobody that could be told.
func (l *laws) fired(s *server, e topology.EventState) {
	l.stats.Fired++
	m, _ := l.w.log.snap.Member(s.id)
	u := l.unitOfSchema(e.Schema)
	if m.State != topology.MemberActive || s.mem.boot != m.Boot {
		return
	}
	if e.Name == neverEvent && l.w.eventsKnown {
		l.w.breach("I16", "%s runs %s.%s, which the DBA has disabled", s.id, e.Schema, e.Name)
	}
	if u.Owner != "" && u.Owner != s.id {
		l.w.breach("I16", "%s runs %s.%s, whose owner is %s", s.id, e.Schema, e.Name, u.Owner)
	}
}

// silent checks that no other member of the ring runs an event of a unit that is granted.
func (l *laws) silent(owner *server, u topology.Unit) {
	for _, s := range l.w.servers {
		if s == owner || s.power != running || s.mem.scheduler != topology.SchedulerOn {
			continue
		}
		for _, e := range s.disk.events {
			if e.Status == topology.EventEnabled && l.unitOfSchema(e.Schema).ID == u.ID {
				l.fired(s, e)
			}
		}
	}
}

// unscheduled says what an active member lacks of its events, "" for nothing.
func (w *World) unscheduled(s *server) string {
	for _, e := range s.disk.events {
		mine := w.laws.unitOfSchema(e.Schema).Owner == s.id
		switch {
		case e.Name == neverEvent && e.Status != topology.EventDisabled && w.eventsKnown:
			return fmt.Sprintf("says of %s.%s that it is %s", e.Schema, e.Name, e.Status)
		case e.Name == tickEvent && mine && (e.Status != topology.EventEnabled || s.mem.scheduler != topology.SchedulerOn):
			return fmt.Sprintf("does not run %s.%s, which is %s, scheduler %s", e.Schema, e.Name, e.Status, s.mem.scheduler)
		case e.Name == tickEvent && !mine && e.Status != topology.EventReplica:
			return fmt.Sprintf("says of %s.%s that it is %s", e.Schema, e.Name, e.Status)
		}
	}
	return ""
}

// atBoot is what a config file says of the scheduler.
func (w *World) atBoot() topology.Scheduler {
	if w.opt.Scheduler {
		return topology.SchedulerOn
	}
	return topology.SchedulerOff
}
