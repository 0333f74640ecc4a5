package store

import (
	"sync"
	"time"
)

// gate counts the calls that are inside, so that Stop can let them end before it
// takes raft away. The zero value is not ready: use newGate.
type gate struct {
	closing chan struct{} // closed when no more may enter

	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

func newGate() gate { return gate{closing: make(chan struct{})} }

// enter returns ErrStopped once the gate is closed; else the caller owes a leave.
func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrStopped
	}
	g.inside.Add(1)
	return nil
}

func (g *gate) leave() { g.inside.Done() }

// close lets nobody in any more.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		close(g.closing)
	}
}

// empty waits until all have left, at most limit, and reports whether they have.
func (g *gate) empty(limit time.Duration) bool {
	_, ok := finished(limit, func() error { g.inside.Wait(); return nil })
	return ok
}

// finished runs f in a goroutine and returns what f returned, if it ended within
// limit. If it did not, ok is false and the goroutine is left behind.
func finished(limit time.Duration, f func() error) (err error, ok bool) { //nolint:revive // ok comes last, as in a map lookup
	done := make(chan error, 1) // f never waits for us
	go func() { done <- f() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err, true
	case <-timer.C:
		return nil, false
	}
}
