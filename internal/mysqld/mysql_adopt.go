package mysqld

import (
	"context"

	"github.com/sqlring/sqlring/pkg/topology"
)

// runAdoptMySQL is runAdopt. It is that of a server that serves (runLiveMySQL), less its
// link: what stands in its relay log is applied before that is forgotten.
func runAdoptMySQL(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if err := leave(ctx, w, o); err != nil {
		return err
	}
	if err := runLiveMySQL(ctx, w, o, a); err != nil {
		return err
	}
	if err := endLink(ctx, w); err != nil {
		return err
	}
	return runStamp(ctx, w, o, a)
}
