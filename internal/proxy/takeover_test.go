package proxy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// pair is a proxy in front of two real servers with the same account and schema,
// which nothing else joins: what is on the second went through the proxy.
type pair struct {
	*real
	servers []*mysqltest.Server
}

func startPair(t *testing.T) *pair {
	servers := mysqltest.StartRing(t, 2)
	for _, s := range servers {
		s.Exec(t, "SET GLOBAL read_only=0; CREATE DATABASE shop; CREATE DATABASE blog; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+
			"'; GRANT ALL ON *.* TO app@'%'; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4); CREATE TABLE blog.t (a INT)")
	}
	r := &real{world: newWorld(), server: servers[0]}
	r.world.setAccounts(native("app", "%", appPassword))
	p := &pair{real: r, servers: servers}
	p.grant(1, 1)
	r.Proxy = serve(t, r.world, Config{})
	return p
}

// grant makes server n (1 or 2) the owner, 0 nobody.
func (p *pair) grant(n int, epoch uint64) {
	owner := [...]topology.MemberID{"", "m1", "m2"}[n]
	p.world.setView(owned(owner, epoch, memberAt("m1", p.servers[0], 1), memberAt("m2", p.servers[1], 2)))
}

// client is one session of a driver, with prepared statements and variables.
type client struct {
	*sql.Conn
	read, write *sql.Stmt
}

func (p *pair) client(t *testing.T) *client {
	t.Helper()
	db := p.db(t, func(c *mysql.Config) { c.ReadTimeout = 10 * time.Second })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &client{Conn: conn}
	run(t, conn, "SET NAMES latin1 COLLATE latin1_german2_ci, SESSION sql_mode='ANSI_QUOTES,STRICT_ALL_TABLES', time_zone='+03:00'")
	if c.read, err = conn.PrepareContext(t.Context(), `SELECT "v" FROM t WHERE v = ? LIMIT 1`); err != nil {
		t.Fatal(err)
	}
	if c.write, err = conn.PrepareContext(t.Context(), "INSERT INTO t (v) VALUES (?)"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.write.ExecContext(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	run(t, conn, "USE blog")
	return c
}

// number is the server's number of an error, 0 for none, -1 for a broken
// connection.
func number(err error) int {
	var e *mysql.MySQLError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return int(e.Number)
	}
	return -1
}

// Sessions of a driver live through the loss of the owner, whichever way it is
// lost, with all that they have set and prepared.
func TestRealTakeover(t *testing.T) {
	for _, tt := range []struct {
		name   string
		strike func(p *pair)
	}{
		{"kill", func(p *pair) { p.servers[0].Kill() }},
		{"freeze", func(p *pair) { p.servers[0].Freeze() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := startPair(t)
			t.Cleanup(p.servers[0].Thaw)
			idle, inside, reading, writing := p.client(t), p.client(t), p.client(t), p.client(t)
			run(t, inside, "BEGIN")
			run(t, inside, "INSERT INTO shop.t (v) VALUES ('undone')")
			tt.strike(p)
			var under sync.WaitGroup
			var readErr, writeErr error
			var word string
			under.Go(func() { readErr = reading.QueryRowContext(t.Context(), "SELECT 'read'").Scan(&word) })
			under.Go(func() { _, writeErr = writing.ExecContext(t.Context(), "INSERT INTO shop.t (v) VALUES ('unknown')") })
			time.Sleep(300 * time.Millisecond)
			start := time.Now()
			p.grant(0, 2)
			p.grant(2, 3)
			under.Wait()
			if readErr != nil || word != "read" {
				t.Errorf("the read under way: %q, %v", word, readErr)
			}
			if n := number(writeErr); n != 1105 && (n != 0 || tt.name == "freeze") {
				t.Errorf("the write under way: %v", writeErr)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("sessions at work were free after %v", took)
			}
			if _, err := inside.ExecContext(t.Context(), "INSERT INTO shop.t (v) VALUES ('undone too')"); number(err) != 1213 {
				t.Errorf("inside a transaction: %v", err)
			}
			for name, c := range map[string]*client{"idle": idle, "inside": inside, "reading": reading, "writing": writing} {
				checkMoved(t, p, name, c)
			}
			if got := p.servers[1].Query(t, "SELECT COUNT(*) FROM shop.t WHERE v LIKE 'undone%'"); got != "0" {
				t.Errorf("%s rows of a transaction that was undone", got)
			}
		})
	}
}

// checkMoved looks whether a session has on the heir what it had before.
func checkMoved(t *testing.T, p *pair, name string, c *client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got string
	err := c.QueryRowContext(ctx, `SELECT CONCAT_WS(' ', DATABASE(), @@sql_mode, @@character_set_client, @@collation_connection, @@time_zone, @@auto_increment_offset)`).Scan(&got)
	want := "blog ANSI_QUOTES,STRICT_ALL_TABLES latin1 latin1_german2_ci +03:00 2"
	if err != nil || got != want {
		t.Errorf("%s: the session has %q, %v, want %q", name, got, err, want)
	}
	res, err := c.write.ExecContext(ctx, name)
	if err != nil {
		t.Errorf("%s: prepared write: %v", name, err)
		return
	}
	if id, _ := res.LastInsertId(); id%16 != 2 {
		t.Errorf("%s: id %d is not of the heir's slot", name, id)
	}
	if err := c.read.QueryRowContext(ctx, name).Scan(&got); err != nil || got != name {
		t.Errorf("%s: prepared read: %q, %v", name, got, err)
	}
	if n := p.servers[1].Query(t, "SELECT COUNT(*) FROM shop.t WHERE v=?", name); n != "1" {
		t.Errorf("%s: written %s times", name, n)
	}
	if err := c.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&got); err != nil || got != "blog" {
		t.Errorf("%s: the schema is %q, %v", name, got, err)
	}
}

// Every way in which a write is acknowledged by a real server is noticed.
func TestRealAcknowledgements(t *testing.T) {
	p := startPair(t)
	db := p.db(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	at := func() uint64 { return p.Writers()[0].Acked.Seq(0) }
	for _, tt := range []struct {
		statement string
		args      []any
		writes    bool
	}{
		{"SELECT 1", nil, false},
		{"INSERT INTO t (v) VALUES ('a')", nil, true},
		{"INSERT INTO t (v) VALUES (?)", []any{"b"}, true},
		{"UPDATE t SET v='c'", nil, true},
		{"UPDATE t SET v='c'", nil, false},
		{"BEGIN", nil, false},
		{"INSERT INTO t (v) VALUES ('d')", nil, false},
		{"COMMIT", nil, true},
		{"CREATE TABLE u (a INT)", nil, true},
		{"CREATE PROCEDURE p() INSERT INTO u VALUES (1)", nil, true},
		{"CALL p()", nil, true},
		{"SET NAMES utf8mb4", nil, false},
		{"TRUNCATE u", nil, true},
	} {
		before := at()
		if _, err := conn.ExecContext(t.Context(), tt.statement, tt.args...); err != nil {
			t.Fatalf("%s: %v", tt.statement, err)
		}
		if got := at() > before; got != tt.writes {
			t.Errorf("%s: noticed as a write: %v", tt.statement, got)
		}
		server := p.servers[0].Query(t, "SELECT @@gtid_binlog_pos")
		if want := fmt.Sprintf("-%d", at()); tt.writes && !strings.HasSuffix(server, want) {
			t.Errorf("%s: the server is at %s, acked is %s", tt.statement, server, want)
		}
	}
	since := p.Writers()[0].Since
	var id int
	if err := conn.QueryRowContext(t.Context(), "INSERT INTO t (v) VALUES ('r') RETURNING id").Scan(&id); err != nil {
		t.Fatal(err)
	}
	w := p.Writers()[0]
	known := strings.HasSuffix(p.servers[0].Query(t, "SELECT @@gtid_binlog_pos"), fmt.Sprintf("-%d", w.Acked.Seq(0)))
	if !known && !w.Since.After(since) {
		t.Error("an INSERT … RETURNING was not noticed")
	}
}

// A process that is not the one that was admitted gets no session, whatever it
// would allow.
func TestRealOtherProcess(t *testing.T) {
	p := startPair(t)
	c := p.client(t)
	p.servers[1].Exec(t, "SET GLOBAL sqlring_boot.key_cache_age_threshold=700")
	heir := memberAt("m2", p.servers[1], 2)
	heir.Boot = 8
	p.world.setView(owned("m2", 2, heir))
	waitFor(t, "the view is taken in", func() bool { return p.view.Load() == p.world.View() })
	done := make(chan error, 1)
	go func() {
		_, err := c.write.ExecContext(t.Context(), "late")
		done <- err
	}()
	waitFor(t, "the session waits", func() bool { return p.Stats().Queued == 1 })
	select {
	case err := <-done:
		t.Fatalf("the write was run: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	p.servers[1].Exec(t, "SET GLOBAL sqlring_boot.key_cache_age_threshold=800")
	if err := <-done; err != nil {
		t.Errorf("after it was admitted: %v", err)
	}
}
