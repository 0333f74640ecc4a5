package proxy

import (
	"context"
	"time"
)

// A client that does nothing costs its session, a stack, and what both were part of
// when it logged in. The stack has grown to 8 KiB then, for the login and the first
// command; the collector halves it when less than a quarter is in use, so the frames of a
// session that waits (run, serve, await and those of the poller) have to stay below
// 2048 bytes, of which the runtime counts 800 as its own (runtime.shrinkstack). The session
// keeps nothing of its last command (underway.go), and what it could be waited for by is made
// when somebody waits (lifetime.go); its size is one of the allocator's (TestSizeOfASession).

const (
	// wave is how many clients more than before are worth a collection that nobody asked
	// for: some 10 MiB.
	wave = 1024
	// calm is how long nobody has to have come when a wave is over.
	calm = time.Second
)

// tidiness gives memory back that a wave of logins has left behind, once it is over: the
// collector itself would run when as much again was allocated, or two minutes later.
// It belongs to the watch.
type tidiness struct {
	clients int       // when it was tidied last; fewer since then count
	served  uint64    // sessions ever, at the last look
	since   time.Time // nobody has come
}

// look is called at each tick with how many clients there are, and were ever.
// It reports whether it is time to tidy up.
func (t *tidiness) look(clients int, served uint64, now time.Time) bool {
	t.clients = min(t.clients, clients)
	if served != t.served {
		t.served, t.since = served, now
		return false
	}
	if clients-t.clients < wave || now.Sub(t.since) < calm {
		return false
	}
	t.clients = clients
	return true
}

// lateContext is a context with a deadline that is made when somebody waits for it: one
// that was made leaves some 350 bytes behind on its parent, which is the session's. It is
// for one goroutine.
type lateContext struct {
	context.Context

	until  time.Time
	made   context.Context
	cancel context.CancelFunc
}

func (c *lateContext) Deadline() (time.Time, bool) { return c.until, true }

func (c *lateContext) Done() <-chan struct{} {
	if c.made == nil {
		c.made, c.cancel = context.WithDeadline(c.Context, c.until)
	}
	return c.made.Done()
}

func (c *lateContext) Err() error {
	c.Done()
	return c.made.Err()
}

// end is called when nobody waits any more.
func (c *lateContext) end() {
	if c.cancel != nil {
		c.cancel()
	}
}
