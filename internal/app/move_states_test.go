package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/topology"
)

// movedState is a session that has something when its unit moves. "%" in statements is the
// table of its own: id INT AUTO_INCREMENT PRIMARY KEY, v INT.
type movedState struct {
	name   string
	before []string
	during []string // while the unit is drained, one every 50 ms
	after  []string
	want   string // what those of during and after come to, with commas; "gone" for all of a session that ends, told so by 1158 or not
	mysql  string // on MySQL, if that differs
	rows   string // of the table at the end, v by id
}

const gone = "gone"

// netReadError is what a client is told whose session has to end.
const netReadError = 1158

// outlasts reports whether it keeps the unit from being quiet when the grace is over, so that
// all connections to the old owner are ended (S14).
func (s movedState) outlasts() bool {
	return strings.Contains(s.want, "1213") || s.name == "locked tables"
}

var movedStates = []movedState{
	{"a transaction with nothing in it", []string{"START TRANSACTION"}, nil, []string{"INSERT INTO % (v) VALUES (1)", "INSERT INTO % (v) VALUES (2)"}, "error 1213,ok", "", "2"},
	{"a snapshot", []string{"START TRANSACTION WITH CONSISTENT SNAPSHOT"}, nil, []string{"SELECT COUNT(*) FROM %", "SELECT COUNT(*) FROM %"}, "error 1213,[0]", "", ""},
	{"a transaction that outlasts the grace", []string{"BEGIN", "INSERT INTO % (v) VALUES (1)"}, nil, []string{"COMMIT", "INSERT INTO % (v) VALUES (2)"}, "error 1213,ok", "", "2"},
	{"a transaction that ends within it", []string{"BEGIN", "INSERT INTO % (v) VALUES (1)"}, []string{"INSERT INTO % (v) VALUES (2)", "COMMIT", "INSERT INTO % (v) VALUES (3)"}, []string{"SELECT COUNT(*) FROM %"}, "ok,ok,ok,[3]", "", "1,2,3"},
	{"one that is rolled back within it", []string{"BEGIN", "INSERT INTO % (v) VALUES (1)"}, []string{"ROLLBACK"}, []string{"INSERT INTO % (v) VALUES (2)"}, "ok,ok", "", "2"},
	{"autocommit=0, nothing begun", []string{"SET autocommit=0"}, nil, []string{"INSERT INTO % (v) VALUES (1)", "ROLLBACK", "INSERT INTO % (v) VALUES (2)", "COMMIT", "SELECT @@autocommit"}, "ok,ok,ok,ok,[0]", "", "2"},
	{"autocommit=0, begun", []string{"SET autocommit=0", "INSERT INTO % (v) VALUES (1)"}, nil, []string{"INSERT INTO % (v) VALUES (2)", "INSERT INTO % (v) VALUES (3)", "COMMIT"}, "error 1213,ok,ok", "", "3"},
	{"autocommit=0, begun, committed within it", []string{"SET autocommit=0", "INSERT INTO % (v) VALUES (1)"}, []string{"COMMIT", "INSERT INTO % (v) VALUES (2)", "COMMIT"}, nil, "ok,ok,ok", "", "1,2"},
	{"savepoints", []string{"BEGIN", "INSERT INTO % (v) VALUES (1)", "SAVEPOINT a", "INSERT INTO % (v) VALUES (2)"}, []string{"ROLLBACK TO a", "INSERT INTO % (v) VALUES (3)", "COMMIT"}, nil, "ok,ok,ok", "", "1,3"},
	{"savepoints that outlast it", []string{"BEGIN", "INSERT INTO % (v) VALUES (1)", "SAVEPOINT a"}, nil, []string{"ROLLBACK TO a", "COMMIT", "INSERT INTO % (v) VALUES (2)"}, "error 1213,ok,ok", "", "2"},
	{"an implicit commit within it", []string{"BEGIN", "INSERT INTO % (v) VALUES (1)"}, []string{"ALTER TABLE % COMMENT 'x'", "INSERT INTO % (v) VALUES (2)"}, nil, "ok,ok", "", "1,2"},
	{"a temporary table", []string{"CREATE TEMPORARY TABLE tmp_% (v INT)", "INSERT INTO tmp_% VALUES (1)"}, nil, []string{"SELECT v FROM tmp_%"}, gone, "", ""},
	{"a temporary table before another one", []string{"CREATE TEMPORARY TABLE % (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"}, nil, []string{"INSERT INTO % (v) VALUES (1)"}, gone, "", ""},
	{"locked tables", []string{"LOCK TABLES % WRITE"}, nil, []string{"INSERT INTO % (v) VALUES (1)"}, gone, "", ""},
	{"locked tables, unlocked within it", []string{"LOCK TABLES % WRITE"}, []string{"INSERT INTO % (v) VALUES (1)", "UNLOCK TABLES", "INSERT INTO % (v) VALUES (2)"}, []string{"INSERT INTO % (v) VALUES (3)"}, "ok", "", "1,2,3"},
	{"a handler", []string{"HANDLER % OPEN AS h"}, nil, []string{"HANDLER h READ FIRST"}, gone, "", ""},
	{"a user lock", []string{"SELECT GET_LOCK('%', 0)"}, nil, []string{"SELECT IS_USED_LOCK('%') = CONNECTION_ID()"}, gone, "", ""},
	{"a user variable", []string{"SET @a = 5"}, nil, []string{"INSERT INTO % (v) VALUES (@a)", "SELECT @a"}, "ok,[5]", gone, "5"},
	{"the last insert id", []string{"INSERT INTO % (v) VALUES (1)"}, nil, []string{"SELECT LAST_INSERT_ID() = id FROM % WHERE v = 1", "INSERT INTO % (v) VALUES (2)"}, "[1],ok", "", "1,2"},
	{"the last insert id, in a write", []string{"INSERT INTO % (v) VALUES (1)"}, nil, []string{"UPDATE % SET v = 7 WHERE id = LAST_INSERT_ID()"}, "ok", "", "7"},
	{"the last insert id, by an expression", []string{"SELECT LAST_INSERT_ID(77)"}, nil, []string{"SELECT LAST_INSERT_ID()"}, "[77]", "", ""},
	{"found rows", []string{"INSERT INTO % (v) VALUES (1), (2), (3)", "SELECT SQL_CALC_FOUND_ROWS v FROM % LIMIT 1"}, nil, []string{"SELECT FOUND_ROWS()"}, "[3] or error 1105", "", "1,2,3"},
	{"the row count", []string{"INSERT INTO % (v) VALUES (1), (2), (3)"}, nil, []string{"SELECT ROW_COUNT()"}, "[3]", "", "1,2,3"},
	{"warnings", []string{"SELECT CAST('x' AS SIGNED)"}, nil, []string{"SHOW WARNINGS", "SELECT 1"}, "[Warning 1292 Truncated incorrect INTEGER value: 'x'] or error 1105,[1]", "", ""},
	{"prepared by text", []string{"PREPARE p FROM 'SELECT 3'"}, nil, []string{"EXECUTE p"}, "gone or error 1290", "", ""}, // it may touch what the old owner keeps
	{"the next transaction's isolation", []string{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"}, nil, []string{"INSERT INTO % (v) VALUES (1)"}, "ok or gone", "", ""},
	{"several statements within it", nil, []string{"INSERT INTO % (v) VALUES (1); SELECT SLEEP(0.3); INSERT INTO % (v) VALUES (2)"}, []string{"INSERT INTO % (v) VALUES (3)"}, "ok,ok", "", "1,2,3"},
	{"several statements that begin a transaction", []string{"BEGIN; INSERT INTO % (v) VALUES (1)"}, []string{"INSERT INTO % (v) VALUES (2); COMMIT; INSERT INTO % (v) VALUES (3)"}, nil, "ok", "", "1,2,3"},
	{"settings", []string{"SET sql_mode='ANSI_QUOTES', time_zone='+07:00', group_concat_max_len=99"}, nil, []string{`SELECT CONCAT_WS(' ', @@sql_mode, @@time_zone, @@group_concat_max_len, DATABASE()) AS "q"`}, "[ANSI_QUOTES +07:00 99 shop]", "", ""},
	{"both units", []string{"INSERT INTO % (v) VALUES (1)", "INSERT INTO rest.r (v) VALUES (1)"}, []string{"INSERT INTO % (v) VALUES (2)", "INSERT INTO rest.r (v) VALUES (2)"}, []string{"INSERT INTO % (v) VALUES (3)", "INSERT INTO rest.r (v) VALUES (3)", "SELECT COUNT(*) FROM % JOIN rest.r USING (v) WHERE v = 3"}, "ok,ok,ok,ok,[1]", "", "1,2,3"},
}

// TestMoveOfEachState moves a unit while a session has each kind of state in it: the whole of
// the ring, whose old owner is closed, then a schema, whose old owner keeps the rest. Nobody
// gets another error than is documented, or another answer than on a server that stays.
func TestMoveOfEachState(t *testing.T) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) { playMovedStates(t, flavour) })
	}
}

func playMovedStates(t *testing.T, flavour topology.Flavour) {
	beside(t)
	r := startRigOf(t, flavour, 2)
	r.appAccount(t)
	for round, unit := range []string{"*", "*", "shop", "shop"} {
		if round == 2 {
			started, err := r.client.CreateUnit(t.Context(), api.CreateUnitRequest{Name: "shop", Why: "test"})
			if err != nil {
				t.Fatal(err)
			}
			r.awaitDone(t, started.Operation.ID)
		}
		to := "m2"
		if ownersOf(r.status(t))[unit] == "m2" {
			to = "m1"
		}
		t.Run(fmt.Sprintf("round %d, %s to %s", round, unit, to), func(t *testing.T) { r.movesStates(t, flavour, unit, to, round) })
	}
}

// appAccount makes the schemas shop and rest, and an account that every member has.
func (r *rig) appAccount(t *testing.T) {
	t.Helper()
	root := r.pool(t, nil)
	for _, statement := range []string{"CREATE DATABASE shop", "CREATE DATABASE rest", "CREATE USER app@'%' IDENTIFIED BY 'app secret'", "GRANT ALL ON *.* TO app@'%'"} {
		if _, err := root.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 10*time.Second, "the account is known", func() error { return r.app1(t).PingContext(t.Context()) })
}

func (r *rig) app1(t *testing.T) *sql.DB {
	return r.pool(t, func(c *mysql.Config) {
		c.User, c.Passwd, c.DBName, c.MultiStatements, c.ReadTimeout = "app", "app secret", "shop", true, 20*time.Second
	})
}

// mover is one session of that test.
type mover struct {
	movedState
	conn  *sql.Conn
	table string
	got   []string
}

func (m *mover) does(t *testing.T, text string) string {
	text = strings.ReplaceAll(text, "%", m.table)
	got, err := answer(t.Context(), m.conn, text)
	var told *mysql.MySQLError
	switch {
	case errors.As(err, &told) && told.Number != netReadError:
		return fmt.Sprintf("error %d", told.Number)
	case err != nil:
		return gone
	}
	return got
}

// answer returns the rows of a statement, or "ok".
func answer(ctx context.Context, conn *sql.Conn, text string) (string, error) {
	switch word, _, _ := strings.Cut(text, " "); word {
	case "SELECT", "SHOW", "EXECUTE":
	default:
		_, err := conn.ExecContext(ctx, text)
		return "ok", err
	}
	rows, err := conn.QueryContext(ctx, text)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var all []string
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		var row []string
		for _, v := range values {
			row = append(row, v.String)
		}
		all = append(all, "["+strings.Join(row, " ")+"]")
	}
	return strings.Join(all, ""), rows.Err()
}

func (r *rig) movesStates(t *testing.T, flavour topology.Flavour, unit, to string, round int) {
	db := r.app1(t)
	for _, statement := range []string{"DROP TABLE IF EXISTS rest.r", "CREATE TABLE rest.r (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var movers []*mover
	for i, state := range movedStates {
		if state.outlasts() != (round%2 == 1) {
			continue
		}
		m := &mover{movedState: state, table: fmt.Sprintf("t%d_%d", round, i)}
		var err error
		if m.conn, err = db.Conn(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.conn.Close() }()
		if _, err := m.conn.ExecContext(t.Context(), "CREATE TABLE "+m.table+" (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"); err != nil {
			t.Fatal(err)
		}
		movers = append(movers, m)
	}
	for _, m := range movers {
		for _, text := range m.before {
			if got := m.does(t, text); strings.HasPrefix(got, "error") || got == gone {
				t.Fatalf("%s: %s: %s", m.name, text, got)
			}
		}
	}
	started, err := r.client.Move(t.Context(), unit, api.MoveRequest{To: to, GraceMS: 2500, Why: "test"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the unit is drained", func() error {
		op, err := r.client.Operation(t.Context(), started.Operation.ID)
		if err == nil && op.Cursor == "ready" && op.State == "running" {
			err = errors.New(r.why(t))
		}
		return err
	})
	var within sync.WaitGroup
	for _, m := range movers {
		within.Go(func() {
			for _, text := range m.during {
				time.Sleep(50 * time.Millisecond)
				m.got = append(m.got, m.does(t, text))
			}
		})
	}
	var op api.Operation
	eventually(t, 30*time.Second, "the move ends", func() error {
		if op, err = r.client.Operation(t.Context(), started.Operation.ID); err == nil && op.State == "running" {
			err = errors.New(op.Cursor + ": " + r.why(t))
		}
		return err
	})
	within.Wait()
	if op.State != "done" {
		t.Errorf("the move is %s at %s", op.State, op.Cursor)
	}
	for _, m := range movers {
		for _, text := range m.after {
			m.got = append(m.got, m.does(t, text))
		}
		m.judge(t, r, flavour)
	}
}

func (m *mover) judge(t *testing.T, r *rig, flavour topology.Flavour) {
	want := m.want
	if flavour == topology.FlavourMySQL && m.mysql != "" {
		want = m.mysql
	}
	steps := strings.Split(want, ",")
	for i, got := range m.got {
		allowed := steps[min(i, len(steps)-1)]
		if !slices.Contains(strings.Split(allowed, " or "), got) {
			t.Errorf("%s: %v, want %s", m.name, m.got, want)
			break
		}
	}
	rows := m.rows
	if flavour == topology.FlavourMySQL && want == gone {
		rows = ""
	}
	if strings.Contains(want, " or gone") {
		return
	}
	for _, s := range r.servers {
		eventually(t, 10*time.Second, m.name+": the rows of "+s.Name, func() error {
			if got := s.Query(t, "SELECT COALESCE(GROUP_CONCAT(v ORDER BY id), '') FROM shop."+m.table); got != rows {
				return fmt.Errorf("%s has %q, want %q; its client got %v", s.Name, got, rows, m.got)
			}
			return nil
		})
	}
}
