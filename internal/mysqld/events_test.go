package mysqld_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

func events(order topology.EventOrder) topology.Action {
	return topology.Action{Kind: topology.ActEvents, Events: order}
}

func tick(status topology.EventStatus) topology.EventOrder {
	return topology.EventOrder{Set: []topology.EventState{{Schema: "shop", Name: "tick", Status: status}}}
}

// withEvents is a pair with an event whose definer is an account of its own and which
// was made in latin1; every second it writes a row, and then is at work for long.
func withEvents(t *testing.T) (up, down *node) {
	t.Helper()
	up, down = pair(t)
	up.Exec(t, "CREATE USER d@'%' IDENTIFIED BY 'x'; GRANT INSERT, EVENT, SELECT ON shop.* TO d@'%'; CREATE TABLE shop.ticks (id INT AUTO_INCREMENT PRIMARY KEY, server INT)")
	up.Exec(t, `SET NAMES latin1; CREATE DEFINER=d@'%' EVENT shop.tick ON SCHEDULE EVERY 1 SECOND COMMENT 'x' DO
		BEGIN INSERT INTO shop.ticks (server) VALUES (@@server_id); DO SLEEP(600); END; SET NAMES utf8mb4`)
	down.caughtUp(t, up)
	return up, down
}

// What a server says of an event, its state aside.
const eventRow = `SELECT CONCAT_WS('|', definer, time_zone, event_definition, interval_value, interval_field, sql_mode, starts, on_completion,
	event_comment, character_set_client, collation_connection, database_collation) FROM information_schema.events WHERE event_name='tick'`

// TestEventsAreSwitched: an event fires at one member, and at the other one after it was
// switched; one that is at work ends; it stays what it was; nothing is logged.
func TestEventsAreSwitched(t *testing.T) {
	up, down := withEvents(t)
	if o := down.see(t); o.Events.Status("shop", "tick") != topology.EventReplica {
		t.Errorf("at the replica: %+v", o.Events)
	}
	row := up.Query(t, eventRow)
	up.do(t, events(topology.EventOrder{Scheduler: topology.SchedulerOn}))
	up.eventually(t, "it fires", func(o topology.Observation) bool {
		return len(o.Events.Firing) == 1 && o.Events.Firing[0] == "shop" && o.Events.Scheduler == topology.SchedulerOn
	})
	order := tick(topology.EventReplica)
	order.Hush = []string{"shop"}
	up.do(t, events(order))
	o := up.see(t)
	if len(o.Events.Firing) > 0 || o.Events.Status("shop", "tick") != topology.EventReplica || o.Events.Scheduler != topology.SchedulerOn {
		t.Errorf("after it was taken: %+v", o.Events)
	}
	at := o.Binlog
	for _, status := range []topology.EventStatus{topology.EventDisabled, topology.EventReplica} {
		up.do(t, events(tick(status)))
	}
	if now := up.see(t).Binlog; now.String() != at.String() {
		t.Errorf("%s was logged after %s", now, at)
	}
	down.caughtUp(t, up)
	n := up.Query(t, "SELECT COUNT(*) FROM shop.ticks")
	down.do(t, open(8))
	enable := tick(topology.EventEnabled)
	enable.Scheduler = topology.SchedulerOn
	for range 2 { // it may be done again
		down.do(t, events(enable))
	}
	down.eventually(t, "it fires there", func(o topology.Observation) bool { return len(o.Events.Firing) == 1 })
	if got := down.Query(t, "SELECT MAX(server)=@@server_id FROM shop.ticks"); got != "1" {
		t.Error("what fired there is not its own")
	}
	if got := up.Query(t, "SELECT COUNT(*) FROM shop.ticks"); got != n {
		t.Errorf("it fired at the old one: %s rows, there were %s", got, n)
	}
	for _, n := range []*node{up, down} {
		if got := n.Query(t, eventRow); got != row {
			t.Errorf("%s: it has become\n%s\nwas\n%s", n.id, got, row)
		}
	}
	down.do(t, events(topology.EventOrder{Hush: []string{""}, Scheduler: topology.SchedulerOff}))
	if o := down.see(t); len(o.Events.Firing) > 0 || o.Events.Scheduler != topology.SchedulerOff || o.Events.Status("shop", "tick") != topology.EventEnabled {
		t.Errorf("out of the ring: %+v", o.Events)
	}
}

// What the DBA says of an event at its owner reaches a replica as one word, whatever it
// was; one that is not there any more is nothing to fail for.
func TestEventsAreDisabledAtTheOwner(t *testing.T) {
	up, down := withEvents(t)
	for _, word := range []string{"DISABLE", "ENABLE"} {
		up.Exec(t, "ALTER EVENT shop.tick "+word)
		down.caughtUp(t, up)
		if is := down.see(t).Events.Status("shop", "tick"); is != topology.EventReplica {
			t.Errorf("%s: the replica says %s", word, is)
		}
		down.do(t, events(tick(topology.EventDisabled)))
		if is := down.see(t).Events.Status("shop", "tick"); is != topology.EventDisabled {
			t.Errorf("it was made to say %s", is)
		}
	}
	gone := tick(topology.EventEnabled)
	gone.Set[0].Name = "gone"
	up.do(t, events(gone))
	gone.Set[0].Schema = "nowhere"
	up.do(t, events(gone))
}

// A statement about an event that waits for an acknowledgement holds nothing that a probe
// waits for.
func TestEventsAreSeenWhileTheirCommitWaits(t *testing.T) {
	up, down := pair(t)
	up.Exec(t, "CREATE EVENT shop.old ON SCHEDULE EVERY 1 SECOND DO INSERT INTO shop.t (v) VALUES (1)")
	down.caughtUp(t, up)
	up.do(t, events(topology.EventOrder{Scheduler: topology.SchedulerOn}))
	up.do(t, kind(topology.ActArm))
	down.Kill()
	up.eventually(t, "no acker is left", func(o topology.Observation) bool { return o.SemiSync.Ackers == 0 })
	answers := make(chan error, 2)
	ctx := t.Context()
	for _, text := range []string{"CREATE EVENT shop.late ON SCHEDULE EVERY 1 HOUR DO SELECT 1", "ALTER EVENT shop.old COMMENT 'y'"} {
		go func() {
			_, err := up.DB().ExecContext(ctx, text)
			answers <- err
		}()
	}
	waited, missed := false, 0
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		o := up.Observe(t.Context())
		if missed++; o.Reach == topology.ReachAnswers {
			missed, waited = 0, waited || o.SemiSync.Waiting > 0
		}
		if missed == 4 { // one may be late on a busy machine
			t.Fatalf("%s: %s", o.Reach, o.Error)
		}
	}
	if !waited || len(answers) > 0 {
		t.Errorf("a commit waited: %t; %d of 2 statements about events did not", waited, len(answers))
	}
	up.do(t, kind(topology.ActDisarm))
	for range 2 {
		if err := <-answers; err != nil && !strings.Contains(err.Error(), "1537") {
			t.Error(err)
		}
	}
}
