package mysqld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Events: what CREATE EVENT makes. The server's scheduler starts one connection of its
// own for each event that is due. What is looked at is read before the position.

// errUnknownEvent: ER_EVENT_DOES_NOT_EXIST.
const errUnknownEvent = 1539

// notOurs are the schemas whose events are nobody's to look after.
const notOurs = "('mysql','information_schema','performance_schema','sys','sqlring')"

// How each flavour lists its events. MariaDB's information_schema parses each anew;
// the table it reads them from is quicker, and is not locked while a statement about an
// event waits for an acknowledgement.
const (
	mariadbEventsStatement = "SELECT db, name, status FROM mysql.event WHERE db NOT IN " + notOurs + " ORDER BY db, name LIMIT ?"
	mysqlEventsStatement   = "SELECT event_schema, event_name, status FROM information_schema.events WHERE event_schema NOT IN " + notOurs +
		" ORDER BY event_schema, event_name LIMIT ?"
)

// How each flavour lists the connections of events that are at work: id and schema. One
// that has just begun has no schema yet. MariaDB shows them as connections of their
// definer that have sent no command.
const (
	mariadbFiringStatement = `SELECT id, IFNULL(db, '') FROM information_schema.processlist WHERE command='Connect'
		AND user NOT IN ('system user', 'unauthenticated user') AND host NOT LIKE '%:%'`
	mysqlFiringStatement = "SELECT processlist_id, IFNULL(processlist_db, '') FROM performance_schema.threads WHERE name='thread/sql/event_worker'"
)

func (c *conn) eventsStatement() string {
	if c.version.Flavour == topology.FlavourMySQL {
		return mysqlEventsStatement
	}
	return mariadbEventsStatement
}

func (c *conn) firingStatement() string {
	if c.version.Flavour == topology.FlavourMySQL {
		return mysqlFiringStatement
	}
	return mariadbFiringStatement
}

// observeEvents reads what o has of events. It is called before anything that tells a
// position is read. Who has no event pays for one short statement.
func observeEvents(ctx context.Context, c *conn, o *topology.Observation) error {
	t, err := c.batch(ctx, "SELECT @@global.event_scheduler; "+c.eventsStatement(), int64(topology.MaxEventsSeen+1))
	if err != nil {
		return err
	}
	if len(t) != 2 {
		return errors.New("the server does not list its events")
	}
	if err := o.Events.Scheduler.UnmarshalText([]byte(t[0].value())); err != nil {
		return fmt.Errorf("event_scheduler: %w", err)
	}
	for _, row := range t[1].rows {
		o.Events.List = append(o.Events.List, topology.EventState{Schema: row[0], Name: row[1], Status: eventStatus(row[2])})
	}
	if o.Events.More = len(o.Events.List) > topology.MaxEventsSeen; o.Events.More {
		o.Events.List = o.Events.List[:topology.MaxEventsSeen]
	}
	slices.SortFunc(o.Events.List, topology.EventState.Compare) // the server's order is that of a collation
	if c.hadEvents = c.hadEvents || len(o.Events.List) > 0; !c.hadEvents {
		return nil
	}
	firing, err := c.query(ctx, c.firingStatement())
	if err != nil {
		return err
	}
	for _, row := range firing.rows {
		o.Events.Firing = append(o.Events.Firing, row[1])
	}
	slices.Sort(o.Events.Firing)
	o.Events.Firing = slices.Compact(o.Events.Firing)
	return nil
}

func eventStatus(text string) topology.EventStatus {
	switch text {
	case "ENABLED":
		return topology.EventEnabled
	case "DISABLED":
		return topology.EventDisabled
	case "SLAVESIDE_DISABLED", "REPLICA_SIDE_DISABLED":
		return topology.EventReplica
	}
	return topology.EventUnknown
}

// troubled is what went wrong when events were to be changed last.
type troubled struct {
	why string
	at  time.Time
}

func lacksEvents(o topology.Observation, a topology.Action) string {
	for _, e := range a.Events.Set {
		if is := o.Events.Status(e.Schema, e.Name); is != e.Status && is != topology.EventUnknown {
			return fmt.Sprintf("event %s.%s is %s", e.Schema, e.Name, is)
		}
	}
	for _, schema := range o.Events.Firing {
		if hushes(a.Events, schema) {
			return fmt.Sprintf("an event of %q is at work", schema)
		}
	}
	if want := a.Events.Scheduler; want != topology.SchedulerUnknown && want != o.Events.Scheduler {
		return "event_scheduler is " + o.Events.Scheduler.String()
	}
	return ""
}

// hushes reports whether nothing may be at work in a schema; "" is one that is not known.
func hushes(order topology.EventOrder, schema string) bool {
	return len(order.Hush) > 0 && (schema == "" || slices.Contains(order.Hush, "") || slices.Contains(order.Hush, schema))
}

func refuseEvents(o topology.Observation, a topology.Action) string {
	if len(a.Events.Set) > 0 {
		return stranger(o, a)
	}
	return ""
}

// runEventOrder has the scheduler stand still first: from then on none begins, so that
// those which are at work are all that there are.
func runEventOrder(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	pauses := o.Events.Scheduler == topology.SchedulerOn && (a.Events.Scheduler == topology.SchedulerOff || len(a.Events.Hush) > 0)
	if pauses {
		if err := switchScheduler(ctx, w.conn, "GLOBAL", false); err != nil {
			return err
		}
	}
	err := endEvents(ctx, w.conn, a.Events)
	for _, e := range a.Events.Set {
		if err != nil && judge(err) != failureOther {
			break // nobody is there to be told more
		}
		err = errors.Join(err, alterEvent(ctx, w.conn, e))
	}
	if err != nil {
		w.member.events.Store(&troubled{err.Error(), time.Now()})
		return err
	}
	w.member.events.Store(nil)
	if a.Events.Scheduler == topology.SchedulerOn || pauses && a.Events.Scheduler != topology.SchedulerOff {
		return switchScheduler(ctx, w.conn, "GLOBAL", true)
	}
	return nil
}

// endEvents ends the connections of events where nothing may be at work.
func endEvents(ctx context.Context, c *conn, order topology.EventOrder) error {
	if len(order.Hush) == 0 {
		return nil
	}
	gone, err := until(ctx, expelWait, func() (bool, error) {
		t, err := c.query(ctx, c.firingStatement())
		none := true
		for _, row := range t.rows {
			if !hushes(order, row[1]) {
				continue
			}
			none = false
			if err := c.execute(ctx, "KILL CONNECTION "+row[0]); err != nil && !isNumber(err, errNoSuchThread) {
				return false, fmt.Errorf("end event %s: %w", row[0], err)
			}
		}
		return none, err
	})
	if err == nil && !gone {
		err = fmt.Errorf("%w: an event is still at work after %v", ErrNotVerified, expelWait)
	}
	return err
}

// alterEvent changes the state of an event, if there is one. What else ALTER EVENT sets
// to what its session has is kept: the definer, and the character set in which the
// event's text is to be read.
func alterEvent(ctx context.Context, c *conn, e topology.EventState) error {
	t, err := c.query(ctx, "SELECT definer, character_set_client, collation_connection FROM information_schema.events WHERE event_schema=? AND event_name=?", e.Schema, e.Name)
	if err != nil || len(t.rows) == 0 {
		return err
	}
	definer, charset, collation := t.rows[0][0], t.rows[0][1], t.rows[0][2]
	at := strings.LastIndexByte(definer, '@')
	if at < 0 {
		return fmt.Errorf("event %s.%s: its definer %q is no account", e.Schema, e.Name, definer)
	}
	if !ascii(e.Schema+e.Name+definer) && !strings.HasPrefix(charset, "utf8") {
		return fmt.Errorf("event %s.%s was made in character set %s, in which we can not write its name: ALTER EVENT by hand, or drop it and make it in utf8mb4", e.Schema, e.Name, charset)
	}
	text := fmt.Sprintf("ALTER DEFINER=%s@%s EVENT %s.%s %s", quote(definer[:at]), quote(definer[at+1:]), name(e.Schema), name(e.Name), c.eventWord(e.Status))
	if err = c.execute(ctx, "SET SESSION character_set_client="+charset+", collation_connection="+collation); err == nil {
		err = c.execute(ctx, text)
	}
	back := c.execute(ctx, "SET NAMES utf8mb4")
	if isNumber(err, errUnknownEvent, errUnknownSchema) {
		err = nil // dropped since
	}
	if err != nil {
		err = fmt.Errorf("event %s.%s: %w", e.Schema, e.Name, err)
	}
	return errors.Join(err, back)
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 })
}

// eventWord is a state in ALTER EVENT. MySQL says replica from 8.3 on (manual, "ALTER
// EVENT Statement").
func (c *conn) eventWord(status topology.EventStatus) string {
	switch {
	case status == topology.EventEnabled:
		return "ENABLE"
	case status == topology.EventDisabled:
		return "DISABLE"
	case c.version.Flavour == topology.FlavourMySQL && c.version.AtLeast(8, 3, 0):
		return "DISABLE ON REPLICA"
	}
	return "DISABLE ON SLAVE"
}

// switchScheduler has a server begin its events or not. scope is GLOBAL or PERSIST. A
// server that was started without a scheduler has none to switch.
func switchScheduler(ctx context.Context, c *conn, scope string, on bool) error {
	is, err := c.query(ctx, "SELECT @@global.event_scheduler")
	if err != nil {
		return fmt.Errorf("read event_scheduler: %w", err)
	}
	want := map[bool]string{true: "ON", false: "OFF"}[on]
	if is.value() == "DISABLED" || is.value() == want && scope == "GLOBAL" {
		return nil
	}
	if err := c.execute(ctx, fmt.Sprintf("SET %s event_scheduler=%s", scope, want)); err != nil {
		return fmt.Errorf("switch event_scheduler %s: %w", want, err)
	}
	return nil
}
