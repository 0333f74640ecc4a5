package proxy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// toldBy returns the number and the message of a statement's error; 0 for none.
func toldBy(err error) (number uint16, message string) {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number, e.Message
	}
	if err != nil {
		return 1, err.Error()
	}
	return 0, ""
}

// What would make members differ unnoticed is refused in every way to send it, with what to
// do instead, and the session goes on; what changes nothing passes.
func TestRealHazardsAreRefusedByName(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "GRANT ALL ON *.* TO app@'%'")
		f.exec(t, "CREATE TABLE shop.t (v INT)")
		db := f.app(t, func(c *mysql.Config) { c.MultiStatements = true })
		db.SetMaxOpenConns(1)
		refusals := []struct {
			text   string
			number uint16
			says   []string
		}{
			{"SET sql_log_bin=0", 1231, []string{"sqlring: sql_log_bin", "--set-gtid-purged=OFF", "proxy.permit: [replication]"}},
			{"SET @@SESSION.SQL_LOG_BIN= 0;", 1231, []string{"sql_log_bin"}},
			{"SET SESSION binlog_format='STATEMENT'", 1231, []string{"binlog_format"}},
			{"SELECT 1; SET sql_log_bin=0; INSERT INTO shop.t VALUES (1)", 1231, []string{"sql_log_bin"}},
			{"PREPARE p FROM 'SET sql_log_bin=\\'0\\''", 1231, []string{"sql_log_bin"}},
			{"CREATE PROCEDURE shop.p() BEGIN SET sql_log_bin=0; DELETE FROM shop.t; END", 1231, []string{"sql_log_bin"}},
			{"BINLOG 'aaaa'", 1231, []string{"BINLOG"}},
			{"RESET MASTER", 1231, []string{"RESET MASTER is the ring's", "master maintenance", "proxy.permit: [replication]"}},
			{"STOP SLAVE", 1231, []string{"STOP SLAVE"}},
			{"SELECT GET_LOCK('sqlring_hands', 0)", 1235, []string{`the lock "sqlring_hands" is the ring's`, "proxy.permit: [reserved_locks]"}},
			{"DO 1; DO get_lock(N'SQLRING_position', 0)", 1235, []string{`"SQLRING_position"`}},
			{"PREPARE p FROM 'SELECT GET_LOCK(\\'sqlring_wait_3\\', 0)'", 1235, []string{"sqlring_wait_3"}},
			{"CREATE PROCEDURE shop.p() DO GET_LOCK('sqlring_hands', 0)", 1235, []string{"sqlring_hands"}},
			{"XA START 'x'", 1235, []string{"XA START", "proxy.permit: [xa]"}},
			{"XA PREPARE 'x'", 1235, []string{"XA PREPARE"}},
		}
		if f.mysql == nil {
			refusals = append(refusals, refusals[0], refusals[0], refusals[0])
			n := len(refusals)
			refusals[n-1].text = "SET STATEMENT sql_log_bin=0 FOR INSERT INTO shop.t VALUES (1)"
			refusals[n-2].text = "EXECUTE IMMEDIATE 'SET sql_log_bin=0'"
			refusals[n-3].text, refusals[n-3].says = "SET gtid_domain_id=7", []string{"gtid_domain_id"}
		} else {
			refusals = append(refusals, refusals[0], refusals[0])
			n := len(refusals)
			refusals[n-1].text, refusals[n-1].says = "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9'", []string{"gtid_purged", "--set-gtid-purged=OFF"}
			refusals[n-2].text, refusals[n-2].says = "SET gtid_next='3e11fa47-71ca-11e1-9e33-c80aa9429562:7'", []string{"gtid_next", "AUTOMATIC"}
		}
		for _, tt := range refusals {
			for _, prepared := range []bool{false, true} {
				var err error
				if prepared {
					var stmt *sql.Stmt
					if stmt, err = db.PrepareContext(t.Context(), tt.text); err == nil {
						_ = stmt.Close()
					}
				} else {
					_, err = db.ExecContext(t.Context(), tt.text)
				}
				number, message := toldBy(err)
				if number != tt.number || len(message) > 500 {
					t.Errorf("%s (prepared: %v): %d %s (%d bytes)", tt.text, prepared, number, message, len(message))
				}
				for _, part := range append(tt.says, "this was not run") {
					if !strings.Contains(message, part) {
						t.Errorf("%s: %q does not say %q", tt.text, message, part)
					}
				}
			}
		}
		for _, text := range []string{"SET sql_log_bin=1", "SET @@session.sql_log_bin=ON", "SET SESSION binlog_format=ROW", "XA RECOVER", "UPDATE shop.t SET v=0", "SELECT GET_LOCK('sqlring', 0)", "DO GET_LOCK('x', 0)", "DO RELEASE_LOCK('sqlring_hands')"} {
			run(t, db, text)
		}
		if got := query[string](t, db, "SELECT COUNT(*) FROM shop.t"); got != "0" {
			t.Errorf("%s rows were written", got)
		}
		if got := f.query(t, "SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema='shop' AND routine_name='p'"); got != "0" {
			t.Errorf("%s procedures were made", got)
		}
	})
}

// What is permitted passes as it always did.
func TestRealHazardsThatArePermitted(t *testing.T) {
	all := Config{Permits: balancer.HazardsNamed(balancer.HazardNames())}
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) {
			f := inFrontOf(t, flavour, all)
			f.exec(t, "GRANT ALL ON *.* TO app@'%'")
			db := f.app(t, func(*mysql.Config) {})
			db.SetMaxOpenConns(1)
			for _, text := range []string{
				"SET sql_log_bin=0", "CREATE TABLE shop.t (v INT)", "INSERT INTO shop.t VALUES (1), (2)", "SET sql_log_bin=1",
				"XA START 'x'", "INSERT INTO shop.t VALUES (3)", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'",
				"ALTER TABLE shop.t ADD COLUMN id INT AUTO_INCREMENT PRIMARY KEY",
			} {
				run(t, db, text)
			}
			if got := query[string](t, db, "SELECT COUNT(*) FROM shop.t"); got != "3" {
				t.Errorf("%s rows", got)
			}
		})
	}
}

// A routine that was there before, or a text that is computed, is found by what the member
// reports: the session ends.
func TestRealHiddenHazardsEndTheSession(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "GRANT ALL ON *.* TO app@'%'")
		f.exec(t, "CREATE PROCEDURE shop.hides() SET SESSION sql_log_bin=0")
		for _, texts := range [][]string{
			{"CALL shop.hides()"},
			{"SET @x = CONCAT('SET SESSION sql_log_', 'bin=0')", "PREPARE p FROM @x", "EXECUTE p"},
		} {
			conn, err := f.app(t, func(*mysql.Config) {}).Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range texts {
				if _, err := conn.ExecContext(t.Context(), text); err != nil {
					t.Errorf("%s: %v", text, err)
				}
			}
			if _, err := conn.ExecContext(t.Context(), "DO 1"); err == nil {
				t.Errorf("the session goes on behind %q", texts)
			}
			_ = conn.Close()
		}
	})
}

// DDL that would fill rows with numbers or values that each member has its own of runs while
// there are none, wherever the session stands, and says why it does not else.
func TestRealUnevenDDL(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "GRANT ALL ON *.* TO app@'%'")
		maria := f.mysql == nil
		db := f.app(t, func(c *mysql.Config) { c.MultiStatements = true; c.DBName = "shop" })
		const number = "ALTER TABLE %s ADD COLUMN id INT AUTO_INCREMENT PRIMARY KEY"
		changes := []string{
			number, "ALTER TABLE shop.%s ADD id SERIAL", "ALTER TABLE %s MODIFY z INT NOT NULL AUTO_INCREMENT UNIQUE",
			"ALTER TABLE `%s` CHANGE COLUMN n number INT NOT NULL AUTO_INCREMENT PRIMARY KEY",
		}
		if maria {
			changes = append(changes, "ALTER TABLE %s ADD u VARCHAR(36) NOT NULL DEFAULT UUID()")
		}
		for i, change := range changes {
			for _, how := range []string{"text", "prepared", "in a transaction", "without autocommit"} {
				name := fmt.Sprintf("t%d_%s", i, how[:1]+how[len(how)-1:])
				run(t, db, "CREATE TABLE "+name+" (v INT, z INT DEFAULT 0, n INT)")
				change := fmt.Sprintf(change, name)
				conn, err := db.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				switch how {
				case "in a transaction": // whose snapshot is of before
					run(t, conn, "BEGIN")
					run(t, conn, "SELECT * FROM "+name)
				case "without autocommit":
					run(t, conn, "SET autocommit=0")
				}
				run(t, db, "INSERT INTO "+name+" (v) VALUES (1), (2)")
				alter := func() error {
					if how != "prepared" {
						_, err := conn.ExecContext(t.Context(), change)
						return err
					}
					stmt, err := conn.PrepareContext(t.Context(), change)
					if err == nil {
						_, err = stmt.ExecContext(t.Context())
						_ = stmt.Close()
					}
					return err
				}
				if n, message := toldBy(alter()); n != 1235 || !strings.Contains(message, name) || !strings.Contains(message, "proxy.permit: [uneven_ddl]") || len(message) > 500 {
					t.Errorf("%s, %s: %d %s", change, how, n, message)
				}
				if how == "without autocommit" && maria {
					if got := query[string](t, conn, "SELECT @@in_transaction"); got != "0" {
						t.Errorf("%s: a transaction is open behind the refusal", change)
					}
				}
				run(t, conn, "ROLLBACK")
				run(t, conn, "DELETE FROM "+name)
				run(t, conn, "COMMIT")
				if err := alter(); err != nil {
					t.Errorf("%s, %s, of an empty table: %v", change, how, err)
				}
				_ = conn.Close()
			}
		}
		run(t, db, "CREATE TABLE filled (v INT, n INT)")
		run(t, db, "INSERT INTO filled VALUES (1, 5), (2, 6)")
		run(t, db, "ALTER TABLE filled MODIFY n INT AUTO_INCREMENT PRIMARY KEY") // each row has its number
		for _, text := range []string{
			"DO 1; ALTER TABLE filled ADD x INT AUTO_INCREMENT UNIQUE", "PREPARE p FROM 'ALTER TABLE filled ADD x INT AUTO_INCREMENT UNIQUE'",
		} {
			if _, err := db.ExecContext(t.Context(), text); err == nil || !strings.Contains(err.Error(), "1235") {
				t.Errorf("%s: %v", text, err)
			}
		}
		if n, _ := toldBy(func() error {
			_, err := db.ExecContext(t.Context(), "ALTER TABLE nowhere ADD id INT AUTO_INCREMENT KEY")
			return err
		}()); n != 1146 {
			t.Errorf("of no table: %d", n)
		}
	})
}

// What the refusals are for: at the members themselves, without the proxy, such statements make
// them differ.
func TestRealHazardsMakeMembersDiffer(t *testing.T) {
	replicatedOnBoth(t, Config{}, func(t *testing.T, p *replicated) {
		app := person{user: "app", password: appPassword, schema: "shop"}.open(t, p.addr)
		differs := func(what, query string) {
			t.Helper()
			p.catchesUp(t)
			if one, two := p.query(t, query), p.m2.query(t, query); one == two {
				t.Errorf("%s: both members have %s", what, one)
			}
		}
		p.exec(t, "CREATE TABLE shop.o (a INT)")
		one, two := open(t, app, 1), open(t, app, 2)
		defer one.conn.Close()
		defer two.conn.Close()
		for _, text := range []string{"BEGIN", "INSERT INTO o VALUES (%)"} {
			one.does(t, act{text: strings.ReplaceAll(text, "%", "1")})
			two.does(t, act{text: strings.ReplaceAll(text, "%", "2")})
		}
		two.does(t, act{text: "COMMIT"})
		p.catchesUp(t) // MySQL applies both at once else, in either order
		one.does(t, act{text: "COMMIT"})
		run(t, app, "ALTER TABLE o ADD id INT AUTO_INCREMENT PRIMARY KEY")
		differs("numbers", "SELECT GROUP_CONCAT(a, '=', id ORDER BY a) FROM shop.o")
		_, err := app.ExecContext(context.Background(), "ALTER TABLE o ADD u VARCHAR(36) DEFAULT (UUID())")
		if p.mysql != nil {
			if number, _ := toldBy(err); number != 1674 {
				t.Errorf("MySQL answers UUID() with %v", err)
			}
			return
		}
		differs("values", "SELECT GROUP_CONCAT(u ORDER BY a) FROM shop.o")
	})
}
