package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// dialers is how many clients log in at the same time before they idle: more would
// measure the storm.
const dialers = 32

// runIdle measures the memory of clients that are logged in, have asked once, and
// do nothing. The proxy is a new process, so that nothing it has kept from earlier
// cases is mistaken for room that the clients need.
func runIdle(ctx context.Context, w *world, p *peer, s sample) sample {
	if err := p.restart(ctx); err != nil {
		return s.fail(err)
	}
	alone, err := w.rest(p)
	if err != nil {
		return s.fail(err)
	}
	before, err := processMemory(p.PID())
	if err != nil {
		return s.fail(err)
	}
	clients, refused, first := w.connectMany(ctx, s.Clients, p.Addr)
	defer closeAll(clients)
	if len(clients) == 0 {
		return s.fail(fmt.Errorf("no client could log in: %w", first))
	}
	crowd, err := w.rest(p)
	if err != nil {
		return s.fail(err)
	}
	after, err := processMemory(p.PID())
	if err != nil {
		return s.fail(err)
	}
	s.count(crowd, crowd.Seconds) // CPU in microseconds per second, of all clients together
	s.AtRest = float64(alone.Proxy.total().Microseconds()) / alone.Seconds
	s.Served, s.Errors, s.Rate = len(clients), refused, float64(len(clients))
	s.RSS, s.Growth = after.RSS, after.RSS-before.RSS
	s.PerClient = float64(s.Growth) * 1024 / float64(len(clients))
	if refused > 0 {
		s.Status, s.Note = partial, fmt.Sprintf("%d of %d logged in; the others: %v", len(clients), s.Clients, first)
	}
	return s
}

// rest lets things settle, and then measures the CPU that a proxy needs while nobody
// does anything.
func (w *world) rest(p *peer) (usage, error) {
	time.Sleep(w.o.Settle)
	m := w.meter(p)
	begin, err := m.read()
	if err != nil {
		return usage{}, err
	}
	time.Sleep(min(w.o.window(), 5*time.Second))
	end, err := m.read()
	return end.since(begin), err
}

// connectMany logs n clients in. It returns those that could, how many could not,
// and the first reason.
func (w *world) connectMany(ctx context.Context, n int, addr string) (clients []*session, refused int, first error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	work := make(chan struct{})
	for range dialers {
		group.Go(func() {
			for range work {
				c, err := user(addr).open(ctx)
				if err == nil {
					if _, err = c.query(w.pointSelect()); err != nil {
						c.close()
					}
				}
				mu.Lock()
				if err == nil {
					clients = append(clients, c)
				} else if refused++; first == nil {
					first = err
				}
				mu.Unlock()
			}
		})
	}
	// After so many refusals nothing will change: the limit is known.
	const hopeless = 256
	for range n {
		mu.Lock()
		stop := refused >= hopeless || ctx.Err() != nil
		mu.Unlock()
		if stop {
			break
		}
		work <- struct{}{}
	}
	close(work)
	group.Wait()
	return clients, n - len(clients), first
}

// closeAll ends many sessions at once.
func closeAll(clients []*session) {
	var group sync.WaitGroup
	for i := range dialers {
		group.Go(func() {
			for k := i; k < len(clients); k += dialers {
				clients[k].close()
			}
		})
	}
	group.Wait()
}
