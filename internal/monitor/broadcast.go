package monitor

import "sync"

// broadcast tells any number of waiters that a value was replaced.
type broadcast struct {
	mu *sync.Mutex
	ch *chan struct{}
}

func newBroadcast() broadcast {
	ch := make(chan struct{})
	return broadcast{mu: &sync.Mutex{}, ch: &ch}
}

// wait returns a channel that is closed at the next tell.
func (b broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.ch
}

func (b broadcast) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(*b.ch)
	*b.ch = make(chan struct{})
}
