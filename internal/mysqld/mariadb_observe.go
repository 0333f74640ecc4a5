package mysqld

import (
	"cmp"
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

// The names of key caches of size 0 that carry a number in the memory of the
// server: it is read and written without a log, while commits hang, and is gone
// after a restart. The number has to be a multiple of 100 (MariaDB manual,
// key_cache_age_threshold: 100 to 4294967295).
const (
	bootCache = "sqlring_boot" // token of the process: topology.Action.Boot
	termCache = "sqlring_term" // the highest term that has held the hands
	fileCache = "sqlring_file" // 1: read_only came from the config file, before it was first set by SQL

	cacheUnit = 100
	cacheMax  = 4294967295 / cacheUnit
)

// setCache returns the statement that puts a number into the server's memory.
func setCache(name string, number uint64) string {
	return fmt.Sprintf("SET GLOBAL %s.key_cache_age_threshold=%d", name, number*cacheUnit)
}

// endlessWait: a semi-sync timer of a day or more never degrades by itself.
const endlessWait = 24 * time.Hour

// The first round trip: everything but the heartbeats and the link. Who waits for
// an acknowledgement is read before the position: what it waits for is in that.
const (
	stateStatement = `SELECT
		@@global.server_id, @@global.gtid_domain_id, @@global.sqlring_boot.key_cache_age_threshold,
		@@global.read_only, @@global.sqlring_file.key_cache_age_threshold,
		@@global.auto_increment_offset, @@global.auto_increment_increment,
		@@global.log_bin, @@global.log_slave_updates, @@global.binlog_format='ROW',
		@@global.gtid_strict_mode, @@global.gtid_ignore_duplicates, @@global.slave_parallel_threads,
		@@global.slave_ddl_exec_mode='STRICT', @@global.slave_net_timeout,
		@@global.rpl_semi_sync_slave_enabled, @@global.rpl_semi_sync_master_enabled,
		@@global.rpl_semi_sync_master_timeout, @@global.rpl_semi_sync_master_wait_point='AFTER_SYNC',
		` + appliedColumn + `, @@global.gtid_binlog_pos,
		(SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='sqlring' AND table_name='heartbeat'), ` + slotState
	statusStatement = `SELECT variable_name, variable_value FROM information_schema.global_status WHERE variable_name IN
		('BINLOG_SNAPSHOT_FILE','BINLOG_SNAPSHOT_POSITION','RPL_SEMI_SYNC_MASTER_STATUS','RPL_SEMI_SYNC_MASTER_CLIENTS','RPL_SEMI_SYNC_MASTER_WAIT_SESSIONS','RPL_SEMI_SYNC_SLAVE_STATUS')`
	schemasStatement = `SELECT schema_name FROM information_schema.schemata
		WHERE schema_name NOT IN ('mysql','information_schema','performance_schema','sys','sqlring')`
)

// hostsStatement lists who pulls from the member. It needs REPLICATION MASTER
// ADMIN; it looks at the connections alone, so it answers while commits hang.
const hostsStatement = "SHOW SLAVE HOSTS"

// The second one. SHOW ALL SLAVES STATUS can hang for ever, and is never sent.
const (
	beatsStatement = "SELECT member, node, seq FROM sqlring.heartbeat"
	linkStatement  = "SHOW SLAVE STATUS"
)

func (mariaDB) observe(ctx context.Context, c *conn, o *topology.Observation) error {
	first, err := c.batch(ctx, statusStatement+";"+stateStatement+";"+schemasStatement+";"+hostsStatement+
		"; "+appsCount+connectedCondition+"; "+roomStatement, c.ours[0], c.ours[1])
	if err != nil {
		return err
	}
	if len(first) != 6 || len(first[1].rows) != 1 {
		return fmt.Errorf("the server gave %d of 6 results", len(first))
	}
	err = readState(first[1], c, o)
	if errors.Is(err, errBeingSet) {
		var by lockHolder
		if o.Applied, by, err = appliedBesides(ctx, c); by.id != 0 {
			o.Held = by.String()
		}
	}
	if err != nil {
		return err
	}
	readSemiSync(first[0], o)
	for _, row := range first[2].rows {
		o.Schemas = append(o.Schemas, row[0])
	}
	slices.Sort(o.Schemas)
	if o.SemiSync.Replicas, err = readHosts(first[3]); err != nil {
		return err
	}
	if err := errors.Join(readApps(first[4], o), observeRoom(ctx, c, first[5], o)); err != nil {
		return err
	}
	return observeLink(ctx, c, o, linkStatement, readLink)
}

// observeLink is the second round trip: what has come from the others, and how.
func observeLink(ctx context.Context, c *conn, o *topology.Observation, statement string, read func(table) (topology.Link, error)) error {
	if o.HasRing {
		if err := observeBeats(ctx, c, o, c.hasLayout); err != nil {
			return err
		}
	}
	status, err := c.query(ctx, statement)
	if err != nil {
		return err
	}
	o.Link, err = read(status)
	return err
}

// readState fills in the columns of stateStatement, in their order.
func readState(t table, c *conn, o *topology.Observation) error {
	r := fieldReader{row: t.rows[0]}
	o.ServerID, o.Domain = uint32(r.number()), uint32(r.number())
	o.Boot = r.number() / cacheUnit
	o.ReadOnly = r.flag()
	o.Settings.ReadOnlyInFile = r.number() > 0 || c.readOnlyInFile
	o.Layout.Offset, o.Layout.Stride = int(r.number()), int(r.number())
	o.Settings.LogBin, o.Settings.LogReplica, o.Settings.RowFormat = r.flag(), r.flag(), r.flag()
	o.Settings.GTIDStrict, o.Settings.IgnoreDuplicates = r.flag(), r.flag()
	o.Settings.ParallelThreads = int(r.number())
	o.Settings.StrictDDL = r.flag()
	o.Settings.NetTimeout = int(r.number())
	o.Settings.AckerEnabled, o.SemiSync.Enabled = r.flag(), r.flag()
	o.Settings.EndlessWait = time.Duration(r.number())*time.Millisecond >= endlessWait
	o.Settings.AfterSync = r.flag()
	o.Settings.LogReplicaInFile, o.Settings.ConfigFile = c.logReplicaInFile, c.configFile
	held := len(r.row) > 0 && r.row[0] == beingSet
	if held {
		r.next()
	} else {
		o.Applied = r.position()
	}
	o.Binlog = r.position()
	o.HasRing = r.number() > 0
	o.Renewed = readRenewal(&r)
	c.hasLayout = r.flag()
	if r.err == nil && held {
		return errBeingSet
	}
	return r.err
}

// readSemiSync reads the status by its names, which are others on MySQL, and of MariaDB where
// its last commit stands in the binlog (MariaDB manual, Binlog_snapshot_file).
func readSemiSync(t table, o *topology.Observation) {
	for _, row := range t.rows {
		number, _ := strconv.Atoi(row[1]) // those that are not numbers are not read as such
		switch strings.ToUpper(row[0]) {
		case "BINLOG_SNAPSHOT_FILE":
			file, _ := strconv.ParseUint(row[1][strings.LastIndexByte(row[1], '.')+1:], 10, 32)
			o.BinlogAt.File = uint32(file)
		case "BINLOG_SNAPSHOT_POSITION":
			o.BinlogAt.Offset = uint64(max(number, 0))
		case "RPL_SEMI_SYNC_MASTER_STATUS", "RPL_SEMI_SYNC_SOURCE_STATUS":
			o.SemiSync.On = row[1] == "ON"
		case "RPL_SEMI_SYNC_MASTER_CLIENTS", "RPL_SEMI_SYNC_SOURCE_CLIENTS":
			o.SemiSync.Ackers = number
		case "RPL_SEMI_SYNC_MASTER_WAIT_SESSIONS", "RPL_SEMI_SYNC_SOURCE_WAIT_SESSIONS":
			o.SemiSync.Waiting = number
		case "RPL_SEMI_SYNC_SLAVE_STATUS", "RPL_SEMI_SYNC_REPLICA_STATUS":
			o.SemiSync.Acking = row[1] == "ON"
		}
	}
	if o.BinlogAt.File == 0 { // a byte of an unknown file is no place
		o.BinlogAt = topology.BinlogPlace{}
	}
}

// readHosts reads the server ids of SHOW SLAVE HOSTS.
func readHosts(t table) ([]uint32, error) {
	i := slices.IndexFunc(t.columns, func(name string) bool { return strings.EqualFold(name, "Server_id") })
	if i < 0 {
		return nil, errors.New("the list of replicas has no server ids")
	}
	var ids []uint32
	for _, row := range t.rows {
		id, err := strconv.ParseUint(row[i], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("server id of a replica: %w", err)
		}
		ids = append(ids, uint32(id))
	}
	slices.Sort(ids)
	return ids, nil
}

func readBeats(t table) ([]topology.Beat, error) {
	beats := make([]topology.Beat, 0, len(t.rows))
	for _, row := range t.rows {
		seq, err := strconv.ParseUint(row[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("heartbeat of %s: %w", row[0], err)
		}
		beats = append(beats, topology.Beat{Origin: topology.MemberID(row[0]), Node: topology.NodeID(row[1]), Seq: seq})
	}
	slices.SortFunc(beats, func(a, b topology.Beat) int {
		return cmp.Or(cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Node, b.Node))
	})
	return beats, nil
}

// readLink reads SHOW SLAVE STATUS by the names of its columns, which differ in
// number from release to release.
func readLink(t table) (topology.Link, error) {
	if len(t.rows) == 0 {
		return topology.Link{}, nil // it follows nobody
	}
	field := func(name string) string {
		if i := slices.Index(t.columns, name); i >= 0 {
			return t.rows[0][i]
		}
		return ""
	}
	if field("Master_Host") == "" {
		return topology.Link{}, nil // RESET SLAVE ALL of some releases leaves an empty row
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(field(name)) // an error number; empty is none
		return n
	}
	received, err := topology.ParsePosition(field("Gtid_IO_Pos"))
	return topology.Link{
		Upstream:      net.JoinHostPort(field("Master_Host"), field("Master_Port")),
		Receiver:      threadState(field("Slave_IO_Running")),
		ReceiverErrno: number("Last_IO_Errno"), ReceiverError: field("Last_IO_Error"),
		Applier:      threadState(field("Slave_SQL_Running")),
		ApplierErrno: number("Last_SQL_Errno"), ApplierError: field("Last_SQL_Error"),
		Plain: field("Using_Gtid") == "No", Filters: filters(field),
		Received: received,
	}, err
}

// filters says what a link leaves out, "" for nothing.
func filters(field func(string) string) string {
	var found []string
	for _, name := range []string{
		"Replicate_Do_DB", "Replicate_Ignore_DB", "Replicate_Do_Table", "Replicate_Ignore_Table",
		"Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table", "Replicate_Do_Domain_Ids", "Replicate_Ignore_Domain_Ids",
	} {
		if v := field(name); v != "" {
			found = append(found, name+"="+v)
		}
	}
	return strings.Join(found, ", ")
}

func threadState(text string) topology.ThreadState {
	switch text {
	case "Yes", "ON":
		return topology.ThreadRunning
	case "No", "OFF":
		return topology.ThreadStopped
	case "Connecting", "Preparing", "CONNECTING":
		return topology.ThreadConnecting
	}
	return topology.ThreadUnknown
}

// fieldReader reads the fields of a row one after the other. After an error the
// rest reads as zero.
type fieldReader struct {
	row []string
	err error
}

func (r *fieldReader) next() string {
	if len(r.row) == 0 {
		r.err = errors.Join(r.err, errors.New("the row is too short"))
		return ""
	}
	field := r.row[0]
	r.row = r.row[1:]
	return field
}

func (r *fieldReader) number() uint64 {
	field := r.next()
	n, err := strconv.ParseUint(field, 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("the server gave %q where a number is expected", field)
	}
	return n
}

func (r *fieldReader) flag() bool { return r.number() == 1 }

func (r *fieldReader) position() topology.Position {
	text := r.next()
	p, err := topology.ParsePosition(text)
	if text == beingSet {
		err = errBeingSet
	}
	if err != nil && r.err == nil {
		r.err = err
	}
	return p
}
