package app_test

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// kinds is a table of many types, whose rows are held against each other to the bit.
const kinds = `CREATE TABLE faults.kinds (
	id INT UNSIGNED NOT NULL, part VARCHAR(20) CHARACTER SET latin1 NOT NULL, tiny TINYINT UNSIGNED, small SMALLINT, medium MEDIUMINT UNSIGNED, large BIGINT UNSIGNED,
	money DECIMAL(30,6), f FLOAT, d DOUBLE, b BIT(10), e ENUM('x','y','z'), s SET('p','q','r'), y YEAR,
	da DATE, t TIME(3), dt DATETIME(6), ts TIMESTAMP(2) NULL, c CHAR(10), v VARCHAR(200) CHARACTER SET utf8mb4, bin BINARY(8), vb VARBINARY(20), txt TEXT, blo BLOB, j JSON,
	PRIMARY KEY (id, part))`

const kindsRow = `4000000000, 'Zoë', 250, -30000, 16777215, 18446744073709551615,
	-123456789012345678901234.567890, 1.1, 2.2250738585072014e-308, b'1010101010', 'y', 'p,r', 1999,
	'2024-02-29', '-120:30:15.125', '2024-02-29 23:59:59.123456', '2024-06-30 12:00:00.25', ' ab ', 'naïve 🂡 ''quoted'' \\ ', 'ab', X'00ff00', '', X'00', '{"a": [1, 2]}'`

// away puts a member into maintenance, has somebody write there past sqlring, and lets it
// come back: into quarantine.
func (r *rig) away(t *testing.T, s *mysqltest.Server, meanwhile func(write func(statement string))) {
	t.Helper()
	r.leave(t, s.Name, "maintenance", api.LeaveRequest{TTLMS: time.Hour.Milliseconds(), Alone: len(r.servers) == 2})
	// The manager's own connections are not ended there, as an application's are.
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.MultiStatements, cfg.Logger = mysqltest.Manager, mysqltest.ManagerPassword, "tcp", s.Addr, true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	meanwhile(func(statement string) {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %s: %v", s.Name, statement, err)
		}
	})
	if _, err := r.client.Leave(t.Context(), s.Name, "maintenance", api.LeaveRequest{End: true}, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, s.Name+" is in quarantine", func() error {
		if m := memberOf(r.status(t), s.Name); m.State != "quarantined" {
			return fmt.Errorf("%s: %s: %s", m.State, m.Why, r.why(t))
		}
		return nil
	})
}

// TestReplay has somebody write on a member that is out: what does not conflict is written
// anew at the owner, the member is copied anew, and all members are equal.
func TestReplay(t *testing.T) {
	beside(t)
	r := startRig(t, 2)
	w := r.startWorkload(t)
	db := r.pool(t, nil)
	for _, statement := range []string{
		"GRANT ALL ON faults.* TO " + mysqltest.Manager + "@'127.0.0.1'", kinds, "CREATE TABLE faults.stock (id INT PRIMARY KEY, n INT, note VARCHAR(40) UNIQUE)",
		"INSERT INTO faults.stock VALUES (1,10,'one'), (2,20,'two'), (3,30,'three'), (4,40,'four')",
		"INSERT INTO faults.kinds VALUES (" + strings.Replace(kindsRow, "4000000000", "7", 1) + ")",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	away := r.servers[1]
	eventually(t, 10*time.Second, "the rows are there", func() error {
		if n := away.Query(t, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='faults' AND table_name='kinds'"); n != "1" {
			return fmt.Errorf("%s tables", n)
		}
		if n := away.Query(t, "SELECT COUNT(*) FROM faults.kinds"); n != "1" {
			return fmt.Errorf("%s rows", n)
		}
		return nil
	})
	r.away(t, away, func(write func(string)) {
		write("INSERT INTO faults.kinds VALUES (" + kindsRow + ")")
		write("INSERT INTO faults.kinds (id, part) VALUES (8, 'nothing')")
		write("UPDATE faults.kinds SET tiny=1, v='ä', b=NULL WHERE id=7")
		write("BEGIN; UPDATE faults.stock SET n=11 WHERE id=1; UPDATE faults.stock SET n=12 WHERE id=1; DELETE FROM faults.stock WHERE id=2; COMMIT")
		write("INSERT INTO faults.stock VALUES (2,21,'two again')")
		write("UPDATE faults.stock SET id=5 WHERE id=3")
	})
	want := tableText(t, away, "SELECT * FROM faults.kinds ORDER BY id, part")
	for range 2 {
		plan, err := r.client.PlanRejoin(t.Context(), away.Name, api.RejoinRequest{Replay: true})
		if err != nil || plan.Refused != "" || plan.Trial == nil || plan.Trial.Replayed != 6 || plan.Trial.Conflicts != 0 {
			t.Fatalf("a trial found %+v of %+v, %v", plan.Trial, plan, err)
		}
	}
	if got := r.servers[0].Query(t, "SELECT n FROM faults.stock WHERE id=1"); got != "10" {
		t.Fatalf("a trial has changed a row: %s", got)
	}
	if _, err := r.client.Rejoin(t.Context(), away.Name, api.RejoinRequest{Replay: true, Why: "test"}); err != nil {
		t.Fatal(err)
	}
	r.untilIn(t, away.Name, 60*time.Second)
	r.untilHealthy(t, 30*time.Second)
	w.end()
	r.untilEqual(t, "faults.w", "faults.account", "faults.move", "faults.kinds", "faults.stock", "sqlring.replayed")
	for _, s := range r.servers {
		w.account(t, s)
		if got := tableText(t, s, "SELECT * FROM faults.kinds ORDER BY id, part"); got != want {
			t.Errorf("%s has\n%s\nthe member had\n%s", s.Name, got, want)
		}
		if got := tableText(t, s, "SELECT id, n, note FROM faults.stock ORDER BY id"); got != "1|12|one|\n2|21|two again|\n4|40|four|\n5|30|three|\n" {
			t.Errorf("%s has\n%s", s.Name, got)
		}
	}
}

// TestReplayOfConflicts shows each transaction that conflicts, and why; what does not is
// replayed, once, however often it is said; the rest is kept.
func TestReplayOfConflicts(t *testing.T) {
	beside(t)
	engine := "Aria" // which can not undo
	if mysqltest.Flavour(t) == topology.FlavourMySQL {
		engine = "MyISAM"
	}
	r := startRig(t, 2)
	db := r.pool(t, nil)
	through := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for _, statement := range []string{
		"CREATE DATABASE faults", "GRANT ALL ON faults.* TO " + mysqltest.Manager + "@'127.0.0.1'", "CREATE TABLE faults.stock (id INT PRIMARY KEY, n INT, note VARCHAR(40) UNIQUE)",
		"INSERT INTO faults.stock VALUES (1,10,'one'), (2,20,'two'), (3,30,'three'), (4,40,'four')",
		"CREATE TABLE faults.child (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES faults.stock (id))",
		"CREATE TABLE faults.keyless (n INT)", "CREATE TABLE faults.plain (id INT PRIMARY KEY) ENGINE=" + engine,
		"CREATE TABLE faults.fired (id INT PRIMARY KEY, n INT)", "CREATE TRIGGER faults.fires BEFORE INSERT ON faults.fired FOR EACH ROW SET NEW.n=NEW.n+1",
	} {
		through(statement)
	}
	away := r.servers[1]
	eventually(t, 10*time.Second, "the tables are there", func() error {
		if n := away.Query(t, "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema='faults'"); n != "1" {
			return fmt.Errorf("%s triggers", n)
		}
		return nil
	})
	r.away(t, away, func(write func(string)) {
		for _, statement := range []string{
			"INSERT INTO faults.stock VALUES (10,100,'ten')",                               // goes
			"UPDATE faults.stock SET n=21 WHERE id=2",                                      // the ring has changed it
			"INSERT INTO faults.stock VALUES (11,110,'eleven')",                            // the ring has that key
			"INSERT INTO faults.stock VALUES (12,120,'taken')",                             // and that note
			"DELETE FROM faults.stock WHERE id=3",                                          // the ring has deleted it
			"INSERT INTO faults.child VALUES (1, 12)",                                      // its parent is not replayed
			"INSERT INTO faults.keyless VALUES (1)", "INSERT INTO faults.plain VALUES (1)", // can not be told, or undone
			"INSERT INTO faults.fired VALUES (1, 1)",                                                          // would fire again
			"CREATE TABLE faults.made (id INT PRIMARY KEY)",                                                   // a statement
			"INSERT INTO faults.made VALUES (1)",                                                              // there is no such table
			"BEGIN; UPDATE faults.stock SET n=41 WHERE id=4; UPDATE faults.stock SET n=22 WHERE id=2; COMMIT", // one half would go
			"UPDATE faults.stock SET n=101 WHERE id=10",                                                       // follows the first
		} {
			write(statement)
		}
		through("UPDATE faults.stock SET n=200 WHERE id=2")
		through("INSERT INTO faults.stock VALUES (11,111,'theirs'), (13,130,'taken')")
		through("DELETE FROM faults.stock WHERE id=3")
	})
	plan, err := r.client.PlanRejoin(t.Context(), away.Name, api.RejoinRequest{Replay: true})
	if err != nil || plan.Trial == nil {
		t.Fatalf("%+v, %v", plan, err)
	}
	for i, want := range []string{
		"", "update in faults.stock of `id`=2: the ring has not the row", "of `id`=11: the ring has such a row", "Duplicate entry 'taken'", "delete in faults.stock of `id`=3",
		"foreign key constraint fails", "faults.keyless has no primary key", "faults.plain is of engine " + engine, "faults.fired has triggers", "is a statement, not rows: CREATE TABLE faults.made",
		"faults.made is gone", "`id`=2", "",
	} {
		if line := plan.Trial.Lines[i]; !strings.Contains(line.Why, want) || (want == "") != (line.Fate == "replayed") {
			t.Errorf("transaction %d: %+v, want %q", i, line, want)
		}
	}
	for round := range 2 {
		if _, err := r.client.Rejoin(t.Context(), away.Name, api.RejoinRequest{Replay: true, Why: "test"}); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, "it is replayed", func() error {
			st := r.status(t)
			if m := memberOf(st, away.Name); st.Operation != nil || m.State != "quarantined" || !strings.Contains(m.Why, "2 transactions replayed") || !strings.Contains(m.Why, "11 conflict") {
				return fmt.Errorf("%s: %s: %s", m.State, m.Why, r.why(t))
			}
			return nil
		})
		if again := strings.Contains(memberOf(r.status(t), away.Name).Why, "(2 of them before)"); again != (round == 1) {
			t.Errorf("in round %d it says %q", round, memberOf(r.status(t), away.Name).Why)
		}
		if got := tableText(t, r.servers[0], "SELECT id, n, note FROM faults.stock ORDER BY id"); got != "1|10|one|\n2|200|two|\n4|40|four|\n10|101|ten|\n11|111|theirs|\n13|130|taken|\n" {
			t.Errorf("the ring has\n%s", got)
		}
	}
	_, rest, _ := strings.Cut(memberOf(r.status(t), away.Name).Why, "is kept in ")
	file, _, _ := strings.Cut(rest, ";")
	if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), `"fate":"conflict"`) != 11 {
		t.Errorf("what conflicts is not kept in %q: %v: %s", file, err, text)
	}
	if _, err := r.client.Reclone(t.Context(), away.Name, api.RecloneRequest{Why: "test", LockTables: true}, false); err != nil {
		t.Fatal(err)
	}
	r.untilIn(t, away.Name, 60*time.Second)
	r.untilEqual(t, "faults.stock", "faults.child")
}

// TestReplayAfterAReplay puts a member into quarantine again that was copied anew: what it
// holds then is replayed too, though a MySQL gives the numbers of what was replayed before
// out again.
func TestReplayAfterAReplay(t *testing.T) {
	beside(t)
	r := startRig(t, 2)
	replay := func() {
		t.Helper()
		if _, err := r.client.Rejoin(t.Context(), "m2", api.RejoinRequest{Replay: true, Why: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	r.counted(t)
	replay()
	r.untilReplayed(t)
	const more = 50
	r.away(t, r.servers[1], func(write func(string)) {
		for i := range more {
			write(fmt.Sprintf("INSERT INTO faults.log VALUES (%d)", 1000+i))
		}
	})
	replay()
	r.untilState(t, "m2", "active")
	r.untilHealthy(t, 30*time.Second)
	r.untilEqual(t, "faults.counts", "faults.log", "sqlring.replayed")
	for query, want := range map[string]int{"SELECT COUNT(*) FROM faults.log": replayedTransactions + more, "SELECT COUNT(*) FROM sqlring.replayed": replayedTransactions + more} {
		if got := r.servers[0].Query(t, query); got != fmt.Sprint(want) {
			t.Errorf("%s gives %s, not %d", query, got, want)
		}
	}
	twice := r.servers[0].Query(t, "SELECT COUNT(*) FROM sqlring.replayed a JOIN sqlring.replayed b USING (domain, seq) WHERE a.server<b.server")
	if mysqltest.Flavour(t) == topology.FlavourMySQL && twice == "0" {
		t.Error("no number was given out twice: nothing is shown")
	}
	t.Logf("numbers that were given out twice: %s", twice)
}

// tableText is what a query gives, a line a row.
func tableText(t *testing.T, s *mysqltest.Server, query string) string {
	t.Helper()
	result, err := s.DB().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = result.Close() }()
	columns, err := result.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for result.Next() {
		values, into := make([][]byte, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := result.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if v == nil {
				v = []byte("NULL")
			}
			fmt.Fprintf(&text, "%s|", v)
		}
		text.WriteByte('\n')
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
