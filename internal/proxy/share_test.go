package proxy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
)

// act is something that a session does. %d stands for the number of the session, so
// that what it gets depends on it alone.
type act struct {
	text   string
	args   []any
	reused bool // by a prepared statement that the session keeps
}

// acts are what sessions do that share links: whatever a session may leave behind.
var acts = []act{
	{text: "SELECT @@time_zone, @@sql_mode, @@group_concat_max_len, DATABASE(), @@autocommit, @@character_set_client, @@collation_connection"},
	{text: "SET time_zone='+0%d:00'"},
	{text: "SET time_zone=DEFAULT"},
	{text: "SET sql_mode='ANSI_QUOTES'"},
	{text: "SET sql_mode='NO_BACKSLASH_ESCAPES'"},
	{text: "SET sql_mode=DEFAULT"},
	{text: "SET group_concat_max_len=10%d"},
	{text: "SET NAMES latin1"},
	{text: "SET NAMES utf8mb4"},
	{text: `SELECT 'a\\b', "c"`},
	{text: "USE s%d"},
	{text: "USE shop"},
	{text: "INSERT INTO shop.t%d (v) VALUES (1)"},
	{text: "INSERT INTO shop.t%d (v) VALUES (1),(2),(3)"},
	{text: "INSERT INTO shop.t%d (id, v) VALUES (NULL, ?)", args: []any{5}, reused: true},
	{text: "REPLACE INTO shop.t%d (id, v) VALUES (7, 7)"},
	{text: "SELECT LAST_INSERT_ID()"},
	{text: "SELECT LAST_INSERT_ID() + ?", args: []any{1}, reused: true},
	{text: "UPDATE shop.t%d SET v=LAST_INSERT_ID(v+1) ORDER BY id LIMIT 1"},
	{text: "UPDATE shop.t%d SET v=v+1"},
	{text: "DELETE FROM shop.t%d ORDER BY id LIMIT 1"},
	{text: "SELECT ROW_COUNT()"},
	{text: "SELECT v FROM shop.t%d ORDER BY id LIMIT 2"},
	{text: "SELECT v FROM shop.t%d WHERE id > ? ORDER BY id LIMIT 2", args: []any{3}, reused: true},
	{text: "SELECT COUNT(*), SUM(v), MAX(v) FROM shop.t%d"}, // by MAX(id) an empty table is known to be empty, at times, and FOUND_ROWS() differs
	{text: "SELECT FOUND_ROWS()"},
	{text: "SELECT SQL_CALC_FOUND_ROWS v FROM shop.t%d ORDER BY id LIMIT 1"},
	{text: "SELECT 1/0, CAST('x' AS SIGNED)"},
	{text: "SHOW WARNINGS"},
	{text: "SELECT @@warning_count"},
	{text: "SELECT no_such_column"},
	{text: "BEGIN"},
	{text: "COMMIT"},
	{text: "ROLLBACK"},
	{text: "SET autocommit=0"},
	{text: "SET autocommit=1"},
	{text: "SET @a=%d"},
	{text: "SELECT @a"},
	{text: "CREATE TEMPORARY TABLE IF NOT EXISTS shop.tmp (v INT)"},
	{text: "INSERT INTO shop.tmp VALUES (%d)"},
	{text: "SELECT SUM(v) FROM shop.tmp"},
	{text: "DROP TEMPORARY TABLE IF EXISTS shop.tmp"},
	{text: "SELECT GET_LOCK('lock%d', 0)"},
	{text: "SELECT IS_USED_LOCK('lock%d') = CONNECTION_ID()"},
	{text: "SELECT RELEASE_ALL_LOCKS()"},
	{text: "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"},
	{text: "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
	{text: "SELECT @@transaction_isolation"},
	{text: "CALL shop.sets()"},
	{text: "PREPARE p FROM 'SELECT %d'"},
	{text: "EXECUTE p"},
	{text: "DEALLOCATE PREPARE p"},
	{text: "SET last_insert_id=%d"},
	{text: "SET insert_id=500%d"},
	{text: "SELECT @@insert_id"},
	{text: "LOCK TABLES shop.t%d WRITE"},
	{text: "UNLOCK TABLES"},
	{text: "SET ROLE r"},
	{text: "SELECT CURRENT_ROLE()"},
	{text: "SET profiling=1"},
	{text: "SELECT @@profiling"},
	{text: "SET timestamp=100%d"},
	{text: "SELECT UNIX_TIMESTAMP()=100%d"},
}

// actor is one session, on a server or through the proxy.
type actor struct {
	conn     *sql.Conn
	number   int
	prepared map[string]*sql.Stmt
}

// does returns all that a step gives: rows, or what was changed, or the error.
func (c *actor) does(t *testing.T, st act) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	text := strings.ReplaceAll(st.text, "%d", fmt.Sprint(c.number))
	var rows *sql.Rows
	var err error
	if st.reused {
		stmt := c.prepared[text]
		if stmt == nil {
			if stmt, err = c.conn.PrepareContext(ctx, text); err != nil {
				return told(err)
			}
			c.prepared[text] = stmt
		}
		rows, err = stmt.QueryContext(ctx, st.args...)
	} else {
		rows, err = c.conn.QueryContext(ctx, text)
	}
	if err != nil {
		return told(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	out := fmt.Sprint(columns)
	for rows.Next() {
		cells, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Error(err)
		}
		out += fmt.Sprint(cells)
	}
	if err := rows.Err(); err != nil {
		return out + told(err)
	}
	return out
}

func told(err error) string {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return fmt.Sprint(e.Number, e.Message)
	}
	return "broken: " + err.Error()
}

// TestRealSharedLinksKeepSessionsApart: sessions that have to share few links see what
// each would see on a connection of its own, whatever the others do.
func TestRealSharedLinksKeepSessionsApart(t *testing.T) {
	const sessions = 8
	// Half of the sessions keep to what leaves nothing, so that there are links to be had
	// for the others.
	r := keepApart(t, Config{MemberLinks: sessions, QueueTimeout: 20 * time.Second}, 2*sessions, sessions-2)
	if n := r.Stats().LinksTotal; n > 400 {
		t.Errorf("%d links were opened", n)
	}
}

// keepApart compares what sessions see through the proxy with what each would see on a
// connection of its own. Those from number free on do only what leaves nothing.
func keepApart(t *testing.T, cfg Config, sessions, free int) *real {
	t.Helper()
	r := startReal(t, cfg)
	direct := mysqltest.Start(t)
	direct.Exec(t, "SET GLOBAL read_only=0; CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO app@'%'")
	for _, server := range []*mysqltest.Server{r.server, direct} {
		server.Exec(t, "SET GLOBAL auto_increment_increment=16, auto_increment_offset=3; CREATE ROLE r; GRANT r TO app@'%'")
		server.Exec(t, "CREATE PROCEDURE shop.sets() SET time_zone='+05:00'")
		for n := range sessions {
			server.Exec(t, fmt.Sprintf("CREATE DATABASE s%d; CREATE TABLE shop.t%d (id INT AUTO_INCREMENT PRIMARY KEY, v INT)", n, n))
		}
	}
	db := r.db(t)
	db.SetMaxIdleConns(0)
	to := mysql.NewConfig()
	to.User, to.Passwd, to.Net, to.Addr, to.DBName = "app", appPassword, "tcp", direct.Addr, "shop"
	connector, err := mysql.NewConnector(to)
	if err != nil {
		t.Fatal(err)
	}
	own := sql.OpenDB(connector)
	defer own.Close()
	own.SetMaxIdleConns(0)

	rounds, length := 6, 40
	if testing.Short() {
		rounds = 2
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for round := range rounds {
		var done sync.WaitGroup
		for n := range sessions {
			done.Go(func() {
				random := rand.New(rand.NewPCG(seed+uint64(round), uint64(n)))
				a, b := open(t, db, n), open(t, own, n)
				defer a.conn.Close()
				defer b.conn.Close()
				var history []string
				begin := act{text: "SELECT v FROM shop.t%d LIMIT 2"} // servers do not begin with the same FOUND_ROWS()
				_, _ = a.does(t, begin), b.does(t, begin)
				for range length {
					st := acts[random.IntN(len(acts))]
					if n >= free && !leavesNothing(st.text) {
						continue
					}
					history = append(history, st.text)
					got, want := a.does(t, st), b.does(t, st)
					if strings.Contains(got, "was given to another session") { // said by name, and not run: the two are at different things from here on
						return
					}
					if got != want {
						t.Errorf("session %d, after %q:\n got %s\nwant %s", n, history, got, want)
						return
					}
					if random.IntN(4) == 0 {
						time.Sleep(time.Duration(random.IntN(3)) * time.Millisecond)
					}
				}
			})
		}
		done.Wait()
	}
	t.Logf("%d links for %d sessions and %d statements", r.Stats().LinksTotal, r.Stats().SessionsTotal, r.Stats().Queries)
	return r
}

func open(t *testing.T, db *sql.DB, n int) *actor {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &actor{conn, n, make(map[string]*sql.Stmt)}
}

// leavesNothing tells the steps after which a session can go on with any link.
func leavesNothing(text string) bool {
	for _, word := range []string{
		"@a", "TEMPORARY", "tmp", "LOCK", "SET TRANSACTION", "CALL", "PREPARE p", "EXECUTE", "insert_id=500", "ROLE", "profiling", "timestamp", "BEGIN", "autocommit=0", "last_insert_id=", "LAST_INSERT_ID(v",
	} {
		if strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// A session that gets a link on which somebody has left warnings has none of them.
func TestRealWarningsAreOnesOwn(t *testing.T) {
	r := startReal(t, Config{})
	db := r.db(t)
	db.SetMaxIdleConns(0)
	for range 3 {
		one := open(t, db, 1)
		one.does(t, act{text: "SELECT CAST('x' AS SIGNED)"})
		_ = one.conn.Close()
		two := open(t, db, 2)
		if got := two.does(t, act{text: "SHOW WARNINGS"}); got != "[Level Code Message]" {
			t.Errorf("SHOW WARNINGS: %s", got)
		}
		if got := two.does(t, act{text: "SELECT @@warning_count"}); got != "[@@warning_count][{0 true}]" {
			t.Errorf("@@warning_count: %s", got)
		}
		_ = two.conn.Close()
	}
	if n := r.Stats().LinksTotal; n > 2 {
		t.Errorf("%d links: the test is about one that is shared", n)
	}
}
