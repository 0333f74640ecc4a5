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

// twoOwners is a ring in which m1 owns "*" and the units stock and spare, and m2 owns shop.
type twoOwners struct {
	*faked
	m2    *fake
	units []balancer.Unit
}

// unitMember answers as a member with transactions and default schemas.
func unitMember(gtid string) func(*fakeConn, []byte) {
	return func(c *fakeConn, command []byte) {
		text := string(command[1:])
		switch {
		case wire.Command(command[0]) == wire.ComInitDB:
			c.ok()
		case text == "BEGIN", strings.HasPrefix(text, "START TRANSACTION"):
			c.status(wire.StatusAutocommit|wire.StatusInTransaction, nil)
		case strings.HasPrefix(text, "USE "):
			c.status(wire.StatusAutocommit|wire.StatusSessionChanged, append([]byte{byte(wire.ChangeSchema)}, wire.AppendBytes(nil, string(wire.AppendBytes(nil, text[4:])))...))
		case strings.HasSuffix(text, "/* inside */"):
			c.status(wire.StatusAutocommit|wire.StatusInTransaction, nil)
		case strings.HasPrefix(text, "INSERT"), text == "COMMIT":
			c.committed(gtid)
		default:
			c.ok()
		}
	}
}

func startTwoOwners(t *testing.T, cfg Config) *twoOwners {
	t.Helper()
	return twoOwnersOf(t, cfg, unitMember)
}

// twoOwnersOf is startTwoOwners with members that answer as made; their writes have the
// given GTID.
func twoOwnersOf(t *testing.T, cfg Config, made func(gtid string) func(*fakeConn, []byte)) *twoOwners {
	t.Helper()
	cfg.Node = "n1"
	f := &twoOwners{m2: startFake(t, made("2-2-7"))}
	f.faked = startFaked(t, cfg, made("1-1-7"))
	f.units = []balancer.Unit{
		{ID: "*", Owner: "m1", Epoch: 3}, {ID: "shop", Owner: "m2", Epoch: 5}, {ID: "spare", Owner: "m1", Epoch: 3}, {ID: "stock", Owner: "m1", Epoch: 3},
	}
	f.show(t)
	return f
}

// show makes the units as they are now the view.
func (f *twoOwners) show(t *testing.T) {
	t.Helper()
	view := &balancer.View{Ring: "test", Members: []balancer.Member{f.fake.member("m1"), f.m2.member("m2")}, Units: slices.Clone(f.units)}
	f.world.setView(view)
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == view })
}

// change changes the entry of a unit, and shows it.
func (f *twoOwners) change(t *testing.T, id topology.UnitID, edit func(*balancer.Unit)) {
	t.Helper()
	edit(&f.units[slices.IndexFunc(f.units, func(u balancer.Unit) bool { return u.ID == id })])
	f.show(t)
}

// of returns what the proxy says of a unit.
func (f *twoOwners) of(unit topology.UnitID) topology.Writer {
	for _, w := range f.Writers() {
		if w.Unit == unit {
			return w
		}
	}
	return topology.Writer{}
}

func (c *raw) runs(t *testing.T, statements ...string) {
	t.Helper()
	for _, text := range statements {
		if n, state := c.query(text); n != 0 {
			t.Errorf("%.200s: %d %s", text, n, state)
		}
	}
}

// refused returns what a client is told that is refused a statement.
func (c *raw) refused(t *testing.T, text string) string {
	t.Helper()
	payload, err := c.do(wire.ComQuery, text)
	if err != nil || payload[0] != 0xFF {
		t.Errorf("%.200s: %q %v", text, payload, err)
		return ""
	}
	return wire.ParseError(payload).Error()
}

func TestUnitsGoToTheirOwners(t *testing.T) {
	f := startTwoOwners(t, Config{})
	c := f.client(t)
	c.runs(t, "INSERT INTO shop.card VALUES (1)", "INSERT INTO stock.item VALUES (2)", "USE shop", "INSERT INTO card VALUES (3)", "SELECT 4", "INSERT INTO other.t VALUES (5)",
		"INSERT INTO stock.item SELECT * FROM spare.t", "CREATE USER u6", "CREATE TABLE card7 (a INT)")
	want1 := []string{
		"INSERT INTO stock.item VALUES (2)", "USE shop", "INSERT INTO other.t VALUES (5)",
		"INSERT INTO stock.item SELECT * FROM spare.t", "CREATE USER u6",
	}
	want2 := []string{"INSERT INTO shop.card VALUES (1)", "INSERT INTO card VALUES (3)", "SELECT 4", "CREATE TABLE card7 (a INT)"}
	if got := texts(f.fake); !slices.Equal(got, want1) {
		t.Errorf("m1 was asked %q, want %q", got, want1)
	}
	if got := texts(f.m2); !slices.Equal(got, want2) {
		t.Errorf("m2 was asked %q, want %q", got, want2)
	}
}

// texts returns the statements that a member was sent by clients.
func texts(f *fake) (got []string) {
	for _, text := range f.commands() {
		switch first, _, _ := strings.Cut(text, " "); first {
		case "INSERT", "SELECT", "USE", "CREATE", "BEGIN", "COMMIT", "UPDATE", "DELETE", "/*!40000":
			got = append(got, text)
		}
	}
	return got
}

func TestStatementsOverSeveralOwnersAreRefused(t *testing.T) {
	f := startTwoOwners(t, Config{})
	for _, tt := range []struct{ before, text string }{
		{"SELECT 1", "UPDATE shop.card c JOIN stock.item i SET c.n = i.n"},
		{"SELECT 1", "INSERT INTO shop.card SELECT * FROM stock.item"},
		{"SELECT 1", "EXECUTE s"},
		{"SELECT 1", "CALL shop.fill()"},
		{"SELECT 1", "SELECT * FROM shop.card, stock.item FOR UPDATE"},
		{"SELECT 1", "INSERT INTO shop.card VALUES (1); INSERT INTO stock.item VALUES (1)"},
		{"INSERT INTO stock.item VALUES (1) /* inside */", "INSERT INTO shop.card VALUES (1)"},
		{"UPDATE stock.item SET n = 1 /* inside */", "SELECT * FROM shop.card"},
		{"BEGIN", "SELECT * FROM shop.card, stock.item"},
		{"SET sqlring_consistency = 'strong'", "SELECT * FROM shop.card, stock.item"},
	} {
		c := f.client(t)
		c.runs(t, tt.before)
		told := c.refused(t, tt.text)
		for _, part := range []string{"1290", "shop (owner m2)", "(owner m1)", "sqlring unit move", "not run"} {
			if !strings.Contains(told, part) {
				t.Errorf("%s: told %q, without %q", tt.text, told, part)
			}
		}
		c.runs(t, "INSERT INTO stock.item VALUES (1) /* inside */") // it goes on
	}
	for _, text := range append(texts(f.fake), texts(f.m2)...) {
		if strings.Contains(text, "shop.") {
			t.Errorf("a member was sent %q", text)
		}
	}
}

// A statement too long to be held is routed by its beginning, if that says enough.
func TestLargeStatementsGoToTheirOwners(t *testing.T) {
	f := startTwoOwners(t, Config{})
	values := strings.Repeat("x", heldText)
	c := dialRaw(t, f.Addr())
	if err := c.login("app", appPassword, rawCaps&^wire.MultiStatements); err != nil {
		t.Fatal(err)
	}
	c.runs(t, "USE shop", "INSERT INTO card VALUES ('"+values+"')")
	if got := texts(f.m2); len(got) != 1 || len(got[0]) < len(values) {
		t.Errorf("m2 was sent %d statements", len(got))
	}
	several := f.client(t) // what stands behind may be another statement
	several.runs(t, "INSERT INTO shop.card VALUES (1, '"+values+"'), (NULL, 'b')")
	if got := texts(f.m2); len(got) != 2 {
		t.Errorf("m2 was sent %d statements", len(got))
	}
	if pins := f.Pins(); len(pins) > 0 {
		t.Errorf("pinned: %v", pins)
	}
	for _, behind := range []string{"; DELETE FROM stock.item", " ON DUPLICATE KEY UPDATE a = stock.price(1)"} {
		c := f.client(t)
		if told := c.refused(t, "INSERT INTO shop.card VALUES ('"+values+"')"+behind); !strings.Contains(told, "more than rows of values") {
			t.Errorf("told %q", told)
		}
	}
	if told := several.refused(t, "UPDATE shop.card SET a = '"+values+"'"); !strings.Contains(told, "shop (owner m2)") {
		t.Errorf("told %q", told)
	}
	for _, member := range []*fake{f.fake, f.m2} {
		if got := texts(member); slices.ContainsFunc(got, func(text string) bool {
			return strings.Contains(text, "stock") || len(text) > len(values) && member == f.fake
		}) {
			t.Error("a member was sent what is not its own")
		}
	}
}

// A transaction is that of one owner, and all of its units have to stand when it commits.
func TestTransactionOverSeveralUnits(t *testing.T) {
	f := startTwoOwners(t, Config{})
	c := f.client(t)
	c.runs(t, "BEGIN", "INSERT INTO stock.item VALUES (1) /* inside */", "INSERT INTO spare.t VALUES (1) /* inside */")
	if told := c.refused(t, "INSERT INTO shop.card VALUES (1)"); !strings.Contains(told, "the open transaction") {
		t.Errorf("told %q", told)
	}
	c.runs(t, "COMMIT")
	if got := texts(f.fake); len(got) != 4 || got[3] != "COMMIT" {
		t.Errorf("m1 was sent %q", got)
	}
}

// When a transaction commits, each of its units has to be in the epoch that it began by.
func TestCommitNeedsAllOfItsUnits(t *testing.T) {
	release := make(chan struct{})
	f := twoOwnersOf(t, Config{}, func(gtid string) func(*fakeConn, []byte) {
		answer := unitMember(gtid)
		return func(c *fakeConn, command []byte) {
			if string(command[1:]) == "COMMIT" {
				<-release
			}
			answer(c, command)
		}
	})
	for _, tt := range []struct {
		unit  topology.UnitID
		state string
	}{{"stock", "08007"}, {"spare", "08007"}, {"*", "08007"}, {"shop", ""}} {
		c := f.client(t)
		c.runs(t, "BEGIN", "INSERT INTO stock.item VALUES (1) /* inside */", "INSERT INTO spare.t VALUES (1) /* inside */")
		told := make(chan string, 1)
		before := len(texts(f.fake))
		go func() {
			_, state := c.query("COMMIT")
			told <- state
		}()
		waitFor(t, "the commit is at the member", func() bool { return len(texts(f.fake)) > before })
		f.change(t, tt.unit, func(u *balancer.Unit) { u.Epoch++ })
		release <- struct{}{}
		if state := <-told; state != tt.state {
			t.Errorf("%s has a new epoch: the commit gets %q, want %q", tt.unit, state, tt.state)
		}
	}
}

// A unit that moves disturbs nobody who is at work in others, and is quiet by itself.
func TestMoveOfOneUnit(t *testing.T) {
	f := startTwoOwners(t, Config{QueueTimeout: 5 * time.Second})
	rest, shop := f.client(t), f.client(t)
	rest.runs(t, "BEGIN", "INSERT INTO stock.item VALUES (1) /* inside */")
	shop.runs(t, "USE shop", "BEGIN", "INSERT INTO card VALUES (1) /* inside */")
	f.change(t, "shop", func(u *balancer.Unit) { u.Draining = true })
	if w := f.of("shop"); w.Quiet || w.Epoch != 5 {
		t.Errorf("shop has an open transaction: %+v", w)
	}
	rest.runs(t, "INSERT INTO stock.item VALUES (2) /* inside */")
	shop.runs(t, "COMMIT") // it comes to its end
	waitFor(t, "shop is quiet", func() bool { return f.of("shop").Quiet })
	if f.of("*").Quiet || f.of("stock").Quiet {
		t.Error("units that nobody moves are quiet")
	}
	answer := make(chan int, 1)
	go func() {
		n, _ := shop.query("INSERT INTO card VALUES (2)")
		answer <- n
	}()
	waitFor(t, "the write waits", func() bool { return f.Stats().Queued == 1 })
	f.change(t, "shop", func(u *balancer.Unit) { u.Draining, u.Owner, u.Epoch = false, "", 6 })
	rest.runs(t, "INSERT INTO stock.item VALUES (3) /* inside */")
	f.change(t, "shop", func(u *balancer.Unit) { u.Owner = "m1" })
	if n := <-answer; n != 0 {
		t.Errorf("the write that waited: %d", n)
	}
	rest.runs(t, "INSERT INTO shop.card VALUES (3) /* inside */", "COMMIT") // one owner has both now
	if got := texts(f.fake); !slices.Contains(got, "INSERT INTO card VALUES (2)") || got[len(got)-1] != "COMMIT" {
		t.Errorf("m1 was sent %q", got)
	}
	if s := f.Stats(); s.Unknown+s.Expired+s.LinksLost != 0 {
		t.Errorf("stats %+v", s)
	}
}

// Who has called what may be a stored function ends when its unit moves: what that has left
// nobody can tell, and so nobody can take it along.
func TestMoveEndsWhoCalledAFunction(t *testing.T) {
	f := startTwoOwners(t, Config{QueueTimeout: 5 * time.Second})
	c := f.client(t)
	c.runs(t, "USE shop", "SELECT f()")
	f.change(t, "shop", func(u *balancer.Unit) { u.Owner, u.Epoch = "m1", 6 })
	if told := c.refused(t, "INSERT INTO card VALUES (1)"); !strings.Contains(told, "this was not run; the session ends") || !strings.Contains(told, "a stored routine") {
		t.Errorf("told %q", told)
	}
	if got := texts(f.fake); slices.Contains(got, "INSERT INTO card VALUES (1)") {
		t.Errorf("m1 was sent %q", got)
	}
}

// What was acknowledged is said of each unit: an heir of one has nothing to do with what
// is written in others. A new unit was a part of "*".
func TestAcknowledgedByUnit(t *testing.T) {
	f := startTwoOwners(t, Config{})
	c := f.client(t)
	c.runs(t, "INSERT INTO shop.card VALUES (1)", "INSERT INTO other.t VALUES (2)")
	f.units = append(f.units, balancer.Unit{ID: "zoo", Owner: "m1", Epoch: 4})
	f.units[0].Epoch = 4
	f.show(t)
	for unit, want := range map[topology.UnitID]string{"*": "1-1-7", "shop": "2-2-7", "spare": "", "stock": "", "zoo": "1-1-7"} {
		if got := f.of(unit).Acked.String(); got != want {
			t.Errorf("%s: %q was acknowledged, want %q", unit, got, want)
		}
	}
	f.units = slices.DeleteFunc(f.units, func(u balancer.Unit) bool { return u.ID == "shop" }) // it is joined to "*"
	f.units[0].Epoch = 6
	f.show(t)
	if got := f.of("*").Acked.String(); got != "1-1-7,2-2-7" {
		t.Errorf("with shop joined to it, %q was acknowledged in *", got)
	}
}

// What keeps a session on its connection is not lost silently.
func TestSessionThatStays(t *testing.T) {
	f := startTwoOwners(t, Config{})
	c := f.client(t)
	c.runs(t, "SELECT GET_LOCK('a', 1)")
	if told := c.refused(t, "INSERT INTO shop.card VALUES (1)"); !strings.Contains(told, "unit shop, whose owner is m2") {
		t.Errorf("told %q", told)
	}
	c.runs(t, "SELECT 2", "INSERT INTO stock.item VALUES (1)")
}

// With one unit nothing is allocated to find out where a statement goes.
func TestAimOfOneUnitCostsNothing(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	s, view := &session{p: f.Proxy, underway: new(underway)}, f.view.Load()
	if n := testing.AllocsPerRun(100, func() { s.aim(view) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
