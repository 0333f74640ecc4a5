package proxy

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// picture says that m2 may be read from, and what it has.
type picture struct {
	members []balancer.Member
	has     topology.Position
	level   lagguard.Level
}

func (p *picture) Reads() *balancer.Reads {
	now := time.Now()
	r := &balancer.Reads{At: now}
	for _, m := range p.members {
		r.Members = append(r.Members, balancer.Readable{Member: m, Level: p.level, At: now, Position: p.has, Weight: 1, Drained: m.ID == "m1"})
	}
	return r
}

// spreadOver starts a proxy in front of an owner, m1, and a member that only reads go to.
func spreadOver(t *testing.T, has string, owner, other func(*fakeConn, []byte)) (f *faked, m2 *fake) {
	t.Helper()
	m2 = startFake(t, other)
	p := &picture{level: lagguard.LevelFresh}
	p.has, _ = topology.ParsePosition(has)
	f = startFaked(t, Config{Picture: p, WatchInterval: time.Hour}, owner)
	p.members = []balancer.Member{f.fake.member("m1"), m2.member("m2")}
	view := owned("m1", 1, f.fake.member("m1"), m2.member("m2"))
	f.world.setView(view)
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == view })
	return f, m2
}

// writes answers a write as transaction 7 of domain 1.
func writes(c *fakeConn, command []byte) {
	if strings.HasPrefix(string(command[1:]), "INSERT") {
		c.status(wire.StatusAutocommit, variable("last_gtid", "1-1-7"))
		return
	}
	c.ok()
}

func TestReadsGoElsewhere(t *testing.T) {
	const read = "SELECT a FROM t"
	tests := []struct {
		name       string
		has        string
		statements []string
		want       []string // what m2 has seen, our own statements aside
	}{
		{"a read", "", []string{read}, []string{read}},
		{"a read of no table", "", []string{"SELECT 1"}, nil},
		{"a write", "", []string{"INSERT INTO t VALUES (1)"}, nil},
		{"a read that locks", "", []string{"SELECT a FROM t FOR UPDATE"}, nil},
		{"a read by a function", "", []string{"SELECT f(a) FROM t"}, nil},
		{"a read in a transaction", "", []string{"BEGIN", read}, nil},
		{"behind a write that it has", "1-1-7", []string{"INSERT INTO t VALUES (1)", read}, []string{read}},
		{"behind a write that it may have", "1-1-6", []string{"INSERT INTO t VALUES (1)", read}, []string{"SELECT MASTER_GTID_WAIT('1-1-7', 0.05)", read}},
		{"of what is not committed", "", []string{"SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", read}, nil},
		{"strong", "", []string{"SET sqlring_consistency='strong'", read}, nil},
		{"eventual, behind a write", "1-1-6", []string{"SET SESSION sqlring_consistency=eventual", "INSERT INTO t VALUES (1)", read}, []string{read}},
		{"what a read has left", "", []string{read, "SHOW WARNINGS"}, []string{read, "SHOW WARNINGS"}},
		{"a refused consistency", "", []string{"SET sqlring_consistency='some'"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			begins := func(c *fakeConn, command []byte) {
				switch text := string(command[1:]); {
				case text == "BEGIN":
					c.status(wire.StatusAutocommit|wire.StatusInTransaction, nil)
					return
				case strings.HasSuffix(text, "UNCOMMITTED"):
					c.status(wire.StatusAutocommit, variable("tx_isolation", "READ-UNCOMMITTED"))
					return
				}
				writes(c, command)
			}
			f, m2 := spreadOver(t, tt.has, begins, func(c *fakeConn, command []byte) {
				if strings.Contains(string(command[1:]), "MASTER_GTID_WAIT") {
					c.rows(1, row("0"))
					return
				}
				c.ok()
			})
			c := f.client(t)
			for _, text := range tt.statements {
				n, _ := c.query(text)
				if want := strings.Contains(tt.name, "refused"); (n == 1231) != want || n != 0 && !want {
					t.Fatalf("%s: error %d", text, n)
				}
			}
			got := slices.DeleteFunc(m2.commands(), func(text string) bool { return text == "SET SESSION TRANSACTION READ ONLY" })
			if !slices.Equal(got, tt.want) {
				t.Errorf("m2 got %q, want %q", got, tt.want)
			}
		})
	}
}

// A read that can not be had at another member is run at the owner, and the client
// feels nothing.
func TestReadsComeBack(t *testing.T) {
	const read = "SELECT a FROM t"
	for _, tt := range []struct {
		name  string
		has   string
		other func(*fakeConn, []byte)
	}{
		{"it would write", "1-1-7", func(c *fakeConn, command []byte) {
			if string(command[1:]) == read {
				_ = c.own.Write([]byte("\xff\x00\x07#25006Cannot execute statement in a READ ONLY transaction"))
				return
			}
			c.ok()
		}},
		{"the member dies", "1-1-7", func(c *fakeConn, command []byte) {
			if string(command[1:]) == read {
				_ = c.Close()
				return
			}
			c.ok()
		}},
		{"it does not get what has to be seen", "1-1-6", func(c *fakeConn, command []byte) {
			if strings.Contains(string(command[1:]), "MASTER_GTID_WAIT") {
				c.rows(1, row("-1"))
				return
			}
			c.ok()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, m2 := spreadOver(t, tt.has, writes, tt.other)
			c := f.client(t)
			c.query("INSERT INTO t VALUES (1)")
			if n, _ := c.query(read); n != 0 {
				t.Errorf("error %d", n)
			}
			if got := f.fake.commands(); got[len(got)-1] != read {
				t.Errorf("the owner got %q", got)
			}
			if n, _ := c.query("INSERT INTO t VALUES (1)"); n != 0 {
				t.Errorf("then %d", n)
			}
			if len(m2.commands()) == 0 {
				t.Error("m2 was not asked")
			}
		})
	}
}

// A read for which another member has no place is the owner's, and nobody is refused.
func TestAReadWithoutAPlaceElsewhereIsNotRefused(t *testing.T) {
	b := newBusy()
	s := gate.Settings{Floor: 1, Ceiling: 1, MaxQueue: 1}
	m2, p := startFake(t, b.answer), &picture{level: lagguard.LevelFresh}
	f := startFaked(t, Config{Picture: p, WatchInterval: time.Hour, Gates: func() gate.Settings { return s }}, writes)
	t.Cleanup(b.release)
	p.members = []balancer.Member{f.fake.member("m1"), m2.member("m2")}
	view := owned("m1", 1, p.members...)
	f.world.setView(view)
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == view })
	var all sync.WaitGroup
	for i := range 2 {
		c := f.client(t)
		all.Go(func() { c.query("SELECT hold FROM t") })
		eventually(t, "one runs, one waits", func() bool { return b.running() == 1 && f.waitingAt("m2") == i })
	}
	if n, _ := f.client(t).query("SELECT a FROM t"); n != 0 || !slices.Contains(f.fake.commands(), "SELECT a FROM t") {
		t.Errorf("it got %d; the owner got %q", n, f.fake.commands())
	}
	for _, g := range f.Gates() {
		if g.Counts.Refused != [gate.Refusals]uint64{} {
			t.Errorf("%s: %v", g.Member, g.Counts.Refused)
		}
	}
	for _, d := range f.Digests(10) {
		if d.Shed != 0 {
			t.Errorf("%+v", d)
		}
	}
	if n := f.Stats().Refused["saturated"]; n != 0 {
		t.Errorf("%d refused", n)
	}
	b.release()
	all.Wait()
}

// A link for reads is in read-only mode, and is not used for anything else.
func TestLinksForReadsAreReadOnly(t *testing.T) {
	f, m2 := spreadOver(t, "", writes, nil)
	c := f.client(t)
	c.query("SELECT a FROM t")
	if got := m2.commands(); !slices.Contains(got, "SET SESSION TRANSACTION READ ONLY") {
		t.Fatalf("m2 got %q", got)
	}
	view := owned("m2", 2, f.fake.member("m1"), m2.member("m2"))
	f.world.setView(view)
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == view })
	if n, _ := c.query("INSERT INTO t VALUES (1)"); n != 0 {
		t.Fatalf("error %d", n)
	}
	m2.mu.Lock()
	defer m2.mu.Unlock()
	if len(m2.conns) != 2 {
		t.Errorf("%d connections to m2, want one for reads and one for writes", len(m2.conns))
	}
}

// What sqlring says of itself: who keeps a connection, how many there are, and where a
// statement would go.
func TestSqlringTellsOfItself(t *testing.T) {
	r := startReal(t, Config{})
	db := r.db(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows := func(text string) (out []string) {
		t.Helper()
		rows, err := conn.QueryContext(t.Context(), text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		defer rows.Close()
		columns, _ := rows.Columns()
		for rows.Next() {
			cells, into := make([]string, len(columns)), make([]any, len(columns))
			for i := range cells {
				into[i] = &cells[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			out = append(out, strings.Join(cells, "|"))
		}
		return out
	}
	if got := rows("SHOW SQLRING PINS"); len(got) != 0 {
		t.Errorf("pins of nobody: %q", got)
	}
	run(t, conn, "SET @a=1")
	run(t, conn, "SET @b=GET_LOCK('x', 0)")
	if got := rows("show sqlring pins"); len(got) != 1 || !strings.Contains(got[0], "|app|m1|") || !strings.Contains(got[0], "user locks") {
		t.Errorf("pins %q", got)
	}
	if got := rows("SHOW SQLRING POOLS"); len(got) != 1 || got[0] != "m1|1|1|0|100" {
		t.Errorf("pools %q", got)
	}
	got := strings.Join(rows("EXPLAIN ROUTE UPDATE shop.t SET v=GET_LOCK('x', 1) WHERE id=5"), "\n")
	for _, want := range []string{"statement|UPDATE `shop` . `t` SET", "kind|change", "tables|shop.t (written)", "keeps its connection for|user locks", "unit|*, epoch 1, of m1", "goes to|m1"} {
		if !strings.Contains(got, want) {
			t.Errorf("EXPLAIN ROUTE says\n%s\nwithout %q", got, want)
		}
	}
	if _, err := conn.ExecContext(t.Context(), "SHOW SQLRING NOTHING"); err == nil || !strings.Contains(err.Error(), "PINS, POOLS, GATES, QUEUES, HOTKEYS and DIGESTS are") {
		t.Errorf("SHOW SQLRING NOTHING: %v", err)
	}
}
