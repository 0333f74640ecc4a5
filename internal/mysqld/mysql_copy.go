package mysqld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

func (mySQL) copying(v topology.ServerVersion) copyWords {
	w := copyWords{
		session:   ", max_execution_time=0, sql_require_primary_key=0",
		lists:     objectLists(),
		generated: "generation_expression<>''",
		grants: []grantTable{
			{"user", "User", "Host"},
			{"db", "User", "Host"},
			{"tables_priv", "User", "Host"},
			{"columns_priv", "User", "Host"},
			{"procs_priv", "User", "Host"},
			{"proxies_priv", "User", "Host"},
			{"role_edges", "TO_USER", "TO_HOST"},
			{"default_roles", "USER", "HOST"},
			{"global_grants", "USER", "HOST"},
			{"password_history", "User", "Host"},
		},
		installed: []string{"root", "mysql.sys", "mysql.session", "mysql.infoschema"},
		identity:  "@@global." + identityCache + ".key_cache_age_threshold DIV " + strconv.Itoa(cacheUnit),
		keeps:     "@@global.binlog_expire_logs_seconds/86400",
		target: []string{
			"INSERT", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "CREATE VIEW", "CREATE ROUTINE", "ALTER ROUTINE",
			"TRIGGER", "EVENT", "SELECT", "RELOAD", "SYSTEM_VARIABLES_ADMIN", "SYSTEM_USER",
		},
		source:   []string{"SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "PROCESS", "RELOAD", "SHOW_ROUTINE"},
		snapshot: snapshotMySQL,
		begin:    beginMySQL,
		trust:    trustMySQL,
	}
	for _, kind := range []objectKind{kindSequence, kindPackage, kindPackageBody} {
		delete(w.lists, kind)
	}
	if v.AtLeast(8, 0, 30) { // keys that the server has made for tables without one
		w.session += ", sql_generate_invisible_primary_key=0, show_gipk_in_create_table_and_information_schema=1"
	}
	if v.AtLeast(8, 2, 0) {
		w.target = append(w.target, "SET_ANY_DEFINER", "ALLOW_NONEXISTENT_DEFINER")
	} else {
		w.target = append(w.target, "SET_USER_ID")
	}
	return w
}

// How the position of a snapshot is found: see snapshotMySQL.
const (
	snapshotTries   = 3 * time.Second      // without a lock
	snapshotPause   = 2 * time.Millisecond // between them
	snapshotLocks   = 3                    // then with one
	snapshotLockFor = 1                    // s, the longest wait for it, in which writes wait too
)

// snapshotMySQL finds the position of a snapshot. A MySQL does not say where in its
// binlog one stands, but it does if nobody was committing at that moment: what stands in
// gtid_executed is committed in the engine, so a snapshot that is begun afterwards has
// it; and what the snapshot has was written to the binlog before. So where the binlog,
// after the snapshot was begun, holds nothing but what was executed before, that is its
// position. Transactions are short and the pauses between them many, so this is tried
// for a while; if it never succeeds, commits are held by a lock for as long as it takes
// to begin the transaction.
func snapshotMySQL(ctx context.Context, m *Member, s *snapshot) (topology.Position, error) {
	for end := time.Now().Add(snapshotTries); time.Now().Before(end); {
		p, found, err := snapshotUnlocked(ctx, s, end)
		if err != nil || found {
			return p, err
		}
	}
	return snapshotLocked(ctx, m, s)
}

// snapshotLocked holds commits meanwhile. A statement that runs for long lets the lock
// not come, and while it is waited for writes wait too: so not for long.
func snapshotLocked(ctx context.Context, m *Member, s *snapshot) (topology.Position, error) {
	locks, err := m.connect(ctx, forCopy)
	if err != nil {
		return nil, err
	}
	defer locks.close() // lets the lock go
	if err := locks.execute(ctx, fmt.Sprintf("SET SESSION lock_wait_timeout=%d", snapshotLockFor)); err != nil {
		return nil, err
	}
	for range snapshotLocks {
		if err = locks.execute(ctx, "FLUSH LOCAL TABLES WITH READ LOCK"); err == nil {
			begun, err := beginSnapshot(ctx, s.conn)
			if err != nil {
				return nil, err
			}
			return begun.executed, locks.execute(ctx, "UNLOCK TABLES")
		}
		if !isNumber(err, errLockTimeout) {
			return nil, fmt.Errorf("hold commits: %w", err)
		}
	}
	return nil, fmt.Errorf("it commits without a pause, and a statement that runs for long keeps it from being locked: %w", err)
}

// snapshotUnlocked tries it on one file of the binlog, which it begins: so there is
// little to read. A file is only left once all is committed that stands in it.
func snapshotUnlocked(ctx context.Context, s *snapshot, end time.Time) (topology.Position, bool, error) {
	if err := s.look.execute(ctx, "FLUSH LOCAL BINARY LOGS"); err != nil {
		return nil, false, fmt.Errorf("begin a file of its binlog: %w", err)
	}
	file := ""
	for time.Now().Before(end) {
		begun, err := beginSnapshot(ctx, s.conn)
		if err != nil {
			return nil, false, err
		}
		if file == "" {
			file = begun.file
		}
		if file != begun.file {
			break // somebody else has begun another one
		}
		if samePosition(begun.executed, begun.after) {
			written, err := writtenTo(ctx, s.look, begun)
			switch {
			case isNumber(err, errShowEvents): // it has met an event that was half written
			case err != nil:
				return nil, false, err
			case begun.executed.Covers(written):
				return begun.executed, true, nil
			}
		}
		if err := s.conn.execute(ctx, "ROLLBACK"); err != nil {
			return nil, false, err
		}
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-time.After(snapshotPause):
		}
	}
	return nil, false, s.conn.execute(ctx, "ROLLBACK")
}

// begun is what was seen around the beginning of a snapshot.
type begun struct {
	executed, after topology.Position // before it, and after it
	file            string            // of the binlog, after it
	offset          uint64
}

func beginSnapshot(ctx context.Context, c *conn) (begun, error) {
	status := "SHOW MASTER STATUS"
	if c.version.AtLeast(8, 2, 0) {
		status = "SHOW BINARY LOG STATUS"
	}
	results, err := c.batch(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT @@global.gtid_executed; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY; "+status)
	if err != nil {
		return begun{}, err
	}
	if len(results) != 2 || len(results[1].rows) != 1 || len(results[1].rows[0]) < 5 {
		return begun{}, person("the server does not say where its binlog stands: log_bin is off")
	}
	row := results[1].rows[0]
	b := begun{file: row[0]}
	if gap, err := topology.FirstGap(results[0].value()); err != nil || gap != "" {
		return b, errors.Join(err, fmt.Errorf("%w: %s", ErrGaps, gap))
	}
	offset, err1 := strconv.ParseUint(row[1], 10, 64)
	executed, err2 := topology.ParsePosition(results[0].value())
	after, err3 := topology.ParsePosition(row[4])
	b.offset, b.executed, b.after = offset, executed, after
	return b, errors.Join(err1, err2, err3)
}

// writtenTo lists the transactions that stand in the file up to an offset.
func writtenTo(ctx context.Context, c *conn, b begun) (topology.Position, error) {
	events, err := c.query(ctx, "SHOW BINLOG EVENTS IN "+quote(b.file))
	if err != nil {
		return nil, fmt.Errorf("list what stands in %s: %w", b.file, err)
	}
	pos, kind, info := slices.Index(events.columns, "Pos"), slices.Index(events.columns, "Event_type"), slices.Index(events.columns, "Info")
	if pos < 0 || kind < 0 || info < 0 {
		return nil, errors.New("the events of the binlog have no position, type or text")
	}
	var written topology.Position
	for _, row := range events.rows {
		if at, err := strconv.ParseUint(row[pos], 10, 64); err != nil || at >= b.offset {
			break
		}
		// SET @@SESSION.GTID_NEXT= 'uuid:number'; the types are Gtid and Gtid_tagged_log_event.
		if !strings.HasPrefix(strings.ToLower(row[kind]), "gtid") {
			continue
		}
		_, rest, _ := strings.Cut(row[info], "'")
		text, _, found := strings.Cut(rest, "'")
		p, err := topology.ParsePosition(text)
		if err != nil || !found || len(p) != 1 {
			return nil, errors.Join(err, fmt.Errorf("event at %s of %s names no transaction: %q", row[pos], b.file, row[info]))
		}
		written = written.Union(p)
	}
	return written, nil
}

// trustMySQL: with a binlog a MySQL takes functions and triggers from SUPER alone, in case
// they are not safe there. These were taken by the source, and are not in the binlog.
// What is set is gone at the latest when the server is restarted.
func trustMySQL(ctx context.Context, c *conn) (restore string, err error) {
	was, err := c.query(ctx, "SELECT @@global.log_bin_trust_function_creators")
	if err != nil {
		return "", err
	}
	restore = "SET GLOBAL log_bin_trust_function_creators=" + was.value()
	return restore, c.execute(ctx, "SET GLOBAL log_bin_trust_function_creators=1")
}

func beginMySQL(ctx context.Context, c *conn, p topology.Position) (applied, binlog topology.Position, err error) {
	statements := forgetMySQL(c.version)
	if len(p) > 0 {
		statements += "; SET GLOBAL gtid_purged=" + quote(p.String())
	}
	t, err := c.query(ctx, statements+"; SELECT @@global.gtid_executed")
	if err != nil {
		return nil, nil, err
	}
	applied, err = topology.ParsePosition(t.value())
	return applied, applied, err
}

// forgetMySQL empties the GTID state.
func forgetMySQL(v topology.ServerVersion) string {
	if v.AtLeast(8, 2, 0) {
		return "RESET BINARY LOGS AND GTIDS"
	}
	return "RESET MASTER"
}
