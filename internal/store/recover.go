package store

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

// ErrHasState says that a state is not restored over another one.
var ErrHasState = errors.New("there is a state already")

// Recover makes a node whose majority is gone for good the sole voter of what stands on
// its disk, all of its log taken as committed. The node must be stopped. Whatever only
// the others had is lost, and they must not come back with what they have: each is
// started on an empty directory, and joins.
func Recover(cfg Config) error {
	return offline(cfg, func(s *Store, snaps raft.SnapshotStore) error {
		used, err := raft.HasExistingState(s.disk, s.disk, snaps)
		if err == nil && !used {
			err = errors.New("there is no state to recover: a node without one joins others, or begins anew")
		}
		if err != nil {
			return err
		}
		return raft.RecoverCluster(s.cfg.raft(), s.machine, s.disk, s.disk, snaps, s.trans, s.alone())
	})
}

// Restore makes a node without a state the sole voter of a new cluster that begins with
// a saved one. Numbers that may have been given out since it was saved are not given out
// again: identities, boot tokens and operations go on a good way above.
func Restore(cfg Config, saved *topology.Snapshot) error {
	return offline(cfg, func(s *Store, snaps raft.SnapshotStore) error {
		used, err := raft.HasExistingState(s.disk, s.disk, snaps)
		if err == nil && used {
			err = fmt.Errorf("%w in %s: move it away first", ErrHasState, s.cfg.Dir)
		}
		if err != nil {
			return err
		}
		const term = 1
		index := max(saved.Index, 1)
		sink, err := snaps.Create(raft.SnapshotVersionMax, index, term, s.alone(), index, s.trans)
		if err != nil {
			return err
		}
		if err := (frozen{topology.Resume(saved)}).Persist(sink); err != nil {
			return err
		}
		return s.disk.SetUint64([]byte("CurrentTerm"), term)
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
		return fmt.Errorf("store %s: %w", filepath.Clean(cfg.Dir), err)
	}
	return s.failure.err()
}
