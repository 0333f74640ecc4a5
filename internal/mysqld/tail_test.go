package mysqld_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqld"
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

func TestTailIsJudged(t *testing.T) {
	n := returning(t)
	cases := []struct {
		name    string
		writes  string
		noSlot  bool
		want    topology.TailVerdict
		count   int // transactions
		entries int // lines in the list
		why     string
	}{
		{name: "nothing", want: topology.TailEmpty, why: "nothing above"},
		{name: "own rows of sqlring", writes: "REPLACE INTO sqlring.heartbeat VALUES ('m1','n9',5)", want: topology.TailEmpty, why: "but sqlring's own"},
		{name: "inserts", writes: "INSERT INTO shop.t (v) VALUES (2),(3); INSERT INTO shop.t (v) VALUES (4)", want: topology.TailMayFlow, count: 2, entries: 2, why: "own slot 1/16"},
		{name: "slot not told", writes: "INSERT INTO shop.t (v) VALUES (2)", noSlot: true, want: topology.TailConflict, count: 1, entries: 1, why: "not told"},
		{name: "id of another slot", writes: "INSERT INTO shop.t VALUES (100000, 1)", want: topology.TailConflict, count: 1, entries: 1, why: "id 100000"},
		{name: "unique key", writes: "INSERT INTO shop.u (name) VALUES ('x')", want: topology.TailConflict, count: 1, entries: 1, why: "shop.u"},
		{name: "table without key", writes: "INSERT INTO shop.nokey VALUES (1)", want: topology.TailConflict, count: 1, entries: 1, why: "shop.nokey"},
		{name: "update", writes: "UPDATE shop.t SET v=9 WHERE id=1", want: topology.TailConflict, count: 1, entries: 1, why: "update in shop.t"},
		{name: "delete", writes: "DELETE FROM shop.t LIMIT 1", want: topology.TailConflict, count: 1, entries: 1, why: "delete in shop.t"},
		{name: "ddl", writes: "ALTER TABLE shop.t ADD COLUMN secret VARCHAR(9) DEFAULT 'hush'", want: topology.TailConflict, count: 1, entries: 1, why: "ALTER TABLE shop.t ADD"},
		{name: "one transaction of two events", writes: "BEGIN; INSERT INTO shop.t (v) VALUES (5); DELETE FROM shop.nokey; COMMIT", want: topology.TailConflict, count: 1, entries: 2, why: "delete in shop.nokey"},
		{name: "MyISAM, which has no commit", writes: "CREATE TABLE shop.m (v INT) ENGINE=MyISAM; INSERT INTO shop.m VALUES (1)", want: topology.TailConflict, count: 2, entries: 2, why: "CREATE TABLE"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cut := n.see(t).Binlog
			if c.writes != "" {
				n.Exec(t, c.writes)
			}
			a := topology.Action{Kind: topology.ActReadTail, After: cut, Layout: n.slot}
			if c.noSlot {
				a.Layout = autoinc.Layout{}
			}
			for range 2 {
				n.do(t, a)
			}
			got := n.see(t).Tail
			if got == nil || got.Verdict != c.want || got.Transactions != c.count || !strings.Contains(got.Why, c.why) {
				t.Fatalf("tail is %+v, want %s of %d, %q", got, c.want, c.count, c.why)
			}
			if strings.Contains(got.Why, "hush") {
				t.Errorf("the reason shows a literal: %s", got.Why)
			}
			if got.Cut.String() != cut.String() || !got.End.Covers(cut) {
				t.Errorf("from %s to %s", got.Cut, got.End)
			}
			if entries := readList(t, got.File); entries != c.entries {
				t.Errorf("%d entries are listed, want %d", entries, c.entries)
			}
		})
	}
}

// readList returns the number of entries in a list, which nobody else may read.
func readList(t *testing.T, path string) int {
	t.Helper()
	if path == "" {
		return 0
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		var entry struct{ GTID, Kind string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.GTID == "" || entry.Kind == "" {
			t.Errorf("line %q: %v", line, err)
		}
		n++
	}
	return n
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
		{"a cut that names the others too", up.see(t).Applied.Without(up.identity).Union(cut), topology.TailMayFlow, 1},
		{"no cut: nothing of it was passed on", nil, topology.TailConflict, 3}, // two of DDL before
	} {
		a := topology.Action{Kind: topology.ActReadTail, After: c.cut, Layout: up.slot}
		if err := fleet.Execute(t.Context(), member, a); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := fleet.Observe(t.Context(), member).Tail
		if got == nil || got.Verdict != c.want || got.Transactions != c.count {
			t.Errorf("%s: tail is %+v, want %s of %d", c.name, got, c.want, c.count)
		}
	}
}

func TestTailOfAnOpenMemberIsRefused(t *testing.T) {
	n := returning(t)
	n.do(t, open(1))
	n.refused(t, topology.Action{Kind: topology.ActReadTail}, mysqld.ErrPrecondition)
}
