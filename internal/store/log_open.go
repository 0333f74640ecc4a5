package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/sqlring/sqlring/pkg/topology"
)

// fileFormat is the version of the log file. A later one is refused.
const fileFormat = 1

// Keys of the bucket meta.
const (
	keyFormat = "format"
	keyNode   = "node"
	keyState  = "state"
)

// boltOptions: the list of free pages is rebuilt at start instead of written
// with each transaction, and a page has the same size on every machine.
func boltOptions() *bolt.Options {
	return &bolt.Options{
		Timeout: lockWait, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, PageSize: pageSize,
	}
}

// createLog writes a new file at path: complete, with what fill puts into it, or
// not at all.
func createLog(path string, node topology.NodeID, fill func(*logStore) error) error {
	draft := path + ".new"
	if err := os.Remove(draft); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove unfinished log: %w", err)
	}
	db, err := bolt.Open(draft, 0o600, boltOptions())
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	err = initBuckets(db, node)
	if err == nil {
		s := &logStore{db: db}
		s.state.Store(&state{})
		err = fill(s)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	if err := os.Rename(draft, path); err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func initBuckets(db *bolt.DB, node topology.NodeID) error {
	return db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{bucketLog, bucketStable, bucketMeta} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		meta := tx.Bucket([]byte(bucketMeta))
		if err := putRecord(meta, keyFormat, binary.BigEndian.AppendUint64(nil, fileFormat)); err != nil {
			return err
		}
		if err := putRecord(meta, keyState, state{}.encode()); err != nil {
			return err
		}
		return putRecord(meta, keyNode, []byte(node))
	})
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// openLog opens the file that createLog made, after it has verified all of it.
// It returns ErrDamaged, ErrForeign, ErrLocked, or os.ErrNotExist.
func openLog(path string, node topology.NodeID) (*logStore, error) {
	if err := verifyPages(path); err != nil {
		return nil, err
	}
	db, err := bolt.Open(path, 0o600, boltOptions())
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s := &logStore{db: db}
	if err := db.View(func(tx *bolt.Tx) error { return s.load(tx, node) }); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return s, nil
}

// load reads every record once, and compares what is there with the state.
func (s *logStore) load(tx *bolt.Tx, node topology.NodeID) error {
	logs, stable, meta := tx.Bucket([]byte(bucketLog)), tx.Bucket([]byte(bucketStable)), tx.Bucket([]byte(bucketMeta))
	if logs == nil || stable == nil || meta == nil {
		return fmt.Errorf("%w: a bucket is missing", ErrDamaged)
	}
	want, err := loadMeta(meta, node)
	if err != nil {
		return err
	}
	got := state{commit: want.commit}
	err = stable.ForEach(func(key, record []byte) error {
		got.keys++
		_, err := unseal(key, record)
		return err
	})
	if err != nil {
		return err
	}
	err = logs.ForEach(func(key, record []byte) error {
		var l raft.Log
		if err := loadEntry(key, record, &l); err != nil {
			return err
		}
		if l.Index == 0 || (!got.empty() && l.Index != got.last+1) {
			return fmt.Errorf("%w: log entry %d follows %d", ErrDamaged, l.Index, got.last)
		}
		if got.empty() {
			got.first = l.Index
		}
		got.last = l.Index
		return nil
	})
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: entries %d to %d and %d votes were written, %d to %d and %d are there",
			ErrDamaged, want.first, want.last, want.keys, got.first, got.last, got.keys)
	}
	s.state.Store(&got)
	s.staged.Store(got.commit)
	return nil
}

func loadEntry(key, record []byte, l *raft.Log) error {
	body, err := unseal(key, record)
	if err != nil {
		return err
	}
	if len(key) != 8 {
		return fmt.Errorf("%w: log key %x", ErrDamaged, key)
	}
	return decodeEntry(binary.BigEndian.Uint64(key), body, l)
}

func loadMeta(meta *bolt.Bucket, node topology.NodeID) (state, error) {
	body := map[string][]byte{}
	for _, key := range []string{keyFormat, keyNode, keyState} {
		b, err := getRecord(meta, key)
		if errors.Is(err, errNotFound) {
			return state{}, fmt.Errorf("%w: record %s is missing", ErrDamaged, key)
		}
		if err != nil {
			return state{}, err
		}
		body[key] = b
	}
	format, err := decodeUint64(keyFormat, body[keyFormat])
	if err != nil {
		return state{}, err
	}
	if format != fileFormat {
		return state{}, fmt.Errorf("%w release: the log has format %d, this release reads %d", ErrForeign, format, fileFormat)
	}
	if owner := string(body[keyNode]); owner != string(node) {
		return state{}, fmt.Errorf("%w node: it is %s's, this is %s", ErrForeign, owner, node)
	}
	return decodeState(body[keyState])
}

func (s *logStore) close() error { return s.db.Close() }
