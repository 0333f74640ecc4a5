package proxy

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/lagguard"
)

// ringPicture says of each member which GTID domain is its own.
type ringPicture struct{ members []balancer.Member }

func (p *ringPicture) Reads() *balancer.Reads {
	now := time.Now()
	r := &balancer.Reads{At: now}
	for i, m := range p.members {
		r.Members = append(r.Members, balancer.Readable{Member: m, Level: lagguard.LevelFresh, At: now, Weight: 1, Domain: uint32(i + 1)})
	}
	return r
}

// startAwaited is startTwoOwners with members of domains 1 and 2 that say, once reaches is
// set, that they have what they are to wait for.
func startAwaited(t *testing.T, reaches *atomic.Bool) *twoOwners {
	t.Helper()
	p := new(ringPicture)
	awaited := func(gtid string) func(*fakeConn, []byte) {
		answer := unitMember(gtid)
		return func(c *fakeConn, command []byte) {
			switch {
			case !strings.Contains(string(command[1:]), "MASTER_GTID_WAIT"):
				answer(c, command)
			case reaches.Load():
				c.rows(1, row("0"))
			default:
				c.rows(1, row("-1"))
			}
		}
	}
	f := twoOwnersOf(t, Config{Picture: p, QueueTimeout: 300 * time.Millisecond, WatchInterval: time.Hour}, awaited)
	p.members = []balancer.Member{f.fake.member("m1"), f.m2.member("m2")}
	return f
}

// A session's write at another owner waits for what it wrote before.
func TestWritesAreSeenInOrder(t *testing.T) {
	var reaches atomic.Bool
	f := startAwaited(t, &reaches)
	c := f.client(t)
	c.runs(t, "INSERT INTO shop.card VALUES (1)", "INSERT INTO shop.card VALUES (2)")
	if told := c.refused(t, "INSERT INTO stock.item VALUES (3)"); !strings.Contains(told, "member m1 does not have yet what was written before elsewhere (2-2-7") {
		t.Errorf("told %q", told)
	}
	if told := c.result(t, "EXPLAIN ROUTE INSERT INTO stock.item VALUES (3)"); !strings.Contains(told, "it waits there for what this session has written at m2: 2-2-7") {
		t.Errorf("explained: %q", told)
	}
	if told := c.result(t, "EXPLAIN ROUTE INSERT INTO shop.card VALUES (3)"); strings.Contains(told, "it waits there") {
		t.Errorf("where it wrote last: %q", told)
	}
	if got := texts(f.fake); slices.Contains(got, "INSERT INTO stock.item VALUES (3)") {
		t.Error("the write was run before its time")
	}
	c.runs(t, "INSERT INTO shop.card VALUES (4)") // where it wrote last nothing is waited for
	reaches.Store(true)
	c.runs(t, "INSERT INTO stock.item VALUES (5)")
	other := f.client(t) // has written nothing
	reaches.Store(false)
	other.runs(t, "INSERT INTO stock.item VALUES (6)")
}

// A read of several owners' units goes to a member that has what was written in all.
func TestReadsOverSeveralOwners(t *testing.T) {
	var reaches atomic.Bool
	f := startAwaited(t, &reaches)
	c := f.client(t)
	const read = "SELECT * FROM shop.card, stock.item"
	c.runs(t, read) // nothing was written
	c.runs(t, "INSERT INTO shop.card VALUES (1)")
	f.client(t).runs(t, "INSERT INTO stock.item VALUES (1)") // of the same account
	if told := c.refused(t, read); !strings.Contains(told, "does not have yet") {
		t.Errorf("told %q", told)
	}
	reaches.Store(true)
	c.runs(t, read)
	if n := len(texts(f.fake)) + len(texts(f.m2)); n < 3 {
		t.Errorf("%d statements were run", n)
	}
}

// EXPLAIN ROUTE names the units and their owners, and changes nothing.
func TestExplainRouteNamesUnits(t *testing.T) {
	f := startTwoOwners(t, Config{})
	c := f.client(t)
	c.runs(t, "BEGIN", "INSERT INTO stock.item VALUES (1) /* inside */")
	for text, want := range map[string]string{
		"INSERT INTO spare.t VALUES (1)":   "spare, epoch 3, of m1",
		"INSERT INTO shop.card VALUES (1)": "the open transaction",
	} {
		if rows := c.result(t, "EXPLAIN ROUTE "+text); !strings.Contains(rows, want) {
			t.Errorf("%s: %q", text, rows)
		}
	}
	if f.atWork("spare") || f.atWork("shop") || !f.atWork("stock") {
		t.Error("the transaction has other units now")
	}
	c.runs(t, "COMMIT")
}

// result returns the packets of a result, as they are.
func (c *raw) result(t *testing.T, text string) string {
	t.Helper()
	payload, err := c.do(wire.ComQuery, text)
	var all []byte
	for err == nil && payload[0] != 0xFE && payload[0] != 0xFF {
		all = append(all, payload...)
		payload, err = c.own.Read()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// nothingSeen is a picture of members before any was looked at.
type nothingSeen struct{}

func (nothingSeen) Reads() *balancer.Reads { return nil }

// Before the members were looked at nothing is waited for, and EXPLAIN ROUTE says as much.
func TestExplainRouteBeforeMembersWereSeen(t *testing.T) {
	f := twoOwnersOf(t, Config{Picture: nothingSeen{}, WatchInterval: time.Hour}, unitMember)
	c := f.client(t)
	c.runs(t, "INSERT INTO shop.card VALUES (1)")
	if told := c.result(t, "EXPLAIN ROUTE INSERT INTO stock.item VALUES (3)"); strings.Contains(told, "it waits there") || !strings.Contains(told, "m1") {
		t.Errorf("explained: %q", told)
	}
	c.runs(t, "INSERT INTO stock.item VALUES (3)")
}
