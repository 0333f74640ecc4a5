package apitest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Cluster is a fake of the nodes n1, n2 and n3, of which n1 leads. It is safe for concurrent use.
type Cluster struct {
	mu     sync.Mutex
	gone   []topology.NodeID
	leader topology.NodeID
}

var _ api.Cluster = (*Cluster)(nil)

// Raft implements api.Cluster.
func (c *Cluster) Raft() api.Raft {
	c.mu.Lock()
	defer c.mu.Unlock()
	leader := c.leader
	if leader == "" {
		leader = "n1"
	}
	r := api.Raft{Node: "n1", Role: "leader", Leader: string(leader), Term: 3, Isolation: "fence", Peers: []api.Peer{}}
	for i, id := range []topology.NodeID{"n1", "n2", "n3"} {
		if !slices.Contains(c.gone, id) {
			r.Peers = append(r.Peers, api.Peer{Name: string(id), Addr: fmt.Sprintf("192.0.2.%d:7406", i+1), Part: "voter", Leader: id == leader})
		}
	}
	return r
}

// May implements api.Cluster.
func (c *Cluster) May(order topology.NoteOrder) error {
	known := slices.ContainsFunc(c.Raft().Peers, func(p api.Peer) bool { return p.Name == string(order.Node) && !p.Leader })
	if !known && order.Node != "" {
		return fmt.Errorf("%w: raft's configuration: %s is not another voter in it", topology.ErrLaw, order.Node)
	}
	return nil
}

// Transfer implements api.Cluster.
func (c *Cluster) Transfer(_ context.Context, to topology.NodeID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leader = to
	return nil
}

// Remove implements api.Cluster.
func (c *Cluster) Remove(_ context.Context, node topology.NodeID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = append(c.gone, node)
	return nil
}

// Forward implements api.Cluster: nobody is reached.
func (c *Cluster) Forward(context.Context, api.Forwarded) (api.Answered, error) {
	return api.Answered{}, api.ErrNotReached
}
