package proxy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// dividedTest is a part of a test on divided members, with a client of its own.
type dividedTest struct {
	name string
	test func(t *testing.T, p *replicated, c *raw)
}

// dividedOnBoth runs tests with servers of each flavour: m1, whose binlog m2 follows, owns the unit
// shop, and m2 the rest, of which side is a part. The client gets EOF packets, which have no place for what a function has written.
func dividedOnBoth(t *testing.T, cfg Config, tests []dividedTest) {
	replicatedOnBoth(t, cfg, func(t *testing.T, p *replicated) {
		p.m2.exec(t, "SET GLOBAL log_bin_trust_function_creators=1")
		p.exec(t, "SET GLOBAL log_bin_trust_function_creators=1; CREATE DATABASE side; CREATE TABLE side.t (id INT); CREATE TABLE shop.t (id INT)")
		p.exec(t, "CREATE FUNCTION shop.f(a INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO shop.t VALUES (a); RETURN a; END")
		p.catchesUp(t)
		view := *p.world.View()
		view.Units = []balancer.Unit{{ID: "*", Owner: "m2", Epoch: 2}, {ID: "shop", Owner: "m1", Epoch: 1}}
		p.takesIn(t, &view)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				c := dialRaw(t, p.Addr())
				if err := c.login("app", appPassword, rawCaps&^wire.DeprecateEOF); err != nil {
					t.Fatal(err)
				}
				c.response(wire.ComInitDB, "shop")
				tt.test(t, p, c)
			})
		}
	})
}

func (p *replicated) takesIn(t *testing.T, view *balancer.View) {
	t.Helper()
	p.world.setView(view)
	waitFor(t, "the view is taken in", func() bool { return p.Proxy.view.Load() == view })
}

// applies has m2 apply what it receives, or not.
func (p *replicated) applies(t *testing.T, on bool) {
	t.Helper()
	verb, what := "STOP", "SLAVE SQL_THREAD"
	if on {
		verb = "START"
	}
	if p.mysql != nil {
		what = "REPLICA SQL_THREAD"
	}
	p.m2.exec(t, verb+" "+what)
}

// told returns a response, as it is.
func (c *raw) told(text string) string { return string(c.response(wire.ComQuery, text)) }

// unnamed has the session write a row, which no answer names, and leave its connection.
func (c *raw) unnamed() {
	c.t.Helper()
	c.response(wire.ComQuery, "SELECT shop.f(1)")
	c.response(wire.ComResetConnection, "")
}

// What no answer has named is waited for all the same.
func TestRealWhatNobodyHasNamedIsWaitedFor(t *testing.T) {
	dividedOnBoth(t, Config{QueueTimeout: 400 * time.Millisecond}, []dividedTest{
		{"reads see it", readsSee}, {"writes elsewhere follow it", writesFollow}, {"and wait for its member to be seen", writesWaitToBeSeen},
	})
}

// A session's write at another owner waits for what it wrote before, although the answer to that
// did not tell as what it was written.
func writesFollow(t *testing.T, p *replicated, c *raw) {
	p.exec(t, "DELETE FROM shop.t")
	p.catchesUp(t)
	p.applies(t, false)
	c.unnamed()
	if told := c.refused(t, "INSERT INTO side.t VALUES (2)"); !strings.Contains(told, "member m2 does not have yet what was written before elsewhere") {
		t.Errorf("told %q", told)
	}
	if n := p.m2.query(t, "SELECT COUNT(*) FROM side.t"); n != "0" {
		t.Errorf("%s rows were written before their time", n)
	}
	if told := c.told("EXPLAIN ROUTE INSERT INTO side.t VALUES (2)"); !strings.Contains(told, "it waits there for what this session has written at m1") {
		t.Errorf("explained: %q", told)
	}
	p.applies(t, true)
	p.catchesUp(t)
	if n, state := c.query("INSERT INTO side.t VALUES (3)"); n != 0 {
		t.Errorf("once m2 has it: %d %s", n, state)
	}
	if got := p.m2.query(t, "SELECT GROUP_CONCAT(id) FROM (SELECT id FROM side.t UNION ALL SELECT id FROM shop.t) x"); got != "3,1" {
		t.Errorf("m2 has %s", got)
	}
}

// While nobody has seen the member since, where something was written that nobody has named, the
// next write elsewhere waits for that, and says so.
func writesWaitToBeSeen(t *testing.T, p *replicated, c *raw) {
	if p.mysql == nil {
		return // MariaDB is asked at once: writesFollow
	}
	p.picture.shuts(true)
	c.unnamed()
	if told := c.refused(t, "INSERT INTO side.t VALUES (2)"); !strings.Contains(told, "m1 has not been seen since") {
		t.Errorf("told %q", told)
	}
	if told := c.told("EXPLAIN ROUTE INSERT INTO side.t VALUES (2)"); !strings.Contains(told, "m1 has not been seen since") {
		t.Errorf("explained: %q", told)
	}
	p.picture.shuts(false)
	if n, state := c.query("INSERT INTO side.t VALUES (3)"); n != 0 {
		t.Errorf("once m1 was seen: %d %s", n, state)
	}
}

// Reads see what nobody has named, and are spread again as soon as it is known where that is.
func readsSee(t *testing.T, p *replicated, c *raw) {
	for i, level := range []string{"account", "session"} {
		p.applies(t, false)
		c.unnamed()
		c.runs(t, "SET sqlring_consistency = '"+level+"'")
		const both = "SELECT CONCAT('n', COUNT(*)) FROM side.t s RIGHT JOIN t ON s.id = t.id"
		if told := c.refused(t, both); !strings.Contains(told, "does not have yet what was written before elsewhere") {
			t.Errorf("%s: a read of both owners' rows was told %q", level, told)
		}
		p.applies(t, true)
		p.catchesUp(t)
		want := "n" + itoa(i+1)
		if got := c.told(both); !strings.Contains(got, want) {
			t.Errorf("%s: a read of both owners' rows: %q", level, got)
		}
		before := p.Stats().Spread
		waitFor(t, level+": reads are spread again", func() bool {
			return strings.Contains(c.told("SELECT CONCAT('n', COUNT(*)) FROM t"), want) && p.Stats().Spread > before
		})
	}
}

// What was done at a member that owns nothing any more is in what its heirs have.
func TestWritesOfAMemberThatOwnsNothing(t *testing.T) {
	f := startTwoOwners(t, Config{Picture: new(ringPicture)})
	var k token
	seven, _ := topology.ParsePosition("1-1-7")
	k.add(nil, "m9", nil)
	f.identify(&k)
	if v := k.vague.Load(); v == nil || !slices.Equal(v.at, []topology.MemberID{"m1", "m2"}) {
		t.Errorf("vague: %+v", v)
	}
	if _, known := k.position(); known {
		t.Error("known, although no heir was seen")
	}
	f.change(t, "shop", func(u *balancer.Unit) { u.Owner = "" })
	var other token
	other.add(nil, "m9", nil)
	f.identify(&other)
	if v := other.vague.Load(); v == nil || !slices.Equal(v.at, []topology.MemberID{"m9"}) {
		t.Errorf("while a unit has no owner: %+v", v)
	}
	v := k.vague.Load()
	k.name(seven, "m1", v)
	k.name(seven, "m2", k.vague.Load())
	if p, known := k.position(); !known || p.String() != "1-1-7" {
		t.Errorf("position %s, known %v", p, known)
	}
}
