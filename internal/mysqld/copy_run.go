package mysqld

import (
	"context"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// copyWork is what the steps of a copy use: the connection that writes into the
// member, and the snapshot that is read.
type copyWork struct {
	job    *copyJob
	target *conn
	source *snapshot
}

// make makes the copy, or finds that it was made already (S32).
func (j *copyJob) make(ctx context.Context) (copyMark, error) {
	began := time.Now()
	target, err := j.member.connect(ctx, forCopy)
	if err != nil {
		return copyMark{}, fmt.Errorf("connect to %s: %w", j.member.id, err)
	}
	defer target.close()
	if err := seizeLock(ctx, target, copyLock, j.term); err != nil {
		return copyMark{}, err
	}
	if err := j.mayWrite(ctx, target); err != nil {
		return copyMark{}, err
	}
	if mark, found, err := readMark(ctx, target, j.order.ID); err != nil || found {
		return mark, err
	}
	reader := New(j.member.cfg, j.order.Name, j.order.From)
	source, err := openSnapshot(ctx, reader, j.order.Lock)
	if err != nil {
		return copyMark{}, fmt.Errorf("snapshot of %s: %w", j.order.Name, err)
	}
	defer source.close()
	j.note(func(p *topology.CopyProgress) { p.Position, p.Total = source.position, source.bytes })
	w := &copyWork{job: j, target: target, source: source}
	if err := w.fill(ctx); err != nil {
		return copyMark{}, err
	}
	mark := copyMark{id: j.order.ID, position: source.position, sum: j.progress().Sum}
	mark.sum.Took = time.Since(began)
	j.doing("the mark is written")
	return mark, writeMark(ctx, target, mark)
}

// mayWrite refuses a server that is not the one that was prepared for the copy.
func (j *copyJob) mayWrite(ctx context.Context, target *conn) error {
	t, err := target.query(ctx, "SELECT @@global.server_id, @@global.read_only, "+target.copying().identity)
	if err != nil {
		return err
	}
	id := fmt.Sprint(j.identity)
	if row := t.rows[0]; row[0] != id || row[2] != id || row[1] != "1" {
		return fmt.Errorf("%w: server_id %s, identity %s, read_only %s: it was prepared as %s, closed", ErrPrecondition, row[0], row[2], row[1], id)
	}
	return nil
}

// fill drops what the member holds and fills it, in the order in which nothing
// refers to what is not there yet.
func (w *copyWork) fill(ctx context.Context) error {
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"drop what it holds", w.drop},
		{"make the tables", w.makeTables},
		{"copy the rows", w.copyTables},
		{"make routines, views, triggers and events", w.makeObjects},
		{"copy the accounts", w.copyAccounts},
	} {
		w.job.doing("%s", step.what)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// drop begins: from here on the member holds half a copy, and no mark.
func (w *copyWork) drop(ctx context.Context) error {
	if err := w.target.execute(ctx, beginMark); err != nil {
		return err
	}
	schemas, err := w.target.query(ctx, schemasStatement)
	if err != nil {
		return err
	}
	for _, row := range schemas.rows {
		w.job.doing("schema %s is dropped", row[0])
		if err := w.target.execute(ctx, "DROP DATABASE "+name(row[0])); err != nil {
			return fmt.Errorf("schema %s: %w", row[0], err)
		}
	}
	return nil
}
