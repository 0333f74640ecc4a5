package mysqld

import (
	"context"
	"fmt"

	"github.com/sqlring/sqlring/pkg/topology"
)

func lacksRetire(o topology.Observation, _ topology.Action) string {
	if o.HasRing {
		return "the schema sqlring is still there"
	}
	return ""
}

// refuseRetire keeps a member of the ring from losing what the others write there.
func refuseRetire(o topology.Observation, _ topology.Action) string {
	switch {
	case o.Link.Upstream != "":
		return "it follows " + o.Link.Upstream + ": it is still in the ring"
	case !o.ReadOnly:
		return "it is not read-only"
	case o.SemiSync.Enabled:
		return "its commits wait for an acker"
	}
	return ""
}

// runRetire drops the account first: a crash in between leaves the schema, by which it
// is seen that something is left to be done. The hands' session writes no binlog.
func runRetire(ctx context.Context, w work, _ topology.Observation, _ topology.Action) error {
	if err := w.execute(ctx, "DROP USER IF EXISTS "+quote(w.member.cfg.ReplicationUser)+"@'%'"); err != nil {
		return fmt.Errorf("drop the replication account: %w", err)
	}
	if err := w.execute(ctx, "DROP DATABASE IF EXISTS sqlring"); err != nil {
		return fmt.Errorf("drop schema sqlring: %w", err)
	}
	return nil
}
