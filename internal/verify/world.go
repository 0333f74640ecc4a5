package verify

import (
	"context"
	"time"

	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// Rows is a connection to one member. Its methods are mysqld.Comparer's.
type Rows interface {
	Tables(ctx context.Context, schema string) ([]rowcheck.Table, error)
	Sum(ctx context.Context, t rowcheck.Table, in rowcheck.Range) (rows uint64, digest string, err error)
	Bound(ctx context.Context, t rowcheck.Table, in rowcheck.Range, n int) (rowcheck.Key, error)
	Rows(ctx context.Context, t rowcheck.Table, in rowcheck.Range, limit int) (rowcheck.Reading, map[string]rowcheck.Key, bool, error)
	RowsOf(ctx context.Context, t rowcheck.Table, keys []rowcheck.Key) (rowcheck.Reading, error)
	Values(ctx context.Context, t rowcheck.Table, key rowcheck.Key) ([]rowcheck.Value, error)
	Position(ctx context.Context) (string, error)
	Reach(ctx context.Context, positions []string, limit time.Duration) (bool, error)

	Writing(ctx context.Context) error
	LockRow(ctx context.Context, t rowcheck.Table, key rowcheck.Key) (string, error)
	WriteRow(ctx context.Context, t rowcheck.Table, key rowcheck.Key, values []rowcheck.Value, exists bool) error
	Keep(ctx context.Context) error
	Undo(ctx context.Context) error
	Statement(t rowcheck.Table, key rowcheck.Key, values []rowcheck.Value, exists bool) string
	// Broken reports whether the connection is of no use any more.
	Broken() bool
	Close()
}

// World is what a comparison needs of its node. Its methods are safe for concurrent use.
type World interface {
	// Members returns the members that take part in replication now, in ring order.
	Members() []string
	// Owner returns the owner of a schema's unit; empty: nobody has it now.
	Owner(schema string) string
	// Open opens a connection to a member.
	Open(ctx context.Context, member string) (Rows, error)
	// Allowed reports whether members bear the load now, and if not, why: they lag further
	// than maxLag (0: than the ring's threshold of throttle), or that is not known, or the
	// ring is being changed.
	Allowed(maxLag time.Duration) (bool, string)
}
