package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// adoptRefused is something in the way of an adoption: done on m2, or asked for.
type adoptRefused struct {
	check, do, undo, words string
	edit                   func(*api.AdoptRequest)
}

func adoptRefusals(t *testing.T) []adoptRefused {
	t.Helper()
	swap := func(q *api.AdoptRequest) { q.Members[1], q.Members[2] = q.Members[2], q.Members[1] }
	renumber := func(id int) string {
		return mysqltest.Words(t, fmt.Sprintf("STOP SLAVE; SET GLOBAL server_id=%d; START SLAVE", id))
	}
	list := []adoptRefused{
		{check: "circle", edit: swap, words: "does not pull from"},
		{check: "ids", do: renumber(103), undo: renumber(12), words: "which m3 is to get"},
		{check: "schema", do: "SET SESSION sql_log_bin=0; CREATE DATABASE sqlring; CREATE TABLE sqlring.heartbeat (member VARCHAR(32), node VARCHAR(32), seq BIGINT)", undo: "SET SESSION sql_log_bin=0; DROP DATABASE sqlring", words: "DROP DATABASE sqlring"},
		{check: "slots", do: "SET GLOBAL auto_increment_offset=1", undo: "SET GLOBAL auto_increment_offset=2", words: "collides with"},
		{check: "answers", edit: func(q *api.AdoptRequest) { q.Members[2].Addr = mysqltest.FreeAddr(t) }, words: "does not answer"},
	}
	if mysqltest.Flavour(t) == topology.FlavourMySQL {
		relink := func(how string) string { return "STOP REPLICA; CHANGE REPLICATION " + how + "; START REPLICA" }
		return append(list,
			adoptRefused{check: "config file", do: "SET GLOBAL gtid_mode=ON_PERMISSIVE", undo: "SET GLOBAL gtid_mode=ON", words: "gtid_mode=ON"},
			adoptRefused{check: "circle", do: "STOP REPLICA SQL_THREAD", undo: "START REPLICA SQL_THREAD", words: "START REPLICA"},
			adoptRefused{check: "circle", do: "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1 FOR CHANNEL 'other'", undo: "RESET REPLICA ALL FOR CHANNEL 'other'", words: "follows 2 servers"},
			adoptRefused{check: "gtid", do: relink("SOURCE TO SOURCE_AUTO_POSITION=0"), undo: relink("SOURCE TO SOURCE_AUTO_POSITION=1"), words: "SOURCE_AUTO_POSITION=1"},
			adoptRefused{check: "filters", do: relink("FILTER REPLICATE_IGNORE_DB=(logs)"), undo: relink("FILTER REPLICATE_IGNORE_DB=()"), words: "REPLICATE_IGNORE_DB=logs"})
	}
	relink := func(how string) string { return "STOP SLAVE; CHANGE MASTER TO " + how + "; START SLAVE" }
	return append(list,
		adoptRefused{check: "config file", edit: func(q *api.AdoptRequest) { q.BootsClose = false }, words: "--boots-closed"},
		adoptRefused{check: "circle", do: "STOP SLAVE SQL_THREAD", undo: "START SLAVE SQL_THREAD", words: "its applier stopped"},
		adoptRefused{check: "gtid", do: relink("MASTER_USE_GTID=no"), undo: relink("MASTER_USE_GTID=slave_pos"), words: "MASTER_USE_GTID=slave_pos"},
		adoptRefused{check: "filters", do: "STOP SLAVE; SET GLOBAL replicate_ignore_db='logs'; START SLAVE", undo: "STOP SLAVE; SET GLOBAL replicate_ignore_db=''; START SLAVE", words: "Replicate_Ignore_DB=logs"},
		adoptRefused{check: "domains", do: "SET GLOBAL gtid_domain_id=21", undo: "SET GLOBAL gtid_domain_id=22", words: "in one domain, 21"})
}

// TestAdoptIsRefused names what is in the way, and what mends it: nothing is changed.
func TestAdoptIsRefused(t *testing.T) {
	beside(t)
	r := &rig{servers: mysqltest.StartRing(t, 3), cfg: nodeConfig(t)}
	circle(t, r.servers, 3)
	r.startNode(t)
	m2 := r.servers[1]
	for _, c := range adoptRefusals(t) {
		t.Run(c.check, func(t *testing.T) {
			if c.do != "" {
				m2.Exec(t, c.do)
			}
			request := r.adoptRequest()
			if c.edit != nil {
				c.edit(&request)
			}
			eventually(t, 10*time.Second, "it is refused", func() error {
				got, err := r.client.Adopt(t.Context(), request, true)
				if err != nil {
					return err
				}
				if plan := got.Plan; plan.Check != c.check || !strings.Contains(plan.Refused, c.words) {
					return fmt.Errorf("refused by %q: %s", plan.Check, plan.Refused)
				}
				return nil
			})
			var problem *api.Problem
			if _, err := r.client.Adopt(t.Context(), request, false); !errors.As(err, &problem) || problem.Check != c.check {
				t.Errorf("ordered all the same: %v", err)
			}
			if c.undo != "" {
				m2.Exec(t, c.undo)
			}
			if got := r.status(t).Ring; got != "" {
				t.Fatalf("there is a ring %q", got)
			}
		})
	}
	if got := m2.Query(t, "SELECT CONCAT(@@global.server_id,' ',@@global.auto_increment_increment,' ',IF(@@global.read_only,1,0))"); got != "12 3 0" {
		t.Errorf("a refusal has changed something: %s", got)
	}
	eventually(t, 10*time.Second, "nothing is in the way any more", func() error {
		got, err := r.client.Adopt(t.Context(), r.adoptRequest(), true)
		if err == nil && (got.Plan.Refused != "" || got.Plan.Stride != 48 || len(got.Plan.Direct) != 2) {
			err = fmt.Errorf("%+v", got.Plan)
		}
		return err
	})
}

// TestAdoptIsAborted takes the word back at several steps: the circle replicates as
// before, nothing that was written is missing, and once the schema is dropped it can be
// adopted again.
func TestAdoptIsAborted(t *testing.T) {
	beside(t)
	r := &rig{servers: mysqltest.StartRing(t, 3), cfg: nodeConfig(t)}
	before := r.startCircle(t, 3)
	r.startNode(t)
	threads := "SELECT COUNT(*) FROM information_schema.processlist WHERE command IN ('Slave_IO', 'Slave_SQL') AND state NOT LIKE '%onnect%'"
	if mysqltest.Flavour(t) == topology.FlavourMySQL {
		threads = `SELECT (SELECT COUNT(*) FROM performance_schema.replication_connection_status WHERE service_state='ON') +
			(SELECT COUNT(*) FROM performance_schema.replication_applier_status WHERE service_state='ON')`
	}
	for _, at := range []string{"schema", "take over", "verify"} {
		if _, err := r.client.Adopt(t.Context(), r.adoptRequest(), false); err != nil {
			t.Fatal(err)
		}
		steps := []string{"preflight", "schema", "take over", "verify", "open"}
		eventually(t, 60*time.Second, "it is at "+at, func() error {
			st, err := r.client.Status(t.Context())
			if err == nil && (st.Operation == nil || !strings.Contains(strings.Join(steps, "|")[strings.Index(strings.Join(steps, "|"), at):], st.Operation.Cursor)) {
				err = fmt.Errorf("operation %v", st.Operation)
			}
			return err
		})
		if _, err := r.client.AbortOperation(t.Context(), r.status(t).Operation.ID, "changed my mind"); err != nil {
			t.Fatal(err)
		}
		r.untilNoRing(t)
		for _, s := range r.servers {
			eventually(t, 10*time.Second, s.Name+" receives", func() error {
				n := s.Query(t, threads)
				if n != "2" {
					return fmt.Errorf("%s threads run", n)
				}
				return nil
			})
		}
		time.Sleep(300 * time.Millisecond) // the last heartbeat comes round
		for _, s := range r.servers {
			s.Exec(t, "SET SESSION sql_log_bin=0; DROP DATABASE IF EXISTS sqlring; SET SESSION sql_log_bin=1")
		}
	}
	r.adoptRing(t)
	before.end()
	if len(before.failed) > 0 {
		t.Errorf("%d writes were refused", len(before.failed))
	}
	r.untilEqual(t, "faults.w")
	for _, s := range r.servers {
		before.account(t, s)
	}
	t.Logf("FIGURE adopt    aborted three times, then done: %d direct writes acknowledged, %d without an answer, none missing; longest pause %d ms", len(before.told), before.broke, before.longest.Milliseconds())
}
