package store

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"github.com/hashicorp/raft"
)

// failure is the one-way door out of raft. The first cause stays.
type failure struct {
	log  *slog.Logger
	done chan struct{} // closed by the first cause

	mu    sync.Mutex
	cause error
	leave func() // leaves raft without waiting; nil until raft runs
}

func newFailure(log *slog.Logger) *failure { return &failure{log: log, done: make(chan struct{})} }

// set fails the store. It never blocks, and may be called by raft's goroutines.
func (f *failure) set(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause != nil {
		return
	}
	f.cause = cause
	f.log.Error("store has failed, this node leaves raft", "error", cause)
	close(f.done)
	if f.leave != nil {
		f.leave()
	}
}

// onSet has leave called at the first cause, at once if there is one.
func (f *failure) onSet(leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leave = leave
	if f.cause != nil {
		leave()
	}
}

// err returns nil, or ErrFailed with the cause.
func (f *failure) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrFailed, f.cause)
}

// failstop stands between raft and the disk. Where raft would panic, because a
// term can not be stored or a committed entry not be read, it fails the store
// and ends the calling goroutine, which is raft's own: deferred calls run, no
// promise of raft is broken since nothing is answered, and the process lives.
type failstop struct {
	*logStore
	failure *failure
}

// SetUint64 stores raft's term. It does not return if that fails.
func (d failstop) SetUint64(key []byte, value uint64) error {
	if err := d.logStore.SetUint64(key, value); err != nil {
		d.end(err)
	}
	return nil
}

// GetLog reads an entry. It returns raft.ErrLogNotFound, which raft expects when
// a follower is behind, and does not return on any other error.
func (d failstop) GetLog(index uint64, l *raft.Log) error {
	err := d.logStore.GetLog(index, l)
	if err == nil || err == raft.ErrLogNotFound { //nolint:errorlint // the store returns it bare, raft compares it bare
		return err
	}
	d.end(fmt.Errorf("read log entry %d: %w", index, err))
	return err
}

func (d failstop) end(cause error) {
	d.failure.set(cause)
	runtime.Goexit()
}
