package mysqld

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// maxColumns bounds how many AUTO_INCREMENT columns are read of a member, and
// maxSessions how many sessions.
const (
	maxColumns  = 20000
	maxSessions = 5000
)

// Counting is by what a member gives out ids, asked anew.
type Counting struct {
	Global autoinc.Layout // what a new session gets
	// Sessions are the layouts of the sessions of others; nil: the server shows
	// them to nobody.
	Sessions map[uint64]autoinc.Layout // by connection id
	Open     int                       // connections of others, replication and sqlring's own aside
}

// Counting asks the member by what it gives out ids, over a connection of its own.
// MySQL shows the variables of every session (performance_schema.variables_by_thread);
// MariaDB shows a session's to nobody but itself.
func (m *Member) Counting(ctx context.Context) (Counting, error) {
	var found Counting
	err := m.asking(ctx, "read the auto_increment layout of", func(ctx context.Context, c *conn) (err error) {
		found, err = c.counting(ctx)
		return err
	})
	return found, err
}

// Columns lists the AUTO_INCREMENT columns of the member's tables, the system's and
// sqlring's own aside, over a connection of its own. The next value of a table
// that is replicated is at least one above all that was applied.
func (m *Member) Columns(ctx context.Context) ([]autoinc.Column, error) {
	var found []autoinc.Column
	err := m.asking(ctx, "read the auto_increment columns of", func(ctx context.Context, c *conn) (err error) {
		found, err = c.columns(ctx)
		return err
	})
	return found, err
}

// asking runs f over a connection of its own, and says what it was for if it fails.
func (m *Member) asking(ctx context.Context, what string, f func(context.Context, *conn) error) error {
	c, err := m.connect(ctx, forProbe)
	if err == nil {
		defer c.close()
		err = f(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, m.id, err)
	}
	return nil
}

func (c *conn) counting(ctx context.Context) (Counting, error) {
	results, err := c.batch(ctx, `SELECT @@global.auto_increment_offset, @@global.auto_increment_increment;
		SELECT COUNT(*) FROM information_schema.processlist
		WHERE id <> CONNECTION_ID() AND user NOT IN (?, ?, 'system user', 'event_scheduler') AND command NOT IN ('Binlog Dump', 'Binlog Dump GTID', 'Daemon')`,
		c.ours[0], c.ours[1])
	if err != nil {
		return Counting{}, err
	}
	if len(results) != 2 || len(results[0].rows) != 1 {
		return Counting{}, fmt.Errorf("the server answered %d results", len(results))
	}
	var found Counting
	if found.Global, err = layoutOf(results[0].rows[0]); err != nil {
		return Counting{}, err
	}
	if found.Open, err = strconv.Atoi(results[1].value()); err != nil {
		return Counting{}, err
	}
	if c.version.Flavour != topology.FlavourMySQL {
		return found, nil
	}
	found.Sessions, err = c.sessionLayouts(ctx)
	return found, err
}

// sessionLayouts reads the variables of the sessions of others, of MySQL.
func (c *conn) sessionLayouts(ctx context.Context) (map[uint64]autoinc.Layout, error) {
	t, err := c.query(ctx, `SELECT t.processlist_id, MAX(IF(v.variable_name='auto_increment_offset', v.variable_value, NULL)),
			MAX(IF(v.variable_name='auto_increment_increment', v.variable_value, NULL))
		FROM performance_schema.variables_by_thread v JOIN performance_schema.threads t USING (thread_id)
		WHERE v.variable_name IN ('auto_increment_offset', 'auto_increment_increment') AND t.type='FOREGROUND'
			AND t.processlist_id <> CONNECTION_ID() AND t.processlist_user NOT IN (?, ?)
		GROUP BY t.processlist_id LIMIT `+strconv.Itoa(maxSessions), c.ours[0], c.ours[1])
	if err != nil {
		return nil, err
	}
	sessions := make(map[uint64]autoinc.Layout, len(t.rows))
	for _, row := range t.rows {
		id, err := strconv.ParseUint(row[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("connection id %q: %w", row[0], err)
		}
		if sessions[id], err = layoutOf(row[1:]); err != nil {
			return nil, fmt.Errorf("session %d: %w", id, err)
		}
	}
	return sessions, nil
}

func layoutOf(row []string) (autoinc.Layout, error) {
	offset, err := strconv.Atoi(row[0])
	if err != nil {
		return autoinc.Layout{}, fmt.Errorf("auto_increment_offset %q: %w", row[0], err)
	}
	stride, err := strconv.Atoi(row[1])
	if err != nil {
		return autoinc.Layout{}, fmt.Errorf("auto_increment_increment %q: %w", row[1], err)
	}
	return autoinc.Layout{Offset: offset, Stride: stride}, nil
}

// columns reads information_schema. MySQL keeps AUTO_INCREMENT of the past there
// for a day, unless it is told not to (MySQL manual, information_schema_stats_expiry).
func (c *conn) columns(ctx context.Context) ([]autoinc.Column, error) {
	if c.version.Flavour == topology.FlavourMySQL {
		if err := c.execute(ctx, "SET SESSION information_schema_stats_expiry=0"); err != nil {
			return nil, err
		}
	}
	t, err := c.query(ctx, `SELECT c.table_schema, c.table_name, c.column_name, c.column_type, IFNULL(t.auto_increment, 1)
		FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.extra LIKE '%auto_increment%' AND t.table_type='BASE TABLE'
			AND c.table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys', 'sqlring')
		LIMIT `+strconv.Itoa(maxColumns))
	if err != nil {
		return nil, err
	}
	found := make([]autoinc.Column, 0, len(t.rows))
	for _, row := range t.rows {
		column := autoinc.Column{Schema: row[0], Table: row[1], Column: row[2], Type: row[3]}
		if column.Next, err = strconv.ParseUint(row[4], 10, 64); err != nil {
			return nil, fmt.Errorf("next value of %s: %w", column.Name(), err)
		}
		var known bool
		if column.Max, known = autoinc.MaxOf(column.Type); !known {
			return nil, fmt.Errorf("column %s has AUTO_INCREMENT and the type %q, which is not known here", column.Name(), column.Type)
		}
		found = append(found, column)
	}
	slices.SortFunc(found, autoinc.Column.Compare)
	return found, nil
}
