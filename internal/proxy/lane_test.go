package proxy

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// keyed says that t has the unique keys id and (a, name).
func keyed(context.Context, topology.MemberID, string, string) ([]balancer.UniqueKey, error) {
	return []balancer.UniqueKey{
		{Columns: []balancer.KeyColumn{{Name: "id", Compare: balancer.CompareInteger}}},
		{Columns: []balancer.KeyColumn{{Name: "a", Compare: balancer.CompareInteger}, {Name: "name", Compare: balancer.CompareFolded}}},
	}, nil
}

// heat makes the digest of some texts one that is looked at, and has the unique keys read.
func (f *faked) heat(t *testing.T, texts ...string) {
	t.Helper()
	c := f.client(t)
	c.query("SELECT 1")
	g := f.gateOf("m1")
	for _, text := range texts {
		plan, _, _ := f.reader.plan([]byte(text), (&memory{}).dialect(f.version()))
		g.mu.Lock()
		g.suspect(plan.Hash(), f.now())
		g.mu.Unlock()
		f.keysOf(g, "shop", "t")
	}
	eventually(t, "the unique keys are known", func() bool { return f.keysOf(g, "shop", "t") != nil })
}

func laned(t *testing.T, b *busy, s gate.Settings) *faked {
	t.Helper()
	s.Ceiling, s.HotWidth = 50, 1
	f := startFaked(t, Config{UniqueKeys: keyed, Gates: func() gate.Settings { return s }}, b.answer)
	t.Cleanup(b.release) // before the member is waited for
	return f
}

// Texts about one row, however they say it, have one lane; another row has another one.
func TestTextsAboutOneRowHaveOneLane(t *testing.T) {
	for _, c := range []struct {
		name  string
		texts []string
		lanes int
	}{
		{"literal, the other way round, IN", []string{"UPDATE shop.t SET hold=1 WHERE id=5", "UPDATE shop.t SET hold=1 WHERE 05=id", "UPDATE shop.t SET hold=1 WHERE id IN (5)", "DELETE FROM shop.t WHERE id=5 AND x=hold", "SELECT hold FROM shop.t WHERE id=5 FOR UPDATE", "UPDATE shop.t SET hold=1 WHERE id='5'"}, 1},
		{"another key of the table, folded", []string{"UPDATE shop.t SET hold=1 WHERE a=1 AND name='Émile'", "UPDATE shop.t SET hold=2 WHERE name='emile ' AND a=1", "UPDATE shop.t SET hold=3 WHERE a=1 AND name='EMILE'", "UPDATE shop.t SET hold=3 WHERE a=1 AND name='EMILE'"}, 1},
		{"rows that are met", []string{"INSERT INTO shop.t (id, hold) VALUES (5, 1) ON DUPLICATE KEY UPDATE hold=hold+1", "INSERT INTO shop.t (hold, id) VALUES (1, '05') ON DUPLICATE KEY UPDATE hold=hold+1", "REPLACE INTO shop.t SET id=5, hold=2", "UPDATE shop.t SET hold=1 WHERE id=5", "INSERT IGNORE INTO shop.t (id, at, hold) VALUES (5, NOW(), 1)"}, 1},
		{"a row that is met, by a key of two columns", []string{"INSERT INTO shop.t (a, name, hold) VALUES (1, 'Émile', 1) ON DUPLICATE KEY UPDATE hold=2", "INSERT INTO shop.t (name, a, hold) VALUES ('emile', 1, 1) ON DUPLICATE KEY UPDATE hold=2", "UPDATE shop.t SET hold=3 WHERE a=1 AND name='EMILE'", "REPLACE INTO shop.t (name, hold, a) VALUES ('EMILE', 1, 1)"}, 1},
		{"rows that are met by nobody else", []string{"INSERT INTO shop.t (id, hold) VALUES (5, 1) ON DUPLICATE KEY UPDATE hold=hold+1", "INSERT INTO shop.t (id, hold) VALUES (6, 1) ON DUPLICATE KEY UPDATE hold=hold+1", "INSERT INTO shop.t (id, hold) VALUES (5, 1), (6, 1) ON DUPLICATE KEY UPDATE hold=hold+1", "INSERT INTO shop.t (a, hold) VALUES (5, 1) ON DUPLICATE KEY UPDATE hold=hold+1"}, 0},
		{"other rows", []string{"UPDATE shop.t SET hold=1 WHERE id=5", "UPDATE shop.t SET hold=1 WHERE id=6", "UPDATE shop.t SET hold=1 WHERE id=7", "UPDATE shop.t SET hold=1 WHERE id=8"}, 0},
		{"no unique key", []string{"UPDATE shop.t SET hold=1 WHERE a=5", "UPDATE shop.t SET hold=1 WHERE a=5", "UPDATE shop.t SET hold=1 WHERE a=5", "UPDATE shop.t SET hold=1 WHERE a=5"}, 0},
		{"a range", []string{"UPDATE shop.t SET hold=1 WHERE id>5", "UPDATE shop.t SET hold=1 WHERE id>5", "UPDATE shop.t SET hold=1 WHERE id IN (5, 6)", "UPDATE shop.t SET hold=1 WHERE id=5 OR id=6"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBusy()
			f := laned(t, b, gate.Settings{})
			f.heat(t, c.texts...)
			var all sync.WaitGroup
			for i, text := range c.texts {
				client := f.client(t)
				all.Go(func() { client.query(text) })
				if c.lanes > 0 && i >= 3 {
					eventually(t, fmt.Sprintf("%q waits for the lane: %+v", text, f.Gates()[0].Hot), func() bool { h := f.Gates()[0].Hot; return len(h) == 1 && h[0].Waiting == i-2 })
				} else {
					eventually(t, "it runs", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.now == i+1 })
				}
			}
			if h := f.Gates()[0].Hot; len(h) != c.lanes {
				t.Errorf("%+v", h)
			}
			b.release()
			all.Wait()
			if n := len(f.Gates()[0].Hot); n != c.lanes {
				t.Errorf("%d hot keys", n)
			}
		})
	}
}

// The lane is held until the transaction ends, and who waits inside of a transaction waits
// for a moment only.
func TestALaneIsHeldUntilCommit(t *testing.T) {
	b := newBusy()
	f := laned(t, b, gate.Settings{})
	const hot = "UPDATE shop.t SET v=v+1 WHERE id=5"
	f.heat(t, hot)
	var open []*raw
	for range 3 { // the third one makes it hot, and has the lane
		c := f.client(t)
		c.query("BEGIN")
		c.query(hot)
		open = append(open, c)
	}
	outside := f.client(t)
	done := make(chan time.Time, 1)
	go func() { outside.query(hot); done <- time.Now() }()
	eventually(t, "it waits", func() bool { h := f.Gates()[0].Hot; return len(h) == 1 && h[0].Waiting == 1 })
	inside := f.client(t)
	inside.query("BEGIN")
	began := time.Now()
	if n, _ := inside.query(hot); n != 0 {
		t.Errorf("%d", n)
	}
	if took := time.Since(began); took < laneMoment/2 || took > 10*laneMoment {
		t.Errorf("inside of a transaction it waited %v", took)
	}
	select {
	case <-done:
		t.Fatal("it did not wait for the commit")
	default:
	}
	committed := time.Now()
	open[2].query("COMMIT")
	if at := <-done; at.Before(committed) {
		t.Error("it ran before the commit")
	}
	if h := f.Gates()[0].Hot; h[0].Passed != 1 || h[0].Waits != 2 {
		t.Errorf("%+v", h)
	}
	for _, c := range append(open[:2], inside) {
		c.query("ROLLBACK")
	}
	if h := f.Gates()[0].Hot; h[0].Using != 0 {
		t.Errorf("all have ended: %+v", h)
	}
	rows := outside.rowsOf("SHOW SQLRING HOTKEYS")
	if len(rows) != 1 || !strings.HasPrefix(rows[0][1], "shop.t(id)#") || rows[0][2] != "one at a time" {
		t.Errorf("%q", rows)
	}
}

// inTransactions are clients that have begun transactions with one statement, one after the other.
func (f *faked) inTransactions(t *testing.T, n int, text string) (clients []*raw) {
	t.Helper()
	for range n {
		c := f.client(t)
		c.query("BEGIN")
		c.query(text)
		clients = append(clients, c)
	}
	return clients
}

// While transactions stand in line for a lane, another one is let in once one of them has
// gone on.
func TestALineOfTransactionsKeepsOthersOut(t *testing.T) {
	b := newBusy()
	f := laned(t, b, gate.Settings{})
	const hot = "UPDATE shop.t SET v=v+1 WHERE id=5"
	f.heat(t, hot)
	f.inTransactions(t, 3, hot)
	line := f.inTransactions(t, 2, "SELECT 1")
	var all sync.WaitGroup
	for _, c := range line {
		all.Go(func() { c.query(hot) })
	}
	eventually(t, "they stand in line", func() bool { h := f.Gates()[0].Hot; return len(h) == 1 && h[0].Waiting == 2 })
	before := f.Gates()[0].Counts
	if n, _ := f.client(t).query("UPDATE shop.t SET v=1 WHERE id=9"); n != 0 || f.Gates()[0].Counts.Waits != before.Waits {
		t.Errorf("one that is alone in its transaction waited, or got %d", n)
	}
	next := f.client(t)
	if n, _ := next.query("BEGIN"); n != 0 {
		t.Errorf("%d", n)
	}
	if after := f.Gates()[0].Counts; after.Waits != before.Waits+1 {
		t.Errorf("it did not wait: %+v", after)
	}
	all.Wait()
	if h := f.Gates()[0].Hot; h[0].Passed != 2 {
		t.Errorf("%+v", h)
	}
}

// A client that goes while it has a lane, or waits for one, leaves it to the next.
func TestLanesOfThoseWhoGo(t *testing.T) {
	b := newBusy()
	f := laned(t, b, gate.Settings{})
	const hot = "UPDATE shop.t SET v=v+1 WHERE id=5"
	f.heat(t, hot)
	open := f.inTransactions(t, 3, hot)
	gone, next := f.client(t), f.client(t)
	_ = gone.own.Send([]byte("\x03" + hot))
	eventually(t, "one waits", func() bool { return f.Gates()[0].Hot[0].Waiting == 1 })
	done := make(chan int, 1)
	go func() { n, _ := next.query(hot); done <- n }()
	eventually(t, "two wait", func() bool { return f.Gates()[0].Hot[0].Waiting == 2 })
	_ = gone.conn.Close()
	eventually(t, "one has gone", func() bool { return f.Gates()[0].Hot[0].Waiting == 1 })
	if d := f.Digests(10); f.Gates()[0].Counts.Gone != 1 || len(d) == 0 || d[0].Gone != 1 || d[0].Shed != 0 {
		t.Errorf("%+v; %+v", f.Gates()[0].Counts, d)
	}
	_ = open[2].conn.Close()
	if n := <-done; n != 0 {
		t.Errorf("%d", n)
	}
}

// A member that ends transactions (it restarts, it has an idle_transaction_timeout, somebody
// kills one) ends what they had of lanes, whatever their clients do.
func TestLanesOfTransactionsThatTheMemberEnds(t *testing.T) {
	b := newBusy()
	f := laned(t, b, gate.Settings{})
	const hot = "UPDATE shop.t SET v=v+1 WHERE id=5"
	f.heat(t, hot)
	silent := f.inTransactions(t, 3, hot)
	next, done := f.client(t), make(chan int, 1)
	go func() { n, _ := next.query(hot); done <- n }()
	eventually(t, "it waits", func() bool { return f.Gates()[0].Hot[0].Waiting == 1 })
	f.fake.cut()
	select {
	case n := <-done:
		if n != 0 {
			t.Errorf("it got %d", n)
		}
	case <-time.After(5 * time.Second):
		t.Error("it waits for a lane of a transaction that is no more")
	}
	eventually(t, "nothing is held", func() bool {
		g := f.Gates()[0]
		return g.Hot[0].Using == 0 && g.Taken == [gate.Classes]int{} && g.Idle == 0
	})
	if n, _ := silent[0].query("SELECT 1"); n != 1213 {
		t.Errorf("whose transaction has ended got %d", n)
	}
}

// Whose turn it is at a row is a matter of priority and account, as at the gate: what is urgent
// does not wait behind a crowd. An account has its share of the line and no more; who is told so
// has nothing of the lane.
func TestTheLineAtARowIsOrderedAndBounded(t *testing.T) {
	b := newBusy()
	f := laned(t, b, gate.Settings{MaxQueue: 8})
	const hot = "UPDATE shop.t SET v=%d WHERE id=5"
	f.heat(t, fmt.Sprintf(hot, 0))
	open := f.inTransactions(t, 3, fmt.Sprintf(hot, 0))
	var all sync.WaitGroup
	come := func(i int, first string) {
		c := f.client(t)
		if first != "" {
			c.query(first)
		}
		all.Go(func() {
			if n, _ := c.query(fmt.Sprintf(hot, i)); n != 0 {
				t.Errorf("%d got %d", i, n)
			}
		})
		eventually(t, "it waits", func() bool { return f.Gates()[0].Hot[0].Waiting == i })
	}
	for i := 1; i <= 5; i++ {
		come(i, "")
	}
	come(6, "SET sqlring_priority='urgent'")
	refused := f.client(t)
	reply, err := refused.do(wire.ComQuery, fmt.Sprintf(hot, 9))
	if err != nil {
		t.Fatal(err)
	}
	if told := wire.ParseError(reply); told == nil || !strings.Contains(told.Error(), "1041") || !strings.Contains(told.Error(), "the account has its share of the queue") {
		t.Errorf("the seventh of an account that may have six of eight: %v", told)
	}
	if g := f.Gates()[0]; g.Counts.Refused[gate.FullAccount] != 1 || g.Hot[0].Waiting != 6 || g.Hot[0].Using != 9 {
		t.Errorf("%+v", g)
	}
	open[2].query("COMMIT")
	all.Wait()
	var order string
	for _, q := range strings.Split(b.seen(), ",") {
		if n, ok := strings.CutPrefix(q, "UPDATE shop.t SET v="); ok && n[0] != '0' {
			order += n[:1]
		}
	}
	if order != "612345" {
		t.Errorf("they had it as %s", order)
	}
	if n, _ := refused.query(fmt.Sprintf(hot, 9)); n != 0 {
		t.Errorf("then it got %d", n)
	}
}

// In shed mode nobody waits for a row for longer than for a place; who is told so has not gone
// on without the lane.
func TestNobodyWaitsForARowForLongerThanIsSet(t *testing.T) {
	b := newBusy()
	f := laned(t, b, gate.Settings{Mode: gate.Shed, ShedWait: 150 * time.Millisecond})
	const hot = "UPDATE shop.t SET v=v+1 WHERE id=5"
	f.heat(t, hot)
	for range 3 {
		c := f.client(t)
		c.query("BEGIN")
		c.query(hot)
	}
	began, c := time.Now(), f.client(t)
	if n, _ := c.query(hot); n != 1041 {
		t.Errorf("it got %d", n)
	}
	if took := time.Since(began); took < 140*time.Millisecond || took > 2*time.Second {
		t.Errorf("told after %v", took)
	}
	if h := f.Gates()[0].Hot; len(h) != 1 || h[0].Passed != 0 || h[0].Waiting != 0 || h[0].Using != 3 {
		t.Errorf("%+v", h)
	}
	if n := f.Gates()[0].Counts; n.Refused[gate.HotRow] != 1 || n.LaneWaits != 1 || n.LaneTime < 140*time.Millisecond || n.Waits != 0 {
		t.Errorf("who is told so is in the gate's counters: %+v", n)
	}
	if d := f.Digests(10); len(d) == 0 || d[0].LaneWaits != 1 || d[0].Shed != 1 || d[0].Gone != 0 {
		t.Errorf("and in its digest's: %+v", d)
	}
}

func TestNothingIsLookedAtInDryRunOrOff(t *testing.T) {
	for _, mode := range []gate.HotMode{gate.HotDryRun, gate.HotOff} {
		t.Run(mode.String(), func(t *testing.T) {
			b := newBusy()
			f := laned(t, b, gate.Settings{Hot: mode})
			const hot = "UPDATE shop.t SET hold=1 WHERE id=5"
			if mode == gate.HotDryRun {
				f.heat(t, hot)
			}
			var all sync.WaitGroup
			for i := range 6 {
				c := f.client(t)
				all.Go(func() { c.query(hot) })
				eventually(t, "it runs", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.now == i+1 })
			}
			want := map[gate.HotMode]int{gate.HotDryRun: 1}[mode]
			if h := f.Gates()[0].Hot; len(h) != want || want == 1 && (h[0].Waits != 3 || h[0].Laned) {
				t.Errorf("%+v", h)
			}
			b.release()
			all.Wait()
		})
	}
}

// TestRealHotRow: many clients count on one row of a real server, by text, by parameters
// and in transactions: no count is lost, the key is found by itself, by what the server says
// of its unique keys, and nobody gets an error.
func TestRealHotRow(t *testing.T) {
	hotRow(t, topology.FlavourMariaDB)
}

// TestMySQLHotRow is TestRealHotRow at a MySQL.
func TestMySQLHotRow(t *testing.T) {
	hotRow(t, topology.FlavourMySQL)
}

func hotRow(t *testing.T, flavour topology.Flavour) {
	keys := &realKeys{fleet: realFleet(t)}
	// Commits of one row come one after the other, 2400 of them. Nothing dies here: none has to
	// wait for a disk, which made it last up to half a minute where that was busy.
	r := inFrontOf(t, flavour, Config{UniqueKeys: keys.of, MemberLinks: 60}, "innodb_flush_log_at_trx_commit=0", "sync_binlog=0")
	keys.at(r.addr)
	r.exec(t, "CREATE TABLE shop.counter (id INT PRIMARY KEY, n INT) ENGINE=InnoDB; INSERT INTO shop.counter VALUES (1, 0), (2, 0)")
	db := r.through(t, person{user: "app", password: appPassword, schema: "shop", change: func(c *mysql.Config) {
		c.InterpolateParams, c.ReadTimeout, c.WriteTimeout = false, 60*time.Second, 60*time.Second
	}})
	db.SetMaxOpenConns(40)
	db.SetMaxIdleConns(40) // else most clients log in anew for each count
	var failed atomic.Int64
	var clients sync.WaitGroup
	const each = 60
	for i := range 40 {
		clients.Go(func() {
			for range each {
				if err := count(t.Context(), db, i%4); err != nil {
					failed.Add(1)
					t.Log(err)
				}
			}
		})
	}
	clients.Wait()
	if n := query[int](t, db, "SELECT n FROM counter WHERE id=1"); n != 40*each || failed.Load() > 0 {
		t.Errorf("%d counted of %d, %d failed", n, 40*each, failed.Load())
	}
	g := r.Gates()[0]
	t.Logf("limit %d, inflation %.1f, hot %+v", g.Limit, g.Inflation, g.Hot)
	if len(g.Hot) == 0 {
		t.Fatal("the row that all count on is not found")
	}
	if len(g.Hot) != 1 || !strings.Contains(g.Hot[0].Name, "shop.counter(id)#") || g.Hot[0].Uses < 100 {
		t.Errorf("%+v", g.Hot)
	}
	if g.Taken != [gate.Classes]int{} || g.Hot[0].Using != 0 {
		t.Errorf("all have ended: %+v, %+v", g.Taken, g.Hot)
	}
}

func count(ctx context.Context, db *sql.DB, how int) error {
	switch how {
	case 0:
		_, err := db.ExecContext(ctx, "UPDATE counter SET n=n+1 WHERE id=1")
		return err
	case 1:
		_, err := db.ExecContext(ctx, "UPDATE counter SET n=n+1 WHERE id=?", 1)
		return err
	}
	if how == 2 {
		_, err := db.ExecContext(ctx, "INSERT INTO counter (id, n) VALUES (?, ?) ON DUPLICATE KEY UPDATE n=n+1", 1, 1)
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, "SELECT n FROM counter WHERE id=2"); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE counter SET n=n+1 WHERE id IN (1)"); err != nil {
		return fmt.Errorf("in a transaction: %w", err)
	}
	return tx.Commit()
}

// realKeys reads unique keys as a node does: from the member, whose address is known once it
// runs.
type realKeys struct {
	fleet *mysqld.Fleet
	addr  atomic.Pointer[string]
}

func realFleet(t *testing.T) *mysqld.Fleet {
	t.Helper()
	fleet, err := mysqld.NewFleet(mysqld.Config{
		Node: "n1", ManagerUser: mysqltest.Manager, ManagerPassword: mysqltest.ManagerPassword,
		ReplicationUser: "sqlring_repl", ReplicationPassword: "unused", Probe: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	return fleet
}

func (k *realKeys) at(addr string) { k.addr.Store(&addr) }

func (k *realKeys) of(ctx context.Context, id topology.MemberID, schema, table string) ([]balancer.UniqueKey, error) {
	return k.fleet.UniqueKeys(ctx, topology.Member{ID: id, Addr: *k.addr.Load()}, schema, table)
}
