package mysqld

import (
	"context"
	"sync"

	"github.com/sqlring/sqlring/pkg/topology"
)

// LookAt asks servers once what they are, members or not, side by side, over connections
// of their own. Nothing is changed. It returns when ctx ends, or after three times
// Config.Probe: a server that is far is connected to first, and asked then.
func (f *Fleet) LookAt(ctx context.Context, members []topology.Member) topology.Observations {
	seen := make([]topology.Observation, len(members))
	var all sync.WaitGroup
	for i, m := range members {
		all.Go(func() {
			handle := New(f.cfg, m.ID, m.Addr)
			defer handle.Close()
			for range 3 {
				if seen[i] = handle.Observe(ctx); seen[i].Reach == topology.ReachAnswers {
					return
				}
			}
		})
	}
	all.Wait()
	var o topology.Observations
	for _, one := range seen {
		o = o.With(one)
	}
	return o
}
