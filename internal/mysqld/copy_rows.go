package mysqld

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sqlring/sqlring/pkg/topology"
)

const (
	chunkBytes   = 4 << 20   // of rows that are read, written and compared together, about
	chunkRows    = 20_000    // at most
	batchBytes   = 512 << 10 // of one INSERT; a row that is longer is one of its own
	fewestInARow = 50        // rows of a chunk, however long they are
)

// copyTables copies every table: those first that are held by a lock.
func (w *copyWork) copyTables(ctx context.Context) error {
	tables := []object{{kind: kindTable, schema: "sqlring", name: "heartbeat", engine: "InnoDB"}}
	for _, o := range w.source.objects {
		if o.kind == kindTable {
			tables = append(tables, o)
		}
	}
	slices.SortStableFunc(tables, func(a, b object) int {
		switch still, other := a.engine == "InnoDB", b.engine == "InnoDB"; {
		case still == other:
			return 0
		case other:
			return -1
		}
		return 1
	})
	if err := w.target.execute(ctx, "DELETE FROM sqlring.heartbeat"); err != nil {
		return err
	}
	marks, err := w.marksOfReplays(ctx)
	if err != nil {
		return err
	}
	tables = append(marks, tables...)
	for _, o := range tables {
		if o.engine == "InnoDB" {
			w.source.unlock()
		}
		w.job.doing("table %s", o.full())
		if err := w.copyTable(ctx, o); err != nil {
			return fmt.Errorf("table %s: %w", o.full(), err)
		}
		w.job.note(func(p *topology.CopyProgress) { p.Sum.Tables++ })
	}
	return nil
}

// marksOfReplays returns the table of what was replayed, made empty here, if the source
// has it: nothing is to be replayed a second time at a member that was copied since.
func (w *copyWork) marksOfReplays(ctx context.Context) ([]object, error) {
	t, err := w.source.conn.query(ctx, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='sqlring' AND table_name='replayed'")
	if err != nil || t.value() == "0" {
		return nil, err
	}
	return []object{{kind: kindTable, schema: "sqlring", name: "replayed", engine: "InnoDB"}},
		w.target.execute(ctx, replayedTable+"; DELETE FROM sqlring.replayed")
}

// copyTable copies the rows of one table, a chunk in the order of the primary key
// after the other, and compares each. After a chunk the source's metadata lock on
// the table is let go: nobody who alters it waits for longer than that. A table
// without such a key is one chunk.
func (w *copyWork) copyTable(ctx context.Context, o object) error {
	sh, err := w.source.readShape(ctx, o)
	if err != nil {
		return err
	}
	limit := 0
	if len(sh.key) > 0 {
		limit = int(min(max(chunkBytes/max(o.rowBytes, 1), fewestInARow), chunkRows))
	}
	var from []string
	for {
		if err := w.source.conn.execute(ctx, "SAVEPOINT sqlring"); err != nil {
			return err
		}
		to, rows, err := w.copyChunk(ctx, sh, from, limit)
		if err != nil {
			return w.explain(err)
		}
		last := limit == 0 || rows < limit
		if last {
			to = nil
		}
		if err := w.compare(ctx, sh, from, to); err != nil {
			return err
		}
		if err := w.target.execute(ctx, "COMMIT"); err != nil {
			return err
		}
		if err := w.source.conn.execute(ctx, "ROLLBACK TO SAVEPOINT sqlring"); err != nil {
			return err
		}
		if last {
			return nil
		}
		from = to
	}
}

// where is the condition of the rows between two places.
func (s shape) where(from, to []string) string {
	low, high := s.beyond(from, false), s.beyond(to, true)
	switch {
	case low == "" && high == "":
		return ""
	case high == "":
		return " WHERE " + low
	case low == "":
		return " WHERE " + high
	}
	return " WHERE (" + low + ") AND (" + high + ")"
}

// order is how the rows of a chunk are read.
func (s shape) order(limit int) string {
	if len(s.key) == 0 {
		return ""
	}
	text := " ORDER BY "
	for i, k := range s.key {
		if i > 0 {
			text += ","
		}
		text += name(s.columns[k].name)
	}
	return text + fmt.Sprintf(" LIMIT %d", limit)
}

func (s shape) index() string {
	if len(s.key) == 0 {
		return ""
	}
	return " FORCE INDEX (PRIMARY)"
}

// copyChunk reads rows and writes them, at the same time: while a batch is written
// the next one is read. It returns the place of the last row, and how many there
// were.
func (w *copyWork) copyChunk(ctx context.Context, sh shape, from []string, limit int) (to []string, rows int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches, spare := make(chan []byte), make(chan []byte, 2) // two buffers: one is read into, one is written
	for range cap(spare) {
		spare <- nil
	}
	written := make(chan error, 1)
	go func() {
		defer close(spare)
		var failed error
		for batch := range batches {
			if failed == nil {
				if failed = w.target.send(ctx, batch); failed != nil {
					cancel()
				}
			}
			spare <- batch[:0]
		}
		written <- failed
	}()
	to, rows, err = w.readRows(ctx, sh, "SELECT "+sh.reads()+" FROM "+sh.full()+sh.index()+sh.where(from, nil)+sh.order(limit), batches, spare)
	close(batches)
	if failed := <-written; failed != nil {
		return nil, 0, failed
	}
	return to, rows, err
}

// readRows streams the answer to a query into INSERTs.
func (w *copyWork) readRows(ctx context.Context, sh shape, query string, batches chan<- []byte, spare <-chan []byte) (to []string, count int, err error) {
	c := w.source.reader(sh.object)
	rows, err := c.driver.QueryContext(ctx, query, nil)
	if err != nil {
		return nil, 0, c.note(ctx, err)
	}
	defer func() { err = c.note(ctx, errors.Join(err, rows.Close())) }()
	into := sh.into()
	values := make([]driver.Value, len(sh.columns))
	var batch []byte
	size := uint64(0)
	flush := func() {
		if len(batch) > 0 {
			batches <- batch
			batch = nil
			w.job.note(func(p *topology.CopyProgress) { p.Sum.Bytes += size })
			size = 0
		}
	}
	for ctx.Err() == nil {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			flush()
			w.job.note(func(p *topology.CopyProgress) { p.Sum.Rows += uint64(count) })
			return to, count, nil
		case err != nil:
			return nil, 0, err
		}
		if len(batch) == 0 {
			batch = append(<-spare, into...)
		} else {
			batch = append(batch, ',')
		}
		before := len(batch)
		for i, v := range values {
			batch = append(batch, ",("[btoi(i == 0)])
			batch = appendLiteral(batch, v, sh.columns[i].write)
		}
		batch = append(batch, ')')
		size += uint64(len(batch) - before)
		count++
		if len(sh.key) > 0 {
			to = sh.place(values)
		}
		if len(batch) >= batchBytes {
			flush()
		}
	}
	return nil, 0, ctx.Err()
}

// send runs one INSERT.
func (c *conn) send(ctx context.Context, statement []byte) error {
	if c.broken {
		return driver.ErrBadConn
	}
	_, err := c.driver.ExecContext(ctx, string(statement), nil)
	return c.note(ctx, err)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compare asks both servers for the sums of the rows that were copied.
func (w *copyWork) compare(ctx context.Context, sh shape, from, to []string) error {
	query := "SELECT " + sh.sums() + " FROM " + sh.full() + sh.index() + sh.where(from, to)
	theirs := make(chan table, 1)
	failed := make(chan error, 1)
	go func() {
		t, err := w.source.reader(sh.object).query(ctx, query)
		theirs <- t
		failed <- err
	}()
	ours, err := w.target.query(ctx, query)
	want := <-theirs
	if err := errors.Join(err, <-failed); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	if !slices.Equal(ours.rows[0], want.rows[0]) {
		return fmt.Errorf("%w: rows, and two sums of them, are %v on %s and %v in the copy", ErrNotVerified, want.rows[0], w.job.order.Name, ours.rows[0])
	}
	w.job.note(func(*topology.CopyProgress) {})
	return nil
}

// explain says what an error that comes of DDL on the source means: the snapshot
// can not be read on, and the copy is begun anew.
func (w *copyWork) explain(err error) error {
	if isNumber(err, errTableChanged, errNoSuchTable, errUnknownColumn) {
		return fmt.Errorf("it was altered, truncated or dropped on %s before it was copied: %w", w.job.order.Name, err)
	}
	return err
}
