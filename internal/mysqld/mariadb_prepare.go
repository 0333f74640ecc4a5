package mysqld

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// netTimeout is the slave_net_timeout of a member, in seconds: a frozen upstream
// is noticed after that.
const netTimeout = 2

// lacksPrepare is what the law asks of a prepared member; the identity is set
// last, so a member that carries it has its account and schema too.
func lacksPrepare(o topology.Observation, a topology.Action) string {
	v := o.Settings
	var missing []string
	need := func(ok bool, format string, args ...any) {
		if !ok {
			missing = append(missing, fmt.Sprintf(format, args...))
		}
	}
	need(o.ServerID == a.Identity && o.Domain == a.Identity, "server_id %d and gtid_domain_id %d are not %d", o.ServerID, o.Domain, a.Identity)
	need(o.ReadOnly || a.Live, "read_only is off")
	need(!a.Live || o.Applied.Covers(o.Binlog.Without(a.Identity)), "what it wrote before is not in gtid_slave_pos")
	need(o.Layout == a.Layout, "auto_increment is %s, not %s", o.Layout, a.Layout)
	need(o.HasRing, "schema sqlring is not there")
	need(v.RowFormat, "binlog_format is not ROW")
	need(v.GTIDStrict && v.StrictDDL, "strict modes are off")
	need(ruled(v), "gtid_ignore_duplicates=%t, slave_parallel_threads=%d", v.IgnoreDuplicates, v.ParallelThreads)
	need(v.NetTimeout <= netTimeout, "slave_net_timeout is %d", v.NetTimeout)
	need(v.EndlessWait && v.AfterSync, "semi-sync is not set up")
	need(raised(o, a) == nil, "gtid_slave_pos lacks its earlier identities")
	return strings.Join(missing, "; ")
}

// ruled reports whether the applier's rules stand that can only be set while no
// thread runs.
func ruled(v topology.Settings) bool { return v.IgnoreDuplicates && v.ParallelThreads == 0 }

// raised returns the gtid_slave_pos that the member needs, nil if it has it: in
// the domain of each earlier identity at least its own position. Otherwise its
// events, which still travel, would be applied again, or stop the applier. The
// present identity goes with them, since strict mode refuses a position that is
// behind the binlog.
func raised(o topology.Observation, a topology.Action) topology.Position {
	short := false
	p := o.Applied
	for _, domain := range slices.Concat(a.Retired, []uint32{a.Identity}) {
		own, ok := o.Binlog.Last(domain)
		if !ok || p.Seq(domain) >= own.Seq {
			continue
		}
		short = short || domain != a.Identity
		p = p.With(own)
	}
	if !short {
		return nil
	}
	return p
}

func refusePrepare(o topology.Observation, a topology.Action) string {
	if a.Identity == 0 {
		return "identity 0 belongs to servers that have none"
	}
	if err := a.Layout.Validate(); err != nil {
		return err.Error()
	}
	if !o.Settings.LogBin || !o.Settings.LogReplica {
		return "its config file lacks log_bin or log_slave_updates, which SQL cannot set"
	}
	idle := o.Link.Upstream == "" || o.Link.Receiver == topology.ThreadStopped && o.Link.Applier == topology.ThreadStopped
	stranger := o.ServerID != a.Identity || o.Domain != a.Identity
	switch {
	case !idle && (stranger || !ruled(o.Settings) || raised(o, a) != nil):
		return "its replication runs, which must not while identity, rules or positions change"
	case a.Fresh && stranger && o.Link.Upstream != "":
		return "it is not new: it follows " + o.Link.Upstream
	case a.Fresh && !a.Full && stranger && len(o.Schemas) > 0:
		return "it is not empty: it has the schema " + strings.Join(o.Schemas, ", ")
	}
	return ""
}

// runPrepare closes the member, and sets the identity last: after a crash on the
// way the next call does all of it again.
func runPrepare(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if a.Live {
		return runLive(ctx, w, o, a)
	}
	stranger := o.ServerID != a.Identity || o.Domain != a.Identity
	if !o.ReadOnly {
		if err := setReadOnly(ctx, w, o, true); err != nil {
			return err
		}
	}
	if a.Fresh && stranger {
		if err := wipe(ctx, w, o); err != nil {
			return err
		}
		o.HasRing, o.Applied, o.Binlog = false, nil, nil
	}
	if err := configure(ctx, w, o, a); err != nil {
		return err
	}
	if !stranger {
		return nil
	}
	// Sessions keep the identity and the slot that they connected with. Before the
	// identity, which is the mark of a prepared member; and after it, for those
	// that have come in between.
	if err := expel(ctx, w, 0); err != nil {
		return err
	}
	if err := w.execute(ctx, fmt.Sprintf("SET GLOBAL gtid_domain_id=%d, server_id=%d", a.Identity, a.Identity)); err != nil {
		return fmt.Errorf("set identity: %w", err)
	}
	return expel(ctx, w, 0)
}

// wipe makes a member without data a member without a past. RESET MASTER can
// take a second, so it is left out where there is nothing to forget.
func wipe(ctx context.Context, w work, o topology.Observation) error {
	statements := "DROP DATABASE IF EXISTS sqlring"
	if len(o.Binlog)+len(o.Applied) > 0 {
		statements += "; RESET MASTER; " + setApplied(nil)
	}
	if err := w.execute(ctx, statements); err != nil {
		return fmt.Errorf("empty the GTID state: %w", err)
	}
	return nil
}

// configure sets all but the identity.
func configure(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	stranger := o.ServerID != a.Identity || o.Domain != a.Identity
	position := raised(o, a)
	for _, step := range []struct {
		what string
		skip bool
		sql  string
	}{
		{"make the replication account", !stranger, replicationAccount(w.member.cfg)},
		{"make schema sqlring", o.HasRing, ringSchema},
		{"set rules of the applier", ruled(o.Settings), "SET GLOBAL gtid_ignore_duplicates=1, slave_parallel_threads=0"},
		{"set settings", false, ringSettings},
		{"set slot", o.Layout == a.Layout, setLayout(w.version.Flavour, a.Layout)},
		{"set applied position", position == nil, setApplied(position)},
	} {
		if step.skip {
			continue
		}
		if err := w.execute(ctx, step.sql); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if stranger || o.Layout == a.Layout {
		return nil
	}
	return expel(ctx, w, 0) // of the slot that was
}

// ringSettings are the settings of every member that may change at any time.
// The semi-sync timer is the longest there is: to degrade is the controller's
// decision. Whether a member acknowledges is said when it is linked. slave_exec_mode=STRICT: IDEMPOTENT would turn a conflict into a
// silent difference. Files of the binlog stay small (S116).
var ringSettings = `SET GLOBAL binlog_format='ROW', gtid_strict_mode=1, slave_ddl_exec_mode='STRICT', slave_exec_mode='STRICT',
	slave_net_timeout=2, max_binlog_size=LEAST(@@global.max_binlog_size, ` + strconv.Itoa(topology.BinlogFileMost) + `), rpl_semi_sync_master_wait_point='AFTER_SYNC',
	rpl_semi_sync_master_timeout=4294967295, sync_binlog=1, innodb_flush_log_at_trx_commit=1`

// ringSchema is sqlring's own schema. The rows of heartbeat are keyed by member
// and node, so each has one writer and the ring carries them without conflict.
const ringSchema = `CREATE DATABASE IF NOT EXISTS sqlring;
	CREATE TABLE IF NOT EXISTS sqlring.heartbeat (
		member VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
		node VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
		seq BIGINT UNSIGNED NOT NULL,
		PRIMARY KEY (member, node)) ENGINE=InnoDB;
	` + replayedTable

func replicationAccount(cfg Config) string {
	account := quote(cfg.ReplicationUser) + "@'%'"
	return "CREATE USER IF NOT EXISTS " + account + "; ALTER USER " + account + " IDENTIFIED BY " +
		quote(cfg.ReplicationPassword) + "; GRANT REPLICATION SLAVE ON *.* TO " + account
}
