package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/raft"
)

const snapshotDir = "snapshots" // raft's name for it

// joinSnapshots verifies that the snapshots on disk and the log make one
// history, and fits the log to the newest snapshot. It returns ErrDamaged, also
// for a broken snapshot that is not needed: raft would pick it by its head. Such
// a one, named in the error, may be removed by hand; the next start tells
// whether it was needed.
func joinSnapshots(dir string, snaps raft.SnapshotStore, disk *logStore) error {
	newest, err := newestSnapshot(dir, snaps)
	if err != nil {
		return err
	}
	st := *disk.state.Load()
	switch {
	case !st.empty() && st.first > newest.Index+1:
		return fmt.Errorf("%w: the log begins at %d, the newest snapshot ends at %d", ErrDamaged, st.first, newest.Index)
	case st.commit > max(st.last, newest.Index):
		return fmt.Errorf("%w: %d was committed, the log ends at %d, the newest snapshot at %d", ErrDamaged, st.commit, st.last, newest.Index)
	case !st.empty() && st.last < newest.Index:
		// The process ended between installing a snapshot and emptying the log.
		return disk.DeleteRange(st.first, st.last)
	}
	return nil
}

// newestSnapshot verifies all snapshots and returns the newest; its index is 0 if
// there is none. It returns ErrDamaged with the names of those that are not sound.
func newestSnapshot(dir string, snaps raft.SnapshotStore) (raft.SnapshotMeta, error) {
	metas, err := snaps.List() // newest first; leaves out what it can not read
	if err != nil {
		return raft.SnapshotMeta{}, fmt.Errorf("list snapshots: %w", err)
	}
	sound := map[string]bool{}
	for _, meta := range metas {
		if _, content, err := snaps.Open(meta.ID); err == nil { // verifies it
			sound[meta.ID] = content.Close() == nil
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, snapshotDir))
	if err != nil {
		return raft.SnapshotMeta{}, fmt.Errorf("list snapshots: %w", err)
	}
	for _, e := range entries {
		unfinished := strings.HasSuffix(e.Name(), ".tmp") // never counted
		if e.IsDir() && !unfinished && !sound[e.Name()] {
			return raft.SnapshotMeta{}, fmt.Errorf("%w: snapshot %s is broken", ErrDamaged, filepath.Join(dir, snapshotDir, e.Name()))
		}
	}
	if len(metas) == 0 {
		return raft.SnapshotMeta{}, nil
	}
	return *metas[0], nil
}
