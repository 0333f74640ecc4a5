package store

import (
	"sync"
	"sync/atomic"

	"github.com/sqlring/sqlring/pkg/topology"
)

// board shows the latest snapshot to any number of readers, and wakes those who
// wait for a later one. Reading takes no lock.
type board struct {
	latest atomic.Pointer[topology.Snapshot]

	mu      sync.Mutex
	waiting map[uint64]chan struct{} // by the index that must be passed
}

func newBoard() *board {
	b := &board{waiting: map[uint64]chan struct{}{}}
	b.latest.Store(topology.NewSnapshot())
	return b
}

// publish shows s, which must not be changed any more.
func (b *board) publish(s *topology.Snapshot) {
	b.latest.Store(s)
	b.mu.Lock()
	defer b.mu.Unlock()
	for after, ch := range b.waiting {
		if s.Index > after {
			close(ch)
			delete(b.waiting, after)
		}
	}
}

// changed returns a channel that is closed once a snapshot with an index above
// after is shown. All who wait for the same index share it.
func (b *board) changed(after uint64) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch, ok := b.waiting[after]
	if !ok {
		ch = make(chan struct{})
		if b.latest.Load().Index > after {
			close(ch)
			return ch
		}
		b.waiting[after] = ch
	}
	return ch
}
