package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// plain logs in without a default schema, with EOF packets.
func (p *replicated) plain(t *testing.T) *raw {
	t.Helper()
	c := dialRaw(t, p.Addr())
	if err := c.login("app", appPassword, rawCaps&^wire.DeprecateEOF); err != nil {
		t.Fatal(err)
	}
	return c
}

// A transaction that is empty goes elsewhere, and no other.
func TestRealATransactionGoesWhereItsFirstStatementIs(t *testing.T) {
	dividedOnBoth(t, Config{}, []dividedTest{{"others stay", othersStay}, {"those that only read go", readersGo}, {"empty ones go", emptyOnesGo}})
}

// A transaction that was begun where the default schema's unit is goes to the owner of the unit
// that its first statement is about, and is one there: all of it, or nothing.
func emptyOnesGo(t *testing.T, p *replicated, _ *raw) {
	rows := func() string { return p.query(t, "SELECT CONCAT(COUNT(*)) FROM shop.t") }
	for _, tt := range []struct {
		name    string
		before  []string // up to the first statement of the unit shop
		ends    string
		written string // then
	}{
		{"committed", []string{"BEGIN"}, "COMMIT", "1"},
		{"undone", []string{"START TRANSACTION"}, "ROLLBACK", "1"},
		{"what leaves it empty", []string{"BEGIN", "SELECT 1", "SET time_zone='+03:00'", "SELECT @@time_zone", "SELECT CONNECTION_ID()"}, "COMMIT", "2"},
		{"without autocommit", []string{"SET autocommit=0", "BEGIN"}, "ROLLBACK", "2"},
		{"without autocommit, committed", []string{"SET autocommit=0", "START TRANSACTION READ WRITE"}, "COMMIT", "3"},
		{"a chain", []string{"SET completion_type=1", "BEGIN"}, "ROLLBACK", "3"},
		{"another schema", []string{"USE side", "BEGIN"}, "COMMIT", "4"},
		{"a schema chosen within", []string{"BEGIN", "USE shop"}, "COMMIT", "5"},
	} {
		c := p.plain(t)
		for _, text := range tt.before {
			c.response(wire.ComQuery, text)
		}
		if !c.seen.status.Has(wire.StatusInTransaction) {
			t.Errorf("%s: status %x behind the beginning", tt.name, c.seen.status)
		}
		before := rows()
		c.runs(t, "INSERT INTO shop.t VALUES (1)")
		if got := rows(); got != before {
			t.Errorf("%s: %s rows are seen before the end", tt.name, got)
		}
		c.response(wire.ComQuery, "UPDATE shop.t SET id = id + 1")
		if !c.seen.status.Has(wire.StatusInTransaction) {
			t.Errorf("%s: status %x within", tt.name, c.seen.status)
		}
		if told := c.refused(t, "INSERT INTO side.t VALUES (1)"); !strings.Contains(told, "the open transaction would with this statement touch") {
			t.Errorf("%s: of the rest it was told %q", tt.name, told)
		}
		if pins := p.Pins(); len(pins) != 1 || pins[0].Member != "m1" {
			t.Errorf("%s: pins %v", tt.name, pins)
		}
		c.response(wire.ComQuery, tt.ends)
		if got := c.seen.status.Has(wire.StatusInTransaction); got != (tt.name == "a chain") {
			t.Errorf("%s: status %x at the end", tt.name, c.seen.status)
		}
		if got := rows(); got != tt.written {
			t.Errorf("%s: %s rows, want %s", tt.name, got, tt.written)
		}
		_ = c.conn.Close()
		waitFor(t, "it has gone", func() bool { return len(p.Pins()) == 0 })
	}
}

// What would lose something of its transaction, or of its session, does not go along: it is
// refused as before, with the way out, and the transaction goes on.
func othersStay(t *testing.T, p *replicated, _ *raw) {
	for _, before := range [][]string{
		{"START TRANSACTION WITH CONSISTENT SNAPSHOT"},
		{"START TRANSACTION READ WRITE, WITH CONSISTENT SNAPSHOT"},
		{"BEGIN", "SAVEPOINT a"},
		{"BEGIN", "INSERT INTO side.t VALUES (5)"},
		{"BEGIN", "SELECT * FROM side.t"},
		{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN"},
		{"SELECT GET_LOCK('a', 0)", "BEGIN"},
	} {
		c := p.plain(t)
		for _, text := range before {
			if got := c.told(text); got[4] == 0xFF {
				t.Errorf("%s: %q", text, got)
			}
		}
		if told := c.refused(t, "INSERT INTO shop.t VALUES (9)"); !strings.Contains(told, "touch units with different owners") || !strings.Contains(told, "begin it with the unit's schema as the default one (USE)") {
			t.Errorf("%q: told %q", before, told)
		}
		c.response(wire.ComQuery, "DO 1")
		if !c.seen.status.Has(wire.StatusInTransaction) {
			t.Errorf("%q: it does not go on: %x", before, c.seen.status)
		}
		c.runs(t, "ROLLBACK")
		_ = c.conn.Close()
	}
	if n := p.query(t, "SELECT COUNT(*) FROM shop.t"); n != "0" {
		t.Errorf("%s rows", n)
	}
}

// A session that only reads by default does so in a transaction that has gone elsewhere.
func readersGo(t *testing.T, p *replicated, _ *raw) {
	c := p.plain(t)
	c.runs(t, "SET SESSION TRANSACTION READ ONLY", "BEGIN")
	if got := c.told("SELECT COUNT(*) FROM shop.t FOR UPDATE"); got[4] == 0xFF && !strings.Contains(got, "READ ONLY") {
		t.Errorf("read: %q", got)
	}
	if told := c.refused(t, "INSERT INTO shop.t VALUES (1)"); !strings.Contains(told, "READ ONLY transaction") {
		t.Errorf("written: %q", told)
	}
	c.runs(t, "COMMIT")
}

// A transaction that can not be begun where it belongs is one that the client has to begin anew: it
// is not left to believe that it has one.
func TestATransactionThatFindsNoOwnerIsUndone(t *testing.T) {
	f := startTwoOwners(t, Config{QueueTimeout: 200 * time.Millisecond})
	c := f.client(t)
	c.runs(t, "BEGIN")
	f.change(t, "shop", func(u *balancer.Unit) { u.Owner = "" })
	if told := c.refused(t, "INSERT INTO shop.card VALUES (1)"); !strings.HasPrefix(told, "1290") {
		t.Errorf("told %q", told)
	}
	f.change(t, "shop", func(u *balancer.Unit) { u.Owner = "m2" })
	c.runs(t, "INSERT INTO shop.card VALUES (2) /* inside */", "COMMIT") // it stayed open, and goes there now
	f.m2.listener.Close()
	f.m2.cut()
	d := f.client(t)
	d.runs(t, "BEGIN", "SELECT 1 /* inside */")
	if told := d.refused(t, "INSERT INTO shop.card VALUES (1)"); !strings.HasPrefix(told, "1213 (40001)") || !strings.Contains(told, "try restarting transaction") {
		t.Errorf("without a way there: told %q", told)
	}
	d.runs(t, "BEGIN", "INSERT INTO stock.item VALUES (2)", "COMMIT")
}

// A link that is lost between the two is a transaction that is lost: the client is told to begin anew,
// and nothing of it was done.
func TestLinkLostWhileATransactionGoesElsewhere(t *testing.T) {
	for _, at := range []string{"ROLLBACK AND NO CHAIN NO RELEASE", "START TRANSACTION READ WRITE"} {
		t.Run(at, func(t *testing.T) {
			f := twoOwnersOf(t, Config{}, func(gtid string) func(*fakeConn, []byte) {
				answer := unitMember(gtid)
				return func(c *fakeConn, command []byte) {
					if string(command[1:]) == at {
						_ = c.Close()
						return
					}
					answer(c, command)
				}
			})
			c := f.client(t)
			c.runs(t, "BEGIN")
			if told := c.refused(t, "INSERT INTO shop.card VALUES (1)"); !strings.HasPrefix(told, "1213 (40001)") {
				t.Errorf("%s: told %q", at, told)
			}
			if got := texts(f.m2); len(got) > 0 {
				t.Errorf("%s: m2 was asked %q", at, got)
			}
			c.runs(t, "INSERT INTO stock.item VALUES (2)", "INSERT INTO shop.card VALUES (3)")
		})
	}
}

// Its place is at the member that it has gone to.
func TestPlaceOfATransactionThatHasGoneElsewhere(t *testing.T) {
	f := startTwoOwners(t, Config{})
	c := f.client(t)
	c.runs(t, "BEGIN", "INSERT INTO shop.card VALUES (1) /* inside */")
	taken := map[topology.MemberID]int{}
	for _, g := range f.Gates() {
		for _, n := range g.Taken {
			taken[g.Member] += n
		}
	}
	if taken["m1"] != 0 || taken["m2"] != 1 {
		t.Errorf("places %v", taken)
	}
}
