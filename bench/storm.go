package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// tally is what workers of our own client have seen.
type tally struct {
	mu      sync.Mutex
	latency []time.Duration
	errors  int
	first   error // the first error, for the note
	served  int   // workers that got an answer
}

func (t *tally) add(latency []time.Duration, errors int, first error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latency = append(t.latency, latency...)
	t.errors += errors
	if t.first == nil {
		t.first = first
	}
	if len(latency) > 0 {
		t.served++
	}
}

// fill writes percentiles and errors into a sample.
func (t *tally) fill(s *sample) {
	slices.Sort(t.latency)
	at := func(q float64) float64 {
		if len(t.latency) == 0 {
			return 0
		}
		i := int(q * float64(len(t.latency)))
		return float64(t.latency[min(i, len(t.latency)-1)].Microseconds()) / 1000
	}
	s.P50, s.P95, s.P99 = at(0.50), at(0.95), at(0.99)
	s.Errors, s.Served = t.errors, t.served
	if t.first != nil {
		s.Status, s.Note = partial, fmt.Sprintf("%d errors, the first: %v", t.errors, t.first)
	}
}

// runStorm measures connections: each is opened, logs in, asks for one row, quits.
func runStorm(ctx context.Context, w *world, p *peer, s sample) sample {
	m := w.meter(p)
	var t tally
	var group sync.WaitGroup
	begin, err := m.read()
	if err != nil {
		return s.fail(err)
	}
	until := time.Now().Add(w.o.window())
	for range s.Clients {
		group.Go(func() {
			var latency []time.Duration
			var errors int
			var first error
			for time.Now().Before(until) && ctx.Err() == nil {
				began := time.Now()
				_, err := user(p.Addr).once(ctx, w.pointSelect())
				if err == nil {
					latency = append(latency, time.Since(began))
					continue
				}
				if errors++; first == nil {
					first = err
				}
			}
			t.add(latency, errors, first)
		})
	}
	group.Wait()
	end, err := m.read()
	if err != nil {
		return s.fail(err)
	}
	u := end.since(begin)
	s.Rate = float64(len(t.latency)) / u.Seconds
	s.count(u, float64(len(t.latency)))
	t.fill(&s)
	return s
}

// meter is that of our own client's cases: the client is this process.
func (w *world) meter(p *peer) meter {
	m := meter{Proxy: p.PID(), Server: w.servers.owner, Client: self()}
	m.Others = w.pids(m.Proxy, m.Server, m.Client)
	return m
}

func (w *world) pointSelect() string {
	return fmt.Sprintf("SELECT c FROM sbtest1 WHERE id=%d", 1+rand.IntN(w.o.Rows)) //nolint:gosec // any row will do
}
