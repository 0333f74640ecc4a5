package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// The bounds of Stop, one after the other.
const (
	drainTimeout    = 3 * time.Second // proposals and Lead
	transferTimeout = 3 * time.Second // handing the leadership on
	leaveTimeout    = 5 * time.Second // raft's goroutines
)

// Stop refuses new calls, ends Lead, lets what was proposed come to its end,
// hands the leadership to another voter if there is one, leaves raft and closes
// the files. It takes 11 s at most, some milliseconds usually. Called again, it
// waits for the first call and returns the same. Snapshot works ever after.
func (s *Store) Stop() error {
	s.stopped.Do(func() { s.stopErr = s.stop() })
	return s.stopErr
}

func (s *Store) stop() error {
	s.gate.close()
	failed := s.failure.err() != nil
	drained := failed || s.gate.empty(drainTimeout) // a failed raft may never answer
	if !drained {
		s.log.Warn("stop goes on without calls that do not end", "waited", drainTimeout)
	}
	s.end() // the port waits for what is still being answered
	if !failed {
		s.handOver()
	}
	if err := s.cleanUp(); err != nil {
		return fmt.Errorf("stop store: %w", err)
	}
	return nil
}

// handOver gives the leadership to another voter. That it fails is no error: the
// others then elect one after a timeout.
func (s *Store) handOver() {
	if s.raft.State() != raft.Leader || !s.otherVoters() {
		return
	}
	err, ok := finished(transferTimeout, func() error { return s.raft.LeadershipTransfer().Error() })
	if !ok {
		err = fmt.Errorf("no end after %v", transferTimeout)
	}
	if err != nil {
		s.log.Warn("leadership is not handed over", "error", err)
	}
}

func (s *Store) otherVoters() bool {
	future := s.raft.GetConfiguration()
	if future.Error() != nil {
		return false
	}
	for _, server := range future.Configuration().Servers {
		if server.Suffrage == raft.Voter && server.ID != raft.ServerID(s.cfg.NodeID) {
			return true
		}
	}
	return false
}

// leaveRaft ends raft's goroutines, closes the transport, and notes how far the
// log is committed, for the next start.
func (s *Store) leaveRaft() error {
	err, ok := finished(leaveTimeout, func() error { return s.shutdown().Error() })
	if !ok {
		return fmt.Errorf("raft did not end within %v", leaveTimeout)
	}
	if err != nil || s.failure.err() != nil {
		return err
	}
	return s.disk.saveCommit(s.raft.CommitIndex())
}

// cleanUp undoes open, the last thing first. Each is tried.
func (s *Store) cleanUp() error {
	var errs []error
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		if err := s.cleanups[i].run(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.cleanups[i].name, err))
		}
	}
	s.cleanups = nil
	return errors.Join(errs...)
}
