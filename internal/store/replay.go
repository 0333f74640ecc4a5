package store

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// replay brings the state to what is known to be committed before raft starts:
// the newest snapshot, then the log up to the commit index on disk. Otherwise a
// node that restarts without a majority about would know nothing of its ring
// until a leader confirms its log. raft applies the same entries once more when
// one does; the machine knows them by their index.
//
// raft has such a replay (Config.RestoreCommittedLogs), which can not be used:
// in v1.8.0 it passes over the configuration entries that it replays, so that a
// cluster stopped at rest comes back without voters; and it blocks for ever when
// it has to replay more than 128 batches.
//
// A command that can not be read fails the store, as in Apply, and is no error
// here: the reads go on from the state before it. A snapshot that can not be read
// is one, since there is no state to go on from.
func (s *Store) replay(snaps raft.SnapshotStore) error {
	newest, err := newestSnapshot(s.cfg.Dir, snaps)
	if err != nil {
		return err
	}
	if newest.Index > 0 {
		_, content, err := snaps.Open(newest.ID)
		if err != nil {
			return fmt.Errorf("open snapshot %s: %w", newest.ID, err)
		}
		if err := s.machine.Restore(content); err != nil {
			return err
		}
	}
	st := *s.disk.state.Load()
	for index := max(newest.Index+1, st.first); index <= min(st.commit, st.last); index++ {
		var l raft.Log
		if err := s.disk.GetLog(index, &l); err != nil {
			return fmt.Errorf("read log entry %d: %w", index, err)
		}
		if l.Type == raft.LogCommand {
			s.machine.Apply(&l) // the response was given in another life
		}
	}
	s.machine.replayed()
	return nil
}
