package mysqld_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// returning is a member with tables, whose further writes are its tail. They
// run as root, in the member's slot.
func returning(t *testing.T) *node {
	t.Helper()
	n := world(t, 1)[0]
	cfg := config()
	cfg.TailDir = t.TempDir()
	n.Member = handle(t, n.Server, cfg)
	n.do(t, n.prepare())
	n.Exec(t, `CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT);
		CREATE TABLE shop.u (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(9) UNIQUE); CREATE TABLE shop.nokey (v INT);
		INSERT INTO shop.t (v) VALUES (1)`)
	return n
}

// inTail is what a case does to a returning member, and what its tail then is.
type inTail struct {
	name    string
	writes  string
	undo    string // what the next case needs
	noSlot  bool
	want    topology.TailVerdict
	count   int // transactions
	entries int // lines in the list
	why     string
	also    string  // further words of the reason
	mysql   *inTail // on MySQL: what is otherwise; the zero value: there is no such case
}

func (n *node) tailAfter(cut topology.Position) topology.Action {
	return topology.Action{Kind: topology.ActReadTail, After: cut, Identity: n.identity, Layout: n.slot}
}

// judges runs the cases, one after the other, on one member.
func (n *node) judges(t *testing.T, cases []inTail) {
	t.Helper()
	for _, c := range cases {
		if c.mysql != nil && isMySQL(t) {
			if c.mysql.why == "" {
				continue
			}
			c.want, c.count, c.entries, c.why = c.mysql.want, c.mysql.count, c.mysql.entries, c.mysql.why
		}
		t.Run(c.name, func(t *testing.T) {
			cut := n.see(t).Binlog
			if c.writes != "" {
				n.Exec(t, c.writes)
			}
			a := n.tailAfter(cut)
			if c.noSlot {
				a.Layout = autoinc.Layout{}
			}
			for range 2 {
				n.do(t, a)
			}
			got := n.see(t).Tail
			if c.undo != "" {
				n.Exec(t, c.undo)
			}
			if got == nil || got.Verdict != c.want || got.Transactions != c.count || !strings.Contains(got.Why, c.why) || !strings.Contains(got.Why, c.also) {
				t.Fatalf("tail is %+v, want %s of %d, %q", got, c.want, c.count, c.why)
			}
			if strings.Contains(got.Why, "hush") {
				t.Errorf("the reason shows a literal: %s", got.Why)
			}
			if got.Cut.String() != cut.String() || !got.End.Covers(cut) {
				t.Errorf("from %s to %s", got.Cut, got.End)
			}
			if entries := readList(t, got.File); len(entries) != c.entries {
				t.Errorf("%d entries are listed, want %d: %v", len(entries), c.entries, entries)
			}
		})
	}
}

const empty, flows, conflict = topology.TailEmpty, topology.TailMayFlow, topology.TailConflict

func TestTailIsJudged(t *testing.T) {
	n := returning(t)
	n.Exec(t, "CREATE TABLE shop.child (id INT AUTO_INCREMENT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES shop.t (id))")
	n.judges(t, []inTail{
		{name: "nothing", want: empty, why: "nothing above"},
		{name: "own rows of sqlring", writes: "REPLACE INTO sqlring.heartbeat VALUES ('m1','n9',5)", want: empty, why: "but sqlring's own"},
		{name: "inserts", writes: "INSERT INTO shop.t (v) VALUES (2),(3); INSERT INTO shop.t (v) VALUES (4)", want: flows, count: 2, entries: 2, why: "own slot 1/16"},
		{name: "inserts around a savepoint", writes: "BEGIN; INSERT INTO shop.t (v) VALUES (2); SAVEPOINT `a``b`; INSERT INTO shop.t (v) VALUES (3); COMMIT", want: flows, count: 1, entries: 2, why: "own slot"},
		{name: "slot not told", writes: "INSERT INTO shop.t (v) VALUES (2)", noSlot: true, want: conflict, count: 1, entries: 1, why: "not told"},
		{name: "id of another slot", writes: "INSERT INTO shop.t VALUES (100000, 1)", want: conflict, count: 1, entries: 1, why: "id 100000"},
		{name: "unique key", writes: "INSERT INTO shop.u (name) VALUES ('x')", want: conflict, count: 1, entries: 1, why: "shop.u"},
		{name: "foreign key", writes: "INSERT INTO shop.child (t) VALUES (1)", want: conflict, count: 1, entries: 1, why: "shop.child"},
		{name: "table without key", writes: "INSERT INTO shop.nokey VALUES (1)", want: conflict, count: 1, entries: 1, why: "shop.nokey"},
		{name: "update", writes: "UPDATE shop.t SET v=9 WHERE id=1", want: conflict, count: 1, entries: 1, why: "update in shop.t"},
		{name: "delete", writes: "DELETE FROM shop.t ORDER BY id DESC LIMIT 1", want: conflict, count: 1, entries: 1, why: "delete in shop.t"},
		{name: "one transaction of two events", writes: "BEGIN; INSERT INTO shop.t (v) VALUES (5); DELETE FROM shop.nokey; COMMIT", want: conflict, count: 1, entries: 2, why: "delete in shop.nokey"},
	})
}

func TestTailOfStatementsNeverFlows(t *testing.T) {
	n := returning(t)
	file := t.TempDir() + "/rows"
	if err := os.WriteFile(file, []byte("1\n2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(file); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // the server may run as somebody else
			t.Fatal(err)
		}
	}
	asText := func(statement string) string {
		return "SET SESSION binlog_format=STATEMENT; " + statement + "; SET SESSION binlog_format=ROW"
	}
	n.judges(t, []inTail{
		{name: "ddl", writes: "ALTER TABLE shop.t ADD COLUMN secret VARCHAR(9) DEFAULT 'hush'", want: conflict, count: 1, entries: 1, why: "ALTER TABLE shop.t ADD"},
		{name: "ddl from the default schema sqlring", writes: "USE sqlring; ALTER TABLE shop.t DROP COLUMN secret; USE shop", want: conflict, count: 1, entries: 1, why: "ALTER TABLE shop.t DROP"},
		{name: "insert as text from the default schema sqlring", writes: "USE sqlring; " + asText("INSERT INTO shop.t (v) VALUES ('7')") + "; USE shop", want: conflict, count: 1, entries: 1, why: "INSERT INTO shop.t"},
		{name: "a table of one's own in sqlring", writes: "USE sqlring; CREATE TABLE mine (id INT AUTO_INCREMENT PRIMARY KEY); INSERT INTO mine VALUES (); USE shop", want: conflict, count: 2, entries: 2, why: "CREATE TABLE mine"},
		{name: "ddl in two phases", writes: "SET SESSION binlog_alter_two_phase=1; ALTER TABLE shop.t ADD COLUMN w INT; SET SESSION binlog_alter_two_phase=0", want: conflict, count: 2, entries: 2, why: "ALTER TABLE shop.t ADD", mysql: &inTail{}},
		{name: "table made of rows", writes: "CREATE TABLE shop.copy SELECT * FROM shop.nokey; INSERT INTO shop.nokey VALUES (1); CREATE TABLE shop.copy2 SELECT * FROM shop.nokey", want: conflict, count: 3, entries: 4, why: "CREATE TABLE"},
		{name: "account", writes: "CREATE USER late IDENTIFIED BY 'hush'", want: conflict, count: 1, entries: 1, why: "CREATE USER"},
		{name: "administration", writes: "FLUSH TABLES", want: conflict, count: 1, entries: 1, why: "FLUSH TABLES"},
		{name: "MyISAM, which has no commit", writes: "CREATE TABLE shop.m (v INT) ENGINE=MyISAM; INSERT INTO shop.m VALUES (1)", want: conflict, count: 2, entries: 2, why: "CREATE TABLE"},
		{name: "who says to be the server", writes: "TRUNCATE TABLE `shop`.`nokey` /* generated by server for memory table after a restart */", want: conflict, count: 1, entries: 1, why: "TRUNCATE TABLE"},
		{name: "load of a file as text", writes: asText("LOAD DATA INFILE '" + file + "' INTO TABLE shop.t (v)"), want: conflict, count: 1, entries: 2, why: "BeginLoadQueryEvent"},
	})
}

func TestTailWithXANeverFlows(t *testing.T) {
	n := returning(t)
	const insert = "INSERT INTO shop.t (v) VALUES (1)"
	n.judges(t, []inTail{
		{name: "in one phase, an ordinary transaction", writes: "XA START 'a'; " + insert + "; XA END 'a'; XA COMMIT 'a' ONE PHASE", want: flows, count: 1, entries: 1, why: "own slot", mysql: &inTail{want: conflict, count: 1, entries: 4, why: "XA transaction"}},
		// MySQL lists XA START as well. Insert, XA END, XA PREPARE; then what decided it
		{name: "committed", writes: "XA START 'a'; " + insert + "; XA END 'a'; XA PREPARE 'a'; XA COMMIT 'a'", want: conflict, count: 2, entries: 4, why: "part of an XA transaction", mysql: &inTail{want: conflict, count: 2, entries: 5, why: "part of an XA transaction"}},
		{name: "rolled back", writes: "XA START 'a'; " + insert + "; XA END 'a'; XA PREPARE 'a'; XA ROLLBACK 'a'", want: conflict, count: 2, entries: 4, why: "part of an XA transaction", mysql: &inTail{want: conflict, count: 2, entries: 5, why: "part of an XA transaction"}},
		{name: "behind another reason", writes: "INSERT INTO shop.nokey VALUES (1); XA START 'a'; " + insert + "; XA END 'a'; XA PREPARE 'a'; XA COMMIT 'a'", want: conflict, count: 3, entries: 5, why: "shop.nokey", also: "XA transactions", mysql: &inTail{want: conflict, count: 3, entries: 6, why: "shop.nokey"}},
		{name: "undecided", writes: "XA START 'a'; " + insert + "; XA END 'a'; XA PREPARE 'a'", undo: "XA COMMIT 'a'", want: conflict, count: 1, entries: 3, why: "part of an XA transaction", mysql: &inTail{want: conflict, count: 1, entries: 4, why: "part of an XA transaction"}, also: "XA RECOVER"},
	})
	cut := n.see(t).Binlog
	n.Exec(t, "XA START 'b'; "+insert+"; XA END 'b'; XA PREPARE 'b'; XA COMMIT 'b'")
	n.do(t, n.tailAfter(cut))
	var kinds []string
	for _, e := range readList(t, n.see(t).Tail.File) {
		kinds = append(kinds, e.Kind+" "+e.Statement)
	}
	want := "insert ; xa XA END X'62',X'',1; xa XA PREPARE; xa XA COMMIT X'62',X'',1"
	if isMySQL(t) {
		want = "xa XA START X'62',X'',1; " + want
	}
	if got := strings.Join(kinds, "; "); got != want {
		t.Errorf("listed are %q, want %q", got, want)
	}
}

// as returns writes under another identity, which a member may hold of one that
// was taken out.
func (n *node) as(identity uint32, statements string) string {
	return fmt.Sprintf("SET SESSION gtid_domain_id=%d, server_id=%d; %s; SET SESSION gtid_domain_id=%d, server_id=%d",
		identity, identity, statements, n.identity, n.identity)
}

func TestTailOfSeveralDomains(t *testing.T) {
	if isMySQL(t) {
		testTailOfSeveralSources(t)
		return
	}
	n := returning(t)
	const insert = "INSERT INTO shop.t (v) VALUES (1)"
	// 102 has 1, 2, 4, 5: a row that was skipped leaves such a gap.
	n.Exec(t, n.as(102, insert+"; "+insert+"; SET SESSION gtid_seq_no=4; "+insert+"; "+insert)+"; "+n.as(103, "DELETE FROM shop.t WHERE id<3"))
	n.Exec(t, insert)
	last := n.see(t).Binlog
	own, _ := last.Last(101)
	at := func(domain uint32, seq uint64) topology.Position {
		return topology.Position{{Domain: domain, Server: domain, Seq: seq}}
	}
	before := at(101, own.Seq-1)
	for _, c := range []struct {
		name  string
		cut   topology.Position
		want  topology.TailVerdict
		count int
		end   string
		why   string
		lines string
	}{
		{"its own alone", before, flows, 1, "101-101-" + fmt.Sprint(own.Seq), "own slot", "101-101-" + fmt.Sprint(own.Seq) + " true"},
		{"all that is named is there", last, empty, 0, last.String(), "nothing above", ""},
		{"one that the ring has more of", at(102, 9), empty, 0, "102-102-5", "nothing above", ""},
		{"one that it has nothing of", at(104, 3), empty, 0, "", "nothing above", ""},
		{"inserts of another never flow", before.Union(at(102, 2)), conflict, 3, fmt.Sprintf("101-101-%d,102-102-5", own.Seq), "102-102-4 is of domain 102", ""},
		{"from the beginning", at(102, 0), conflict, 4, "102-102-5", "102-102-1 is of domain 102", "102-102-1 false;102-102-2 false;102-102-4 false;102-102-5 false"},
		{"above a gap", at(102, 3), conflict, 2, "102-102-5", "102-102-4 is of domain 102", "102-102-4 false;102-102-5 false"},
		{"below all that is kept, and at its end", last.Without(103).Union(at(103, 0)), conflict, 1, last.String(), "103-103-1 is of domain 103", "103-103-1 false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.do(t, n.tailAfter(c.cut))
			got := n.see(t).Tail
			if got.Verdict != c.want || got.Transactions != c.count || got.End.String() != c.end || !strings.Contains(got.Why, c.why) {
				t.Errorf("tail is %+v, want %s of %d to %s, %q", got, c.want, c.count, c.end, c.why)
			}
			var lines []string
			for _, e := range readList(t, got.File) {
				lines = append(lines, fmt.Sprint(e.GTID, " ", e.Own))
			}
			if c.lines != "" && strings.Join(lines, ";") != c.lines {
				t.Errorf("listed are %q, want %q", lines, c.lines)
			}
		})
	}
}

func TestTailThatWasPurgedIsAnErrorNotEmpty(t *testing.T) {
	n := returning(t)
	n.Exec(t, "FLUSH BINARY LOGS; INSERT INTO shop.t (v) VALUES (1); FLUSH BINARY LOGS")
	n.Exec(t, "PURGE BINARY LOGS BEFORE '2037-01-01'")
	for _, seq := range []uint64{0, 1} {
		if err := n.Execute(t.Context(), n.tailAfter(topology.Position{n.at(t, seq)})); err == nil {
			t.Errorf("after %d: no error", seq)
		}
	}
	if got := n.see(t).Tail; got != nil {
		t.Errorf("tail is %+v", got)
	}
}

func TestTailOfARestartedServerWithoutIdentity(t *testing.T) {
	n := returning(t)
	n.Exec(t, "CREATE TABLE shop.mem (v INT) ENGINE=MEMORY; INSERT INTO shop.mem VALUES (1)")
	cut := n.see(t).Binlog
	n.Kill()
	n.RestartNow(t)
	mysqltest.Eventually(t, "the hands are taken again", func() error { return n.Execute(t.Context(), kind(topology.ActSeize)) })
	if got := n.Query(t, "SELECT COUNT(*) FROM shop.mem"); got != "0" {
		t.Fatalf("%s rows in a MEMORY table after a restart", got)
	}
	nothing := topology.GTID{Server: 1} // of domain 0
	o := n.see(t)
	if isMySQL(t) {
		testTailOfARestartedMySQL(t, n, cut)
		return
	}
	if o.Binlog.Seq(0) == 0 {
		t.Fatal("the server has not logged that it emptied the table")
	}
	n.do(t, n.tailAfter(cut.With(nothing)))
	if got := n.see(t).Tail; got.Verdict != empty || got.Transactions != 0 {
		t.Errorf("what the server logged by itself is %+v", got)
	}
	n.Exec(t, "INSERT INTO shop.t (v) VALUES (1)") // somebody with the right to write on a closed server
	n.do(t, n.tailAfter(cut.With(nothing)))
	if got := n.see(t).Tail; got.Verdict != conflict || got.Transactions != 1 || !strings.Contains(got.Why, "of domain 0") {
		t.Errorf("a write without identity is %+v", got)
	}
}

// listed is a line of a list.
type listed struct {
	GTID, Kind, Statement string
	Domain                *uint32
	Own                   bool
	Raw                   []byte
}

// readList returns the entries of a list, which nobody else may read.
func readList(t *testing.T, path string) []listed {
	t.Helper()
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	var entries []listed
	for line := range strings.Lines(string(text)) {
		var entry listed
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.GTID == "" || entry.Kind == "" || entry.Domain == nil {
			t.Errorf("line %q: %v", line, err)
		}
		entries = append(entries, entry)
	}
	return entries
}

func TestTailAfterARestartKnowsWhoseItIs(t *testing.T) {
	up, down := pair(t)
	cut := up.see(t).Binlog
	// m2's transactions are in m1's binlog too; they are not m1's tail.
	up.do(t, kind(topology.ActClose))
	up.do(t, follow(down))
	down.Exec(t, "SET GLOBAL read_only=0")
	down.Exec(t, "INSERT INTO shop.t (v) VALUES (7); UPDATE shop.t SET v=1; DELETE FROM shop.t")
	up.caughtUp(t, down)
	up.Exec(t, "INSERT INTO shop.t (v) VALUES (8)")
	up.Kill()
	up.RestartNow(t)
	fleet, err := mysqld.NewFleet(config())
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	member := topology.Member{ID: up.id, Addr: up.Addr, Identity: up.identity}
	for _, c := range []struct {
		name  string
		cut   topology.Position
		want  topology.TailVerdict
		count int
	}{
		{"its own cut", cut, topology.TailMayFlow, 1},
		{"a cut that names the others too", up.see(t).Binlog.Without(up.domain(t)).Union(cut), topology.TailMayFlow, 1},
		{"nothing of it was passed on", topology.Position{up.at(t, 0)}, topology.TailConflict, 3}, // two of DDL before
	} {
		a := topology.Action{Kind: topology.ActReadTail, After: c.cut, Layout: up.slot, Identity: up.identity}
		if err := fleet.Execute(t.Context(), member, a); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := fleet.Observe(t.Context(), member).Tail
		if got == nil || got.Verdict != c.want || got.Transactions != c.count {
			t.Errorf("%s: tail is %+v, want %s of %d", c.name, got, c.want, c.count)
		}
	}
}

func TestTailIsRefusedWithoutItsFacts(t *testing.T) {
	n := returning(t)
	cut := n.see(t).Binlog
	n.refused(t, topology.Action{Kind: topology.ActReadTail, After: cut, Layout: n.slot}, mysqld.ErrPrecondition)
	n.refused(t, n.tailAfter(nil), mysqld.ErrPrecondition)
	n.do(t, open(1)) // it still grows
	n.refused(t, n.tailAfter(cut), mysqld.ErrPrecondition)
}

// TestTailThatCanNotBeRead: who does not wait for ever is told so after three failures, and what
// is read later counts.
func TestTailThatCanNotBeRead(t *testing.T) {
	n := returning(t)
	cut := n.see(t).Binlog
	n.Exec(t, "INSERT INTO shop.t (v) VALUES (2)")
	inTheWay := filepath.Join(t.TempDir(), "a file, where the list's folder should be")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config()
	cfg.TailDir = inTheWay
	n.Member = handle(t, n.Server, cfg)
	waits, givesUp := n.tailAfter(cut), n.tailAfter(cut)
	givesUp.GivesUp = true
	for range 2 {
		if err := n.Execute(t.Context(), givesUp); err == nil {
			t.Fatal("it was read")
		}
	}
	if seen := n.see(t).Tail; seen != nil {
		t.Fatalf("given up too early: %+v", seen)
	}
	n.do(t, givesUp)
	got := n.see(t).Tail
	if got == nil || got.Unread.IsZero() || got.Verdict != topology.TailConflict || !strings.Contains(got.Why, "can not be read") {
		t.Fatalf("given up: %+v", got)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	n.do(t, waits)
	if got := n.see(t).Tail; got == nil || !got.Unread.IsZero() || got.Transactions != 1 {
		t.Errorf("read at last: %+v", got)
	}
}
