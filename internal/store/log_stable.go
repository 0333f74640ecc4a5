package store

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Set stores raft's value for key.
func (s *logStore) Set(key, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.state.Load()
	err := s.db.View(func(tx *bolt.Tx) error {
		if tx.Bucket([]byte(bucketStable)).Get(key) == nil {
			next.keys++
		}
		return nil
	})
	if err == nil {
		err = s.updateLocked(next, func(tx *bolt.Tx) error {
			return putRecord(tx.Bucket([]byte(bucketStable)), string(key), value)
		})
	}
	if err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	return nil
}

// Get returns a copy of the value of key, or the error "not found", by whose
// text raft knows it.
func (s *logStore) Get(key []byte) ([]byte, error) {
	var value []byte
	err := s.db.View(func(tx *bolt.Tx) error {
		body, err := getRecord(tx.Bucket([]byte(bucketStable)), string(key))
		value = append([]byte{}, body...)
		return err
	})
	if err != nil {
		return nil, err // not wrapped: raft compares the text
	}
	return value, nil
}

// SetUint64 stores raft's number for key.
func (s *logStore) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 returns the number of key, or the error "not found".
func (s *logStore) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	return decodeUint64(string(key), value)
}

func decodeUint64(key string, value []byte) (uint64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: number %s has %d bytes", ErrDamaged, key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

// getRecord returns the body of key, valid within the transaction. It returns
// errNotFound or ErrDamaged.
func getRecord(b *bolt.Bucket, key string) ([]byte, error) {
	record := b.Get([]byte(key))
	if record == nil {
		return nil, errNotFound
	}
	return unseal([]byte(key), record)
}
