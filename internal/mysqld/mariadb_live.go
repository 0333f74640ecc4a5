package mysqld

import (
	"context"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// runLive sets a server up that serves applications, and goes on doing so. Sessions
// keep the identity, the layout and the binlog format that they connected with, so
// those from before are ended, once; whoever connects anew is not. Then all that was
// written before is noted as applied: it will come round, under identities that are
// not the member's own (S36).
func runLive(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if a.Boots && !o.Settings.ReadOnlyInFile {
		if err := w.execute(ctx, setCache(fileCache, 1)); err != nil {
			return fmt.Errorf("note the word for its config file: %w", err)
		}
	}
	set := fmt.Sprintf("SET GLOBAL auto_increment_increment=%d, auto_increment_offset=%d, gtid_domain_id=%d, server_id=%d", a.Layout.Stride, a.Layout.Offset, a.Identity, a.Identity)
	for _, step := range []struct{ what, sql string }{
		{"make the replication account", replicationAccount(w.member.cfg)},
		{"make schema sqlring", ringSchema},
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
	t, err := w.query(ctx, "SELECT @@global.gtid_binlog_pos")
	if err != nil {
		return err
	}
	position, err := topology.ParsePosition(t.value())
	if err != nil {
		return err
	}
	return noteApplied(ctx, w, o.Applied.Union(position))
}

// noteApplied sets gtid_slave_pos. Strict mode refuses one that is behind the
// member's own binlog, and that moves on while applications write; of the own domain
// nothing is asked of anybody, so strict mode is off for that moment.
func noteApplied(ctx context.Context, w work, position topology.Position) error {
	err := w.execute(ctx, "SET GLOBAL gtid_strict_mode=0; "+setApplied(position)+"; SET GLOBAL gtid_strict_mode=1")
	if err != nil {
		_ = w.execute(ctx, "SET GLOBAL gtid_strict_mode=1") // what failed is said; a prepared member has it on, or is prepared anew
		return fmt.Errorf("note what it wrote before as applied: %w", err)
	}
	return nil
}

// idleFirst is for how long only sessions are ended that do nothing: who has one learns
// of it at his next statement, and nothing that he was doing is undone.
const idleFirst = time.Second

// endEarlier ends the connections of applications that were begun before now, those
// that are still logging in among them, and sees them gone.
func endEarlier(ctx context.Context, w work) error {
	probe, err := w.member.connect(ctx, forProbe)
	if err != nil {
		return err
	}
	below := probe.id
	probe.close()
	return endBelow(ctx, w, below, idleFirst)
}
