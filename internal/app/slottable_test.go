package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
)

// whoHasWhat is what a DBA without any node asks a server.
const whoHasWhat = "SELECT CONCAT(ring, ' ', l.stride, ': ', GROUP_CONCAT(member, ' ', slot, '/', s.stride, ' ', state ORDER BY s.identity)) FROM sqlring.layout l, sqlring.slots s GROUP BY ring, l.stride"

// untilTables waits until each member that is in the ring has the table of slots, and
// returns what they say.
func (r *rig) untilTables(t *testing.T, limit time.Duration) api.VerifyReport {
	t.Helper()
	var last api.VerifyReport
	eventually(t, limit, "each member has the table of slots", func() error {
		v, err := r.client.VerifyAutoinc(t.Context())
		if err == nil && (v.Tables == nil || !*v.Tables) {
			err = fmt.Errorf("%+v; %s", v.Members, r.why(t))
		}
		last = v
		return err
	})
	return last
}

// Who has which slot stands on every member: from the beginning, after a resize, and after
// one has left; what somebody drops is written anew, what somebody changes is told. It is
// in no member's binlog.
func TestTheTableOfSlotsStandsOnEachMember(t *testing.T) {
	beside(t)
	r := startRig(t, 3)
	r.untilTables(t, 20*time.Second)
	says := func(i int, want string) {
		t.Helper()
		if got := r.servers[i].Query(t, whoHasWhat); got != want {
			t.Errorf("%s says %q, want %q", r.servers[i].Name, got, want)
		}
	}
	for i := range r.servers {
		says(i, "test 16: m1 1/16 member,m2 2/16 member,m3 3/16 member")
	}
	r.servers[1].Exec(t, "SET SESSION sql_log_bin=0; UPDATE sqlring.slots SET slot=9 WHERE member='m3'")
	v, err := r.client.VerifyAutoinc(t.Context())
	if err != nil || v.Tables == nil || *v.Tables || v.Members[1].Table.State != "differs" || len(v.Members[1].Table.Differs) != 1 {
		t.Errorf("a row was changed on m2: %v, %+v", err, v)
	}
	r.servers[1].Exec(t, "SET SESSION sql_log_bin=0; DROP TABLE sqlring.layout")
	r.untilTables(t, 10*time.Second)
	says(1, "test 16: m1 1/16 member,m2 2/16 member,m3 3/16 member")

	if _, err := r.client.Resize(t.Context(), api.ResizeRequest{Stride: 32, GraceMS: 500, Why: "test"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, "the stride is 32", func() error {
		if st := r.status(t); st.Stride != 32 || st.Operation != nil {
			return errors.New(r.why(t))
		}
		return nil
	})
	r.untilTables(t, 10*time.Second)
	says(2, "test 32: m1 1/32 member,m2 2/32 member,m3 3/32 member")

	r.leave(t, "m3", "remove", api.LeaveRequest{})
	r.untilTables(t, 20*time.Second)
	for i := range 2 {
		says(i, "test 32: m1 1/32 member,m2 2/32 member,m3 3/32 left")
	}
	r.untilHealthy(t, 20*time.Second)
	if st := r.status(t); len(st.Violations) > 0 {
		t.Errorf("%+v", st.Violations)
	}
}

// A copy that can not be written is told, and is in nobody's way: the owner dies
// meanwhile, and is replaced as always.
func TestATableOfSlotsThatCanNotBeWrittenStopsNothing(t *testing.T) {
	beside(t)
	r := startRig(t, 3)
	r.untilTables(t, 20*time.Second)
	conn, err := r.servers[1].DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	mustExec(t, conn, "SET SESSION sql_log_bin=0", "UPDATE sqlring.layout SET sum=1", "BEGIN", "SELECT * FROM sqlring.slots FOR UPDATE")
	eventually(t, 20*time.Second, "it is told", func() error {
		st := r.status(t)
		for _, why := range st.Reasons {
			if strings.Contains(why, "its table of slots can not be written") {
				return nil
			}
		}
		return fmt.Errorf("%s %q", st.Health, st.Reasons)
	})
	for _, statement := range []string{"CREATE DATABASE shop", "CREATE USER app@'%' IDENTIFIED BY 'apple'", "GRANT ALL ON shop.* TO app@'%'"} {
		if _, err := r.pool(t, nil).ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	db := r.pool(t, func(cfg *mysql.Config) { cfg.User, cfg.Passwd = "app", "apple" })
	began := time.Now()
	r.servers[0].Kill()
	eventually(t, 20*time.Second, "another one owns, and takes writes", func() error {
		if st := r.status(t); st.Units[0].Owner == "" || st.Units[0].Owner == "m1" {
			return errors.New(r.why(t))
		}
		_, err := db.ExecContext(t.Context(), "CREATE TABLE IF NOT EXISTS shop.t (id INT PRIMARY KEY)")
		return err
	})
	t.Logf("FIGURE a takeover while the table of slots is locked on the heir: %s", time.Since(began).Round(10*time.Millisecond))
	mustExec(t, conn, "ROLLBACK")
	eventually(t, 60*time.Second, "the table is written once it can be", func() error {
		v, err := r.client.VerifyAutoinc(t.Context())
		if err == nil && (v.Members[1].Table == nil || v.Members[1].Table.State != "same") {
			err = fmt.Errorf("%+v; %s", v.Members[1].Table, r.why(t))
		}
		return err
	})
}
