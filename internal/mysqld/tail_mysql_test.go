package mysqld_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// testTailOfSeveralSources is TestTailOfSeveralDomains for a MySQL, whose transactions
// of others bear their server_uuid.
func testTailOfSeveralSources(t *testing.T) {
	n := returning(t)
	const insert = "INSERT INTO shop.t (v) VALUES (1)"
	const other = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	as := func(source string, seq int, statement string) string {
		return fmt.Sprintf("SET SESSION gtid_next='%s:%d'; %s; SET SESSION gtid_next='AUTOMATIC'", source, seq, statement)
	}
	for seq := 1; seq <= 3; seq++ {
		n.Exec(t, as(other, seq, insert))
	}
	n.Exec(t, insert)
	n.Exec(t, "SET SESSION gtid_next='AUTOMATIC:tagged'; "+insert+"; SET SESSION gtid_next='AUTOMATIC'")
	n.Exec(t, "SET SESSION binlog_transaction_compression=1; "+insert+"; SET SESSION binlog_transaction_compression=0")
	last := n.see(t).Binlog
	own, _ := last.Last(n.domain(t))
	of := func(source string, seq uint64) topology.Position {
		return topology.Position{{Domain: topology.SourceDomain(source), Seq: seq, Source: source}}
	}
	before := topology.Position{n.at(t, own.Seq-2)}
	tagged := own.Source + ":tagged"
	for _, c := range []struct {
		name  string
		cut   topology.Position
		want  topology.TailVerdict
		count int
		why   string
	}{
		{"its own alone, one of them compressed", before, flows, 2, "own slot"},
		{"all that is named is there", last, empty, 0, "nothing above"},
		{"one that the ring has more of", of(other, 9), empty, 0, "nothing above"},
		{"inserts of another never flow", before.Union(of(other, 1)), conflict, 4, other + ":2 is of"},
		{"from the beginning", of(other, 0), conflict, 3, other + ":1 is of"},
		{"of a tag", of(tagged, 0), conflict, 1, tagged + ":1 is of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.do(t, n.tailAfter(c.cut))
			got := n.see(t).Tail
			if got.Verdict != c.want || got.Transactions != c.count || !strings.Contains(got.Why, c.why) {
				t.Errorf("tail is %+v, want %s of %d, %q", got, c.want, c.count, c.why)
			}
		})
	}
}

// testTailOfARestartedMySQL: it boots closed to everybody, and has logged that it
// emptied a MEMORY table, or has not been let.
func testTailOfARestartedMySQL(t *testing.T, n *node, cut topology.Position) {
	t.Helper()
	if got := n.Query(t, "SELECT @@super_read_only"); got != "1" {
		t.Errorf("it has come up with super_read_only=%s", got)
	}
	t.Logf("logged by itself: %s", cut.Missing(n.see(t).Binlog))
	n.do(t, n.tailAfter(cut))
	if got := n.see(t).Tail; got.Verdict != empty || got.Transactions != 0 {
		t.Errorf("what the server logged by itself is %+v", got)
	}
	n.Exec(t, "SET GLOBAL super_read_only=0; INSERT INTO shop.t (v) VALUES (1)")
	n.do(t, n.tailAfter(cut))
	if got := n.see(t).Tail; got.Verdict != flows || got.Transactions != 1 {
		t.Errorf("a write before it was prepared is %+v", got)
	}
}
