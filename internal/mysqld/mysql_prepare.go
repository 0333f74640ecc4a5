package mysqld

import (
	"context"
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// lacksPrepareMySQL is lacksPrepare. Who boots open is not prepared.
func lacksPrepareMySQL(o topology.Observation, a topology.Action) string {
	v := o.Settings
	var missing []string
	need := func(ok bool, format string, args ...any) {
		if !ok {
			missing = append(missing, fmt.Sprintf(format, args...))
		}
	}
	need(o.ServerID == a.Identity, "server_id %d is not %d", o.ServerID, a.Identity)
	need(o.ReadOnly || a.Live, "read_only is off")
	need(v.ReadOnlyInFile, "read_only, super_read_only and skip_replica_start are not persisted, or not loaded")
	need(o.Layout == a.Layout, "auto_increment is %s, not %s", o.Layout, a.Layout)
	need(o.HasRing, "schema sqlring is not there")
	need(v.RowFormat && v.GTIDStrict, "binlog_format is not ROW, or gtid_mode not ON")
	need(v.StrictDDL, "replica_exec_mode is not STRICT")
	need(v.ParallelThreads == 0, "%d appliers may commit out of order", v.ParallelThreads)
	need(v.NetTimeout > 0 && v.NetTimeout <= netTimeout, "replica_net_timeout is %d", v.NetTimeout)
	need(v.EndlessWait && v.AfterSync, "semi-sync is not set up")
	return strings.Join(missing, "; ")
}

func refusePrepareMySQL(o topology.Observation, a topology.Action) string {
	if a.Identity == 0 || a.Identity > cacheMax {
		return fmt.Sprintf("identity %d is not in 1..%d", a.Identity, uint64(cacheMax))
	}
	if err := a.Layout.Validate(); err != nil {
		return err.Error()
	}
	v := o.Settings
	if !v.LogBin || !v.LogReplica || !v.GTIDStrict || !v.RowFormat || v.RelayRecovery {
		return "its config file switches log_bin, log_replica_updates, gtid_mode or binlog_format=ROW off, or relay_log_recovery on"
	}
	idle := o.Link.Upstream == "" || o.Link.Receiver == topology.ThreadStopped && o.Link.Applier == topology.ThreadStopped
	stranger := o.ServerID != a.Identity
	switch {
	case !idle && (stranger || v.ParallelThreads != 0):
		return "its replication runs, which must not while identity or rules change"
	case a.Fresh && stranger && o.Link.Upstream != "":
		return "it is not new: it follows " + o.Link.Upstream
	case a.Fresh && !a.Full && stranger && len(o.Schemas) > 0:
		return "it is not empty: it has the schema " + strings.Join(o.Schemas, ", ")
	}
	return ""
}

// bootClosed has a server boot closed to everybody, and pull from nobody.
const bootClosed = "SET PERSIST_ONLY read_only=1, super_read_only=1, skip_replica_start=1"

// setIdentityMySQL sets the mark of a prepared process last.
func setIdentityMySQL(a topology.Action) string {
	return fmt.Sprintf("SET PERSIST server_id=%d; %s", a.Identity, setCache(identityCache, uint64(a.Identity)))
}

// runPrepareMySQL sees first to it that the server boots closed, then closes it, and
// sets the mark of a prepared process last.
func runPrepareMySQL(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if a.Live {
		return runLiveMySQL(ctx, w, o, a)
	}
	stranger := o.ServerID != a.Identity
	// read_only first: the server refuses super_read_only=0 to nobody who may set it,
	// and accounts and the schema are made while that is off.
	for _, step := range []struct{ what, sql string }{
		{"have it boot closed", bootClosed},
		{"set read_only", "SET GLOBAL read_only=1"},
		{"lift super_read_only", "SET GLOBAL super_read_only=0"},
	} {
		if err := w.execute(ctx, step.sql); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if a.Fresh && stranger {
		if err := wipeMySQL(ctx, w, o); err != nil {
			return err
		}
		o.HasRing, o.Applied, o.Binlog = false, nil, nil
	}
	if err := configureMySQL(ctx, w, o, a); err != nil {
		return err
	}
	if !stranger {
		return nil
	}
	if err := expel(ctx, w, 0); err != nil { // sessions keep the slot that they connected with
		return err
	}
	if err := w.execute(ctx, setIdentityMySQL(a)); err != nil {
		return fmt.Errorf("set identity: %w", err)
	}
	return expel(ctx, w, 0)
}

func wipeMySQL(ctx context.Context, w work, o topology.Observation) error {
	statements := "DROP DATABASE IF EXISTS sqlring"
	if len(o.Binlog) > 0 {
		statements += "; " + forgetMySQL(w.version)
	}
	if err := w.execute(ctx, statements); err != nil {
		return fmt.Errorf("empty the GTID state: %w", err)
	}
	return nil
}

// configureMySQL sets all but the identity.
func configureMySQL(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	stranger := o.ServerID != a.Identity
	if err := installSemiSync(ctx, w); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		skip bool
		sql  string
	}{
		{"make the replication account", !stranger, replicationAccount(w.member.cfg)},
		{"make schema sqlring", o.HasRing, ringSchema},
		{"set rules of the applier", o.Settings.ParallelThreads == 0, "SET PERSIST replica_preserve_commit_order=1"},
		{"set settings", false, mysqlSettings},
		{"set number of appliers", !w.version.AtLeast(8, 0, 27), mysqlWorkers},
		{"set slot", false, setLayout(w.version.Flavour, a.Layout)},
	} {
		if step.skip {
			continue
		}
		if err := w.execute(ctx, step.sql); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if err := switchScheduler(ctx, w.conn, "PERSIST", false); err != nil {
		return err
	}
	if stranger || o.Layout == a.Layout {
		return nil
	}
	return expel(ctx, w, 0) // of the slot that was
}

// mysqlWorkers: appliers that keep the order of commits and each sync their binlog are
// as fast as they are many, since what waits is committed in one group. Before 8.0.27
// they are told apart by schemas, which does not go with that order.
const mysqlWorkers = "SET PERSIST replica_parallel_workers=CAST(GREATEST(@@global.replica_parallel_workers, 16) AS SIGNED)"

// mysqlSettings is ringSettings. Whether it waits, or acknowledges, is never persisted:
// a member that comes up does neither.
const mysqlSettings = `SET PERSIST replica_exec_mode='STRICT', replica_net_timeout=2, binlog_order_commits=1, binlog_row_image='FULL',
	rpl_semi_sync_source_wait_point='AFTER_SYNC', rpl_semi_sync_source_timeout=4294967295, rpl_semi_sync_source_wait_no_replica=1,
	rpl_semi_sync_source_wait_for_replica_count=1, sync_binlog=1, innodb_flush_log_at_trx_commit=1`

// installSemiSync installs both plugins of semi-sync, which are remembered over a
// restart.
func installSemiSync(ctx context.Context, w work) error {
	t, err := w.query(ctx, "SELECT plugin_name FROM information_schema.plugins WHERE plugin_name LIKE 'rpl_semi_sync_%' AND plugin_status='ACTIVE'")
	if err != nil {
		return fmt.Errorf("list plugins: %w", err)
	}
	have := map[string]bool{}
	for _, row := range t.rows {
		have[row[0]] = true
	}
	for _, plugin := range []struct{ name, library string }{
		{"rpl_semi_sync_source", "semisync_source.so"}, {"rpl_semi_sync_replica", "semisync_replica.so"},
	} {
		if have[plugin.name] {
			continue
		}
		if err := w.execute(ctx, fmt.Sprintf("INSTALL PLUGIN %s SONAME '%s'", plugin.name, plugin.library)); err != nil {
			return fmt.Errorf("install plugin %s: %w", plugin.name, err)
		}
	}
	return nil
}
