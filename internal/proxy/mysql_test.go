package proxy

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/pkg/topology"
)

// A client logs in at MySQL through the proxy in each way that there is, whether the
// member has its password in memory or not.
func TestMySQLLoginsInAllWays(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := MakeCertificate(cert, key); err != nil {
		t.Fatal(err)
	}
	f := inFrontOf(t, topology.FlavourMySQL, Config{TLS: ClientTLS{Mode: TLSPreferred, Cert: cert, Key: key}})
	ways := map[string]func(*mysql.Config){
		"TCP":         nil,
		"TLS":         func(c *mysql.Config) { c.TLSConfig = "skip-verify" },
		"unix socket": func(c *mysql.Config) { c.Net, c.Addr = "unix", f.socket },
	}
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			const first, second = "the first one", "another, of more than thirty-two bytes in all"
			f.exec(t, "CREATE USER way@'%' IDENTIFIED BY '"+first+"'; GRANT ALL ON shop.* TO way@'%'")
			defer f.exec(t, "DROP USER way@'%'")
			way := person{user: "way", password: first, schema: "shop", change: change}
			for range 2 { // in full, and from memory
				if got := way.outcome(t, f.Addr()); got != "in" {
					t.Fatal(got)
				}
			}
			f.exec(t, "FLUSH PRIVILEGES") // the member forgets
			if got := way.outcome(t, f.Addr()); got != "in" {
				t.Errorf("at a member that has forgotten the password: %s", got)
			}
			f.exec(t, "ALTER USER way@'%' IDENTIFIED BY '"+second+"'")
			f.world.Refresh() // as the monitor does by itself: a link that is there already lets the old one in until then
			if got := way.outcome(t, f.Addr()); !strings.Contains(got, "1045") {
				t.Errorf("by the old password: %s", got)
			}
			way.password = second
			for range 2 {
				if got := way.outcome(t, f.Addr()); got != "in" {
					t.Errorf("by the new one: %s", got)
				}
			}
			way.password = "wrong"
			if got := way.outcome(t, f.Addr()); !strings.HasPrefix(got, "1045 (28000): Access denied for user 'way'@'") {
				t.Errorf("by a wrong one: %s", got)
			}
		})
	}
}

// What an application does, in text and prepared.
func TestMySQLSessions(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMySQL, Config{})
	for _, interpolate := range []bool{true, false} {
		app := f.through(t, person{user: "app", password: appPassword, schema: "shop", change: func(c *mysql.Config) { c.InterpolateParams, c.ParseTime = interpolate, true }})
		run(t, app, "DROP TABLE IF EXISTS cards")
		run(t, app, "CREATE TABLE cards (id BIGINT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200), made DATETIME(6), j JSON)")
		res := run(t, app, "INSERT INTO cards (text, made, j) VALUES (?, ?, ?)", "it's\x00 a \\ 'card' ✓", time.Now(), `{"a": [1, null]}`)
		if id, _ := res.LastInsertId(); id%16 != 3 {
			t.Errorf("id %d is not of the slot", id)
		}
		if got := query[string](t, app, "SELECT text FROM cards WHERE id > ?", 0); got != "it's\x00 a \\ 'card' ✓" {
			t.Errorf("got %q", got)
		}
		for _, commit := range []bool{false, true} {
			tx, err := app.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			run(t, tx, "INSERT INTO cards (text) VALUES (?), (?)", "b", "c")
			if n := query[int](t, tx, "SELECT COUNT(*) FROM cards"); n != 3 {
				t.Errorf("%d rows in the transaction", n)
			}
			end := tx.Rollback
			if commit {
				end = tx.Commit
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
		}
		if n := query[int](t, app, "SELECT COUNT(*) FROM cards"); n != 3 {
			t.Errorf("%d rows after the transactions", n)
		}
		_, err := app.ExecContext(t.Context(), "INSERT INTO cards (id) VALUES (?)", query[int](t, app, "SELECT MIN(id) FROM cards"))
		var e *mysql.MySQLError
		if !errors.As(err, &e) || e.Number != 1062 || string(e.SQLState[:]) != "23000" {
			t.Errorf("a duplicate: %v", err)
		}
	}
}

// What a session sets is its own, is tracked, and goes with it.
func TestMySQLSessionState(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMySQL, Config{})
	conn := func() *sql.Conn {
		c, err := f.through(t, person{user: "app", password: appPassword, schema: "shop"}).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	c, other := conn(), conn()
	run(t, c, "SET @@sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES', time_zone='+03:00', SESSION transaction_isolation='READ-COMMITTED'")
	run(t, c, "SET NAMES latin1 COLLATE latin1_german2_ci")
	const state = "SELECT CONCAT_WS('|', @@sql_mode, @@time_zone, @@transaction_isolation, @@collation_connection, DATABASE())"
	const want = "ANSI_QUOTES,NO_BACKSLASH_ESCAPES|+03:00|READ-COMMITTED|latin1_german2_ci|shop"
	if got := query[string](t, c, state); got != want {
		t.Errorf("got %s", got)
	}
	if got := query[string](t, other, state); got == want {
		t.Error("another session has it too")
	}
	if _, err := c.ExecContext(t.Context(), "SET auto_increment_offset=5"); err == nil || !strings.Contains(err.Error(), "belong to the ring") {
		t.Errorf("a slot of the client's own: %v", err)
	}

	// The member cuts its connections, as a restart does: the next command finds
	// another link, with the same state.
	before := f.Stats().LinksTotal
	f.exec(t, "SET GLOBAL auto_increment_offset=3")
	for _, id := range strings.Fields(f.query(t, "SELECT GROUP_CONCAT(id SEPARATOR ' ') FROM information_schema.processlist WHERE user='app'")) {
		f.exec(t, "KILL "+id)
	}
	time.Sleep(50 * time.Millisecond)
	if got := query[string](t, c, state); got != want {
		t.Errorf("on another link: %s", got)
	}
	if f.Stats().LinksTotal == before {
		t.Error("there was no other link")
	}
	if got := query[string](t, c, "SELECT CONCAT(@@auto_increment_offset, '/', @@auto_increment_increment)"); got != "3/16" {
		t.Errorf("slot %s", got)
	}
}

// A write whose server dies has an unknown outcome, and a transaction before its
// COMMIT is lost.
func TestMySQLDies(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMySQL, Config{QueueTimeout: 20 * time.Second})
	app := f.through(t, person{user: "app", password: appPassword, schema: "shop"})
	run(t, app, "CREATE TABLE t (id INT PRIMARY KEY)")
	number := func(err error) string {
		var e *mysql.MySQLError
		if !errors.As(err, &e) {
			return err.Error()
		}
		return string(e.SQLState[:])
	}
	ended := make(chan error, 1)
	go func() {
		_, err := app.ExecContext(t.Context(), "INSERT INTO t SELECT 1 + SLEEP(30)")
		ended <- err
	}()
	tx, err := app.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, tx, "INSERT INTO t VALUES (7)")
	waitFor(t, "it runs", func() bool {
		return f.query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(%' AND user='app'") == "1"
	})
	f.mysql.Kill(t)
	f.mysql.Again(t)
	if err := <-ended; number(err) != "08007" {
		t.Errorf("the write: %v", err)
	}
	if err := tx.Commit(); number(err) != "40001" {
		t.Errorf("the transaction: %v", err)
	}
	if n := query[int](t, app, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Errorf("%d rows", n)
	}
}
