package proxy

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/pkg/balancer"
)

// inserter is a client whose LAST_INSERT_ID() the OK packet of its last INSERT does not tell.
type inserter struct {
	*sql.Conn
	made string // what it has to be
}

// startInserters returns a ring of one member with two accounts.
func startInserters(t *testing.T, cfg Config) *real {
	t.Helper()
	r := startReal(t, cfg)
	r.server.Exec(t, "CREATE TABLE shop.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, v BIGINT); CREATE USER other@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO other@'%'")
	r.world.setAccounts(native("app", "%", appPassword), native("other", "%", appPassword))
	return r
}

func (r *real) as(t *testing.T, user string) *sql.Conn {
	t.Helper()
	c, err := r.db(t, func(cfg *mysql.Config) { cfg.User = user }).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// inserts makes a value, and then inserts one of its own.
func (r *real) inserts(t *testing.T, own int) *inserter {
	t.Helper()
	i := &inserter{Conn: r.as(t, "app")}
	made, _ := run(t, i, "INSERT INTO shop.t (v) VALUES (1)").LastInsertId()
	i.made = fmt.Sprint(made)
	if told, _ := run(t, i, "INSERT INTO shop.t (id, v) VALUES (?, 1)", own).LastInsertId(); told != int64(own) {
		t.Fatalf("the OK packet tells %d: this tests nothing", told)
	}
	return i
}

func (i *inserter) check(t *testing.T, when string) {
	t.Helper()
	if got := query[string](t, i, "SELECT LAST_INSERT_ID()"); got != i.made {
		t.Errorf("%s: LAST_INSERT_ID() gives %s, want %s", when, got, i.made)
	}
}

// Whatever is done to a link on purpose, LAST_INSERT_ID() stays exact.
func TestRealInsertIDIsExact(t *testing.T) {
	t.Run("evicted", func(t *testing.T) {
		r := startInserters(t, Config{MemberLinks: 1})
		for n := range 3 {
			i := r.inserts(t, 1000*(n+1))
			opened := r.Stats().LinksTotal
			run(t, r.as(t, "other"), "DO 1")
			if r.Stats().LinksTotal == opened {
				t.Error("nothing was evicted: this tests nothing")
			}
			i.check(t, "evicted")
		}
	})
	t.Run("given to a waiter of another account", func(t *testing.T) {
		r := startInserters(t, Config{MemberLinks: 1})
		other := r.as(t, "other")
		i := r.inserts(t, 1000)
		run(t, i, "BEGIN")
		done := make(chan error, 1)
		go func() {
			_, err := other.ExecContext(context.Background(), "DO 1")
			done <- err
		}()
		waitFor(t, "the other one to wait", func() bool { return r.Pools()[0].Waiting+r.waitingAt("m1") == 1 })
		run(t, i, "COMMIT")
		if err := <-done; err != nil {
			t.Error(err)
		}
		i.check(t, "passed on")
	})
	t.Run("old", func(t *testing.T) {
		r := startInserters(t, Config{LinkLifetime: 30 * time.Millisecond})
		i := r.inserts(t, 1000)
		opened := r.Stats().LinksTotal
		for range 5 {
			time.Sleep(50 * time.Millisecond)
			run(t, i, "DO 1")
			i.check(t, "old")
			own := 2000 + int(r.Stats().LinksTotal)
			run(t, i, "INSERT INTO shop.t (id, v) VALUES (?, 1)", own)
		}
		if r.Stats().LinksTotal < opened+3 {
			t.Errorf("%d links: this tests nothing", r.Stats().LinksTotal)
		}
		i.check(t, "old")
	})
	t.Run("somebody tried to kill it", func(t *testing.T) {
		r := startInserters(t, Config{})
		r.server.Exec(t, "CREATE USER few@'%' IDENTIFIED BY '"+appPassword+"'")
		r.world.setAccounts(native("app", "%", appPassword), native("few", "%", appPassword))
		i := r.inserts(t, 1000)
		id := query[int](t, i, "SELECT CONNECTION_ID()")
		few, err := r.db(t, func(cfg *mysql.Config) { cfg.User, cfg.DBName = "few", "" }).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := few.ExecContext(t.Context(), fmt.Sprintf("KILL %d", id)); err == nil {
			t.Fatal("it was allowed to")
		}
		i.check(t, "not killed")
	})
	t.Run("other owners", func(t *testing.T) {
		r := startDivided(t, Config{})
		c := r.as(t, "app")
		i := &inserter{Conn: c}
		made, _ := run(t, c, "INSERT INTO north.t (a) VALUES (1)").LastInsertId()
		i.made = fmt.Sprint(made)
		run(t, c, "INSERT INTO north.t (id, a) VALUES (1000, 1)")
		run(t, c, "UPDATE south.t SET a = 1")
		run(t, c, "USE south")
		i.check(t, "at another owner")
		run(t, c, "INSERT INTO north.t (id, a) VALUES (2000, 1)")
		r.view.Units = []balancer.Unit{{ID: "*", Owner: "m2", Epoch: 5}, {ID: "north", Owner: "m2", Epoch: 5}, {ID: "south", Owner: "m2", Epoch: 4}}
		r.show(t)
		run(t, c, "UPDATE north.t SET a = 1")
		i.check(t, "after a move")
	})
}

// What was lost with a link is refused, until it is made anew; nothing else is.
func TestRealInsertIDLostWithItsLink(t *testing.T) {
	r := startInserters(t, Config{})
	i := r.inserts(t, 1000)
	lose := func() {
		links := r.Stats().LinksLost
		r.server.Exec(t, "BEGIN NOT ATOMIC FOR l IN (SELECT id FROM information_schema.processlist WHERE user = 'app') DO EXECUTE IMMEDIATE CONCAT('KILL ', l.id); END FOR; END")
		waitFor(t, "the loss", func() bool { return r.Stats().LinksLost > links })
	}
	refused := func(statement string, args ...any) {
		t.Helper()
		var got any
		err := i.QueryRowContext(t.Context(), statement, args...).Scan(&got)
		if err == nil || !strings.Contains(err.Error(), "LAST_INSERT_ID() of this session was lost") {
			t.Errorf("%s: %s, %v", statement, got, err)
		}
	}
	lose()
	refused("SELECT LAST_INSERT_ID()")
	refused("SELECT @@identity")
	refused("SELECT LAST_INSERT_ID() + ?", 1)
	if query[int](t, i, "SELECT COUNT(*) FROM shop.t") != 2 {
		t.Error("rows are gone")
	}
	run(t, i, "INSERT INTO shop.t (id, v) VALUES (2000, 1)")
	refused("SELECT LAST_INSERT_ID()")
	if _, err := i.ExecContext(t.Context(), "INSERT INTO shop.t (id, v) VALUES (3000, LAST_INSERT_ID())"); err == nil || r.server.Query(t, "SELECT COUNT(*) FROM shop.t WHERE id = 3000") != "0" {
		t.Errorf("a row with it: %v", err)
	}
	made, _ := run(t, i, "INSERT INTO shop.t (v) VALUES (1)").LastInsertId()
	i.made = fmt.Sprint(made)
	i.check(t, "made anew")
	lose()
	i.check(t, "known, since it was asked before the link was lost")

	run(t, i, "INSERT INTO shop.t (v) VALUES (1)")
	lose()
	refused("SELECT LAST_INSERT_ID()")
	run(t, i, "UPDATE shop.t SET v = LAST_INSERT_ID(4711) LIMIT 1")
	i.made = "4711"
	i.check(t, "said by the client")
	run(t, i, "INSERT INTO shop.t (v) VALUES (1)")
	lose()
	if _, err := i.ExecContext(t.Context(), "SET SESSION last_insert_id = 12"); err != nil {
		t.Error(err)
	}
	i.made = "12"
	i.check(t, "set by the client")
}
