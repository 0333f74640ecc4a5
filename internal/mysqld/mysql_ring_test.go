package mysqld_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// mysqlPair is pair, of MySQL whatever the run is of.
func mysqlPair(t *testing.T) (up, down *node) {
	t.Helper()
	mysqltest.StartRingOf(t, topology.FlavourMySQL, 0) // skipped here, or nowhere
	t.Setenv(mysqltest.EnvFlavour, topology.FlavourMySQL.String())
	return pair(t)
}

// TestMySQLMembers is what only MySQL members do: they boot closed to everybody, run no
// events until that is ordered, keep what they received over a restart, and are not
// opened before they have back what they lost.
func TestMySQLMembers(t *testing.T) {
	up, down := mysqlPair(t)
	events := func(n *node) string { return n.Query(t, "SELECT @@event_scheduler") }
	if events(up) != "OFF" || events(down) != "OFF" {
		t.Errorf("events run: %s on the open one, %s on the closed one", events(up), events(down))
	}
	up.do(t, topology.Action{Kind: topology.ActEvents, Events: topology.EventOrder{Scheduler: topology.SchedulerOn}})
	up.do(t, kind(topology.ActClose))
	if events(up) != "OFF" {
		t.Error("events run on a member that was closed")
	}
	up.do(t, open(7))

	down.Exec(t, "STOP SLAVE SQL_THREAD")
	up.Exec(t, "INSERT INTO shop.t (v) VALUES (1)")
	goal := up.see(t).Binlog
	down.eventually(t, "received but not applied", func(o topology.Observation) bool {
		return o.Link.Received.Covers(goal) && !o.Applied.Covers(goal)
	})
	down.Kill()
	up.Kill() // what it received is nowhere else
	down.RestartNow(t)
	if got := down.Query(t, "SELECT CONCAT_WS('/', @@super_read_only, @@read_only, @@skip_replica_start, @@event_scheduler, @@rpl_semi_sync_source_enabled, @@rpl_semi_sync_replica_enabled)"); got != "1/1/1/OFF/0/0" {
		t.Errorf("after a restart it is %s", got)
	}
	o := down.eventually(t, "it answers", func(topology.Observation) bool { return true })
	if o.ServerID != 0 || o.Boot != 0 || len(o.Unapplied()) == 0 || o.Link.Receiver != topology.ThreadStopped {
		t.Fatalf("after a restart: identity %d, boot %d, unapplied %q, link %+v", o.ServerID, o.Boot, o.Unapplied(), o.Link)
	}
	again := down.prepare()
	again.Fresh = false
	mysqltest.Eventually(t, "it is prepared again", func() error { return down.Execute(t.Context(), again) })
	down.do(t, kind(topology.ActDetach))
	if got := down.Query(t, "SELECT COUNT(*) FROM shop.t"); got != "1" {
		t.Errorf("%s rows, want the one that was received before the restart", got)
	}

	lost := topology.Action{Kind: topology.ActOpen, Boot: 9, Regain: topology.Position{down.at(t, 1000)}}
	down.refused(t, lost, mysqld.ErrPrecondition)
	if err := down.Execute(t.Context(), lost); err == nil || !strings.Contains(err.Error(), "give their numbers out again") {
		t.Errorf("opened before it has back what it lost: %v", err)
	}
}

func TestMySQLWithAGapIsNotWell(t *testing.T) {
	up, _ := mysqlPair(t)
	const other = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	up.Exec(t, "SET gtid_next='"+other+":3'; BEGIN; COMMIT; SET gtid_next='AUTOMATIC'")
	o := up.Observe(t.Context())
	if o.Reach != topology.ReachUnknown || !strings.Contains(o.Error, other+":1-2") {
		t.Errorf("%s: %s", o.Reach, o.Error)
	}
	if o.Gap != other+":1-2" || o.Boot != 7 || o.ServerID != up.identity || o.Domain != up.domain(t) || len(o.Position()) > 0 {
		t.Errorf("gap %q of boot %d, server %d, domain %d; position %s", o.Gap, o.Boot, o.ServerID, o.Domain, o.Position())
	}
	if err := up.Execute(t.Context(), kind(topology.ActClose)); !errors.Is(err, mysqld.ErrGaps) {
		t.Errorf("an action: %v", err)
	}
	up.Exec(t, "SET gtid_next='"+other+":1'; BEGIN; COMMIT; SET gtid_next='"+other+":2'; BEGIN; COMMIT; SET gtid_next='AUTOMATIC'")
	up.see(t)
}

// TestMySQLClosedToAdministratorsIsNamed: super_read_only that somebody sets on a prepared
// member is found; a member that came up with it, and is not prepared yet, is as it should be.
func TestMySQLClosedToAdministratorsIsNamed(t *testing.T) {
	up, down := mysqlPair(t)
	is := func(want, named bool) {
		t.Helper()
		if got := down.see(t).SuperReadOnly; got != want {
			t.Errorf("super_read_only is seen as %t, want %t", got, want)
		}
		list := found(ringcheck.Run(ringcheck.Catalog(), facts(t, up, down)), ringcheck.Warning)
		has := func(line string) bool { return strings.HasPrefix(line, "super-read-only m2 super_read_only:") }
		if slices.ContainsFunc(list, has) != named {
			t.Errorf("named should be %t; found:\n%s", named, strings.Join(list, "\n"))
		}
	}
	is(false, false)
	down.Exec(t, "SET GLOBAL super_read_only=1")
	is(true, true)
	down.Exec(t, "SET GLOBAL super_read_only=0") // as is told
	if got := down.Query(t, "SELECT @@global.read_only"); got != "1" {
		t.Errorf("read_only is %s", got)
	}
	is(false, false)
	down.Kill()
	down.RestartNow(t)
	down.eventually(t, "it answers", func(topology.Observation) bool { return true })
	is(true, false)
}
