package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestEventsRunAtTheOwner has an event write a row each second, by a definer whom
// read_only does not stop, while its schema gets another owner: with everything, as a
// unit of its own whose old owner stays open, and because its owner dies. It never runs
// at two members at a time, runs at the new owner soon, and one that is disabled stays so.
func TestEventsRunAtTheOwner(t *testing.T) {
	beside(t)
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) { playEvents(t, flavour) })
	}
}

func playEvents(t *testing.T, flavour topology.Flavour) {
	beside(t)
	r := startRigOf(t, flavour, 2)
	root := r.pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE shop", "CREATE TABLE shop.ticks (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6), server INT)", "CREATE TABLE shop.never (id BIGINT AUTO_INCREMENT PRIMARY KEY)",
		"CREATE EVENT shop.tick ON SCHEDULE EVERY 1 SECOND DO BEGIN DECLARE i INT DEFAULT 0; " + // it is at work nearly always
			"WHILE i < 40 DO INSERT INTO shop.ticks (at, server) VALUES (UTC_TIMESTAMP(6), @@server_id); DO SLEEP(0.02); SET i = i + 1; END WHILE; END",
		"CREATE EVENT shop.never ON SCHEDULE EVERY 1 SECOND DO INSERT INTO shop.never VALUES ()",
		"ALTER EVENT shop.never DISABLE",
	} {
		if _, err := root.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	r.ticksAt(t, 0)
	switches := 0
	for _, to := range []int{1, 0, 1, 0} {
		ended := r.move(t, "*", r.servers[to].Name).Ended
		switches++
		r.ticksAt(t, to)
		r.endedAt(t, 1-to, to, *ended)
	}
	started, err := r.client.CreateUnit(t.Context(), api.CreateUnitRequest{Name: "shop", GraceMS: 50, Why: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r.awaitDone(t, started.Operation.ID)
	ended := r.move(t, "shop", r.servers[1].Name).Ended // m1 keeps the rest, and stays open
	switches++
	r.ticksAt(t, 1)
	r.endedAt(t, 0, 1, *ended)
	r.untilHealthy(t, 20*time.Second)
	r.servers[1].Kill()
	switches++
	r.ticksAt(t, 0)
	r.servers[1].RestartNow(t)
	r.untilWhole(t, 60*time.Second)
	r.ticksAt(t, 0)

	r.servers[0].Exec(t, "ALTER EVENT shop.tick DISABLE") // so that it stands still
	r.untilEqual(t, "shop.ticks", "shop.never")
	for i, s := range r.servers {
		const turns = "SELECT COUNT(*) FROM (SELECT server, LAG(server) OVER (ORDER BY at, id) AS before_it FROM shop.ticks) AS x WHERE server<>before_it"
		if got := s.Query(t, turns); got != fmt.Sprint(switches) {
			t.Errorf("%s: it ran at the other member %s times anew, the owner has changed %d times: %s", s.Name, got, switches,
				s.Query(t, "SELECT GROUP_CONCAT(CONCAT(at, ' ', server) ORDER BY at SEPARATOR '\n') FROM shop.ticks"))
		}
		if got := s.Query(t, "SELECT COUNT(*) FROM shop.never"); got != "0" {
			t.Errorf("%s: what is disabled has run %s times", s.Name, got)
		}
		eventually(t, 10*time.Second, "what the DBA has disabled is known to be", func() error {
			if got := eventStatus(t, r.servers[i], "never") + eventStatus(t, r.servers[i], "tick"); got != "DISABLEDDISABLED" {
				return fmt.Errorf("%s: %s", s.Name, got)
			}
			return nil
		})
	}
}

// endedAt checks that what ran at the old owner has written nothing since the new one was
// given the schema.
func (r *rig) endedAt(t *testing.T, old, owner int, at time.Time) {
	t.Helper()
	id := r.servers[old].Query(t, "SELECT @@server_id")
	if n := r.servers[owner].Query(t, "SELECT COUNT(*) FROM shop.ticks WHERE server=? AND at>?", id, at.UTC().Format("2006-01-02 15:04:05.000000")); n != "0" {
		t.Errorf("%s has written %s rows by its event since %s owns it", r.servers[old].Name, n, r.servers[owner].Name)
	}
}

func eventStatus(t *testing.T, s *mysqltest.Server, name string) string {
	t.Helper()
	return s.Query(t, "SELECT status FROM information_schema.events WHERE event_name=?", name)
}

// ticksAt waits until the event runs at a member, and there alone: two rows of its own,
// the newest ones.
func (r *rig) ticksAt(t *testing.T, i int) {
	t.Helper()
	s := r.servers[i]
	id := s.Query(t, "SELECT @@server_id")
	eventually(t, 20*time.Second, "the event runs at "+s.Name, func() error {
		got := s.Query(t, "SELECT GROUP_CONCAT(server) FROM (SELECT server FROM shop.ticks ORDER BY at DESC LIMIT 2) AS x")
		if got != id+","+id {
			return fmt.Errorf("the last two ran at %s, its server_id is %s; status %s, scheduler %s: %s", got, id, eventStatus(t, s, "tick"), s.Query(t, "SELECT @@event_scheduler"), r.why(t))
		}
		return nil
	})
}
