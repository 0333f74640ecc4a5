package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// runBusy measures many clients without think time over a pool of few connections:
// each repeats a small transaction on a connection that it keeps. Latency counts
// from the first attempt, the login of a client that is made to wait included; a
// client that is never served counts with all its waiting.
//
// A peer that needs more connections at the server than the pool may have has no
// pool: that is what is reported then, and no figures that could be taken for more.
func runBusy(ctx context.Context, w *world, p *peer, s sample) sample {
	if err := p.restart(ctx); err != nil {
		return s.fail(err)
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	crowd := crowd{w: w, addr: p.PoolAddr}
	if crowd.addr == "" {
		crowd.addr = p.Addr
	}
	others := 0 // connections that sqlring has kept since it was measured
	if p.Name != sqlring {
		n, err := w.backends(ctx)
		if err != nil {
			return s.fail(err)
		}
		others = n
	}
	began := time.Now()
	var group sync.WaitGroup
	for range s.Clients {
		group.Go(func() { crowd.client(run) })
	}
	time.Sleep(w.o.Ramp)
	held, err := w.backends(ctx)
	held = max(0, held-others)
	pooled := p.Name == direct || s.Clients <= backends || held <= backends
	var u usage
	if err == nil && pooled {
		u, err = crowd.window(w.meter(p))
	}
	cancel()
	group.Wait()
	if err != nil {
		return s.fail(err)
	}
	s.Backends = held
	if !pooled {
		s.Status = notBuilt
		s.Note = fmt.Sprintf("no pool: %d clients held %d connections at the server, %d were allowed", s.Clients, held, backends)
		return s
	}
	t := &crowd.tally
	s.Rate = float64(len(t.latency)) / u.Seconds
	s.count(u, float64(len(t.latency)))
	for range s.Clients - t.served {
		t.latency = append(t.latency, time.Since(began))
	}
	t.fill(&s)
	if s.Served < s.Clients && s.Status == measured {
		s.Status, s.Note = partial, fmt.Sprintf("%d of %d clients were served", s.Served, s.Clients)
	}
	return s
}

// crowd is clients that work at the same time. What they do counts while counting
// is set.
type crowd struct {
	w        *world
	addr     string
	counting atomic.Bool
	tally    tally
}

// window lets the clients count for a while, and returns what was used meanwhile.
func (c *crowd) window(m meter) (usage, error) {
	begin, err := m.read()
	if err != nil {
		return usage{}, err
	}
	c.counting.Store(true)
	time.Sleep(c.w.o.window())
	c.counting.Store(false)
	end, err := m.read()
	return end.since(begin), err
}

// client works until ctx ends.
func (c *crowd) client(ctx context.Context) {
	var latency []time.Duration
	var errors int
	var first error
	began := time.Now()
	l := user(c.addr)
	l.Timeout = time.Hour // ctx ends it: waiting in a queue is no error
	s, err := l.open(ctx)
	if err == nil {
		defer s.close()
		// A client whose statement is in a queue at the end does not wait for it.
		stop := context.AfterFunc(ctx, func() { _ = s.net.Close() })
		defer stop()
	}
	for err == nil && ctx.Err() == nil {
		if err = c.w.transaction(s); err != nil {
			break
		}
		if c.counting.Load() {
			latency = append(latency, time.Since(began))
		}
		began = time.Now()
	}
	if err != nil && ctx.Err() == nil {
		errors, first = 1, err
	}
	c.tally.add(latency, errors, first)
}

// transaction reads a row and changes it.
func (w *world) transaction(c *session) error {
	id := 1 + rand.IntN(w.o.Rows) //nolint:gosec // any row will do
	for _, statement := range []string{
		"BEGIN",
		fmt.Sprintf("SELECT c FROM sbtest1 WHERE id=%d", id),
		fmt.Sprintf("UPDATE sbtest1 SET k=k+1 WHERE id=%d", id),
		"COMMIT",
	} {
		if _, err := c.query(statement); err != nil {
			return fmt.Errorf("%.6s: %w", statement, err)
		}
	}
	return nil
}

// backends returns how many connections the account of the load has at the owner: the
// fewest of three looks, since one that was closed is seen for a moment.
func (w *world) backends(ctx context.Context) (fewest int, err error) {
	for look := range 3 {
		row, err := root(w.owner).once(ctx, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER='"+benchUser+"'")
		if err != nil || len(row) == 0 {
			return 0, fmt.Errorf("count connections at the owner: %w", err)
		}
		n, err := strconv.Atoi(row[0])
		if err != nil {
			return 0, err
		}
		if look == 0 || n < fewest {
			fewest = n
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fewest, nil
}
