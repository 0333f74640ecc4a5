package proxy

import (
	"testing"
	"time"
)

// With churn a session finds itself on another link at each statement, or on one that
// another session had meanwhile, though there are links for everybody: but on one that is
// kept for it.
func TestRealChurn(t *testing.T) {
	onBothAs(t, Config{Churn: true}, churns)
}

func churns(t *testing.T, f *fronted) {
	f.exec(t, "CREATE TABLE shop.t1 (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
	db := f.through(t, person{user: "app", password: appPassword, schema: "shop"})
	db.SetMaxIdleConns(0)
	one, two := open(t, db, 1), open(t, db, 2)
	defer one.conn.Close()
	defer two.conn.Close()
	where := act{text: "SELECT id FROM (SELECT CONNECTION_ID() AS id) AS own"}
	was := ""
	for range 5 {
		now := one.does(t, where)
		if now == was {
			t.Errorf("it is on link %s again", now)
		}
		was = now
	}
	shared, had := 0, map[string]bool{was: true}
	for range 5 {
		if had[two.does(t, where)] {
			shared++
		}
		had[one.does(t, where)] = true
	}
	if shared == 0 {
		t.Error("the second session was never where the first one had been")
	}
	for _, tt := range []struct{ first, then, want string }{
		{"SET time_zone='+03:00'", "SELECT @@time_zone", "[@@time_zone][{+03:00 true}]"},
		{"INSERT INTO shop.t1 (v) VALUES (1)", "SELECT LAST_INSERT_ID() > 0, ROW_COUNT()", "[LAST_INSERT_ID() > 0 ROW_COUNT()][{1 true} {1 true}]"},
		{"SELECT CAST('x' AS SIGNED)", "SELECT @@warning_count", "[@@warning_count][{1 true}]"}, // it is kept
		{"SET @a=5", "SELECT @a", "[@a][{5 true}]"},                                             // from here on
	} {
		one.does(t, act{text: tt.first})
		if got := one.does(t, act{text: tt.then}); got != tt.want {
			t.Errorf("%s, %s: %s, wanted %s", tt.first, tt.then, got, tt.want)
		}
	}
	if now := one.does(t, where); now != one.does(t, where) {
		t.Error("a session that has a user variable is moved")
	}
	if n := f.Stats().LinksTotal; n > 4 {
		t.Errorf("%d links were opened for two sessions", n)
	}
}

// Whatever sessions do, moved to another link at each statement that allows it: they see
// what each would on a connection of its own.
func TestRealChurnKeepsSessionsApart(t *testing.T) {
	keepApart(t, Config{Churn: true, QueueTimeout: 20 * time.Second}, 3, 2)
}
