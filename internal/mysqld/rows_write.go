package mysqld

import (
	"context"
	"errors"
	"fmt"

	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// repairLock keeps repairs of one member apart, whoever runs them.
const repairLock = "sqlring_repair"

var (
	// ErrRepairBusy: another repair writes on the member. Wait for its end.
	ErrRepairBusy = errors.New("another repair writes on this member")
	errLogged     = errors.New("the session would write what it does into the binlog, so nothing was written")
)

// Writing makes the comparer ready to write rows of this member alone: nothing that it
// writes goes into the binlog, foreign keys do not cascade, and no other repair writes
// here as long as it is open. It is called once, before the first LockRow.
func (r *Comparer) Writing(ctx context.Context) error {
	t, err := r.query(ctx, "prepare to write rows", fmt.Sprintf("SET SESSION sql_log_bin=0, foreign_key_checks=0; SELECT GET_LOCK(%s, 0)", quote(repairLock)))
	if err == nil && t.value() != "1" {
		err = fmt.Errorf("write rows on %s: %w", r.member.id, ErrRepairBusy)
	}
	return err
}

// LockRow begins a transaction, locks a row, or the place where it would be, and returns
// its digest; empty: it is not there. Undo or Keep has to follow.
func (r *Comparer) LockRow(ctx context.Context, t rowcheck.Table, key rowcheck.Key) (string, error) {
	if _, err := r.query(ctx, "begin", "START TRANSACTION"); err != nil {
		return "", err
	}
	found, err := r.query(ctx, "lock a row of "+t.FullName(), rowsStatement(t, among(t, []rowcheck.Key{key}), 2)+" FOR UPDATE")
	if err != nil {
		return "", err
	}
	reading, _ := readingOf(found)
	return reading[key.ID()], nil
}

// WriteRow writes the locked row, as Statement says.
func (r *Comparer) WriteRow(ctx context.Context, t rowcheck.Table, key rowcheck.Key, values []rowcheck.Value, exists bool) error {
	logged, err := r.query(ctx, "see that nothing is logged", "SELECT @@session.sql_log_bin")
	if err != nil {
		return err
	}
	if logged.value() != "0" {
		return fmt.Errorf("write a row of %s on %s: %w", t.FullName(), r.member.id, errLogged)
	}
	statement := writeStatement(t, key, values, exists)
	if len(statement) > maxRowBytes {
		return fmt.Errorf("write a row of %s on %s: %w", t.FullName(), r.member.id, errTooLong)
	}
	_, err = r.query(ctx, "write a row of "+t.FullName(), statement)
	if isNumber(err, errTableDenied) {
		return finalError{fmt.Errorf("%w: %w: on every member: GRANT INSERT, UPDATE, DELETE ON %s.* TO the manager's account", err, ErrPrivilege, identifier(t.Schema))}
	}
	return err
}

// Keep commits what was written.
func (r *Comparer) Keep(ctx context.Context) error {
	_, err := r.query(ctx, "commit", "COMMIT")
	return err
}

// Undo ends the transaction without a trace.
func (r *Comparer) Undo(ctx context.Context) error {
	_, err := r.query(ctx, "roll back", "ROLLBACK")
	return err
}

// Statement returns the statement by which WriteRow makes a row have these values.
func (r *Comparer) Statement(t rowcheck.Table, key rowcheck.Key, values []rowcheck.Value, exists bool) string {
	return writeStatement(t, key, values, exists)
}
