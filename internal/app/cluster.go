package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/authority"
	"github.com/sqlring/sqlring/internal/store"
	"github.com/sqlring/sqlring/pkg/topology"
)

// kindAPI is a change that a node was asked for which does not lead: api.Forwarded →
// api.Answered.
const kindAPI = "api"

// cluster shows the API the other nodes.
type cluster struct{ app *App }

var _ api.Cluster = cluster{}

// Raft implements api.Cluster.
func (c cluster) Raft() api.Raft {
	st := c.app.store.Stats()
	r := api.Raft{
		Node: string(c.app.cfg.Node), Role: st.Role, Leader: string(st.Leader), Term: st.Term, FirstIndex: st.FirstIndex, LastIndex: st.LastIndex,
		Committed: st.Committed, Applied: st.Applied, LogBytes: st.LogBytes, Error: st.Error, Isolation: topology.IsolationFence.String(), Peers: []api.Peer{},
	}
	if ring := c.app.store.Snapshot().Ring; ring != nil {
		r.Isolation = ring.Isolation.String()
	}
	now := time.Now()
	for _, p := range c.app.store.Peers() {
		peer := api.Peer{Name: string(p.ID), Addr: p.Addr, Part: roleObserver, Leader: p.ID == st.Leader}
		if p.Voter {
			peer.Part = roleVoter
		}
		if at, witness, ok := c.app.book.Heard(p.ID); ok {
			ms := now.Sub(at).Milliseconds()
			peer.HeardMS = &ms
			if witness {
				peer.Part = roleWitness
			}
		}
		peer.Unit = c.app.book.Lease(p.ID, now)
		r.Peers = append(r.Peers, peer)
	}
	return r
}

// May implements api.Cluster.
func (c cluster) May(order topology.NoteOrder) error {
	if order.Order == topology.OrderRemove {
		return raftProblem(c.app.store.MayRemove(order.Node))
	}
	return raftProblem(c.app.store.MayTransfer(order.Node))
}

// Transfer implements api.Cluster.
func (c cluster) Transfer(ctx context.Context, to topology.NodeID) error {
	return raftProblem(c.app.store.Transfer(ctx, to))
}

// Remove implements api.Cluster: the node gets no lease any more, and is taken out when
// the last one has ended (S17).
func (c cluster) Remove(ctx context.Context, node topology.NodeID) error {
	ended, err := c.app.book.Bar(node)
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrNotLeader, err)
	}
	timer := time.NewTimer(time.Until(ended))
	defer timer.Stop()
	select {
	case <-timer.C:
		err = c.app.store.Remove(ctx, node)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		c.app.book.Unbar(node)
	}
	return raftProblem(err)
}

// raftProblem words the store's errors for the API.
func raftProblem(err error) error {
	switch {
	case errors.Is(err, store.ErrNotLeader):
		return fmt.Errorf("%w: %w", api.ErrNotLeader, err)
	case errors.Is(err, store.ErrOutcomeUnknown):
		return fmt.Errorf("%w: %w", api.ErrOutcomeUnknown, err)
	case errors.Is(err, store.ErrPeer):
		return fmt.Errorf("%w: %w", topology.ErrLaw, err)
	}
	return err
}

// Forward implements api.Cluster.
func (c cluster) Forward(ctx context.Context, f api.Forwarded) (api.Answered, error) {
	var answered api.Answered
	_, addr := c.app.store.Leader()
	if addr == "" {
		return answered, fmt.Errorf("%w: no node leads", api.ErrNotReached)
	}
	body, err := json.Marshal(f)
	if err != nil {
		return answered, err
	}
	body, err = c.app.store.Call(ctx, addr, kindAPI, body)
	if errors.Is(err, store.ErrNotReached) {
		return answered, fmt.Errorf("%w: %w", api.ErrNotReached, err)
	}
	if err == nil {
		err = json.Unmarshal(body, &answered)
	}
	return answered, err
}

// answerAPI answers what another node forwards.
func (a *App) answerAPI(ctx context.Context, body []byte) ([]byte, error) {
	var f api.Forwarded
	if err := json.Unmarshal(body, &f); err != nil {
		return nil, err
	}
	served := a.serving.Load()
	if served == nil {
		return nil, errors.New("the node is starting")
	}
	return json.Marshal(served.Answer(ctx, f))
}

// peerRole returns who a certificate of the API's is of.
func peerRole(c tls.ConnectionState) (name, role string) {
	leaf, found, err := authority.Peer(c)
	if err != nil {
		return "", ""
	}
	return leaf.Subject.CommonName, string(found)
}
