package mysqld

import (
	"context"
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// A server that replicates in a circle already is taken over while applications write to
// it: see topology.ActAdopt.

func lacksSchema(o topology.Observation, _ topology.Action) string {
	if !o.HasRing {
		return "schema sqlring is not there"
	}
	return ""
}

func runSchema(ctx context.Context, w work, _ topology.Observation, _ topology.Action) error {
	if w.version.Flavour == topology.FlavourMySQL { // read_only stays as it is
		if err := w.execute(ctx, "SET GLOBAL super_read_only=0"); err != nil {
			return fmt.Errorf("lift super_read_only: %w", err)
		}
	}
	if err := w.execute(ctx, replicationAccount(w.member.cfg)); err != nil {
		return fmt.Errorf("make the replication account: %w", err)
	}
	if err := w.execute(ctx, ringSchema); err != nil {
		return fmt.Errorf("make schema sqlring: %w", err)
	}
	return nil
}

// lacksAdopt asks for the token: it is stamped when all else is done.
func lacksAdopt(o topology.Observation, a topology.Action) string {
	v := o.Settings
	var missing []string
	need := func(ok bool, format string, args ...any) {
		if !ok {
			missing = append(missing, fmt.Sprintf(format, args...))
		}
	}
	need(o.Boot == a.Boot, "its boot token is %d, not %d", o.Boot, a.Boot)
	if o.Version.Flavour == topology.FlavourMySQL {
		need(o.ServerID == a.Identity, "server_id %d is not %d, or was not set by this release", v.ServerID, a.Identity)
		need(v.ReadOnlyInFile, "read_only, super_read_only and skip_replica_start are not persisted, or not loaded")
	} else {
		need(o.ServerID == a.Identity && o.Domain == a.Identity, "server_id %d and gtid_domain_id %d are not %d", o.ServerID, o.Domain, a.Identity)
	}
	need(o.Layout == a.Layout, "auto_increment is %s, not %s", o.Layout, a.Layout)
	need(o.HasRing, "schema sqlring is not there")
	need(v.GTIDStrict && v.StrictDDL && ruled(v), "the rules of the applier are not set")
	need(v.NetTimeout <= netTimeout, "the network timeout is %d s", v.NetTimeout)
	need(v.EndlessWait && v.AfterSync, "semi-sync is not set up")
	return strings.Join(missing, "; ")
}

func refuseAdopt(o topology.Observation, a topology.Action) string {
	if a.Identity == 0 || a.Identity > cacheMax {
		return fmt.Sprintf("identity %d is not in 1..%d", a.Identity, uint64(cacheMax))
	}
	if err := a.Layout.Validate(); err != nil {
		return err.Error()
	}
	switch {
	case !o.HasRing:
		return "it has no schema sqlring: heartbeats of the others would stop its applier"
	case !o.ReadOnly && !a.Layout.Within(o.Layout):
		return fmt.Sprintf("it takes writes, and %s is not within what it gives out, %s", a.Layout, o.Layout)
	case o.SemiSync.Enabled:
		return "its commits wait for an acker, and its sessions could not be ended"
	}
	if why := refuseStamp(o, a); why != "" {
		return why
	}
	return undrained(o)
}

// runAdopt sets the identity before sessions are ended, since a new one gets it from
// there, and nothing of the old one is written after that.
func runAdopt(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if a.Boots || o.Settings.ReadOnlyInFile {
		if err := w.execute(ctx, setCache(fileCache, 1)); err != nil {
			return fmt.Errorf("note the word for its config file: %w", err)
		}
	}
	if o.Link.Upstream != "" {
		if err := w.execute(ctx, "STOP SLAVE SQL_THREAD"); err != nil {
			return fmt.Errorf("stop the drained applier: %w", err)
		}
	}
	set := fmt.Sprintf("SET GLOBAL auto_increment_increment=%d, auto_increment_offset=%d, gtid_domain_id=%d, server_id=%d", a.Layout.Stride, a.Layout.Offset, a.Identity, a.Identity)
	for _, step := range []struct{ what, sql string }{
		{"set rules of the applier", "SET GLOBAL gtid_ignore_duplicates=1, slave_parallel_threads=0"},
		{"set settings", ringSettings},
		{"set identity and slot", set},
	} {
		if err := w.execute(ctx, step.sql); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if err := endEarlier(ctx, w); err != nil {
		return err
	}
	held, err := heldPosition(ctx, w)
	if err != nil {
		return err
	}
	if err := noteApplied(ctx, w, held); err != nil {
		return err
	}
	if err := w.execute(ctx, "RESET SLAVE ALL"); err != nil {
		return fmt.Errorf("forget its link: %w", err)
	}
	return runStamp(ctx, w, o, a)
}

// noteHeld notes what a MariaDB has as applied; gtid_strict_mode, which is off meanwhile (see
// noteApplied), stays as it was: the server is left to whoever has built its circle.
func noteHeld(ctx context.Context, w work) error {
	held, err := heldPosition(ctx, w)
	if err != nil {
		return err
	}
	const asItWas = "SET GLOBAL gtid_strict_mode=@was_strict"
	err = w.execute(ctx, "SET @was_strict=@@global.gtid_strict_mode; SET GLOBAL gtid_strict_mode=0; "+setApplied(held)+"; "+asItWas)
	if err != nil {
		_ = w.execute(ctx, asItWas) // what failed is said; it is started by no one meanwhile
		return fmt.Errorf("note what it holds as applied: %w", err)
	}
	return nil
}

func lacksStart(o topology.Observation, _ topology.Action) string {
	link := o.Link
	if link.Upstream != "" && (link.Receiver == topology.ThreadStopped || link.Applier == topology.ThreadStopped) {
		return fmt.Sprintf("its receiver is %s, its applier %s: error %d %s", link.Receiver, link.Applier, link.ApplierErrno, link.ApplierError)
	}
	return ""
}

// heldPosition returns all that a MariaDB has: what it has applied, and what stands in its
// binlog, of whatever domain it was written in.
func heldPosition(ctx context.Context, w work) (topology.Position, error) {
	t, err := w.query(ctx, "SELECT "+appliedColumn+", @@global.gtid_binlog_pos")
	if err != nil {
		return nil, err
	}
	r := fieldReader{row: t.rows[0]}
	held := r.position().Union(r.position())
	return held, r.err
}

// runStart notes what a MariaDB has as applied first, where both threads stand still: a
// server drops what carries the server_id that it has now. A process that was killed in the
// middle of being taken over, or after that, has its file's again, and may have written under
// another one since its position was noted: it would apply that a second time (S96).
func runStart(ctx context.Context, w work, o topology.Observation, _ topology.Action) error {
	idle := o.Link.Receiver == topology.ThreadStopped && o.Link.Applier == topology.ThreadStopped
	if idle && o.Version.Flavour == topology.FlavourMariaDB { // a MySQL passes over what its gtid_executed has
		if err := noteHeld(ctx, w); err != nil {
			return err
		}
	}
	if err := w.execute(ctx, w.link().start); err != nil {
		return fmt.Errorf("start replication: %w", err)
	}
	return nil
}
