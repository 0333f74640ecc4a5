package proxy

import (
	"database/sql"
	"testing"
	"time"
)

// explained returns where EXPLAIN ROUTE says that a statement goes, and why.
func explained(t *testing.T, conn *sql.Conn, statement string) (member, why string) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), "EXPLAIN ROUTE "+statement)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var what, value string
		if err := rows.Scan(&what, &value); err != nil {
			t.Fatal(err)
		}
		switch what {
		case "goes to":
			member = value
		case "why":
			why = value
		}
	}
	return member, why
}

// What a session is told of where a statement goes is true whatever it has done before: one
// that keeps its connection reads there. Each member has a row that says who it is.
func TestRealExplainedIsDone(t *testing.T) {
	replicatedOnBoth(t, Config{}, func(t *testing.T, p *replicated) {
		p.exec(t, "CREATE TABLE shop.me (who VARCHAR(9)); CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
		p.catchesUp(t)
		p.exec(t, "SET sql_log_bin=0; INSERT INTO shop.me VALUES ('m1')")
		p.m2.exec(t, "SET sql_log_bin=0; INSERT INTO shop.me VALUES ('m2')")
		time.Sleep(50 * time.Millisecond) // the picture has it
		db := person{user: "app", password: appPassword, schema: "shop"}.open(t, p.Addr())
		db.SetMaxIdleConns(0)
		elsewhere := 0
		for _, before := range []string{
			"DO 1", "BEGIN", "START TRANSACTION READ ONLY", "SET autocommit=0", "CREATE TEMPORARY TABLE tmp (a INT)", "SELECT GET_LOCK('zz', 0)", "SET @a=1",
			"INSERT INTO t (v) VALUES (5)", "SET sqlring_consistency='eventual'", "SET sqlring_consistency='strong'", "LOCK TABLES me READ", "SET sql_mode=''",
			"SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", "PREPARE p FROM 'SELECT 1'", "SET TRANSACTION READ ONLY", "SET @@session.sql_mode=''", "USE mysql", "SET ROLE NONE",
		} {
			for _, statement := range []string{
				"SELECT who FROM shop.me", "SELECT who, @a FROM shop.me", "SELECT who FROM shop.me -- sqlring consistency=strong",
			} {
				conn, err := db.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				run(t, conn, before)
				p.catchesUp(t)
				said, why := explained(t, conn, statement)
				var went string
				rows, err := conn.QueryContext(t.Context(), statement)
				if err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
				if columns, _ := rows.Columns(); rows.Next() {
					cells := make([]any, len(columns))
					cells[0] = &went
					for i := 1; i < len(cells); i++ {
						cells[i] = new(sql.RawBytes)
					}
					if err := rows.Scan(cells...); err != nil {
						t.Fatal(err)
					}
				}
				_ = rows.Close()
				if said != went {
					t.Errorf("after %s: %s goes to %s, as was said because of %q, and went to %s", before, statement, said, why, went)
				}
				if went == "m2" {
					elsewhere++
				}
				_ = conn.Close()
			}
		}
		if elsewhere < 5 {
			t.Errorf("%d reads were spread: the test tests nothing", elsewhere)
		}
	})
}
