package app_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestTwoOwnersAreWrittenInOrder: a session that writes at one owner and then at the other one
// waits there until that has what it wrote before, however long its applier is held; another
// session does not wait. In that member's own binlog the first write stands before the second.
func TestTwoOwnersAreWrittenInOrder(t *testing.T) {
	beside(t)
	r := startRig(t, 2)
	root := r.pool(t, nil)
	for _, text := range []string{
		"CREATE DATABASE shop", "CREATE TABLE shop.card (id INT PRIMARY KEY, n INT)", "INSERT INTO shop.card VALUES (1, 0)",
		"CREATE DATABASE stock", "CREATE TABLE stock.item (id INT PRIMARY KEY, n INT)", "INSERT INTO stock.item VALUES (1, 0), (2, 0)", "INSERT INTO shop.card VALUES (2, 0)",
		"CREATE USER 'app'@'%' IDENTIFIED BY 'app secret'", "GRANT ALL ON *.* TO 'app'@'%'",
	} {
		if _, err := root.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	started, err := r.client.CreateUnit(t.Context(), api.CreateUnitRequest{Name: "shop", Why: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r.awaitDone(t, started.Operation.ID)
	r.move(t, "shop", "m2")
	r.untilHealthy(t, 20*time.Second)
	db := r.pool(t, func(cfg *mysql.Config) { cfg.User, cfg.Passwd = "app", "app secret" }) // root is m1's own
	one, other := conn(t, db), conn(t, db)
	for round := 1; round <= 3; round++ {
		// Of each pair the first table is the other member's.
		r.inOrder(t, orderOf{one, other, "shop.card", "stock.item", r.servers[0], round})
		r.inOrder(t, orderOf{one, other, "stock.item", "shop.card", r.servers[1], round})
	}
	r.untilEqual(t, "shop.card", "stock.item")
}

// orderOf is a write to the table first, and one to the table then by the same session, at a member
// that holds up what it receives; n is what is written.
type orderOf struct {
	one, other  *sql.Conn
	first, then string
	at          *mysqltest.Server
	n           int
}

func (r *rig) inOrder(t *testing.T, o orderOf) {
	t.Helper()
	update := func(table string, id int) string {
		return fmt.Sprintf("UPDATE %s SET n = n + 1 WHERE id = %d", table, id)
	}
	r.untilEqual(t, o.first)
	lock, err := o.at.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	mustExec(t, lock, "BEGIN", "SELECT n FROM "+o.first+" WHERE id = 1 FOR UPDATE") // its applier can not go on
	mustExec(t, o.one, update(o.first, 1))
	done := make(chan error, 1)
	go func() { _, err := o.one.ExecContext(t.Context(), update(o.then, 1)); done <- err }()
	eventually(t, 10*time.Second, "the second write waits", func() error {
		list, err := r.client.Sessions(t.Context(), api.SessionFilter{State: "waits"})
		if err != nil {
			return err
		}
		for _, s := range list.Sessions {
			if s.WaitsFor == o.at.Name+" to have what the session has written elsewhere" {
				return nil
			}
		}
		select {
		case err := <-done:
			t.Fatalf("%s: a write was done although %s has not what its session wrote before: %v", o.then, o.at.Name, err)
		default:
		}
		return fmt.Errorf("waiting: %+v", list.Sessions)
	})
	began := time.Now()
	mustExec(t, o.other, update(o.then, 2))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("another session's write waited for %s", took)
	}
	time.Sleep(500 * time.Millisecond)
	select {
	case err := <-done:
		t.Fatalf("%s: a write was done %s after that before it, which %s has not: %v", o.then, time.Since(began), o.at.Name, err)
	default:
	}
	if got, want := o.at.Query(t, "SELECT n FROM "+o.then+" WHERE id = 1"), fmt.Sprint(o.before()); got != want {
		t.Errorf("%s has n = %s in %s, not %s", o.at.Name, got, o.then, want)
	}
	mustExec(t, lock, "ROLLBACK")
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: the second write still waits", o.then)
	}
	if order := lastTables(t, o.at); order != o.first+" "+o.then {
		t.Errorf("in %s's binlog the last changes are of %q", o.at.Name, order)
	}
}

// before is what the second write finds: each table is written first and second once a round, and
// shop.card first.
func (o orderOf) before() int {
	if o.then == "shop.card" {
		return 2*o.n - 1
	}
	return 2 * (o.n - 1)
}

// lastTables returns the tables of units that the last two changes in a server's binlog are of.
func lastTables(t *testing.T, s *mysqltest.Server) string {
	t.Helper()
	var file string
	rows, err := s.DB().QueryContext(t.Context(), "SHOW BINARY LOGS")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range texts(t, rows) {
		file = row[0]
	}
	rows, err = s.DB().QueryContext(t.Context(), "SHOW BINLOG EVENTS IN '"+file+"'")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for _, row := range texts(t, rows) {
		if _, table, ok := strings.Cut(row[5], " ("); ok && row[2] == "Table_map" && !strings.HasPrefix(table, "sqlring.") {
			tables = append(tables, strings.TrimSuffix(table, ")"))
		}
	}
	return strings.Join(tables[max(0, len(tables)-2):], " ")
}

// texts returns all rows as texts, and closes them.
func texts(t *testing.T, rows *sql.Rows) (all [][]string) {
	t.Helper()
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		row, to := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		plain := make([]string, len(row))
		for i, v := range row {
			plain[i] = v.String
		}
		all = append(all, plain)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
