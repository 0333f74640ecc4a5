package mysqld

import (
	"context"
	"strconv"
	"strings"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// UniqueKeys lists the unique keys of a table of m, the primary one first. A table that is
// not there has none. A part that is an expression (MySQL 8.0.13) has no name, and of how it
// compares nothing is known: it is a part all the same, without which many rows have the rest.
func (f *Fleet) UniqueKeys(ctx context.Context, m topology.Member, schema, table string) ([]balancer.UniqueKey, error) {
	var found []balancer.UniqueKey
	err := f.Member(m).asking(ctx, "read the unique keys of "+schema+"."+table+" of", func(ctx context.Context, c *conn) (err error) {
		found, err = c.uniqueKeys(ctx, schema, table)
		return err
	})
	return found, err
}

func (c *conn) uniqueKeys(ctx context.Context, schema, table string) ([]balancer.UniqueKey, error) {
	t, err := c.query(ctx, `SELECT s.index_name, IFNULL(s.column_name, ''), IFNULL(c.data_type, ''), IFNULL(c.collation_name, ''), IFNULL(s.sub_part, '')
		FROM information_schema.statistics s LEFT JOIN information_schema.columns c
			ON c.table_schema=s.table_schema AND c.table_name=s.table_name AND c.column_name=s.column_name
		WHERE s.table_schema=? AND s.table_name=? AND s.non_unique=0
		ORDER BY s.index_name<>'PRIMARY', s.index_name, s.seq_in_index LIMIT 256`, schema, table)
	if err != nil {
		return nil, err
	}
	var found []balancer.UniqueKey
	last := ""
	for _, row := range t.rows {
		if row[0] != last || len(found) == 0 {
			last = row[0]
			found = append(found, balancer.UniqueKey{})
		}
		u := &found[len(found)-1]
		compare := balancer.ComparisonOf(row[2], row[3])
		if row[4] != "" { // unique by the beginning of the value: rows are told apart by less
			compare = balancer.CompareUnknown
		}
		u.Columns = append(u.Columns, balancer.KeyColumn{Name: row[1], Compare: compare})
	}
	return found, nil
}

// Pressure asks m how much it has to do.
func (f *Fleet) Pressure(ctx context.Context, m topology.Member) (gate.Pressure, error) {
	var p gate.Pressure
	err := f.Member(m).asking(ctx, "read the pressure of", func(ctx context.Context, c *conn) error {
		t, err := c.query(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_running', 'Innodb_row_lock_current_waits')")
		if err != nil {
			return err
		}
		for _, row := range t.rows {
			n, err := strconv.Atoi(row[1])
			switch {
			case err != nil:
			case strings.EqualFold(row[0], "Threads_running"):
				p.RunningThreads = n
			default:
				p.RowLockWaits = n
			}
		}
		return nil
	})
	return p, err
}

// MaxConnections asks m for its max_connections.
func (f *Fleet) MaxConnections(ctx context.Context, m topology.Member) (int, error) {
	var most int
	err := f.Member(m).asking(ctx, "read max_connections of", func(ctx context.Context, c *conn) error {
		t, err := c.query(ctx, "SELECT @@global.max_connections")
		if err != nil {
			return err
		}
		most, err = strconv.Atoi(t.value())
		return err
	})
	return most, err
}
