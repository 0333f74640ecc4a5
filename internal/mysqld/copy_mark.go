package mysqld

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// copyMark is what a complete copy carries: which one it is, and where it begins.
type copyMark struct {
	id       uint64
	position topology.Position
	sum      topology.CopySum
}

// beginMark makes the table of the mark, and empties it: whatever stands on the
// member from here on is no copy until its mark is written.
const beginMark = `CREATE DATABASE IF NOT EXISTS sqlring;
	CREATE TABLE IF NOT EXISTS sqlring.copied (
		id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
		position TEXT CHARACTER SET ascii NOT NULL,
		table_count BIGINT UNSIGNED NOT NULL, row_count BIGINT UNSIGNED NOT NULL,
		bytes BIGINT UNSIGNED NOT NULL, took_ms BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB;
	DELETE FROM sqlring.copied`

// readMark looks for the mark of a copy; found is false where there is none, or
// another one's.
func readMark(ctx context.Context, c *conn, id uint64) (mark copyMark, found bool, err error) {
	t, err := c.query(ctx, "SELECT position, table_count, row_count, bytes, took_ms FROM sqlring.copied WHERE id="+strconv.FormatUint(id, 10))
	if isNumber(err, errNoSuchTable, errUnknownSchema) {
		return copyMark{}, false, nil
	}
	if err != nil || len(t.rows) == 0 {
		return copyMark{}, false, err
	}
	r := fieldReader{row: t.rows[0]}
	mark = copyMark{id: id, position: r.position()}
	mark.sum = topology.CopySum{Tables: int(r.number()), Rows: r.number(), Bytes: r.number(), Took: time.Duration(r.number()) * time.Millisecond}
	return mark, r.err == nil, r.err
}

// writeMark makes the member's binlog and position begin where the snapshot ended,
// reads that back, and marks the copy as complete. A member that pulls from this
// one with less than that position is refused by it then.
func writeMark(ctx context.Context, c *conn, m copyMark) error {
	applied, binlog, err := c.copying().begin(ctx, c, m.position)
	if err != nil {
		return fmt.Errorf("begin at %s: %w", m.position, err)
	}
	if !samePosition(applied, m.position) || !samePosition(binlog, m.position) {
		return fmt.Errorf("%w: it is to begin at %s, and its position is %s, its binlog's %s", ErrNotVerified, m.position, applied, binlog)
	}
	return c.execute(ctx, fmt.Sprintf("INSERT INTO sqlring.copied VALUES (%d,%s,%d,%d,%d,%d)",
		m.id, quote(m.position.String()), m.sum.Tables, m.sum.Rows, m.sum.Bytes, m.sum.Took.Milliseconds()))
}

func samePosition(a, b topology.Position) bool { return a.Covers(b) && b.Covers(a) }
