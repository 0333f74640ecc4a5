package mysqld

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/sqlring/sqlring/pkg/topology"
)

// maxReplayRows bounds how much of a tail is held in memory.
const maxReplayRows = 200_000

// errReplayTooLarge: the tail is more than is replayed at once. Its remedy is by hand:
// mysqlbinlog, or --discard and the file.
var errReplayTooLarge = errors.New("the tail has more than 200000 rows, which is more than is replayed")

// replayTxn is one transaction of a tail.
type replayTxn struct {
	gtid    topology.GTID
	server  uint32 // whose identity it was written under
	changes []replayChange
	refused string // why it is not replayed, whatever it does; empty: it may be
}

// replayChange is what one row event does.
type replayChange struct {
	kind          string // insert, update, delete
	schema, table string
	rows          [][]any // of an update: before, after, before, after, …
	partial       bool    // not every column is there
}

func (c replayChange) name() string { return c.schema + "." + c.table }

// summary says what a transaction does, a table and kind at a time.
func (t replayTxn) summary() []string {
	type at struct{ kind, table string }
	counts, order := map[at]int{}, []at{}
	for _, c := range t.changes {
		key, n := at{c.kind, c.name()}, len(c.rows)
		if c.kind == "update" {
			n /= 2
		}
		if _, known := counts[key]; !known {
			order = append(order, key)
		}
		counts[key] += n
	}
	text := make([]string, 0, len(order))
	for _, key := range order {
		text = append(text, fmt.Sprintf("%s %s (%d)", key.kind, key.table, counts[key]))
	}
	return text
}

// replayReader collects the transactions of a tail. Heartbeats are nobody's data.
type replayReader struct {
	keys         tableInfo
	transactions []replayTxn
	total        int // rows
	server       uint32
}

func (r *replayReader) begins(_ topology.GTID, server uint32) { r.server = server }

func (r *replayReader) of(g topology.GTID) *replayTxn {
	if n := len(r.transactions); n > 0 && r.transactions[n-1].gtid == g {
		return &r.transactions[n-1]
	}
	r.transactions = append(r.transactions, replayTxn{gtid: g, server: r.server})
	return &r.transactions[len(r.transactions)-1]
}

func (r *replayReader) refuse(g topology.GTID, format string, args ...any) {
	if t := r.of(g); t.refused == "" {
		t.refused = fmt.Sprintf(format, args...)
	}
}

func (r *replayReader) statement(ctx context.Context, g topology.GTID, _, text string) error {
	if framesRows(text) {
		return nil
	}
	if s, table, ok := emptied(text); ok { // the restarted server's own word, if that is a MEMORY table
		if volatile, err := r.keys.volatile(ctx, s, table); err != nil || volatile {
			return err
		}
	}
	r.refuse(g, "it is a statement, not rows: %s", firstWords(text))
	return nil
}

func (r *replayReader) rows(_ context.Context, g topology.GTID, kind string, e *replication.RowsEvent) error {
	c := replayChange{kind: kind, schema: string(e.Table.Schema), table: string(e.Table.Table), rows: e.Rows}
	if c.schema == "sqlring" && c.table == "heartbeat" {
		return nil
	}
	for _, skipped := range e.SkippedColumns {
		c.partial = c.partial || len(skipped) > 0
	}
	if r.total += len(e.Rows); r.total > maxReplayRows {
		return errReplayTooLarge
	}
	t := r.of(g)
	t.changes = append(t.changes, c)
	return nil
}

func (r *replayReader) twoPhase(g topology.GTID) { r.refuse(g, "it is a part of an XA transaction") }

func (r *replayReader) unknown(g topology.GTID, e *replication.BinlogEvent) error {
	if g == (topology.GTID{}) {
		return nil // it stands outside of any transaction, and is kept in the list of the tail
	}
	r.refuse(g, "it has an event that is not known: %s", e.Header.EventType)
	return nil
}

func (r *replayReader) add(topology.GTID, tailEntry) error { return nil }

func (r *replayReader) read() int { return len(r.transactions) }
