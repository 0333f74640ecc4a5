package proxy

import (
	"database/sql"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

func forBothFlavours(t *testing.T, f func(t *testing.T, in *fronted)) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) { f(t, inFrontOf(t, flavour, Config{})) })
	}
}

// loseLinks has the member end all connections of app, but those spared, and waits for them to be gone.
func (f *fronted) loseLinks(t *testing.T, spared ...uint32) {
	t.Helper()
	mine := "FROM information_schema.processlist WHERE user='app'"
	for _, thread := range spared {
		mine += " AND id <> " + itoa(int(thread))
	}
	for _, id := range strings.Split(f.query(t, "SELECT IFNULL(GROUP_CONCAT(id), '') "+mine), ",") {
		if id != "" {
			f.exec(t, "KILL "+id)
		}
	}
	for range 200 {
		if f.query(t, "SELECT COUNT(*) "+mine) == "0" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the member's connections do not end")
}

// What a client is told of its session is its own: it reads the variables as its
// server would have them, sets them, and finds them on another link.
func TestRealTrackingIsTheClientsOwn(t *testing.T) {
	forBothFlavours(t, func(t *testing.T, f *fronted) {
		const names = "@@session_track_system_variables, @@session_track_schema+0, @@session_track_state_change+0"
		own := strings.Fields(f.query(t, "SELECT CONCAT_WS(' ', "+names+")"))
		conn, err := f.through(t, person{user: "app", password: appPassword}).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check := func(when string, want ...string) {
			t.Helper()
			for _, where := range []string{"", " FROM (SELECT 1) AS one WHERE 1 = ?"} {
				var args []any
				if where != "" {
					args = append(args, 1) // prepared
				}
				got := make([]string, 3)
				if err := conn.QueryRowContext(t.Context(), "SELECT "+names+where, args...).Scan(&got[0], &got[1], &got[2]); err != nil {
					t.Fatalf("%s: %v", when, err)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", when, got, want)
				}
			}
			var name, value string
			if err := conn.QueryRowContext(t.Context(), "SHOW VARIABLES LIKE 'session_track_system%'").Scan(&name, &value); err != nil || value != want[0] {
				t.Errorf("%s: SHOW VARIABLES says %q, %v", when, value, err)
			}
		}
		set := func(text string) {
			t.Helper()
			if _, err := conn.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		check("at first", own...)
		set("SET session_track_state_change=1, session_track_schema=OFF")
		check("after SET", own[0], "0", "1")
		set("SET session_track_system_variables='sql_mode'")
		check("after another SET", "sql_mode", "0", "1")
		set("SET sql_mode='ANSI_QUOTES'")
		check("after a third", "sql_mode", "0", "1")
		f.loseLinks(t)
		check("on another link", "sql_mode", "0", "1")
		var mode string
		if err := conn.QueryRowContext(t.Context(), "SELECT @@sql_mode").Scan(&mode); err != nil || mode != "ANSI_QUOTES" {
			t.Errorf("sql_mode, which the client is told of, is %q on another link, %v", mode, err)
		}
		set("SET session_track_transaction_info='STATE'")
		f.loseLinks(t)
		var info string
		if err := conn.QueryRowContext(t.Context(), "SELECT @@session_track_transaction_info").Scan(&info); err != nil || info != "STATE" {
			t.Errorf("session_track_transaction_info is %q on another link, %v", info, err)
		}
		set("SET @was=@@session_track_schema")
		f.loseLinks(t)
		var was sql.NullString
		if err := conn.QueryRowContext(t.Context(), "SELECT @was").Scan(&was); err == nil && was.String != "0" {
			t.Errorf("a user variable is %q on another link", was.String)
		}
	})
}

// What a client has asked to be told of its transactions goes along to another link, and
// nobody else is told of his own because of that.
func TestRealTransactionTrackingIsOnesOwn(t *testing.T) {
	onBothAs(t, Config{MemberLinks: 1}, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (v INT)")
		counted := regexp.MustCompile(`(statement_id.)\d\d`)
		var direct []uint32
		of := func(addr string) (says func(text string) string) {
			c, thread := f.raw(t, addr, rawCaps|wire.SessionTrack)
			if addr == f.addr {
				direct = append(direct, thread)
			}
			return func(text string) string {
				t.Helper()
				return counted.ReplaceAllString(alike(wire.ComQuery, c.response(wire.ComQuery, text)), "$1")
			}
		}
		type speaker = func(string) string
		asks, never := [2]speaker{of(f.addr), of(f.Addr())}, [2]speaker{of(f.addr), of(f.Addr())}
		same := func(when string, s [2]speaker, texts ...string) {
			t.Helper()
			for _, text := range texts {
				if want, got := s[0](text), s[1](text); got != want {
					t.Errorf("%s: %s:\n got %q\nwant %q", when, text, got, want)
				}
			}
		}
		transaction := []string{"SELECT @@session_track_transaction_info = 'OFF'", "BEGIN", "INSERT INTO shop.t VALUES (1)", "ROLLBACK"}
		for _, value := range []string{"STATE", "CHARACTERISTICS"} {
			for _, says := range asks { // MySQL's own report of this is of a form that differs, and empty
				says("SET session_track_transaction_info='" + value + "'")
			}
			same("who asks", asks, transaction...)
			same("who does not, on the same link", never, transaction...)
			same("who asks, on a link that another one had", asks, transaction...)
			f.loseLinks(t, direct...)
			same("who asks, on a fresh link", asks, transaction...)
			same("who does not, then", never, transaction...)
		}
		same("who asks no more", asks, "SET session_track_transaction_info=OFF")
		same("who asks no more", asks, transaction...)
	})
}

// A client that asks for it is told what its server would tell it, of the very
// statement too by which it asks.
func TestRealTrackingIsReportedAsAsked(t *testing.T) {
	forBothFlavours(t, func(t *testing.T, f *fronted) {
		if err := f.through(t, person{user: "app", password: appPassword}).PingContext(t.Context()); err != nil { // who has to know the password knows it
			t.Fatal(err)
		}
		counted := regexp.MustCompile(`(statement_id.)\d\d`) // MySQL counts all statements, of the proxy too
		var heard [2][]string
		for i, addr := range []string{f.addr, f.Addr()} {
			c, _ := f.raw(t, addr, rawCaps|wire.SessionTrack)
			for _, text := range []string{
				"SET session_track_system_variables='sql_mode'", "SET sql_mode='ANSI_QUOTES'", "SET NAMES latin1",
				"SET session_track_system_variables='*'", "SET session_track_state_change=1", "SET @a=@@session_track_schema",
				"SELECT @@session_track_schema", "USE shop", "SET session_track_schema=0", "USE shop", "SET session_track_system_variables=''", "SET NAMES utf8mb4",
			} {
				answer := alike(wire.ComQuery, c.response(wire.ComQuery, text))
				heard[i] = append(heard[i], text+": "+counted.ReplaceAllString(answer, "$1"))
			}
		}
		if !slices.Equal(heard[0], heard[1]) {
			t.Errorf("the member says\n%q\nthe proxy\n%q", heard[0], heard[1])
		}
	})
}

// COMMIT RELEASE, and COMMIT where completion_type says so, end the client's
// connection, as they end a server's.
func TestRealCommitReleaseEndsTheConnection(t *testing.T) {
	forBothFlavours(t, func(t *testing.T, f *fronted) {
		for _, c := range []struct {
			name string
			set  string
			end  string
			ends bool
		}{
			{"commit", "DO 1", "COMMIT", false},
			{"release", "DO 1", "COMMIT RELEASE", true},
			{"rollback release", "DO 1", "ROLLBACK WORK RELEASE", true},
			{"completion type", "SET completion_type=2", "ROLLBACK", true},
			{"completion type by name", "SET completion_type='RELEASE'", "COMMIT", true},
			{"completion type, but", "SET completion_type=2", "COMMIT NO RELEASE", false},
			{"a savepoint", "SET completion_type=2", "SAVEPOINT a", false},
		} {
			t.Run(c.name, func(t *testing.T) {
				conn, err := f.through(t, person{user: "app", password: appPassword}).Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close() //nolint:errcheck // may be closed already
				for _, statement := range []string{c.set, "BEGIN", c.end} {
					if _, err := conn.ExecContext(t.Context(), statement); err != nil {
						t.Fatalf("%s: %v", statement, err)
					}
				}
				time.Sleep(20 * time.Millisecond) // the driver looks before it writes
				_, err = conn.ExecContext(t.Context(), "DO 2")
				if c.ends != (err != nil) {
					t.Errorf("afterwards: %v", err)
				}
				var told *mysql.MySQLError
				if errors.As(err, &told) {
					t.Errorf("the client was told %v", told)
				}
			})
		}
	})
}
