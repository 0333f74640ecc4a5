package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// TestProcessOfTheLeaderIsGone closes all sockets of the leader, as the end of its
// process does: another one leads long before raft's heartbeat timeout, which is a
// second at least in this profile.
func TestProcessOfTheLeaderIsGone(t *testing.T) {
	authority, addrs := ca(t), freePorts(t, 3)
	var nodes []*Store
	var joins []<-chan error
	for i, addr := range addrs {
		cfg := nodeConfig(t, topology.NodeID(fmt.Sprintf("n%d", i+1)), authority)
		cfg.Bind, cfg.Join, cfg.Expect, cfg.Profile = addr, addrs, 3, ProfileWAN
		nodes = append(nodes, mustOpen(t, cfg))
		joins = append(joins, join(t, nodes[i]))
	}
	for i, done := range joins {
		if err := <-done; err != nil {
			t.Fatalf("n%d: %v", i+1, err)
		}
	}
	lead := -1
	eventually(t, "a leader that the others know", func() bool {
		for i, n := range nodes {
			if n.VerifyLeader(testContext(t)) == nil {
				lead = i
			}
		}
		if lead < 0 {
			return false
		}
		for _, n := range nodes {
			if id, _ := n.Leader(); id != nodes[lead].cfg.NodeID {
				return false
			}
		}
		return true
	})
	mustPropose(t, nodes[lead], script(3)...)
	began := time.Now()
	if err := nodes[lead].port.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another one leads", func() bool {
		for i, n := range nodes {
			if i != lead && n.VerifyLeader(testContext(t)) == nil {
				return true
			}
		}
		return false
	})
	if took := time.Since(began); took > profiles()[ProfileWAN].heartbeat-100*time.Millisecond {
		t.Errorf("another one led after %s, as if nobody had looked", took)
	}
}
