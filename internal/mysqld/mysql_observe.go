package mysqld

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// identityCache carries the identity under which this process was prepared: a MySQL
// keeps its server_id over a restart, and what else was set it may have lost.
const identityCache = "sqlring_identity"

// The first round trip: what waits for an acknowledgement, then how far the server has
// come, then the rest. A commit that waits is not in gtid_executed yet.
const (
	mysqlStatusStatement = `SELECT variable_name, variable_value FROM performance_schema.global_status WHERE variable_name IN
		('Rpl_semi_sync_source_status','Rpl_semi_sync_source_clients','Rpl_semi_sync_source_wait_sessions','Rpl_semi_sync_replica_status')`
	mysqlStateStatement = `SELECT @@global.gtid_executed,
		@@global.sqlring_boot.key_cache_age_threshold, @@global.sqlring_identity.key_cache_age_threshold,
		(SELECT COALESCE(SUM(IF(table_name='heartbeat', 1, 2)), 0) FROM information_schema.tables WHERE table_schema='sqlring' AND table_name IN ('heartbeat','layout')),
		(SELECT COUNT(*) FROM performance_schema.persisted_variables WHERE variable_value='ON'
			AND variable_name IN ('read_only','super_read_only','skip_replica_start')), ` + slotNumbers
	mysqlSemiSyncStatus = `SELECT variable_value FROM performance_schema.global_status WHERE variable_name='Rpl_semi_sync_source_status'`
	mysqlHostsStatement = "SHOW REPLICAS"
)

// mysqlAppsCondition is appsCondition.
const (
	mysqlAppsCondition      = mysqlConnectedCondition + loggedIn
	mysqlConnectedCondition = `FROM performance_schema.processlist
	WHERE user NOT IN (?, ?, 'system user', 'event_scheduler')
	AND command NOT IN ('Binlog Dump', 'Binlog Dump GTID', 'Daemon')`
)

// The link, from performance_schema: SHOW REPLICA STATUS says no more, and waits while
// a receiver is being stopped. A worker's error is older than a start, or what has
// stopped the applier.
const mysqlLinkStatement = `SELECT c.host, c.port, s.service_state, s.last_error_number, s.last_error_message, s.received_transaction_set,
		a.service_state,
		IFNULL((SELECT w.last_error_number FROM performance_schema.replication_applier_status_by_worker w
			WHERE w.channel_name=c.channel_name AND w.last_error_number<>0 ORDER BY w.last_error_timestamp LIMIT 1), IFNULL(o.last_error_number, 0)),
		IFNULL((SELECT w.last_error_message FROM performance_schema.replication_applier_status_by_worker w
			WHERE w.channel_name=c.channel_name AND w.last_error_number<>0 ORDER BY w.last_error_timestamp LIMIT 1), IFNULL(o.last_error_message, '')),
		c.auto_position, IFNULL((SELECT GROUP_CONCAT(f.filter_name, '=', f.filter_rule SEPARATOR ', ') FROM performance_schema.replication_applier_filters f WHERE f.channel_name=c.channel_name AND f.filter_rule<>''), ''),
		(SELECT COUNT(*) FROM performance_schema.replication_connection_configuration d WHERE d.host<>'')
	FROM performance_schema.replication_connection_configuration c
	JOIN performance_schema.replication_connection_status s ON s.channel_name=c.channel_name
	JOIN performance_schema.replication_applier_status a ON a.channel_name=c.channel_name
	LEFT JOIN performance_schema.replication_applier_status_by_coordinator o ON o.channel_name=c.channel_name
	WHERE c.host<>'' ORDER BY c.channel_name LIMIT 1`

func (mySQL) observe(ctx context.Context, c *conn, o *topology.Observation) error {
	first, err := firstTripMySQL(ctx, c)
	if isNumber(err, errUnknownVariable) && c.hasSemiSync {
		c.hasSemiSync = false // the plugins were taken out meanwhile
		first, err = firstTripMySQL(ctx, c)
	}
	if err != nil {
		return err
	}
	if len(first) != 7 || len(first[1].rows) != 1 {
		return fmt.Errorf("the server gave %d of 7 results", len(first))
	}
	readSemiSync(first[0], o)
	if err := readStateMySQL(first[1], first[2], c, o); err != nil {
		return err
	}
	for _, row := range first[3].rows {
		o.Schemas = append(o.Schemas, row[0])
	}
	slices.Sort(o.Schemas)
	if o.SemiSync.Replicas, err = readHosts(first[4]); err != nil {
		return err
	}
	if err := errors.Join(readApps(first[5], o), observeRoom(ctx, c, first[6], o)); err != nil {
		return err
	}
	return observeLink(ctx, c, o, mysqlLinkStatement, readLinkMySQL)
}

func firstTripMySQL(ctx context.Context, c *conn) ([]table, error) {
	return c.batch(ctx, mysqlStatusStatement+";"+mysqlStateStatement+";"+c.variablesStatement()+";"+schemasStatement+";"+mysqlHostsStatement+
		"; "+appsCount+mysqlConnectedCondition+"; "+mysqlRoomStatement, c.ours[0], c.ours[1])
}

// readStateMySQL fills in the columns of mysqlStateStatement, in their order, and the
// variables. If the GTIDs have a gap, who it is is told all the same.
func readStateMySQL(state, variables table, c *conn, o *topology.Observation) error {
	r := fieldReader{row: state.rows[0]}
	executed := r.next()
	gap, err := topology.FirstGap(executed)
	if err != nil {
		return err
	}
	position, err := topology.ParsePosition(executed)
	if err != nil {
		return err
	}
	err = readRestMySQL(&r, variables, c, o)
	if o.Gap = gap; gap != "" {
		return fmt.Errorf("%w: %s", ErrGaps, gap)
	}
	o.Applied, o.Binlog = position, position
	return err
}

func readRestMySQL(r *fieldReader, variables table, c *conn, o *topology.Observation) error {
	boot, identity := r.number(), r.number()
	o.Boot = boot / cacheUnit
	tables := r.number()
	o.HasRing, c.hasLayout = tables&1 > 0, tables&2 > 0
	closed := r.number() == 3
	o.Renewed = readRenewal(r)
	if r.err != nil {
		return r.err
	}
	v := c.readVariables(variables)
	if id := v.number("server_id"); id == identity/cacheUnit {
		o.ServerID = uint32(id)
	}
	o.Settings = v.settings()
	o.Settings.ServerID = uint32(v.number("server_id"))
	o.Settings.ReadOnlyInFile = closed && v.is("persisted_globals_load", "ON")
	o.Domain = topology.SourceDomain(o.Settings.ServerUUID)
	o.ReadOnly, o.SuperReadOnly = v.is("read_only", "ON"), v.is("super_read_only", "ON")
	o.SemiSync.Enabled = v.is("rpl_semi_sync_source_enabled", "ON")
	o.Layout.Offset, o.Layout.Stride = int(v.number("auto_increment_offset")), int(v.number("auto_increment_increment"))
	if !topology.ValidSource(o.Settings.ServerUUID) || o.Layout.Stride == 0 {
		return errors.New("the server does not show its variables")
	}
	return nil
}

// settings reads what the law of the ring is about. What MariaDB has a rule for and
// MySQL needs none of stands as it should be. Appliers in parallel may not commit out
// of order; those that may not count as none.
func (v variableSet) settings() topology.Settings {
	parallel := int(v.number("replica_parallel_workers"))
	if v.is("replica_preserve_commit_order", "ON") {
		parallel = 0
	}
	endless := time.Duration(v.number("rpl_semi_sync_source_timeout"))*time.Millisecond >= endlessWait
	return topology.Settings{
		LogBin: v.is("log_bin", "ON"), LogReplica: v.is("log_replica_updates", "ON"), LogReplicaInFile: v.is("log_replica_updates", "ON"),
		RowFormat:  v.is("binlog_format", "ROW"),
		GTIDStrict: v.is("gtid_mode", "ON") && v.is("enforce_gtid_consistency", "ON"), IgnoreDuplicates: true,
		ParallelThreads: parallel, StrictDDL: v.is("replica_exec_mode", "STRICT"),
		NetTimeout:   int(v.number("replica_net_timeout")),
		AckerEnabled: v.is("rpl_semi_sync_replica_enabled", "ON"),
		EndlessWait:  endless && v.is("rpl_semi_sync_source_wait_no_replica", "ON"),
		AfterSync:    v.is("rpl_semi_sync_source_wait_point", "AFTER_SYNC") && v.number("rpl_semi_sync_source_wait_for_replica_count") == 1,
		ServerUUID:   strings.ToLower(v["server_uuid"]), RelayRecovery: !v.is("relay_log_recovery", "OFF"),
	}
}

// readLinkMySQL reads the columns of mysqlLinkStatement, in their order.
func readLinkMySQL(t table) (topology.Link, error) {
	if len(t.rows) == 0 {
		return topology.Link{}, nil // it follows nobody
	}
	row := t.rows[0]
	number := func(i int) int {
		n, _ := strconv.Atoi(row[i])
		return n
	}
	received, err := topology.ParsePosition(row[5])
	link := topology.Link{
		Upstream: net.JoinHostPort(row[0], row[1]),
		Receiver: threadState(row[2]), ReceiverErrno: number(3), ReceiverError: row[4],
		Applier: threadState(row[6]), Received: received,
		Plain: row[9] == "0", Filters: row[10], Channels: number(11),
	}
	if link.Applier == topology.ThreadStopped {
		link.ApplierErrno, link.ApplierError = number(7), row[8]
	}
	return link, err
}
