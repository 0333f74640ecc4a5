package mysqld_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// copyFrom is the action that fills a member.
func copyFrom(source *node, target *node, id uint64) topology.Action {
	return topology.Action{Kind: topology.ActCopy, Identity: target.identity, Copy: topology.CopyOrder{ID: id, From: source.Addr, Name: source.id}}
}

// copied waits for the end of the copy.
func (n *node) copied(t *testing.T) topology.CopyProgress {
	t.Helper()
	o := n.eventually(t, "the copy ends", func(o topology.Observation) bool {
		return o.Copy != nil && o.Copy.State != topology.CopyRunning
	})
	return *o.Copy
}

// faithful are objects and rows that a careless copy changes.
func faithful() []string {
	return []string{
		"CREATE DATABASE odd CHARACTER SET latin1", "CREATE DATABASE `we``ird 'n\"ame` CHARACTER SET utf8mb4",
		`CREATE TABLE odd.types (a INT, b VARCHAR(20) CHARACTER SET utf8mb4, i8 TINYINT UNSIGNED, i64 BIGINT UNSIGNED, f FLOAT, d DOUBLE, m DECIMAL(30,10),
			bits BIT(33), e ENUM('a','2','é') CHARACTER SET latin1, s SET('x','y','ü'), y YEAR, dt DATE, tm TIME(6), dtm DATETIME(6), ts TIMESTAMP(3) NULL,
			bin VARBINARY(300), blb LONGBLOB, txt MEDIUMTEXT CHARACTER SET gbk, wide VARCHAR(20) CHARACTER SET ucs2, j JSON, g POINT, u UUID, ip INET6,
			gen INT AS (a+1) VIRTUAL, gen2 INT AS (a*2) PERSISTENT, hidden INT INVISIBLE DEFAULT 7, PRIMARY KEY (b, a))`,
		`INSERT INTO odd.types (a,b,i8,i64,f,d,m,bits,e,s,y,dt,tm,dtm,ts,bin,blb,txt,wide,j,g,u,ip,hidden) VALUES
			(1,'Ä',255,18446744073709551615,16777217,0.1,12345678901234567890.0123456789,b'101010101010101010101010101010101','é','x,ü',0,'0000-00-00','-838:59:59.999999','9999-12-31 23:59:59.999999','2026-03-29 01:30:00.123',
			 X'00FF5C27220A0D1A',REPEAT(X'00275C',300000),'繁體\\','日本',JSON_OBJECT('a','"\\'),POINT(1.5,-2),UUID(),'2001:db8::1',9),
			(2,'ä ',0,0,1.1e-38,-1.7976931348623157e308,-0.0000000001,b'0','2','',2026,NULL,'00:00:00','2000-01-01',NULL,'',NULL,'',NULL,NULL,NULL,NULL,NULL,NULL)`,
		"INSERT INTO odd.types (a,b,e) VALUES (3,'','nothing of it')",
		"CREATE TABLE odd.zero (id INT AUTO_INCREMENT PRIMARY KEY, n INT) COMMENT 'naïve ''comment'''", "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO'; INSERT INTO odd.zero VALUES (0,1),(5,2)",
		"CREATE TABLE odd.keyless (a INT, b TEXT)", "INSERT INTO odd.keyless VALUES (1,'x'),(1,'x'),(NULL,NULL)",
		"CREATE TABLE odd.prefixed (t TEXT, PRIMARY KEY (t(10)))", "INSERT INTO odd.prefixed VALUES ('a'),('b')",
		"CREATE TABLE `we``ird 'n\"ame`.`ta``ble` (`co``l` INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES `we``ird 'n\"ame`.`ta``ble` (`co``l`))",
		"SET SESSION foreign_key_checks=0; INSERT INTO `we``ird 'n\"ame`.`ta``ble` VALUES (1,2),(2,1)",
		"CREATE TABLE odd.many (a VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, b INT, c DATETIME, v VARCHAR(200), PRIMARY KEY (a, b, c), KEY (v))",
		"INSERT INTO odd.many SELECT CONCAT('é', seq%7), seq, '2020-01-01' + INTERVAL seq SECOND, REPEAT(seq, 20) FROM odd.seq_1_to_60000",
		"CREATE TABLE odd.parts (id INT PRIMARY KEY, n INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
		"INSERT INTO odd.parts VALUES (1,1),(20,2)",
		"CREATE SEQUENCE odd.counter START WITH 100 INCREMENT BY 3", "SELECT NEXTVAL(odd.counter)",
		"CREATE VIEW odd.b_second AS SELECT 'é' AS lit, a FROM odd.types", "CREATE VIEW odd.a_first AS SELECT * FROM odd.b_second",
		"CREATE FUNCTION odd.twice(n INT) RETURNS INT DETERMINISTIC RETURN n*2", "CREATE VIEW odd.doubled AS SELECT odd.twice(a) AS n FROM odd.types",
		"SET SESSION sql_mode='ANSI_QUOTES,PIPES_AS_CONCAT'; CREATE PROCEDURE odd.say() SELECT 'ü' || 'x' AS \"col\"",
		"CREATE TABLE odd.log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(50))",
		"CREATE TRIGGER odd.on_zero AFTER INSERT ON odd.zero FOR EACH ROW INSERT INTO odd.log (what) VALUES ('one')",
		"CREATE TRIGGER odd.on_zero_too AFTER INSERT ON odd.zero FOR EACH ROW FOLLOWS on_zero INSERT INTO odd.log (what) VALUES ('two')",
		"CREATE EVENT odd.tick ON SCHEDULE EVERY 1 HOUR DO INSERT INTO odd.log (what) VALUES ('tick')",
		"CREATE ROLE clerk", "GRANT SELECT, INSERT ON odd.* TO clerk", "CREATE USER 'shop'@'10.%' IDENTIFIED BY 'secret' REQUIRE SSL WITH MAX_USER_CONNECTIONS 7",
		"GRANT clerk TO 'shop'@'10.%'", "SET DEFAULT ROLE clerk FOR 'shop'@'10.%'", "GRANT UPDATE (n), SELECT ON odd.zero TO 'shop'@'10.%'", "GRANT EXECUTE ON PROCEDURE odd.say TO 'shop'@'10.%'",
	}
}

func sameOnMariaDB() []string {
	return []string{
		"SELECT next_not_cached_value FROM odd.counter",
		"SELECT User, Host, Priv FROM mysql.global_priv WHERE User NOT IN ('sqlring','sqlring_repl','root','mysql','mariadb.sys') ORDER BY 1, 2",
	}
}

// TestCopyIsFaithful copies what a careless copy changes, under writes, and compares
// definitions, rows and accounts.
func TestCopyIsFaithful(t *testing.T) {
	nodes := world(t, 2)
	source, target := nodes[0], nodes[1]
	source.do(t, source.prepare())
	source.do(t, open(1))
	objects := faithful()
	if isMySQL(t) {
		objects = faithfulMySQL()
	}
	fill(t, source, objects)
	target.Exec(t, "SET SESSION sql_log_bin=0; SET GLOBAL read_only=0; CREATE DATABASE rubbish; CREATE TABLE rubbish.x (a INT); CREATE USER old@'%'")
	prepare := target.prepare()
	prepare.Full = true
	target.do(t, prepare)

	stop := writes(t, source)
	target.do(t, copyFrom(source, target, 7))
	said := target.copied(t)
	if said.State != topology.CopyDone {
		t.Fatalf("the copy is %s: %s", said.State, said.Error)
	}
	t.Logf("%s; at %s", said, said.Position)
	target.do(t, topology.Action{Kind: topology.ActFollow, Upstream: source.Addr, UpstreamName: source.id})
	stop()
	target.caughtUp(t, source)

	same := func(what, query string) {
		t.Helper()
		// The next value of each counter is one of the server's own slot.
		counter := regexp.MustCompile(` AUTO_INCREMENT=[0-9]+`)
		a, b := counter.ReplaceAllString(all(t, source, query), ""), counter.ReplaceAllString(all(t, target, query), "")
		if a != b || a == "" {
			t.Errorf("%s differ:\n%s\nand in the copy\n%s", what, a, b)
		}
	}
	for _, table := range []string{"odd.types", "odd.zero", "odd.keyless", "odd.prefixed", "odd.many", "odd.parts", "odd.log", "`we``ird 'n\"ame`.`ta``ble`"} {
		same("rows of "+table, "CHECKSUM TABLE "+table)
		same("definition of "+table, "SHOW CREATE TABLE "+table)
	}
	queries := sameOnMariaDB()
	if isMySQL(t) {
		queries = sameOnMySQL()
	}
	for _, query := range append(queries,
		"SHOW CREATE PROCEDURE odd.say", "SHOW CREATE FUNCTION odd.twice", "SHOW CREATE VIEW odd.a_first", "SHOW CREATE VIEW odd.b_second", "SHOW CREATE VIEW odd.doubled",
		"SHOW CREATE DATABASE odd", "SELECT * FROM odd.a_first ORDER BY a", "SELECT hidden, gen, gen2, f+0e0, HEX(bin), ST_AsText(g), e+0, bits+0, ts FROM odd.types ORDER BY a",
		"SELECT trigger_name, action_order, action_statement, sql_mode, definer FROM information_schema.triggers WHERE trigger_schema='odd' ORDER BY 1",
		"SHOW GRANTS FOR 'shop'@'10.%'", "SHOW CREATE USER 'shop'@'10.%'", "SHOW GRANTS FOR clerk",
	) {
		same(query, query)
	}
	if status := target.Query(t, "SELECT status FROM information_schema.events WHERE event_name='tick'"); status != "SLAVESIDE_DISABLED" && status != "REPLICA_SIDE_DISABLED" {
		t.Errorf("the copied event is %s", status)
	}
	if left := target.Query(t, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='rubbish'"); left != "0" {
		t.Error("what it held before is still there")
	}
	if old := target.Query(t, "SELECT COUNT(*) FROM mysql.user WHERE User='old'"); old != "0" {
		t.Error("an account is left that the ring does not have: one that is made there under that name would stop the applier")
	}
	// It is found, not made again; under another number it is made again.
	before := target.Query(t, "SELECT COUNT(*) FROM odd.many")
	target.do(t, topology.Action{Kind: topology.ActStopReceiver})
	again := handle(t, target.Server, config())
	if err := again.Execute(t.Context(), copyFrom(source, target, 7)); err != nil {
		t.Fatal(err)
	}
	mysqltest.Eventually(t, "the copy is found", func() error {
		o := again.Observe(t.Context())
		if o.Copy == nil || o.Copy.State != topology.CopyDone || o.Copy.Sum.Rows != said.Sum.Rows {
			return fmt.Errorf("%+v", o.Copy)
		}
		return nil
	})
	if after := target.Query(t, "SELECT COUNT(*) FROM odd.many"); after != before {
		t.Errorf("%s rows after it was found, %s before", after, before)
	}
}

// fill runs statements as root, each on a connection of its own.
func fill(t *testing.T, n *node, statements []string) {
	t.Helper()
	for _, s := range statements {
		conn, err := n.DB().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range slices.Concat([]string{"SET SESSION sql_mode=''"}, strings.SplitAfter(n.words(t, s), "; "), []string{"SET SESSION sql_mode=DEFAULT, foreign_key_checks=1"}) {
			if _, err := conn.ExecContext(t.Context(), part); err != nil {
				t.Errorf("%s: %v", part, err)
			}
		}
		_ = conn.Close()
	}
	if t.Failed() {
		t.FailNow()
	}
}

// writes changes rows until it is stopped.
func writes(t *testing.T, n *node) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			for _, s := range []string{
				fmt.Sprintf("INSERT INTO odd.zero (n) VALUES (%d)", i), fmt.Sprintf("UPDATE odd.many SET v='%d' WHERE b=%d", i, i%60000),
				fmt.Sprintf("DELETE FROM odd.many WHERE b=%d", 60000-i), fmt.Sprintf("INSERT INTO odd.many VALUES ('new', %d, NOW(), 'x')", 100000+i),
			} {
				if _, err := n.DB().ExecContext(context.WithoutCancel(ctx), s); err != nil {
					t.Errorf("%s: %v", s, err)
					return
				}
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	return func() { cancel(); wait.Wait() }
}

// all returns every row of a query as text.
func all(t *testing.T, n *node, query string) string {
	t.Helper()
	rows, err := n.DB().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %s: %v", n.id, query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			fmt.Fprintf(&text, "%q|", v.String)
		}
		text.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestCopyRefusesWhatASnapshotDoesNotHold names tables that are not InnoDB; by an
// explicit word they are copied while writes to them wait.
func TestCopyRefusesWhatASnapshotDoesNotHold(t *testing.T) {
	nodes := world(t, 2)
	source, target := nodes[0], nodes[1]
	source.do(t, source.prepare())
	source.do(t, open(1))
	fill(t, source, []string{
		"CREATE DATABASE odd", "CREATE TABLE odd.old (a INT, b VARCHAR(10)) ENGINE=MyISAM", "INSERT INTO odd.old VALUES (1,'x'),(2,NULL)",
		"CREATE TABLE odd.fresh (a INT PRIMARY KEY)", "INSERT INTO odd.fresh VALUES (1)",
	})
	target.do(t, target.prepare())
	order := copyFrom(source, target, 7)
	target.do(t, order)
	said := target.copied(t)
	if said.State != topology.CopyFailed || !said.Person || !strings.Contains(said.Error, "`odd`.`old` (MyISAM)") || !strings.Contains(said.Error, "--lock-tables") {
		t.Fatalf("the copy is %s: %s", said.State, said.Error)
	}
	order.Copy.Lock = true
	target.do(t, order)
	if said = target.copied(t); said.State != topology.CopyDone || said.Attempts != 2 {
		t.Fatalf("attempt %d is %s: %s", said.Attempts, said.State, said.Error)
	}
	if n := target.Query(t, "SELECT CONCAT((SELECT COUNT(*) FROM odd.old), (SELECT COUNT(*) FROM odd.fresh))"); n != "21" {
		t.Errorf("rows in the copy: %s", n)
	}
	source.Exec(t, "INSERT INTO odd.old VALUES (3,'y')") // nothing is locked any more
}

// TestCopyIsWrittenByOneAlone has a later leader begin while an earlier one writes:
// the earlier one can not write on, nor end the later one's.
func TestCopyIsWrittenByOneAlone(t *testing.T) {
	nodes := world(t, 2)
	source, target := nodes[0], nodes[1]
	source.do(t, source.prepare())
	source.do(t, open(1))
	fill(t, source, []string{
		"CREATE DATABASE odd", "CREATE TABLE odd.many (a INT PRIMARY KEY, v VARCHAR(1000))", "INSERT INTO odd.many SELECT seq, REPEAT('x', 900) FROM odd.seq_1_to_30000",
	})
	target.do(t, target.prepare())
	earlier, later := handle(t, target.Server, config()), handle(t, target.Server, config())
	earlier.Lead(5)
	later.Lead(6)
	if err := earlier.Execute(t.Context(), copyFrom(source, target, 7)); err != nil {
		t.Fatal(err)
	}
	mysqltest.Eventually(t, "the earlier one writes", func() error {
		if o := earlier.Observe(t.Context()); o.Copy == nil || o.Copy.Sum.Bytes == 0 {
			return fmt.Errorf("%+v", o.Copy)
		}
		return nil
	})
	if err := later.Execute(t.Context(), copyFrom(source, target, 7)); err != nil {
		t.Fatal(err)
	}
	mysqltest.Eventually(t, "the earlier one has ended, and the later one is done", func() error {
		a, b := earlier.Observe(t.Context()).Copy, later.Observe(t.Context()).Copy
		if a == nil || b == nil {
			return errors.New("one of them does not answer")
		}
		if a.State != topology.CopyFailed || b.State != topology.CopyDone {
			return fmt.Errorf("%s %s, %s %s", a.State, a.Error, b.State, b.Error)
		}
		return nil
	})
	if err := earlier.Execute(t.Context(), copyFrom(source, target, 8)); !errors.Is(err, mysqld.ErrHandsLost) {
		t.Errorf("a deposed leader begins anew: %v", err)
	}
	if n := target.Query(t, "SELECT COUNT(*) FROM odd.many"); n != "30000" {
		t.Errorf("%s rows", n)
	}
}

// TestACopyOfASourceThatFrozeIsBegunAnewFromAnother: the source freezes among the rows, so
// nobody hears of its end, and the operation chooses another one (S93). The copy of the first
// is ended, nothing of it is left, and the second is through while the first is frozen still.
func TestACopyOfASourceThatFrozeIsBegunAnewFromAnother(t *testing.T) {
	nodes := world(t, 3)
	frozen, spare, target := nodes[0], nodes[1], nodes[2]
	for i, source := range []*node{frozen, spare} {
		source.do(t, source.prepare())
		source.do(t, open(1))
		fill(t, source, []string{
			"CREATE DATABASE odd", "CREATE TABLE odd.many (a INT PRIMARY KEY, v VARCHAR(1000))",
			fmt.Sprintf("INSERT INTO odd.many SELECT seq+%d, REPEAT('x', 900) FROM odd.seq_1_to_30000", i*30000),
		})
	}
	target.do(t, target.prepare())
	target.do(t, copyFrom(frozen, target, 7))
	mysqltest.Eventually(t, "rows are copied", func() error {
		if c := target.Observe(t.Context()).Copy; c == nil || c.Sum.Bytes == 0 || c.From != frozen.id || c.State != topology.CopyRunning {
			return fmt.Errorf("%+v", c)
		}
		return nil
	})
	if err := syscall.Kill(frozen.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(frozen.PID(), syscall.SIGCONT) }()
	began := time.Now()
	mysqltest.Eventually(t, "the copy of the other is begun", func() error {
		return target.Execute(t.Context(), copyFrom(spare, target, 7))
	})
	said := target.copied(t)
	if said.State != topology.CopyDone || said.From != spare.id || said.Attempts != 1 {
		t.Fatalf("attempt %d, of %s, is %s: %s", said.Attempts, said.From, said.State, said.Error)
	}
	if rows := target.Query(t, "SELECT CONCAT(COUNT(*), ' from ', MIN(a), ' to ', MAX(a)) FROM odd.many"); rows != "30000 from 30001 to 60000" {
		t.Errorf("rows in the copy: %s", rows)
	}
	t.Logf("copied %s after the freeze", time.Since(began).Round(time.Millisecond))
}

// What a member holds by its copy alone is in no binlog of it (S85): to read it is an error
// however often it is tried, and what the member has written besides is read from the base.
func TestWhatACopyHoldsAloneCanNotBeRead(t *testing.T) {
	nodes := world(t, 2)
	source, target := nodes[0], nodes[1]
	source.do(t, source.prepare())
	source.do(t, open(1))
	source.Exec(t, "CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT); INSERT INTO shop.t (v) VALUES (1); INSERT INTO shop.t (v) VALUES (2)")
	prepare := target.prepare()
	prepare.Full = true
	target.do(t, prepare)
	target.do(t, copyFrom(source, target, 7))
	base := target.copied(t).Position
	last, ok := base.Last(source.domain(t))
	if !ok || !target.see(t).Binlog.Covers(base) {
		t.Fatalf("its binlog begins at %s, the base is %s", target.see(t).Binlog, base)
	}
	cut := source.at(t, last.Seq-1) // as far as the ring has read of the source
	for range 2 {
		if err := target.Execute(t.Context(), target.tailAfter(topology.Position{cut})); err == nil {
			t.Fatalf("a tail above %s was read: %+v", cut, target.see(t).Tail)
		}
	}
	target.Exec(t, "SET GLOBAL read_only=0; INSERT INTO shop.t (v) VALUES (3); SET GLOBAL read_only=1")
	target.do(t, target.tailAfter(topology.Position{last, target.at(t, 0)}))
	if tail := target.see(t).Tail; tail == nil || tail.Transactions != 1 || !tail.End.Covers(target.see(t).Binlog.Without(source.domain(t))) {
		t.Errorf("its own tail is %+v, want one transaction", tail)
	}
}
