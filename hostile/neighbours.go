package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// neighbours are clients with nothing to hide. They work all the time; what they
// noticed counts while a round lasts.
type neighbours struct {
	t      *target
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu     sync.Mutex
	counts bool
	seen   noticed
}

// noticed is what neighbours noticed in a round.
type noticed struct {
	statements, logins []time.Duration
	failed             int
	why                error // of the last failure
}

const (
	neighbourClients = 4
	statementEvery   = 20 * time.Millisecond // of each: 200 a second in all
	loginEvery       = 100 * time.Millisecond
)

// startNeighbours lets them begin.
func startNeighbours(ctx context.Context, t *target) (*neighbours, error) {
	ctx, cancel := context.WithCancel(ctx)
	n := &neighbours{t: t, cancel: cancel}
	for range neighbourClients {
		c, err := t.login("", t.Password, 0)
		if err != nil {
			n.stop()
			return nil, err
		}
		n.wait.Go(func() {
			n.every(ctx, statementEvery, func() (time.Duration, error) {
				began := time.Now()
				_, err := c.value("SELECT CONCAT('a', 'b')")
				return time.Since(began), err
			}, func(s *noticed) *[]time.Duration { return &s.statements })
			_ = c.net.Close()
		})
	}
	n.wait.Go(func() {
		n.every(ctx, loginEvery, func() (time.Duration, error) {
			began := time.Now()
			c, err := t.login("", t.Password, 0)
			took := time.Since(began)
			if err == nil {
				_ = c.conn.Send([]byte{1}) // COM_QUIT
				_ = c.net.Close()
			}
			return took, err
		}, func(s *noticed) *[]time.Duration { return &s.logins })
	})
	return n, nil
}

// every does f at fixed times; what comes late counts from when it was due.
func (n *neighbours) every(ctx context.Context, pause time.Duration, f func() (time.Duration, error), where func(*noticed) *[]time.Duration) {
	due := time.Now()
	for {
		if due = due.Add(pause); time.Until(due) > 0 {
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return
			}
		}
		late := max(time.Since(due)-2*time.Millisecond, 0) // a timer is never exact
		took, err := f()
		if ctx.Err() != nil {
			return
		}
		n.mu.Lock()
		if list := where(&n.seen); n.counts && err == nil {
			*list = append(*list, took+late)
		} else if n.counts {
			n.seen.failed++
			n.seen.why = err
		}
		n.mu.Unlock()
	}
}

// during returns what they notice from now on for as long.
func (n *neighbours) during(ctx context.Context, d time.Duration) noticed {
	n.mu.Lock()
	n.counts, n.seen = true, noticed{}
	n.mu.Unlock()
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts = false
	return n.seen
}

func (n *neighbours) stop() {
	n.cancel()
	n.wait.Wait()
}

// add adds what was noticed in another round.
func (s *noticed) add(o noticed) {
	s.statements, s.logins = append(s.statements, o.statements...), append(s.logins, o.logins...)
	if s.failed += o.failed; o.why != nil {
		s.why = o.why
	}
}

// percentile returns the value that so much of the list is not above; 0 of nothing.
func percentile(list []time.Duration, of float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(of*float64(len(sorted))), len(sorted)-1)]
}
