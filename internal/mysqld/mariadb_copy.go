package mysqld

import (
	"context"
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// copyWords is what flavours do not say or do alike when a member's data is copied.
type copyWords struct {
	session   string                // more settings of the session, after copySession
	lists     map[objectKind]string // as objectLists; kinds that the flavour lacks are not there
	generated string                // condition: a column's value is computed
	grants    []grantTable
	installed []string // accounts at localhost that an installation makes for itself
	identity  string   // expression: the identity under which the process was prepared

	// snapshot begins the transaction that reads, on s.conn, and returns its position.
	snapshot func(ctx context.Context, m *Member, s *snapshot) (topology.Position, error)
	// trust has the server take definitions from an account without SUPER; restore has
	// it be as it was. nil: nothing has to be done.
	trust func(ctx context.Context, c *conn) (restore string, err error)
	// begin makes the server's binlog and position begin at p, and returns what it
	// shows then: what was applied, and where its binlog stands.
	begin func(ctx context.Context, c *conn, p topology.Position) (applied, binlog topology.Position, err error)

	keeps string // expression: days that binlogs are kept
	// What the manager's account needs on both servers, besides what it needs in any
	// ring.
	target, source []string
}

func (c *conn) copying() copyWords { return c.dialect.copying(c.version) }

func (mariaDB) copying(topology.ServerVersion) copyWords {
	return copyWords{
		session:   ", max_statement_time=0, check_constraint_checks=0",
		lists:     objectLists(),
		generated: "is_generated<>'NEVER'",
		grants: []grantTable{
			{"global_priv", "User", "Host"},
			{"db", "User", "Host"},
			{"tables_priv", "User", "Host"},
			{"columns_priv", "User", "Host"},
			{"procs_priv", "User", "Host"},
			{"proxies_priv", "User", "Host"},
			{"roles_mapping", "User", "Host"},
		},
		installed: []string{"root", "mysql", "mariadb.sys"},
		identity:  "@@global.gtid_domain_id",
		keeps:     "@@global.expire_logs_days",
		target: []string{
			"INSERT", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "CREATE VIEW", "CREATE ROUTINE", "ALTER ROUTINE",
			"TRIGGER", "EVENT", "SET USER", "SELECT", "RELOAD", "SUPER",
		},
		source:   []string{"SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "PROCESS"},
		snapshot: snapshotMariaDB,
		begin:    beginMariaDB,
	}
}

// snapshotMariaDB asks the server where in its binlog the transaction stands.
func snapshotMariaDB(ctx context.Context, m *Member, s *snapshot) (topology.Position, error) {
	started, err := s.conn.query(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;
		SHOW STATUS WHERE variable_name IN ('binlog_snapshot_file','binlog_snapshot_position')`)
	if err != nil {
		return nil, err
	}
	return snapshotPosition(ctx, m, started)
}

// snapshotPosition returns the position of a snapshot from its place in the binlog.
func snapshotPosition(ctx context.Context, m *Member, status table) (topology.Position, error) {
	place := map[string]string{}
	for _, row := range status.rows {
		place[strings.ToLower(row[0])] = row[1]
	}
	file, offset := place["binlog_snapshot_file"], place["binlog_snapshot_position"]
	if file == "" || offset == "" {
		return nil, person("the server does not say where its snapshot stands in the binlog: log_bin is off")
	}
	c, err := m.connect(ctx, forProbe)
	if err != nil {
		return nil, err
	}
	defer c.close()
	t, err := c.query(ctx, "SELECT BINLOG_GTID_POS("+quote(file)+","+offset+") IS NULL, BINLOG_GTID_POS("+quote(file)+","+offset+")")
	if err != nil {
		return nil, err
	}
	if t.value() != "0" {
		return nil, fmt.Errorf("the server knows no GTID position of %s:%s", file, offset)
	}
	return topology.ParsePosition(t.rows[0][1])
}

func beginMariaDB(ctx context.Context, c *conn, p topology.Position) (applied, binlog topology.Position, err error) {
	statements := "RESET MASTER; " + setApplied(nil)
	if len(p) > 0 {
		statements += "; SET GLOBAL gtid_binlog_state=" + quote(p.String()) + "; " + setApplied(p)
	}
	t, err := c.query(ctx, statements+"; SELECT "+appliedColumn+", @@global.gtid_binlog_pos")
	if err != nil {
		return nil, nil, err
	}
	r := fieldReader{row: t.rows[0]}
	applied, binlog = r.position(), r.position()
	return applied, binlog, r.err
}
