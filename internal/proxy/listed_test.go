package proxy

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/wire"
)

// An application that looks itself, or others, up in the server's tables of
// connections finds them, by the ids that the proxy has told.
func TestRealTablesOfThreads(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		for _, caps := range []wire.Capability{rawCaps, rawCaps &^ wire.DeprecateEOF, rawCaps&^wire.Mysql | f.own()} {
			c, id := f.raw(t, f.Addr(), caps)
			other, otherID := f.raw(t, f.Addr(), caps)
			other.response(wire.ComPing, "")
			me, they := strconv.FormatUint(uint64(id), 10), strconv.FormatUint(uint64(otherID), 10)
			replace := strings.NewReplacer("ME", me, "THEY", they)
			for text, want := range map[string]string{
				"SELECT id FROM information_schema.processlist WHERE id=CONNECTION_ID()":                                                      "[[ME]]",
				"SELECT 'x', NULL, p.info, p.ID AS i FROM information_schema.processlist p WHERE ID = THEY":                                   "[[x NULL NULL THEY]]",
				"SELECT CONNECTION_ID(), id FROM information_schema.processlist WHERE id = 'ME'":                                              "[[ME ME]]",
				"SELECT CONNECTION_ID() AS me, id FROM information_schema.processlist WHERE id = CONNECTION_ID()":                             "[[ME ME]]",
				"SELECT COUNT(*) FROM information_schema.processlist WHERE id IN (ME, THEY)":                                                  "[[2]]",
				"SELECT a.id, b.id FROM information_schema.processlist a JOIN information_schema.processlist b WHERE a.id=ME AND b.id = THEY": "[[ME THEY]]",
				"SELECT id, REPEAT('long', 20000) <> '' FROM information_schema.processlist WHERE id=THEY":                                    "[[THEY 1]]",
				"SELECT 5 FROM information_schema.processlist WHERE id=ME":                                                                    "[[5]]",
			} {
				if got := fmt.Sprint(c.text(replace.Replace(text))); got != replace.Replace(want) {
					t.Errorf("%s: %s, want %s", replace.Replace(text), got, replace.Replace(want))
				}
			}
			c.response(wire.ComInitDB, "information_schema")
			if got := fmt.Sprint(c.text("SELECT id FROM processlist WHERE id=" + me)); got != "[["+me+"]]" {
				t.Errorf("in the schema: %s", got)
			}
			if f.mysql != nil {
				if got := fmt.Sprint(c.text("SELECT thread_id > 0, processlist_id FROM performance_schema.threads WHERE processlist_id=" + me)); got != "[[1 "+me+"]]" {
					t.Errorf("threads: %s", got)
				}
				if got := fmt.Sprint(c.text("SELECT id FROM performance_schema.processlist WHERE id=" + me)); got != "[["+me+"]]" {
					t.Errorf("performance_schema.processlist: %s", got)
				}
			}
		}
		conn, err := f.app(t, nil).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		id := query[uint64](t, conn, "SELECT CONNECTION_ID()")
		for _, text := range []string{
			"SELECT id FROM information_schema.processlist WHERE id=?",
			"SELECT id FROM information_schema.processlist WHERE 'x'<>? AND id=?",
			"SELECT id FROM information_schema.processlist WHERE id=" + strconv.FormatUint(id, 10) + " AND ?",
		} {
			args := []any{id, id}[:strings.Count(text, "?")]
			stmt, err := conn.PrepareContext(t.Context(), text)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				var got uint64
				if err := stmt.QueryRowContext(t.Context(), args...).Scan(&got); err != nil || got != id {
					t.Errorf("prepared, %s: %d, %v; greeted as %d", text, got, err, id)
				}
			}
			_ = stmt.Close()
		}
	})
}

// Several statements in one have several results.
func TestRealTablesOfThreadsInABatch(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		db := f.app(t, func(c *mysql.Config) { c.MultiStatements = true })
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		id := query[uint64](t, conn, "SELECT CONNECTION_ID()")
		rows, err := conn.QueryContext(t.Context(), "SET @a=1; SELECT 3; SELECT id FROM information_schema.processlist WHERE id=CONNECTION_ID()")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got []uint64
		for more := true; more; more = rows.NextResultSet() {
			for rows.Next() {
				var v uint64
				if err := rows.Scan(&v); err != nil {
					t.Fatal(err)
				}
				got = append(got, v)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint([]uint64{3, id}) {
			t.Errorf("got %v; greeted as %d", got, id)
		}
	})
}

// A KILL that is refused is refused for the id that was asked for.
func TestRealKillIsRefusedByTheIDThatWasAskedFor(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE USER eve@'%' IDENTIFIED BY 'eve''s'")
		<-f.world.Refresh()
		c, id := f.raw(t, f.Addr(), rawCaps)
		c.response(wire.ComPing, "")
		eve := f.through(t, person{user: "eve", password: "eve's"})
		number := strconv.FormatUint(uint64(id), 10)
		for _, text := range []string{"KILL QUERY " + number, "KILL " + number} {
			_, err := eve.ExecContext(t.Context(), text)
			if e := (*mysql.MySQLError)(nil); !errors.As(err, &e) || e.Number != 1095 || !strings.HasSuffix(e.Message, " "+number) {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
}

// Who is killed while his statement runs gets what the server gives: nothing more.
func TestRealKilledClientGetsNoWord(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (v INT)")
		killer := f.app(t, nil)
		for i := range 20 {
			text := []string{"INSERT INTO shop.t SELECT SLEEP(30)", "DO SLEEP(30)", "SELECT SLEEP(30)"}[i%3]
			c, id := f.raw(t, f.Addr(), rawCaps)
			_ = c.own.Send(wire.Query(text))
			waitFor(t, "it runs", func() bool {
				return f.query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(30)' AND info NOT LIKE '%COUNT%'") == "1"
			})
			run(t, killer, "KILL "+strconv.FormatUint(uint64(id), 10))
			c.own.Restart(1, 1<<16)
			if payload, err := c.own.Read(); err == nil {
				t.Fatalf("%s, turn %d: %q", text, i, payload)
			}
		}
		if n := f.Stats().Unknown; n != 0 {
			t.Errorf("%d outcomes were told to be unknown", n)
		}
	})
}

// KILL of a user variable means what it has, be it the greeted id or the server's.
func TestRealKillOfAVariable(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		conn, err := f.app(t, nil).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for i, text := range []string{"KILL QUERY @id", "KILL QUERY @id", "KILL @`id`"} {
			victim, id := f.raw(t, f.Addr(), rawCaps)
			_ = victim.own.Send(wire.Query("SELECT SLEEP(30)"))
			waitFor(t, "it sleeps", func() bool {
				return f.query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info='SELECT SLEEP(30)'") == "1"
			})
			number := uint64(id)
			if i == 1 {
				number = uint64(f.session(id).at().thread)
			}
			run(t, conn, "SET @id="+strconv.FormatUint(number, 10))
			start := time.Now()
			run(t, conn, text)
			victim.own.Restart(1, 1<<16)
			_, err := victim.own.Read()
			if took := time.Since(start); took > 5*time.Second || (err == nil) != (i < 2) {
				t.Errorf("%s: after %v %v", text, took, err)
			}
		}
		for text, number := range map[string]uint16{"KILL QUERY @unset": 1235, "KILL @unset": 1094} {
			_, err := conn.ExecContext(t.Context(), text)
			if e := (*mysql.MySQLError)(nil); !errors.As(err, &e) || e.Number != number {
				t.Errorf("%s: %v", text, err)
			}
		}
		var n int
		if err := conn.QueryRowContext(t.Context(), "SELECT @id IS NOT NULL").Scan(&n); err != nil || n != 1 || errors.Is(err, sql.ErrNoRows) {
			t.Errorf("then %d, %v", n, err)
		}
	})
}
