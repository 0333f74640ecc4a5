package mysqld_test

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// fleetFor is what a node asks a member by.
func fleetFor(t *testing.T, n *node) (*mysqld.Fleet, topology.Member) {
	t.Helper()
	fleet, err := mysqld.NewFleet(config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	return fleet, topology.Member{ID: n.id, Addr: n.Addr}
}

// Unique keys are read as the server has them: the primary one first, the columns in their
// order, and how each compares. A part by which rows are told apart by less than its value,
// or by something else, is one of which nothing is to be said.
func TestBurstsUniqueKeys(t *testing.T) {
	n := world(t, 1)[0]
	fleet, m := fleetFor(t, n)
	n.Exec(t, "SET GLOBAL read_only=0; CREATE DATABASE shop")
	key := func(columns ...balancer.KeyColumn) balancer.UniqueKey { return balancer.UniqueKey{Columns: columns} }
	col := func(name string, c balancer.Comparison) balancer.KeyColumn {
		return balancer.KeyColumn{Name: name, Compare: c}
	}
	const integer, folded, raw, unknown = balancer.CompareInteger, balancer.CompareFolded, balancer.CompareBytes, balancer.CompareUnknown
	cases := []struct {
		name, table string
		want        []balancer.UniqueKey
		only        topology.Flavour // unknown: both have it
	}{
		{
			name: "the primary one is first, the others by name; what is not unique is none", want: []balancer.UniqueKey{key(col("id", integer)), key(col("b", integer), col("a", integer)), key(col("a", integer))},
			table: "id BIGINT UNSIGNED AUTO_INCREMENT, a INT, b TINYINT, c SMALLINT, UNIQUE z (a), UNIQUE k (b, a), KEY plain (c), PRIMARY KEY (id)",
		},
		{
			name: "by collation", want: []balancer.UniqueKey{key(col("ci", folded), col("bin", raw), col("b", raw), col("l", folded))},
			table: "ci VARCHAR(20) COLLATE utf8mb4_general_ci, bin VARCHAR(20) COLLATE utf8mb4_bin, b VARBINARY(20), l CHAR(5) CHARACTER SET latin1 COLLATE latin1_swedish_ci, UNIQUE u (ci, bin, b, l)",
		},
		{
			name: "a collation that tells case", want: []balancer.UniqueKey{key(col("c", balancer.CompareCased))},
			table: "c CHAR(5) CHARACTER SET latin1 COLLATE latin1_general_cs, UNIQUE u (c)",
		},
		{
			name: "the default collation of the server's flavour", want: []balancer.UniqueKey{key(col("name", folded))},
			table: "name VARCHAR(20) CHARACTER SET utf8mb4 NOT NULL, UNIQUE u (name)",
		},
		{
			name: "times and numbers that are written in several ways", want: []balancer.UniqueKey{key(col("d", balancer.CompareDate)), key(col("at", unknown)), key(col("n", unknown))},
			table: "d DATE PRIMARY KEY, at DATETIME, n DECIMAL(10,2), UNIQUE u1 (at), UNIQUE u2 (n)",
		},
		{
			name: "the beginning of a value", want: []balancer.UniqueKey{key(col("t", unknown), col("a", integer))},
			table: "t VARCHAR(100), a INT, UNIQUE u (t(10), a)",
		},
		{name: "none", table: "a INT, KEY k (a)"},
		{
			name: "accents and case by UCA 9", only: topology.FlavourMySQL, want: []balancer.UniqueKey{key(col("ai", folded), col("as1", raw), col("b", raw))},
			table: "ai VARCHAR(20) COLLATE utf8mb4_0900_ai_ci, as1 VARCHAR(20) COLLATE utf8mb4_0900_as_cs, b VARCHAR(20) COLLATE utf8mb4_0900_bin, UNIQUE u (ai, as1, b)",
		},
		{
			name: "an expression is a part of it", only: topology.FlavourMySQL, want: []balancer.UniqueKey{key(col("id", integer)), key(col("a", integer), col("", unknown))},
			table: "id INT PRIMARY KEY, a INT, b VARCHAR(20), UNIQUE u (a, (LOWER(b)))",
		},
	}
	for i, c := range cases {
		if c.only != topology.FlavourUnknown && c.only != mysqltest.Flavour(t) {
			continue
		}
		table := fmt.Sprintf("t%d", i)
		n.Exec(t, "CREATE TABLE shop."+table+" ("+c.table+")")
		if got, err := fleet.UniqueKeys(t.Context(), m, "shop", table); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v (%v)", c.name, got, c.want, err)
		}
	}
	if got, err := fleet.UniqueKeys(t.Context(), m, "shop", "nowhere"); err != nil || len(got) != 0 {
		t.Errorf("a table that is not there: %+v, %v", got, err)
	}
}

// The pressure is the server's own word, of a member that others follow: connections that do
// nothing are not counted, statements that run are, and who waits for a row is so too.
func TestBurstsPressure(t *testing.T) {
	up, down := pair(t)
	for _, n := range []*node{up, down} { // the threads of replication are no statements
		fleet, m := fleetFor(t, n)
		until := func(what string, holds func(gate.Pressure) bool) (p gate.Pressure) {
			t.Helper()
			mysqltest.Eventually(t, string(n.id)+": "+what, func() (err error) {
				if p, err = fleet.Pressure(t.Context(), m); err == nil && !holds(p) {
					err = fmt.Errorf("%+v", p)
				}
				return err
			})
			return p
		}
		idle := make([]*sql.Conn, 12)
		for i := range idle {
			var err error
			if idle[i], err = n.DB().Conn(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = idle[i].Close() }()
		}
		rest := until("nothing runs but what asks, and replication", func(p gate.Pressure) bool { return p.RunningThreads <= 8 && p.RowLockWaits == 0 })
		t.Logf("%s at rest, with %d idle connections: %+v", n.id, len(idle), rest)

		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		const sleepers = 9
		for _, c := range idle[:sleepers] {
			go func() { _, _ = c.ExecContext(ctx, "DO SLEEP(30)") }()
		}
		// What beats, and semi-sync, come and go: one more or less.
		busy := until("all that sleep in a statement are counted", func(p gate.Pressure) bool {
			return p.RunningThreads >= rest.RunningThreads+sleepers-1 && p.RowLockWaits == 0
		})
		t.Logf("%s with %d that sleep: %+v", n.id, sleepers, busy)
		if busy.RunningThreads > rest.RunningThreads+sleepers+1 {
			t.Errorf("%s: %+v, and %+v at rest, with %d that sleep", n.id, busy, rest, sleepers)
		}
		if n == up {
			up.Exec(t, "INSERT INTO shop.t VALUES (1, 0)")
			if _, err := idle[sleepers].ExecContext(t.Context(), "BEGIN; UPDATE shop.t SET v=1 WHERE id=1"); err != nil {
				t.Fatal(err)
			}
			waits := up.overwrite(t, 2)
			locked := until("one waits for a row", func(p gate.Pressure) bool { return p.RowLockWaits == 1 })
			t.Logf("%s with one that waits for a row: %+v", n.id, locked)
			if d := locked.RunningThreads - busy.RunningThreads; d < 0 || d > 2 {
				t.Errorf("%+v, and %+v before: who waits runs", locked, busy)
			}
			if _, err := idle[sleepers].ExecContext(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			if err := <-waits; err != nil {
				t.Error(err)
			}
			until("nobody waits any more", func(p gate.Pressure) bool { return p.RowLockWaits == 0 })
		}
		stop()
		for _, id := range n.sleepers(t) {
			n.Exec(t, "KILL "+id)
		}
		until("it is at rest again", func(p gate.Pressure) bool { return p.RunningThreads <= rest.RunningThreads+1 })
	}
}

// sleepers are the connections in DO SLEEP.
func (n *node) sleepers(t *testing.T) (ids []string) {
	t.Helper()
	rows, err := n.DB().QueryContext(t.Context(), "SELECT id FROM information_schema.processlist WHERE info LIKE 'DO SLEEP%'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}
