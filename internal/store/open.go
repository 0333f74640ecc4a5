package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

const logFile = "raft.db"

// Open verifies what is on disk, starts raft and returns when the state that is
// known to be committed is applied; it does not wait for a leader. A node that is
// the only voter leads within a few milliseconds after that.
//
// Errors: an invalid Config, ErrLocked, ErrDamaged, ErrForeign, or an I/O error.
// A store that meets a command of a later release on its way opens nevertheless,
// failed (see Err), so that the reads go on.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	cfg = cfg.withDefaults()
	s := &Store{cfg: cfg, log: cfg.Logger.With("component", "store"), board: newBoard(), gate: newGate()}
	s.failure = newFailure(s.log)
	s.ending, s.end = context.WithCancel(context.Background())
	if err := s.open(); err != nil {
		s.end()
		return nil, errors.Join(fmt.Errorf("open store %s: %w", cfg.Dir, wayOut(cfg, err)), s.cleanUp())
	}
	return s, nil
}

// open registers a clean-up right after each thing exists.
func (s *Store) open() error {
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return err
	}
	unlock, err := lockDir(s.cfg.Dir)
	if err != nil {
		return err
	}
	s.onStop("unlock directory", unlock)
	if err := s.openTransport(); err != nil {
		return err
	}
	files, err := raft.NewFileSnapshotStoreWithLogger(s.cfg.Dir, retainSnapshots, newRaftLogger(s.log))
	if err != nil {
		return fmt.Errorf("open snapshots: %w", err)
	}
	snaps := sealedSnapshots{files}
	if err := s.openDisk(snaps); err != nil {
		return err
	}
	if err := joinSnapshots(s.cfg.Dir, snaps, s.disk); err != nil {
		return err
	}
	return s.startRaft(snaps)
}

func (s *Store) onStop(name string, run func() error) {
	s.cleanups = append(s.cleanups, cleanup{name, run})
}

func (s *Store) openTransport() error {
	s.trans = s.cfg.Transport
	if s.trans == nil {
		port, err := s.listen()
		if err != nil {
			return err
		}
		s.port = port
		s.trans = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream: port, MaxPool: transportPool, Timeout: transportTimeout, Logger: newRaftLogger(s.log),
		})
	}
	if closer, ok := s.trans.(raft.WithClose); ok {
		s.onStop("close transport", closer.Close)
	}
	return nil
}

// openDisk opens the log, or makes it. With Bootstrap a node without any state
// gets a log that names it as the sole voter: complete, or not at all, so that a
// crash in between leaves a node that can start again.
func (s *Store) openDisk(snaps raft.SnapshotStore) error {
	path := filepath.Join(s.cfg.Dir, logFile)
	disk, err := openLog(path, s.cfg.NodeID)
	fresh := errors.Is(err, os.ErrNotExist)
	if err != nil && !fresh {
		return err
	}
	if !fresh && s.cfg.Bootstrap {
		used, err := raft.HasExistingState(disk, disk, snaps)
		if err != nil {
			return errors.Join(err, disk.close())
		}
		if fresh = !used; fresh {
			if err := disk.close(); err != nil {
				return err
			}
		}
	}
	if fresh {
		if err := s.createDisk(path, snaps); err != nil {
			return err
		}
		if disk, err = openLog(path, s.cfg.NodeID); err != nil {
			return err
		}
	}
	s.disk = disk
	s.machine = &machine{board: s.board, failure: s.failure, committed: disk.stageCommit, save: disk.saveCommit}
	s.onStop("close log", disk.close)
	return nil
}

// createDisk refuses to make a log beside snapshots: the log was lost, and with
// it the node's votes.
func (s *Store) createDisk(path string, snaps raft.SnapshotStore) error {
	newest, err := newestSnapshot(s.cfg.Dir, snaps)
	if err != nil {
		return err
	}
	if newest.Index > 0 {
		return fmt.Errorf("%w: there are snapshots, but no %s", ErrDamaged, logFile)
	}
	return createLog(path, s.cfg.NodeID, func(disk *logStore) error {
		if !s.cfg.Bootstrap {
			return nil
		}
		s.log.Info("new cluster of one voter", "node", s.cfg.NodeID, "addr", s.trans.LocalAddr())
		return raft.BootstrapCluster(s.cfg.raft(), disk, disk, snaps, s.trans, raft.Configuration{
			Servers: []raft.Server{{Suffrage: raft.Voter, ID: raft.ServerID(s.cfg.NodeID), Address: s.trans.LocalAddr()}},
		})
	})
}

func (s *Store) startRaft(snaps raft.SnapshotStore) error {
	if err := s.replay(snaps); err != nil {
		return err
	}
	disk := failstop{s.disk, s.failure}
	r, err := raft.NewRaft(s.cfg.raft(), s.machine, disk, disk, snaps, s.trans)
	if err != nil {
		return err
	}
	s.raft = r
	s.shutdown = sync.OnceValue(r.Shutdown)
	s.onStop("leave raft", s.leaveRaft)
	s.failure.onSet(func() { s.shutdown() })
	s.settleAdmission()
	if s.failure.err() == nil {
		s.stand()
	}
	return nil
}

// settleAdmission lets raft in, unless this node has no state: then Join does.
func (s *Store) settleAdmission() {
	promise, err := s.disk.Get([]byte(keyAgreed))
	s.agreed.Store(err == nil && len(promise) > 0)
	s.admitted.Store(!s.fresh() || len(s.cfg.Join) == 0)
	s.settleSole()
	s.newcomers.of = map[topology.NodeID]newcomer{}
	if s.cfg.Expect > 1 && !s.cfg.Observer {
		s.newcomers.self = Peer{s.cfg.NodeID, s.Addr(), true}
	}
	if s.port != nil {
		s.port.start()
		s.port.work.Go(s.succeed)
	}
}

// stand makes a sole voter stand for election: there is nobody else to wait for. If it
// can not reach itself, raft's own timeout does the same a little later.
func (s *Store) stand() {
	future := s.raft.GetConfiguration()
	if future.Error() != nil {
		return // raft has been shut down: the store has failed
	}
	id := raft.ServerID(s.cfg.NodeID)
	for _, server := range future.Configuration().Servers {
		if server.ID != id || server.Suffrage != raft.Voter {
			return
		}
	}
	if len(future.Configuration().Servers) > 0 {
		s.askItself()
	}
}

// askItself has this node stand for election, as a leader that hands over asks its heir.
func (s *Store) askItself() {
	id, addr := raft.ServerID(s.cfg.NodeID), s.trans.LocalAddr()
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(id), Addr: s.trans.EncodePeer(id, addr)}
	var resp raft.TimeoutNowResponse
	if err := s.trans.TimeoutNow(id, addr, &raft.TimeoutNowRequest{RPCHeader: header}, &resp); err != nil {
		s.log.Debug("the election waits for its timeout", "error", err)
	}
}
