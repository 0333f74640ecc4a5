package mysqld

import (
	"context"
	"fmt"

	"github.com/sqlring/sqlring/pkg/topology"
)

// runLiveMySQL is runLive. What it wrote before stands under its server_uuid, as what it
// writes afterwards does: nothing has to be noted of it (S36). Sessions of before keep
// their auto_increment values, so they are ended, once.
func runLiveMySQL(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if err := w.execute(ctx, bootClosed); err != nil {
		return fmt.Errorf("have it boot closed: %w", err)
	}
	if err := installSemiSync(ctx, w); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		skip bool
		sql  string
	}{
		{"make the replication account", false, replicationAccount(w.member.cfg)},
		{"make schema sqlring", false, ringSchema},
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
	if err := endEarlier(ctx, w); err != nil {
		return err
	}
	return w.execute(ctx, setIdentityMySQL(a))
}
