package proxy

import (
	"database/sql"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// keptState is one kind of state that a session can have at a server.
type keptState struct {
	name  string
	makes []string // by which it comes to be
	probe string   // what shows it; "": nothing does
	keeps bool     // the session keeps its link meanwhile
	ends  []string // by which it ends, after which the link is free
}

// keptStates are those that statements make; the rest is a matter of the protocol and has
// tests of its own: prepared statements, cursors and parameters sent ahead (prepared_test.go,
// cursor_real_test.go), LOAD DATA (file_test.go), several statements (real_test.go), KILL
// (kill_test.go), replicas' commands and options (commands_test.go), who vanishes
// (watch_test.go), long texts (large_test.go). These are made alike at
// both flavours.
var keptStates = []keptState{
	{"read only transaction", []string{"START TRANSACTION READ ONLY"}, "INSERT INTO shop.t (v) VALUES (1)", true, []string{"COMMIT"}},
	{"results as they are", []string{"SET character_set_results=NULL"}, "SELECT @@character_set_results, _latin1 X'E4'", false, nil},
	{"sql_mode of a routine", []string{"CALL shop.mode()"}, `SELECT 'a\\b', @@sql_mode`, true, nil},
	{"savepoint", []string{"BEGIN", "INSERT INTO shop.t (v) VALUES (1)", "SAVEPOINT a", "INSERT INTO shop.t (v) VALUES (2)", "ROLLBACK TO a"}, "SELECT COUNT(*) FROM shop.t", true, []string{"ROLLBACK"}},
	{"the next transaction's", []string{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"}, "", true, []string{"BEGIN", "COMMIT"}},
	{"a variable by an expression", []string{"SET sort_buffer_size=@@sort_buffer_size*2"}, "SELECT @@sort_buffer_size", false, nil},
	{"time zone", []string{"SET time_zone='+07:00'"}, "SELECT @@time_zone, FROM_UNIXTIME(0)", false, nil},
	{"character sets", []string{"SET NAMES latin1"}, "SELECT @@character_set_client, @@character_set_results, 'é'", false, nil},
	{"schema", []string{"USE other"}, "SELECT DATABASE()", false, nil},
	{"sql_mode, backslashes", []string{"SET sql_mode='NO_BACKSLASH_ESCAPES'"}, `SELECT 'a\\b'`, false, nil},
	{"user variable", []string{"SET @a=5"}, "SELECT @a", true, nil},
	{"user variable by SELECT", []string{"SELECT 7 INTO @a"}, "SELECT @a", true, nil},
	{"user variable by the way", []string{"SELECT @a:=9"}, "SELECT @a", true, nil},
	{"timestamp", []string{"SET timestamp=1000"}, "SELECT UNIX_TIMESTAMP()", true, nil},
	{"insert_id", []string{"SET insert_id=5000"}, "SELECT @@insert_id", true, nil},
	{"rand_seed", []string{"SET rand_seed1=1, rand_seed2=2"}, "SELECT RAND()", true, nil},
	{"last insert id", []string{"INSERT INTO shop.t (v) VALUES (1)"}, "SELECT LAST_INSERT_ID(), @@identity", false, nil},
	{"last insert id by an expression", []string{"SELECT LAST_INSERT_ID(41)"}, "SELECT LAST_INSERT_ID()", false, nil},
	{"row count", []string{"UPDATE shop.t SET v=v+1"}, "SELECT ROW_COUNT()", false, nil},
	{"found rows", []string{"SELECT SQL_CALC_FOUND_ROWS v FROM shop.t LIMIT 1"}, "SELECT FOUND_ROWS() > 0", false, nil},
	{"warnings", []string{"SELECT CAST('x' AS SIGNED)"}, "SHOW WARNINGS", false, nil},
	{"errors", []string{"SELECT no_such_column"}, "SHOW ERRORS", false, nil},
	{"prepared by text", []string{"PREPARE p FROM 'SELECT 3'"}, "EXECUTE p", true, nil},
	{"temporary table", []string{"CREATE TEMPORARY TABLE shop.tmp (v INT)", "INSERT INTO shop.tmp VALUES (4)"}, "SELECT v FROM shop.tmp", true, nil},
	{"temporary table by SELECT", []string{"CREATE TEMPORARY TABLE shop.tmp AS SELECT 6 v"}, "SELECT v FROM shop.tmp", true, nil},
	{"temporary table that is dropped", []string{"CREATE TEMPORARY TABLE shop.tmp (v INT)", "INSERT INTO shop.tmp VALUES (4)"}, "SELECT v FROM shop.tmp", true, []string{"DROP TEMPORARY TABLE shop.tmp"}},
	{"temporary table that is dropped as any", []string{"CREATE TEMPORARY TABLE shop.tmp AS SELECT 6 v", "DROP TABLE shop.tmp"}, "SELECT 1", true, nil},
	{"temporary table, if there is one", []string{"CREATE TEMPORARY TABLE shop.tmp AS SELECT 6 v", "DROP TEMPORARY TABLE IF EXISTS shop.tmp"}, "SELECT 1", true, nil},
	{"temporary tables, one of which is dropped", []string{
		"CREATE TEMPORARY TABLE shop.tmp (v INT)", "CREATE TEMPORARY TABLE shop.tmp2 (v INT)", "DROP TEMPORARY TABLE IF EXISTS shop.nowhere", "CREATE TABLE shop.base (v INT)", "DROP TABLE shop.base",
		"DROP TEMPORARY TABLE shop.tmp2",
	}, "SELECT COUNT(*) FROM shop.tmp", true, []string{"DROP TEMPORARY TABLE shop.tmp"}},
	{"temporary table of another name", []string{
		"CREATE TEMPORARY TABLE shop.tmp (v INT)", "ALTER TABLE shop.tmp RENAME TO shop.tmp2", "CREATE TEMPORARY TABLE shop.tmp (v INT)", "DROP TEMPORARY TABLE shop.tmp",
	}, "SELECT COUNT(*) FROM shop.tmp2", true, nil},
	{"temporary tables, dropped at once", []string{"CREATE TEMPORARY TABLE shop.tmp (v INT)", "CREATE TEMPORARY TABLE shop.tmp2 (v INT)"}, "SELECT COUNT(*) FROM shop.tmp2", true, []string{"DROP TEMPORARY TABLE shop.tmp, shop.tmp2"}},
	{"temporary table of a view", []string{"CREATE TEMPORARY TABLE shop.tmp AS SELECT v FROM shop.looks", "DROP TEMPORARY TABLE shop.tmp"}, "SELECT @f", true, nil},
	{"no temporary table", []string{"DROP TEMPORARY TABLE IF EXISTS shop.nowhere"}, "SELECT 1", false, nil},
	{"locked tables", []string{"LOCK TABLES shop.mine WRITE"}, "SELECT v FROM shop.t", true, []string{"UNLOCK TABLES"}},
	{"user lock", []string{"SELECT GET_LOCK('l', 0)"}, "SELECT IS_USED_LOCK('l') = CONNECTION_ID()", true, nil},
	{"user locks, all of them released", []string{"SELECT GET_LOCK('l', 0)", "SELECT GET_LOCK('l', 0)", "DO GET_LOCK('k', 0)"}, "SELECT IS_USED_LOCK('l') = CONNECTION_ID()", true, []string{"SELECT RELEASE_ALL_LOCKS()"}},
	{"user locks, released without a row", []string{"SELECT GET_LOCK('l', 0)"}, "SELECT IS_USED_LOCK('l') = CONNECTION_ID()", true, []string{"DO RELEASE_ALL_LOCKS()"}},
	{"user lock, not released", []string{"SELECT GET_LOCK('l', 0)", "SET sql_select_limit=0", "SELECT RELEASE_ALL_LOCKS()", "SET sql_select_limit=DEFAULT"}, "SELECT IS_USED_LOCK('l') = CONNECTION_ID()", true, []string{"DO RELEASE_ALL_LOCKS()"}},
	{"user lock, released and taken", []string{"SELECT RELEASE_ALL_LOCKS(), GET_LOCK('l', 0)"}, "SELECT IS_USED_LOCK('l') = CONNECTION_ID()", true, nil},
	{"handlers, all of them closed", []string{"HANDLER shop.t OPEN AS h", "HANDLER shop.mine OPEN"}, "HANDLER h READ FIRST", true, []string{"HANDLER h CLOSE", "HANDLER mine CLOSE"}},
	{"handlers, one of them closed", []string{"HANDLER shop.t OPEN AS h", "HANDLER shop.mine OPEN", "HANDLER h CLOSE"}, "HANDLER mine READ FIRST", true, nil},
	{"handler", []string{"HANDLER shop.t OPEN AS h"}, "HANDLER h READ FIRST", true, nil},
	{"procedure", []string{"CALL shop.sets()"}, "SELECT @@group_concat_max_len", true, nil},
	{"function", []string{"SELECT shop.remembers()"}, "SELECT @f", true, nil},
	{"user variable of a trigger", []string{"INSERT INTO shop.remembered VALUES (4)"}, "SELECT @f", true, nil},
	{"role", []string{"SET ROLE r"}, "SELECT CURRENT_ROLE()", true, nil},
	{"profiling", []string{"SET profiling=1", "SELECT 1"}, "SELECT @@profiling", true, nil},
	{"profiling that has ended", []string{"SET profiling=1", "SELECT 1", "SET profiling=0"}, "SELECT COUNT(*) > 0 FROM information_schema.profiling", true, nil},
	{"optimizer trace that has ended", []string{"SET optimizer_trace='enabled=on'", "SELECT COUNT(*) FROM shop.mine", "SET optimizer_trace='enabled=off'"}, "SELECT COUNT(*) FROM information_schema.optimizer_trace", true, nil},
	{"diagnostics", []string{"SELECT CAST('x' AS SIGNED)", "GET DIAGNOSTICS CONDITION 1 @m=MESSAGE_TEXT"}, "SELECT @m", true, nil},
	{"diagnostics of an error, later", []string{"SELECT no_such_column"}, "GET DIAGNOSTICS @n=NUMBER", false, nil},
	{"optimizer trace", []string{"SET optimizer_trace='enabled=on'"}, "SELECT @@optimizer_trace", true, nil},
}

// keptStatesOfMariaDB are what only it has, or has in another way.
var keptStatesOfMariaDB = []keptState{
	{"transaction", []string{"BEGIN", "INSERT INTO shop.t (v) VALUES (1)"}, "SELECT @@in_transaction", true, []string{"ROLLBACK"}},
	{"transaction after an error", []string{"BEGIN", "INSERT INTO shop.t (v) VALUES (1)", "SELECT no_such_column"}, "SELECT @@in_transaction", true, []string{"ROLLBACK"}},
	{"consistent snapshot", []string{"START TRANSACTION WITH CONSISTENT SNAPSHOT"}, "SELECT @@in_transaction", true, []string{"COMMIT"}},
	{"autocommit=0, nothing begun", []string{"SET autocommit=0"}, "SELECT @@autocommit", false, nil},
	{"autocommit=0, a table read", []string{"SET autocommit=0", "SELECT v FROM shop.t"}, "SELECT @@in_transaction", true, []string{"COMMIT"}},
	{"autocommit=0, unreported", []string{"SET @@autocommit=0"}, "SELECT @@autocommit", false, nil},
	{"autocommit=0, by its scope", []string{"SET @@session.autocommit=0"}, "SELECT @@autocommit", false, nil},
	{"a variable, unreported", []string{"SET time_zone='+07:00', @@group_concat_max_len=77"}, "SELECT @@group_concat_max_len, @@time_zone", false, nil},
	{"sql_mode, unreported", []string{"SET @@sql_mode='ANSI_QUOTES'"}, `SELECT COUNT("v") FROM shop.t`, false, nil},
	{"collation, unreported", []string{"SET @@collation_connection=latin1_german2_ci"}, "SELECT @@character_set_connection, @@collation_connection, 'ä'='ae'", false, nil},
	{"character set, unreported", []string{"SET NAMES latin1 COLLATE latin1_german2_ci", "SET @@character_set_connection=utf8mb4"}, "SELECT @@character_set_connection, @@collation_connection", false, nil},
	{"results as they are, unreported", []string{"SET @@character_set_results=NULL"}, "SELECT @@character_set_results, _latin1 X'E4'", false, nil},
	{"unreported, refused", []string{"SET @@group_concat_max_len=5, @@no_such_variable=1"}, "SELECT @@group_concat_max_len", false, nil},
	{"unreported, in a text that is prepared", []string{"PREPARE p FROM 'SET @@sql_mode=''ANSI_QUOTES'''", "EXECUTE p"}, `SELECT COUNT("v") FROM shop.t`, true, nil},
	{"for one statement, sql_mode", []string{"SET STATEMENT sql_mode='NO_BACKSLASH_ESCAPES' FOR SELECT 1"}, `SELECT 'a\\b'`, false, nil},
	{"for one statement that writes", []string{"SET STATEMENT group_concat_max_len=99 FOR INSERT INTO shop.t (v) VALUES (1)"}, "SELECT @@group_concat_max_len", false, nil},
	{"XA", []string{"XA START 'x'", "INSERT INTO shop.t (v) VALUES (1)"}, "SELECT @@in_transaction", true, nil},
	{"isolation of the session", []string{"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"}, "SELECT @@tx_isolation", false, nil},
	{"a global variable", []string{"SET GLOBAL max_connect_errors=200"}, "SELECT @@global.max_connect_errors", false, nil},
	{"a variable", []string{"SET group_concat_max_len=77"}, "SELECT @@group_concat_max_len", false, nil},
	{"character set of the database", []string{"SET CHARACTER SET latin1"}, "SELECT @@character_set_client, @@collation_connection", false, nil},
	{"sql_mode, quotes", []string{"SET sql_mode='ANSI_QUOTES'"}, `SELECT COUNT("v") FROM shop.t`, false, nil},
	{"tables with a read lock", []string{"FLUSH TABLES shop.mine WITH READ LOCK"}, "INSERT INTO shop.mine VALUES (1)", true, []string{"UNLOCK TABLES"}},
	{"backup lock", []string{"BACKUP LOCK shop.mine"}, "INSERT INTO shop.mine VALUES (1)", true, []string{"BACKUP UNLOCK"}},
	{"backup stage", []string{"BACKUP STAGE START"}, "BACKUP STAGE START", true, []string{"BACKUP STAGE END"}},
	{"backup stage, and a lock that has ended", []string{"BACKUP STAGE START", "BACKUP LOCK shop.mine", "BACKUP UNLOCK"}, "BACKUP STAGE START", true, []string{"BACKUP STAGE END"}},
	{"default role", []string{"SET DEFAULT ROLE r", "SET DEFAULT ROLE NONE"}, "SELECT CURRENT_ROLE()", false, nil},
	{"sequence", []string{"SELECT NEXT VALUE FOR shop.s > 0"}, "SELECT LASTVAL(shop.s) IS NOT NULL", true, nil},
	{"for one statement", []string{"SET STATEMENT group_concat_max_len=99 FOR SELECT 1"}, "SELECT @@group_concat_max_len", false, nil},
	{"query cache", []string{"SELECT SQL_CACHE v FROM shop.t LIMIT 1"}, "SELECT 1", false, nil},
}

// TestRealEachStateOfASession: what a session has made at a server is there for it while others
// use the connections that it does not keep, and it keeps one only as long as it has to.
func TestRealEachStateOfASession(t *testing.T) {
	r := startReal(t, Config{MemberLinks: 3, QueueTimeout: 20 * time.Second, Permits: balancer.HazardsNamed(balancer.HazardNames())})
	direct := mysqltest.Start(t)
	direct.Exec(t, "SET GLOBAL read_only=0; CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO app@'%'")
	for _, server := range []*mysqltest.Server{r.server, direct} {
		server.Exec(t, `SET GLOBAL auto_increment_increment=16, auto_increment_offset=3; CREATE ROLE r; GRANT r TO app@'%'; CREATE DATABASE other;
			CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT); CREATE TABLE shop.mine (v INT); CREATE SEQUENCE shop.s`)
		server.Exec(t, "CREATE PROCEDURE shop.sets() SET group_concat_max_len=88")
		server.Exec(t, "CREATE PROCEDURE shop.mode() SET sql_mode='NO_BACKSLASH_ESCAPES'")
		server.Exec(t, "CREATE FUNCTION shop.remembers() RETURNS INT NO SQL BEGIN SET @f=6; RETURN 1; END")
		server.Exec(t, "CREATE TABLE shop.remembered (v INT)")
		server.Exec(t, "CREATE VIEW shop.looks AS SELECT shop.remembers() AS v")
		server.Exec(t, "CREATE TRIGGER shop.remembering BEFORE INSERT ON shop.remembered FOR EACH ROW SET @f=NEW.v")
		server.Exec(t, "INSERT INTO shop.t VALUES (3, 1), (19, 2)")
	}
	own := r.db(t, func(c *mysql.Config) { c.Addr = direct.Addr })
	through := r.db(t)
	judgeStates(t, r.Proxy, through, own, slices.Concat(keptStates, keptStatesOfMariaDB))
}

// judgeStates compares sessions through the proxy with ones of their own.
func judgeStates(t *testing.T, p *Proxy, through, own *sql.DB, kinds []keptState) {
	own.SetMaxIdleConns(0)
	through.SetMaxIdleConns(0)
	others := []*actor{open(t, through, 1), open(t, through, 2)}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) { kind.judge(t, p, open(t, through, 0), open(t, own, 0), others) })
	}
}

func (k keptState) judge(t *testing.T, p *Proxy, session, alone *actor, others []*actor) {
	defer session.conn.Close()
	defer alone.conn.Close()
	disturb := func() { // both of what the session does not keep have another one's settings then
		var done sync.WaitGroup
		for _, o := range others {
			done.Go(func() {
				o.does(t, act{text: "SET time_zone='+11:00', sql_mode='', group_concat_max_len=1000"})
				o.does(t, act{text: "SELECT SLEEP(0.01), v FROM shop.t LIMIT 1"})
			})
		}
		done.Wait()
	}
	number := session.does(t, act{text: "SELECT CONNECTION_ID()"})
	same := func(text string) {
		t.Helper()
		if got, want := session.does(t, act{text: text}), alone.does(t, act{text: text}); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
	disturb()
	for _, text := range k.makes {
		same(text)
	}
	if k.probe != "SELECT @@in_transaction" { // what is asked for is of the statement before
		disturb()
	}
	if !p.comesToKeep(number, k.keeps) {
		t.Errorf("it keeps its link: %v (%v)", !k.keeps, p.Pins())
	}
	if k.probe != "" {
		same(k.probe)
	}
	disturb()
	for _, text := range k.ends {
		same(text)
	}
	if k.ends != nil && !p.comesToKeep(number, false) {
		t.Errorf("it keeps its link after %q: %v", k.ends, p.Pins())
	}
	if got := session.does(t, act{text: "SELECT CONNECTION_ID()"}); got != number {
		t.Errorf("its number is %s, it was %s", got, number)
	}
}

// comesToKeep reports whether the session keeps its link, or does not, as wanted: its answer is
// there a moment before that is told.
func (p *Proxy) comesToKeep(number string, wanted bool) bool {
	for began := time.Now(); time.Since(began) < 2*time.Second; time.Sleep(time.Millisecond) {
		if p.keeps(number) == wanted {
			return true
		}
	}
	return false
}

// keeps reports whether the session of that number, as [actor.does] has it, keeps its link.
func (p *Proxy) keeps(number string) bool {
	return slices.ContainsFunc(p.Pins(), func(pin Pin) bool { return strings.Contains(number, "{"+itoa(int(pin.Session))+" ") })
}

// MariaDB reports no change of a variable that is set as @@name. Nobody else comes to have it.
func TestRealUnreportedVariablesAreOnesOwn(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "MySQL reports variables that are set as @@name")
	r := startReal(t, Config{})
	r.server.Exec(t, "CREATE TABLE shop.t (v INT)")
	db := r.db(t)
	db.SetMaxIdleConns(0)
	const state = "SELECT @@autocommit, @@group_concat_max_len, @@sql_mode, 'é'"
	first := open(t, db, 0)
	want := first.does(t, act{text: state})
	_ = first.conn.Close()
	for _, prepared := range []bool{false, true} {
		for _, text := range []string{
			"SET @@autocommit=0", "SET time_zone='+01:00', @@group_concat_max_len = 77", "SET /*! @@sql_mode='ANSI' */", "SET @@`character_set_results` := latin1",
		} {
			one := open(t, db, 1)
			one.does(t, act{text: text, reused: prepared})
			if got := one.does(t, act{text: state}); got == want {
				t.Errorf("%s changes nothing: the test tests nothing", text)
			}
			_ = one.conn.Close()
			two := open(t, db, 2)
			if got := two.does(t, act{text: state}); got != want {
				t.Errorf("after another one's %s (prepared: %v):\n got %s\nwant %s", text, prepared, got, want)
			}
			two.does(t, act{text: "INSERT INTO shop.t VALUES (1)"})
			_ = two.conn.Close()
		}
	}
	if n := r.server.Query(t, "SELECT COUNT(*) FROM shop.t"); n != "8" {
		t.Errorf("%s of 8 rows that were written with autocommit are there", n)
	}
}

// A session whose link is lost goes on with what it has set unreported, and its texts are read
// by that.
func TestRealUnreportedVariablesGoAlong(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "MySQL reports variables that are set as @@name")
	r := startReal(t, Config{})
	one := open(t, r.db(t), 1)
	defer one.conn.Close()
	for _, prepared := range []bool{false, true} {
		sets := func(text string) {
			if !prepared {
				one.does(t, act{text: text})
				return
			}
			stmt, err := one.conn.PrepareContext(t.Context(), text)
			if err == nil {
				_, err = stmt.ExecContext(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = stmt.Close()
		}
		sets("SET @@autocommit=0, @@sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES', SESSION time_zone='+03:00'")
		sets("SET @@character_set_client=gbk, @@time_zone='+04:00'")
		one.dialect(t, r) // it has been read back
		r.server.Exec(t, "KILL CONNECTION USER app")
		waitFor(t, "the link is lost", func() bool {
			return r.server.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'") == "0"
		})
		if got := one.does(t, act{text: "SELECT @@autocommit, @@sql_mode, @@character_set_client, @@time_zone"}); !strings.HasSuffix(got, "[{0 true} {ANSI_QUOTES,NO_BACKSLASH_ESCAPES true} {gbk true} {+04:00 true}]") {
			t.Errorf("the session goes on with %s", got)
		}
		if got := one.dialect(t, r); !got.AnsiQuotes || !got.NoBackslashEscapes || got.Charset != balancer.CharsetNamed("gbk") {
			t.Errorf("its texts are read as %+v", got)
		}
		sets("SET @@autocommit=1, @@sql_mode=DEFAULT, @@character_set_client=utf8mb4")
		if got := one.dialect(t, r); got.AnsiQuotes || got.NoBackslashEscapes || got.Charset != balancer.CharsetUTF8 {
			t.Errorf("its texts are read as %+v, then", got)
		}
	}
}

// What the proxy asks for itself it understands in any character set of results.
func TestRealResultsInUTF16(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
		db := f.through(t, person{user: "app", password: appPassword, schema: "shop"})
		one := open(t, db, 1)
		defer one.conn.Close()
		one.does(t, act{text: "SET character_set_results=utf16, character_set_connection=latin1"})
		one.does(t, act{text: "INSERT INTO t (v) VALUES (1)"})
		one.does(t, act{text: "SHOW VARIABLES LIKE 'session_track_schema'"})
		f.exec(t, "DO 1")
		others := make([]*actor, 60) // more than half of the links: they take this one, too
		for i := range others {
			others[i] = open(t, db, i+2)
			others[i].does(t, act{text: "SELECT @@character_set_results"})
			defer others[i].conn.Close()
		}
		one.does(t, act{text: "SET character_set_results=utf8mb4"})
		if got, id := one.does(t, act{text: "SELECT LAST_INSERT_ID(), @@collation_connection"}), f.query(t, "SELECT MAX(id) FROM shop.t"); !strings.Contains(got, "[{"+id+" true} {latin1_swedish_ci true}]") {
			t.Errorf("got %s of %s", got, id)
		}
	})
}

// What makes texts read in another way is known whoever has set it: a name that is quoted is no
// value, and the slot does not hide behind a backslash.
func TestRealTextsAreReadAsTheServerDoes(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "MySQL reports variables that are set as @@name, and has no SET STATEMENT")
	r := startReal(t, Config{})
	r.server.Exec(t, "CREATE PROCEDURE shop.mode() SET sql_mode='NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
	for _, tt := range []struct {
		before  string
		quotes  bool // "…" is a name
		escapes bool // a backslash in a string escapes
	}{
		{"SET @@sql_mode='ANSI_QUOTES'", true, true},
		{"SET @@sql_mode='NO_BACKSLASH_ESCAPES'", false, false},
		{"EXECUTE IMMEDIATE 'SET @@sql_mode=\\'ANSI_QUOTES,NO_BACKSLASH_ESCAPES\\''", true, false},
		{"CALL shop.mode()", false, true},
		{"SET STATEMENT sql_mode='NO_BACKSLASH_ESCAPES,ANSI_QUOTES' FOR SELECT 1", false, true},
		{"SET STATEMENT sql_mode='NO_BACKSLASH_ESCAPES,ANSI_QUOTES' FOR SET @a=1", false, true},
	} {
		c := open(t, r.db(t), 1)
		c.does(t, act{text: tt.before})
		got := c.dialect(t, r)
		if got.AnsiQuotes != tt.quotes || got.NoBackslashEscapes == tt.escapes {
			t.Errorf("behind %s: texts are read as %+v", tt.before, got)
		}
		rows, err := c.conn.QueryContext(t.Context(), `SELECT '\', @@sql_mode -- '`)
		if err != nil {
			t.Fatal(err)
		}
		if columns, _ := rows.Columns(); (len(columns) == 1) != tt.escapes {
			t.Errorf("behind %s the server reads a backslash otherwise: %q", tt.before, columns)
		}
		_ = rows.Close()
		_ = c.conn.Close()
	}
}

// dialect is how the proxy reads the texts of a session.
func (c *actor) dialect(t *testing.T, r *real) (d balancer.Dialect) {
	t.Helper()
	number := c.does(t, act{text: "SELECT CONNECTION_ID()"})
	for _, s := range r.all() {
		if strings.Contains(number, "{"+itoa(int(s.id))+" ") {
			waitFor(t, "the command has ended", func() bool { return s.phase.Load()&1 == 0 })
			d = s.mem.dialect(r.version())
			s.phase.Add(0) // the race detector does not see that what is sent next is behind this
			return d
		}
	}
	t.Errorf("no session of %s", number)
	return d
}
