package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

// ErrHasState says that a state is not restored over another one.
var ErrHasState = errors.New("there is a state already")

// ErrNoState says that there is nothing to go on with.
var ErrNoState = errors.New("there is no state to recover: a node without one joins others, or begins anew")

// Recover makes a node whose majority is gone for good the sole voter of what stands on
// its disk, all of its log taken as committed. The node must be stopped. Whatever only
// the others had is lost, and they must not come back with what they have: each is
// started on an empty directory, and joins. Who does it, when and why (by) is in the audit
// of the state that it goes on with; what is done, and what was found, is said here.
func Recover(cfg Config, by topology.Beginning) error {
	return offline(cfg, func(s *Store, snaps raft.SnapshotStore) error {
		r, err := s.remains(snaps)
		if err == nil && !r.Used {
			err = ErrNoState
		}
		if err != nil {
			return err
		}
		by.What = fmt.Sprintf("raft recover: node %s goes on alone%s", s.cfg.NodeID, r.without(s.cfg.NodeID))
		by.Evidence = append(r.Lines(), by.Evidence...)
		index := max(r.Last, r.Snapshot) + 1
		if err := s.disk.SetUint64([]byte(keyTerm), later(r.Term, by.At)); err != nil {
			return err
		}
		return raft.RecoverCluster(s.cfg.raft(), recovering{s.machine, by, index}, s.disk, s.disk, next{snaps}, s.trans, s.alone())
	})
}

// keyTerm is raft's name for the newest term that a node has taken part in.
const keyTerm = "CurrentTerm"

// resumeTerms is how far the terms of a cluster that begins anew, or goes on alone, are above
// those that are known here. The members remember in which term they were acted on last (S9),
// and let no earlier one act: others may have led since the state was saved, or while the node
// that goes on was cut off. It is an election a second for a day, and 1 in 400 of what a
// member remembers.
const resumeTerms = 100_000

// clockTerms bounds what a clock adds to terms: one that is a lifetime wrong leaves room.
const clockTerms = 10_000_000

// later returns the term that is gone on from at some time, if term is the last that is known.
// What is known may be older than the last time that somebody went on from it, or from what is
// older still: the same file is restored again, another node's disk is recovered. So it is not
// below the minutes since 2026 either, of which more go by than leaders.
func later(term uint64, at time.Time) uint64 {
	minutes := at.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) / time.Minute
	return max(term, uint64(min(max(minutes, 0), clockTerms))) + resumeTerms
}

// savedTerm returns in which term somebody led last, as far as a saved state says.
func savedTerm(saved *topology.Snapshot) uint64 {
	if saved.Outbox == nil {
		return 0
	}
	return saved.Outbox.Term
}

// recovering is the machine of a node that goes on alone: the state that it goes on with tells
// that.
type recovering struct {
	*machine
	by    topology.Beginning
	index uint64
}

// Snapshot implements raft.FSM.
func (r recovering) Snapshot() (raft.FSMSnapshot, error) {
	if _, err := r.machine.Snapshot(); err != nil {
		return nil, err
	}
	return frozen{r.board.latest.Load().Begun(r.by, r.index)}, nil
}

// next has a snapshot stand one above what the log ends with: what was done to the node has an
// index of its own, so that who follows the audit sees it.
type next struct{ raft.SnapshotStore }

// Create implements raft.SnapshotStore.
func (n next) Create(version raft.SnapshotVersion, index, term uint64, voters raft.Configuration,
	votersIndex uint64, trans raft.Transport,
) (raft.SnapshotSink, error) {
	return n.SnapshotStore.Create(version, index+1, term, voters, votersIndex, trans)
}

// Restore makes a node without a state the sole voter of a new cluster that begins with
// a saved one. Numbers that may have been given out since it was saved are not given out
// again: identities, boot tokens and operations go on a good way above. Who does it, when,
// why and from what (by) is in the audit of the state that it begins with.
func Restore(cfg Config, saved *topology.Snapshot, by topology.Beginning) error {
	return offline(cfg, func(s *Store, snaps raft.SnapshotStore) error {
		used, err := raft.HasExistingState(s.disk, s.disk, snaps)
		if err == nil && used {
			err = fmt.Errorf("%w in %s: move it away first", ErrHasState, s.cfg.Dir)
		}
		if err != nil {
			return err
		}
		term := later(savedTerm(saved), by.At)
		index := saved.Index + 1
		by.What = fmt.Sprintf("raft snapshot restore: node %s begins with the state of index %d, alone", s.cfg.NodeID, saved.Index)
		// The term is first: a state without it would be led in terms that members refuse. A
		// term without a state is one already, to whoever tries again.
		if err := s.disk.SetUint64([]byte(keyTerm), term); err != nil {
			return err
		}
		sink, err := snaps.Create(raft.SnapshotVersionMax, index, term, s.alone(), index, s.trans)
		if err != nil {
			return err
		}
		return frozen{topology.Resume(saved).Begun(by, index)}.Persist(sink)
	})
}

func (s *Store) alone() raft.Configuration {
	return raft.Configuration{Servers: []raft.Server{{Suffrage: raft.Voter, ID: raft.ServerID(s.cfg.NodeID), Address: s.trans.LocalAddr()}}}
}

// offline opens what a node has on its disk, without raft, and closes it again.
func offline(cfg Config, do func(*Store, raft.SnapshotStore) error) error {
	cfg.Bootstrap = false
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	s := &Store{cfg: cfg, log: cfg.Logger.With("component", "store"), board: newBoard(), gate: newGate()}
	s.failure = newFailure(s.log)
	run := func() error {
		unlock, err := lockDir(cfg.Dir)
		if err != nil {
			return err
		}
		s.onStop("unlock directory", unlock)
		addr := cfg.Advertise
		if addr == "" {
			addr = cfg.Bind
		}
		_, s.trans = raft.NewInmemTransport(raft.ServerAddress(addr)) // it speaks with nobody
		files, err := raft.NewFileSnapshotStoreWithLogger(cfg.Dir, retainSnapshots, newRaftLogger(s.log))
		if err != nil {
			return err
		}
		snaps := sealedSnapshots{files}
		if err := s.openDisk(snaps); err != nil {
			return err
		}
		if err := joinSnapshots(cfg.Dir, snaps, s.disk); err != nil {
			return err
		}
		return do(s, snaps)
	}
	if err := errors.Join(run(), s.cleanUp()); err != nil {
		return fmt.Errorf("store %s: %w", filepath.Clean(cfg.Dir), wayOut(cfg, err))
	}
	return s.failure.err()
}
