package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Five voters go on without any two of them, the one that leads among those, and not
// without three.
func TestFiveVoters(t *testing.T) {
	authority, addrs := ca(t), freePorts(t, 5)
	var nodes []*Store
	var joins []<-chan error
	for i, addr := range addrs {
		cfg := nodeConfig(t, topology.NodeID(fmt.Sprintf("n%d", i+1)), authority)
		cfg.Bind, cfg.Join, cfg.Expect = addr, addrs, 5
		nodes = append(nodes, mustOpen(t, cfg))
		joins = append(joins, join(t, nodes[i]))
	}
	for i, done := range joins {
		if err := <-done; err != nil {
			t.Fatalf("n%d: %v", i+1, err)
		}
	}
	commands := script(5)
	for left := 5; left >= 3; left-- {
		var lead int
		eventually(t, fmt.Sprintf("a leader of %d of five", left), func() bool {
			for i, n := range nodes {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				err := n.VerifyLeader(ctx)
				cancel()
				if lead = i; err == nil {
					return true
				}
			}
			return false
		})
		mustPropose(t, nodes[lead], commands[5-left])
		for _, n := range nodes {
			eventually(t, "all that are left have the state", func() bool { return encoded(t, n.Snapshot()) == encoded(t, nodes[lead].Snapshot()) })
			if got, want := len(n.Peers()), 5; got != want {
				t.Errorf("%s knows %d nodes, want %d", n.cfg.NodeID, got, want)
			}
		}
		mustStop(t, nodes[lead])
		nodes = append(nodes[:lead:lead], nodes[lead+1:]...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	for _, n := range nodes {
		if err := n.Propose(ctx, commands[3]); err == nil {
			t.Errorf("%s takes a change with two of five", n.cfg.NodeID)
		}
	}
}
