package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Store is one node's part in raft. Make it with Open, end it with Stop. All its
// methods are safe for concurrent use.
type Store struct {
	cfg      Config
	log      *slog.Logger
	board    *board
	machine  *machine
	failure  *failure
	disk     *logStore
	trans    raft.Transport
	raft     *raft.Raft
	shutdown func() raft.Future // leaves raft; the first call's future, always
	leading  atomic.Bool        // Lead runs

	port     *port // nil: the transport is another one
	calls    callers
	handler  atomic.Pointer[Handler]
	admitted atomic.Bool // raft may be spoken with this node
	agreed   atomic.Bool // it has promised to take part in a new cluster
	sole     atomic.Bool // see Sole

	membership sync.Mutex // held while the configuration is changed
	newcomers  newcomers

	gate     gate
	ending   context.Context    // ends when Stop waits for calls no longer
	end      context.CancelFunc // ends it
	stopped  sync.Once
	stopErr  error
	cleanups []cleanup // run by Stop, the last one first
}

// newcomers are the voters without a state that a new cluster may be made of.
type newcomers struct {
	sync.Mutex

	self Peer // ID empty: this node is none
	of   map[topology.NodeID]newcomer
}

type cleanup struct {
	name string
	run  func() error
}

// Snapshot returns the latest state that this node has applied. It never blocks,
// is never nil, and must not be changed. It is the zero ring on a new node.
func (s *Store) Snapshot() *topology.Snapshot { return s.board.latest.Load() }

// Changed returns a channel that is closed once Snapshot returns an index above
// after; at once if it does already. It is never closed if the store fails or
// stops before that, so the caller selects on a context beside it.
func (s *Store) Changed(after uint64) <-chan struct{} { return s.board.changed(after) }

// Leader returns the node that this one takes for the leader, and its raft
// address. Both are empty if it knows of none. It may be out of date.
func (s *Store) Leader() (id topology.NodeID, addr string) {
	if s.failure.err() != nil {
		return "", ""
	}
	at, server := s.raft.LeaderWithID()
	return topology.NodeID(server), string(at)
}

// Addr returns the raft address that other nodes reach this one by.
func (s *Store) Addr() string { return string(s.trans.LocalAddr()) }

// Err returns nil, or ErrFailed with its cause once this node has left raft.
func (s *Store) Err() error { return s.failure.err() }

// Failed returns a channel that is closed when Err is set.
func (s *Store) Failed() <-chan struct{} { return s.failure.done }

// Stats is how raft stands on this node. The indexes are those of the log.
type Stats struct {
	Role       string          `json:"role"` // leader, follower, candidate, shutdown
	Term       uint64          `json:"term"`
	Leader     topology.NodeID `json:"leader"`
	FirstIndex uint64          `json:"first_index"` // oldest entry in the log
	LastIndex  uint64          `json:"last_index"`  // newest entry, in the log or a snapshot
	Committed  uint64          `json:"committed"`
	Applied    uint64          `json:"applied"`     // handed to the state machine
	StateIndex uint64          `json:"state_index"` // of Snapshot
	LogBytes   int64           `json:"log_bytes"`   // of the file on disk
	Error      string          `json:"error,omitempty"`
}

// Stats returns the numbers of this moment; they are read one after the other.
func (s *Store) Stats() Stats {
	leader, _ := s.Leader()
	st := Stats{
		Role: roleName(s.raft.State()), Term: s.raft.CurrentTerm(), Leader: leader,
		FirstIndex: s.disk.state.Load().first, LastIndex: s.raft.LastIndex(),
		Committed: s.raft.CommitIndex(), Applied: s.raft.AppliedIndex(),
		StateIndex: s.Snapshot().Index, LogBytes: s.disk.size(),
	}
	if err := s.Err(); err != nil {
		st.Error = err.Error()
	} else if trouble := s.disk.trouble.Load(); trouble != nil {
		st.Error = fmt.Sprintf("its raft log can not be written, which is tried again (%v): it has no vote, and leads nobody, until there is room", *trouble)
	}
	return st
}

func roleName(role raft.RaftState) string {
	switch role {
	case raft.Leader:
		return "leader"
	case raft.Follower:
		return "follower"
	case raft.Candidate:
		return "candidate"
	case raft.Shutdown:
		return "shutdown"
	}
	return "unknown"
}
