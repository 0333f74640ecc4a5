package mysqld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/rowcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// rowStatement bounds one statement of a comparison, in seconds.
const rowStatement = 20

// maxRowBytes bounds a statement that writes one row.
const maxRowBytes = 32 << 20

// Comparer reads the rows of a member for a comparison, and writes single ones for a
// repair, over a connection of its own. After an error of the connection it is of no use
// any more. It is used by one goroutine at a time.
type Comparer struct {
	conn   *conn
	member *Member
}

// Compare opens a comparer. It reads without locks. Times are read and written in UTC.
func (m *Member) Compare(ctx context.Context) (*Comparer, error) {
	c, err := m.connect(ctx, forProbe)
	if err != nil {
		return nil, fmt.Errorf("compare rows of %s: %w", m.id, err)
	}
	set := "SET SESSION time_zone='+00:00', sql_mode='NO_AUTO_VALUE_ON_ZERO', innodb_lock_wait_timeout=1"
	if c.version.Flavour == topology.FlavourMySQL {
		set += fmt.Sprintf(", max_execution_time=%d, information_schema_stats_expiry=86400", 1000*rowStatement)
	} else {
		set += fmt.Sprintf(", max_statement_time=%d", rowStatement)
	}
	if err := c.execute(ctx, set+"; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
		c.close()
		return nil, fmt.Errorf("compare rows of %s: %w", m.id, err)
	}
	return &Comparer{conn: c, member: m}, nil
}

// Close ends the connection; a transaction that is open is undone by the server.
func (r *Comparer) Close() { r.conn.close() }

// Broken reports whether the connection is of no use any more.
func (r *Comparer) Broken() bool { return r.conn.broken }

func (r *Comparer) query(ctx context.Context, what, statement string) (table, error) {
	ctx, cancel := context.WithTimeout(ctx, (rowStatement+5)*time.Second)
	defer cancel()
	t, err := r.conn.query(ctx, statement)
	switch {
	case isNumber(err, errNoSuchTable, errNoSuchColumn, errNoSuchKey, errTableDenied, errSchemaDenied, errMissingPrivilege, errColumnDenied):
		return t, finalError{fmt.Errorf("%s on %s: %w", what, r.member.id, err)}
	case err != nil:
		return t, fmt.Errorf("%s on %s: %w", what, r.member.id, err)
	}
	return t, nil
}

// Server errors of a table that has changed, or may not be read.
const (
	errNoSuchColumn = 1054
	errColumnDenied = 1143
	errNoSuchKey    = 1176
)

// finalError is the server's word on a table, which it will say again.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// Final reports that to try again is of no use.
func (finalError) Final() bool { return true }

// Sum returns how many rows a range has, and a digest of all of them.
func (r *Comparer) Sum(ctx context.Context, t rowcheck.Table, in rowcheck.Range) (rows uint64, digest string, err error) {
	found, err := r.query(ctx, "digest "+t.FullName(), sumStatement(t, in))
	if err != nil {
		return 0, "", err
	}
	if len(found.rows) != 1 {
		return 0, "", fmt.Errorf("digest %s on %s: %d answers", t.FullName(), r.member.id, len(found.rows))
	}
	rows, err = strconv.ParseUint(found.rows[0][0], 10, 64)
	return rows, found.rows[0][1], err
}

// Bound returns the key of the n-th row of a range; nil: it has fewer.
func (r *Comparer) Bound(ctx context.Context, t rowcheck.Table, in rowcheck.Range, n int) (rowcheck.Key, error) {
	if len(t.Key) == 0 {
		return nil, nil
	}
	found, err := r.query(ctx, "find a bound in "+t.FullName(), boundStatement(t, in, n))
	if err != nil || len(found.rows) == 0 {
		return nil, err
	}
	return rowcheck.Key(found.rows[0]), nil
}

// Rows returns the digests of at most limit rows of a range, and their keys by ID; more:
// there are more.
func (r *Comparer) Rows(ctx context.Context, t rowcheck.Table, in rowcheck.Range, limit int) (rowcheck.Reading, map[string]rowcheck.Key, bool, error) {
	found, err := r.query(ctx, "read rows of "+t.FullName(), rowsStatement(t, within(t, in), limit+1))
	if err != nil {
		return nil, nil, false, err
	}
	more := len(found.rows) > limit
	reading, keys := readingOf(found)
	return reading, keys, more, nil
}

// RowsOf returns the digests of single rows, by ID. A key that a collation takes for
// equal to one that was asked for may be among them.
func (r *Comparer) RowsOf(ctx context.Context, t rowcheck.Table, keys []rowcheck.Key) (rowcheck.Reading, error) {
	reading := rowcheck.Reading{}
	const atOnce = 50
	for len(keys) > 0 {
		n := min(atOnce, len(keys))
		found, err := r.query(ctx, "read rows of "+t.FullName(), rowsStatement(t, among(t, keys[:n]), 2*atOnce))
		if err != nil {
			return nil, err
		}
		some, _ := readingOf(found)
		for id, digest := range some {
			reading[id] = digest
		}
		keys = keys[n:]
	}
	return reading, nil
}

func readingOf(t table) (rowcheck.Reading, map[string]rowcheck.Key) {
	reading, keys := make(rowcheck.Reading, len(t.rows)), make(map[string]rowcheck.Key, len(t.rows))
	for _, row := range t.rows {
		last := len(row) - 1
		key := rowcheck.Key(row[:last])
		reading[key.ID()], keys[key.ID()] = row[last], key
	}
	return reading, keys
}

var errTooLong = errors.New("a value is too long to be read as a whole")

// Values returns the values of one row, in the order of Table.Compared; nil: it is not
// there.
func (r *Comparer) Values(ctx context.Context, t rowcheck.Table, key rowcheck.Key) ([]rowcheck.Value, error) {
	found, err := r.query(ctx, "read a row of "+t.FullName(), valuesStatement(t, key))
	if err != nil || len(found.rows) == 0 {
		return nil, err
	}
	columns := t.Compared()
	values := make([]rowcheck.Value, len(columns))
	for i, c := range columns {
		size, text := found.rows[0][2*i], found.rows[0][2*i+1]
		values[i] = rowcheck.Value{Text: text, Null: size == "N"}
		if !whole(c, size, text) {
			return nil, fmt.Errorf("read a row of %s on %s, column %s: %w", t.FullName(), r.member.id, c.Name, errTooLong)
		}
	}
	for i, c := range keyColumns(t) {
		at := slices.IndexFunc(columns, func(other rowcheck.Column) bool { return other.Name == c.Name })
		if values[at].Text != key[i] {
			return nil, nil // a row that the collation takes for this one
		}
	}
	return values, nil
}

// whole reports whether a value is all that the server has: what exceeds
// max_allowed_packet comes as NULL.
func whole(c rowcheck.Column, size, text string) bool {
	if size == "N" {
		return true
	}
	if c.Kind == rowcheck.KindText || c.Kind == rowcheck.KindBinary {
		n, err := strconv.Atoi(size)
		return err == nil && len(text) == 2*n
	}
	return text != ""
}

// Position returns what the member has committed and applied.
func (r *Comparer) Position(ctx context.Context) (string, error) {
	if r.conn.version.Flavour == topology.FlavourMySQL {
		t, err := r.query(ctx, "read the position", "SELECT REPLACE(@@global.gtid_executed, '\\n', '')")
		return t.value(), err
	}
	p, err := r.position(ctx)
	return p.String(), err
}

func (r *Comparer) position(ctx context.Context) (topology.Position, error) {
	t, err := r.query(ctx, "read the position", "SELECT "+appliedColumn+", @@global.gtid_binlog_pos")
	if err != nil {
		return nil, err
	}
	f := fieldReader{row: t.rows[0]}
	applied, logged := f.position(), f.position()
	return applied.Union(logged), f.err
}

// Reach waits until the member has all of the positions; false: not in time.
func (r *Comparer) Reach(ctx context.Context, positions []string, limit time.Duration) (bool, error) {
	if r.conn.version.Flavour == topology.FlavourMySQL {
		set := strings.Trim(strings.Join(positions, ","), ",")
		t, err := r.query(ctx, "wait for positions", fmt.Sprintf("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %.3f)", quote(set), limit.Seconds()))
		return t.value() == "0", err
	}
	var goal topology.Position
	for _, text := range positions {
		p, err := topology.ParsePosition(text)
		if err != nil {
			return false, err
		}
		goal = goal.Union(p)
	}
	deadline := time.Now().Add(limit)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		have, err := r.position(ctx)
		if err != nil || have.Covers(goal) {
			return err == nil, err
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(pause):
		}
	}
}
