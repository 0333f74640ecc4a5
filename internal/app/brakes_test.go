package app_test

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
)

// TestAMembersOwnWordBrakesItsGate: from so many running threads, or statements that wait for
// a row, on as `gate set` says, a member's gate is braked: it has ever fewer places, down to
// the floor. When the member has less to do it has all of them again. Only what is set is
// asked, and the gate of the other member stays open.
func TestAMembersOwnWordBrakesItsGate(t *testing.T) {
	beside(t)
	r := startRig(t, 2)
	r.exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, n INT)", "INSERT INTO shop.t VALUES (1, 0)")
	owner := r.servers[0]
	const floor, ceiling = 8, 12
	set := func(threads, waits int) {
		t.Helper()
		least, most := floor, ceiling
		if _, err := r.client.SetGates(t.Context(), api.GateSetRequest{Floor: &least, Ceiling: &most, RunningThreads: &threads, RowLockWaits: &waits}, false); err != nil {
			t.Fatal(err)
		}
	}
	threads := 0 // that run while nobody does anything
	for range 10 {
		n, _ := strconv.Atoi(status(t, r, "Threads_running"))
		threads = max(threads, n)
		time.Sleep(50 * time.Millisecond)
	}
	const busy = 20
	threads += busy / 2

	set(0, 0)
	r.untilGate(t, "open", ceiling)
	end := atOnce(t, owner.DB(), busy, func(ctx context.Context, c *sql.Conn) { _, _ = c.ExecContext(ctx, "DO SLEEP(60)") })
	eventually(t, 10*time.Second, "they run", func() error {
		if n, _ := strconv.Atoi(status(t, r, "Threads_running")); n <= threads {
			return fmt.Errorf("%d threads do", n)
		}
		return nil
	})
	set(threads+10*busy, 0)
	time.Sleep(1500 * time.Millisecond) // for longer than from one asking to the next
	r.untilGate(t, "open", ceiling)
	set(threads, 0)
	r.untilGate(t, "braked", floor)
	end()
	r.untilGate(t, "open", ceiling)

	set(0, 2)
	holder := conn(t, owner.DB())
	mustExec(t, holder, "BEGIN", "UPDATE shop.t SET n=1 WHERE id=1")
	end = atOnce(t, owner.DB(), 4, func(ctx context.Context, c *sql.Conn) {
		_, _ = c.ExecContext(ctx, "UPDATE shop.t SET n=n+1 WHERE id=1")
	})
	r.untilGate(t, "braked", floor)
	mustExec(t, holder, "ROLLBACK")
	r.untilGate(t, "open", ceiling)
	end()
}

// status is a counter of the owner's server.
func status(t *testing.T, r *rig, name string) (value string) {
	t.Helper()
	if err := r.servers[0].DB().QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// atOnce has so many connections do something, until end is called, or ends by itself.
func atOnce(t *testing.T, db *sql.DB, n int, do func(context.Context, *sql.Conn)) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var ids []int
	for range n {
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var id int
		if err := c.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		all.Go(func() {
			defer func() { _ = c.Close() }()
			do(ctx, c)
		})
	}
	return func() {
		for _, id := range ids { // a server does not see that who waits has gone
			_, _ = db.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("KILL %d", id))
		}
		cancel()
		all.Wait()
	}
}

// untilGate waits until the gate of m1 is in a state with so many places, by the word of the
// API, of the metrics and of the proxy itself. The gate of m2 is open.
func (r *rig) untilGate(t *testing.T, state string, places int) {
	t.Helper()
	told := map[string]string{"braked": "1", "open": "0"}[state]
	db, began := r.pool(t, nil), time.Now()
	defer func() { t.Logf("%s after %s", state, time.Since(began).Round(time.Millisecond)) }()
	eventually(t, 20*time.Second, fmt.Sprintf("the gate of m1 is %s, and has %d places", state, places), func() error {
		if _, err := db.ExecContext(t.Context(), "UPDATE shop.t SET n=0 WHERE id=2"); err != nil { // gates are made by what passes
			return err
		}
		report, err := r.client.Gates(t.Context())
		if err != nil {
			return err
		}
		seen := ""
		for _, g := range report.Gates {
			if g.Member != "m1" && g.State != "open" {
				t.Errorf("%+v", g)
			}
			if g.Member == "m1" {
				seen = fmt.Sprintf("%s, %d", g.State, g.Limit)
			}
		}
		seen += fmt.Sprintf("; metrics: %s, %s; ", r.metric(t, `sqlring_gate_braked{member="m1"}`), r.metric(t, `sqlring_gate_limit{member="m1"}`))
		for _, line := range tableRows(t, db, "SHOW SQLRING GATES") {
			if line["member"] == "m1" {
				seen += line["state"] + ", " + line["limit"]
			}
		}
		if want := fmt.Sprintf("%[1]s, %[2]d; metrics: %[3]s, %[2]d; %[1]s, %[2]d", state, places, told); seen != want {
			return fmt.Errorf("%s, want %s", seen, want)
		}
		return nil
	})
}

// tableRows are the rows of an answer, by column.
func tableRows(t *testing.T, db *sql.DB, statement string) (list []map[string]string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := map[string]string{}
		for i, c := range columns {
			row[c] = values[i].String
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
