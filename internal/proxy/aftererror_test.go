package proxy

import (
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// An error says nothing of the transaction. What is open after it is known all the same: its
// session keeps its connection, and its place, for as long as there is one and no longer.
func TestRealTransactionsAreKnownBehindAnError(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT); INSERT INTO shop.t VALUES (1, 1), (2, 2)")
		f.exec(t, "CREATE PROCEDURE shop.begins() BEGIN START TRANSACTION; UPDATE shop.t SET v = 9; SIGNAL SQLSTATE '45000'; END")
		f.exec(t, "CREATE PROCEDURE shop.ends() BEGIN COMMIT; SIGNAL SQLSTATE '45000'; END")
		db := f.through(t, person{user: "app", password: appPassword, schema: "shop"})
		for _, tt := range []struct {
			name       string
			statements []string // the last one fails
			open       bool     // a transaction, then
		}{
			{"a duplicate, without autocommit", []string{"SET autocommit=0", "INSERT INTO t VALUES (1, 1)"}, true},
			{"a read that ends in an error, without autocommit", []string{"SET autocommit=0", "SELECT (SELECT v FROM t) FROM t"}, true},
			{"no statement, without autocommit", []string{"SET autocommit=0", "SELECT FROM"}, false},
			{"a duplicate within one", []string{"BEGIN", "INSERT INTO t VALUES (3, 1)", "INSERT INTO t VALUES (1, 1)"}, true},
			{"a duplicate", []string{"INSERT INTO t VALUES (1, 1)"}, false},
			{"an implicit commit in front of the error", []string{"BEGIN", "UPDATE t SET v = v", "CREATE TABLE t (a INT)"}, false},
			{"a procedure that begins one", []string{"CALL begins()"}, true},
			{"a procedure that ends it", []string{"BEGIN", "UPDATE t SET v = v", "CALL ends()"}, false},
			{"a prepared duplicate, without autocommit", []string{"SET autocommit=0", "INSERT INTO t VALUES (?, 1)"}, true},
		} {
			c := open(t, db, 1)
			for i, text := range tt.statements {
				st := act{text: text}
				if strings.Contains(text, "?") {
					st.args, st.reused = []any{1}, true
				}
				if got := c.does(t, st); strings.HasPrefix(got, "[") == (i == len(tt.statements)-1) && !strings.Contains(got, "1242") {
					t.Errorf("%s: %s: %s", tt.name, text, got)
				}
			}
			isOpen := func() (is bool) {
				for _, p := range f.Pins() {
					is = is || p.Effects.Has(balancer.EffectTransaction)
				}
				return is
			}
			waitFor(t, tt.name+": whether a transaction is open is known", func() bool { return isOpen() == tt.open })
			if taken := placesOf(f); (taken > 0) != tt.open {
				t.Errorf("%s: %d places are taken", tt.name, taken)
			}
			c.does(t, act{text: "ROLLBACK"})
			c.does(t, act{text: "SET autocommit=1"})
			waitFor(t, tt.name+": none is open", func() bool { return !isOpen() })
			if got := c.does(t, act{text: "SELECT GROUP_CONCAT(id, '=', v ORDER BY id) FROM t"}); !strings.Contains(got, "{1=1,2=2 true}") {
				t.Errorf("%s: rows %s", tt.name, got)
			}
			_ = c.conn.Close()
		}
	})
}

// placesOf returns how many are taken.
func placesOf(f *fronted) (n int) {
	for _, of := range f.Gates()[0].Taken {
		n += of
	}
	return n
}

// Who is the victim of a deadlock has no transaction any more, and holds up nobody at the gate.
func TestRealADeadlockGivesThePlaceBack(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT); INSERT INTO shop.t VALUES (1, 1), (2, 2)")
		db := f.through(t, person{user: "app", password: appPassword, schema: "shop"})
		one, two := open(t, db, 1), open(t, db, 2)
		defer one.conn.Close()
		defer two.conn.Close()
		for _, c := range []*actor{one, two} {
			c.does(t, act{text: "BEGIN"})
			c.does(t, act{text: "UPDATE t SET v = v + 1 WHERE id = " + itoa(c.number)})
		}
		got := make(chan string, 1)
		go func() { got <- one.does(t, act{text: "UPDATE t SET v = v + 1 WHERE id = 2"}) }()
		waitFor(t, "one waits for two", func() bool {
			return f.query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'UPDATE t SET%'") == "1"
		})
		answers := two.does(t, act{text: "UPDATE t SET v = v + 1 WHERE id = 1"}) + <-got
		if !strings.Contains(answers, "1213") {
			t.Fatalf("no deadlock: %s", answers)
		}
		waitFor(t, "one transaction is open, and one place taken", func() bool { return len(f.Pins()) == 1 && placesOf(f) == 1 })
	})
}

// What a statement has written whose answer does not tell so is seen by the account's reads
// elsewhere: a function's, a procedure's that failed, an implicit commit's. The client gets EOF
// packets, which have no place for it.
func TestRealReadsElsewhereSeeWhatWasWrittenUnsaid(t *testing.T) {
	replicatedOnBoth(t, Config{}, func(t *testing.T, p *replicated) {
		p.m2.exec(t, "SET GLOBAL log_bin_trust_function_creators=1")
		p.exec(t, "SET GLOBAL log_bin_trust_function_creators=1; CREATE TABLE shop.t (id INT PRIMARY KEY); CREATE TABLE shop.other (id INT)")
		p.exec(t, "CREATE PROCEDURE shop.p(a INT) BEGIN START TRANSACTION; INSERT INTO shop.t VALUES (a); COMMIT; SIGNAL SQLSTATE '45000'; END")
		p.exec(t, "CREATE FUNCTION shop.f(a INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO shop.t VALUES (a); RETURN a; END")
		stop, start := "STOP SLAVE SQL_THREAD", "START SLAVE SQL_THREAD"
		if p.mysql != nil {
			stop, start = "STOP REPLICA SQL_THREAD", "START REPLICA SQL_THREAD"
		}
		one, two := dialRaw(t, p.Addr()), dialRaw(t, p.Addr())
		for _, c := range []*raw{one, two} {
			if err := c.login("app", appPassword, rawCaps&^wire.DeprecateEOF); err != nil {
				t.Fatal(err)
			}
			c.response(wire.ComInitDB, "shop")
		}
		for i, writes := range [][]string{
			{"CALL p(7)"},
			{"SELECT f(7)"},
			{"BEGIN", "INSERT INTO t VALUES (7)", "CREATE TABLE other (a INT)"},
			{"INSERT INTO t VALUES (7) RETURNING id"},
		} {
			if i == 3 && p.mysql != nil {
				break
			}
			p.exec(t, "DELETE FROM shop.t")
			p.catchesUp(t)
			two.runs(t, "INSERT INTO other VALUES (1)") // names something, behind which the rest was
			p.catchesUp(t)
			p.m2.exec(t, stop)
			for _, text := range writes {
				one.response(wire.ComQuery, text)
			}
			want, spread := p.query(t, "SELECT id FROM shop.t"), p.Stats().Spread
			if got := string(two.response(wire.ComQuery, "SELECT id FROM t")); want == "" || !strings.Contains(got, "\x01"+want) {
				t.Errorf("%q: another session of the account reads %q (%d at the other member), not %q", writes, got, p.Stats().Spread-spread, want)
			}
			p.m2.exec(t, start)
		}
	})
}
