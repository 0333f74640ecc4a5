package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

// MaxVoters is how many voters a ring has at most: more make each commit slower
// and save it from nothing that is likelier.
const MaxVoters = 5

const changeTimeout = 5 * time.Second // of a change of the configuration

// ErrPeer says that raft's configuration does not allow what was asked for; the text
// says what to do.
var ErrPeer = errors.New("raft's configuration")

// Peer is one node of raft's configuration.
type Peer struct {
	ID    topology.NodeID `json:"id"`
	Addr  string          `json:"addr"`  // of its raft port
	Voter bool            `json:"voter"` // or an observer
}

// Peers returns raft's newest configuration as this node knows it, in its order. It
// never blocks; it is empty on a node that has not joined yet.
func (s *Store) Peers() []Peer {
	future := s.raft.GetConfiguration()
	if future.Error() != nil {
		return nil
	}
	var peers []Peer
	for _, server := range future.Configuration().Servers {
		peers = append(peers, Peer{topology.NodeID(server.ID), string(server.Address), server.Suffrage == raft.Voter})
	}
	return peers
}

// Sole reports whether this node is the only one in raft's configuration, so that
// nobody else can ever move what it owns. It turns false before a second node is
// added, and true some time after the last other one has gone (S15).
func (s *Store) Sole() bool { return s.sole.Load() }

// settleSole looks whether this node is the only one. Only its leader can add
// another, and that holds the lock meanwhile.
func (s *Store) settleSole() {
	s.membership.Lock()
	defer s.membership.Unlock()
	s.settleSoleLocked()
}

func (s *Store) settleSoleLocked() {
	peers := s.Peers()
	s.sole.Store(len(peers) == 1 && peers[0].ID == s.cfg.NodeID && peers[0].Voter)
}

// Remove takes a node out of raft's configuration. The caller sees to it that the
// node holds no lease any more (S17). Only the leader can do it.
func (s *Store) Remove(ctx context.Context, id topology.NodeID) error {
	s.membership.Lock()
	defer s.membership.Unlock()
	defer s.settleSoleLocked()
	if err := s.MayRemove(id); err != nil {
		return err
	}
	return s.reconfigure(ctx, func() raft.IndexFuture { return s.raft.RemoveServer(raft.ServerID(id), 0, changeTimeout) })
}

// MayRemove returns why the leader does not take a node out, nil if it does.
func (s *Store) MayRemove(id topology.NodeID) error {
	_, _, found := s.peer(id)
	switch {
	case !found:
		return fmt.Errorf("%w: %s is not in it", ErrPeer, id)
	case id == s.cfg.NodeID:
		return fmt.Errorf("%w: %s leads, and does not remove itself: `sqlring raft transfer` first", ErrPeer, id)
	}
	return nil
}

// MayTransfer returns why the leader does not hand the leadership to a node (empty: to
// whichever is the most up to date), nil if it does.
func (s *Store) MayTransfer(to topology.NodeID) error {
	peer, voters, found := s.peer(to)
	switch {
	case to == "" && voters < 2:
		return fmt.Errorf("%w: there is no other voter", ErrPeer)
	case to == "":
	case !found || !peer.Voter:
		return fmt.Errorf("%w: %s is not a voter", ErrPeer, to)
	case to == s.cfg.NodeID:
		return fmt.Errorf("%w: %s leads already", ErrPeer, to)
	}
	return nil
}

func (s *Store) peer(id topology.NodeID) (peer Peer, voters int, found bool) {
	for _, p := range s.Peers() {
		if p.Voter {
			voters++
		}
		if p.ID == id {
			peer, found = p, true
		}
	}
	return peer, voters, found
}

func (s *Store) reconfigure(ctx context.Context, change func() raft.IndexFuture) error {
	err := s.await(ctx, func() error {
		if err := change().Error(); err != nil {
			return proposalError(err)
		}
		return nil
	}, nil)
	if err != nil {
		return fmt.Errorf("change raft's configuration: %w", err)
	}
	return nil
}

// Transfer hands the leadership to another voter; empty: to whichever is the most
// up to date.
func (s *Store) Transfer(ctx context.Context, to topology.NodeID) error {
	if err := s.MayTransfer(to); err != nil {
		return err
	}
	peer, _, _ := s.peer(to)
	err := s.await(ctx, func() error {
		if to == "" {
			return s.raft.LeadershipTransfer().Error()
		}
		return s.raft.LeadershipTransferToServer(raft.ServerID(to), raft.ServerAddress(peer.Addr)).Error()
	}, nil)
	if err != nil {
		return fmt.Errorf("transfer the leadership: %w", err)
	}
	return nil
}
