package store

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"
)

// The buckets of the file.
const (
	bucketLog    = "log"    // index, big-endian -> entry
	bucketStable = "stable" // raft's term and votes
	bucketMeta   = "meta"   // whose file it is, and the state
)

// state is what the file must hold, written with every change: without it, entries
// or votes that fell off the end of a damaged page would not be missed.
type state struct {
	first, last uint64 // of the log; both 0 when it is empty
	commit      uint64 // known to be committed, at most last when it was written
	keys        uint64 // in the stable bucket
}

func (s state) empty() bool { return s.last == 0 }

// logStore is raft's log and stable store on one bbolt file. Every write is one
// transaction and is on disk when the method returns. The log has no gaps:
// entries are appended after the last one and deleted from either end.
//
// It implements raft.LogStore, raft.MonotonicLogStore and raft.StableStore, and
// is safe for concurrent use.
type logStore struct {
	db      *bolt.DB
	state   atomic.Pointer[state] // as it is on disk
	trouble atomic.Pointer[error] // of the last write; nil: it worked

	staged atomic.Uint64 // commit index to be written with the next entries
	mu     sync.Mutex    // one writer at a time
}

// FirstIndex returns the index of the first entry, 0 if there is none.
func (s *logStore) FirstIndex() (uint64, error) { return s.state.Load().first, nil }

// LastIndex returns the index of the last entry, 0 if there is none.
func (s *logStore) LastIndex() (uint64, error) { return s.state.Load().last, nil }

// IsMonotonic tells raft to empty the log when it installs a snapshot, so that
// no gap arises.
func (s *logStore) IsMonotonic() bool { return true }

// GetLog reads the entry at index into l. It returns raft.ErrLogNotFound or
// ErrDamaged.
func (s *logStore) GetLog(index uint64, l *raft.Log) error {
	return s.db.View(func(tx *bolt.Tx) error {
		key := indexKey(index)
		record := tx.Bucket([]byte(bucketLog)).Get(key)
		if record == nil {
			return raft.ErrLogNotFound
		}
		body, err := unseal(key, record)
		if err != nil {
			return err
		}
		return decodeEntry(index, body, l)
	})
}

// StoreLog appends one entry.
func (s *logStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs appends the entries and the staged commit index, all or none. Their
// indexes must follow the last one; an empty log may begin anywhere above 0.
func (s *logStore) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.state.Load()
	for _, l := range logs {
		if l.Index == 0 || (!next.empty() && l.Index != next.last+1) {
			return fmt.Errorf("append log entry %d after %d: the log has no gaps", l.Index, next.last)
		}
		if next.empty() {
			next.first = l.Index
		}
		next.last = l.Index
	}
	next.commit = max(next.commit, min(s.staged.Load(), next.last))
	err := s.updateLocked(next, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketLog))
		b.FillPercent = 0.9 // the keys only grow
		for _, l := range logs {
			key := indexKey(l.Index)
			if err := b.Put(key, seal(key, encodeEntry(l))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("append log entries %d to %d: %w", logs[0].Index, next.last, err)
	}
	return nil
}

// updateLocked makes a change together with the state that follows it.
func (s *logStore) updateLocked(next state, change func(*bolt.Tx) error) error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		return putRecord(tx.Bucket([]byte(bucketMeta)), keyState, next.encode())
	})
	if err != nil {
		s.trouble.Store(&err) // a full disk may be all: raft tries again
		return err
	}
	s.state.Store(&next)
	s.trouble.Store(nil)
	return nil
}

// DeleteRange deletes the entries from lo to hi, both included. What is not in
// the log is not missed, but the range may not leave a gap.
func (s *logStore) DeleteRange(lo, hi uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := *s.state.Load()
	lo, hi = max(lo, now.first), min(hi, now.last)
	if now.empty() || lo > hi {
		return nil
	}
	next := now
	switch {
	case lo == now.first && hi == now.last:
		next.first, next.last = 0, 0
	case lo == now.first:
		next.first = hi + 1
	case hi == now.last:
		next.last = lo - 1
	default:
		return fmt.Errorf("delete log entries %d to %d of %d to %d: the log has no gaps", lo, hi, now.first, now.last)
	}
	err := s.updateLocked(next, func(tx *bolt.Tx) error { return deleteEntries(tx, lo, hi, next.empty()) })
	if err != nil {
		return fmt.Errorf("delete log entries %d to %d: %w", lo, hi, err)
	}
	return nil
}

func deleteEntries(tx *bolt.Tx, lo, hi uint64, all bool) error {
	if all { // costs the same however long the log is
		if err := tx.DeleteBucket([]byte(bucketLog)); err != nil {
			return err
		}
		_, err := tx.CreateBucket([]byte(bucketLog))
		return err
	}
	b := tx.Bucket([]byte(bucketLog))
	for index := lo; index <= hi; index++ {
		if err := b.Delete(indexKey(index)); err != nil {
			return err
		}
	}
	return nil
}

// stageCommit notes the commit index that the next StoreLogs writes. It never
// blocks. Its calls come from one goroutine, with rising indexes.
func (s *logStore) stageCommit(index uint64) { s.staged.Store(index) }

// saveCommit writes the commit index by itself: at the end, when raft writes no more, and where
// what is said next rests on a command's being known after a kill.
func (s *logStore) saveCommit(index uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.state.Load()
	if index = min(index, next.last); index <= next.commit {
		return nil
	}
	next.commit = index
	if err := s.updateLocked(next, func(*bolt.Tx) error { return nil }); err != nil {
		return fmt.Errorf("save commit index %d: %w", index, err)
	}
	return nil
}

func putRecord(b *bolt.Bucket, key string, body []byte) error {
	return b.Put([]byte(key), seal([]byte(key), body))
}

// size returns the bytes of the file that are in use or free for reuse.
func (s *logStore) size() (bytes int64) {
	_ = s.db.View(func(tx *bolt.Tx) error { bytes = tx.Size(); return nil }) // fails when closed: 0
	return bytes
}
