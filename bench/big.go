package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

func self() int { return os.Getpid() }

// pauseAt is how many bytes of a big result a slow reader takes before it stops.
const pauseAt = 5 << 20

// runBig measures one big result, read as fast as it comes.
func runBig(ctx context.Context, w *world, p *peer, s sample) sample {
	return w.big(ctx, p, s, 0)
}

// runBigSlow measures it with a reader that stops for a while: does the proxy hold
// back the server, or fill its memory?
func runBigSlow(ctx context.Context, w *world, p *peer, s sample) sample {
	return w.big(ctx, p, s, w.o.Pause)
}

func (w *world) big(ctx context.Context, p *peer, s sample, pause time.Duration) sample {
	c, err := user(p.Addr).open(ctx)
	if err != nil {
		return s.fail(err)
	}
	defer c.close()
	if _, err := c.query(w.pointSelect()); err != nil {
		return s.fail(err)
	}
	m := w.meter(p)
	var before memory
	if m.Proxy != 0 {
		if before, err = processMemory(m.Proxy); err == nil {
			err = resetPeak(m.Proxy)
		}
		if err != nil {
			return s.fail(err)
		}
	}
	begin, err := m.read()
	if err != nil {
		return s.fail(err)
	}
	total, err := c.drain("SELECT * FROM big", func(total int64) {
		if pause > 0 && total >= min(pauseAt, int64(w.o.BigRows)*500) {
			time.Sleep(pause)
			pause = 0
		}
	})
	if err != nil {
		return s.fail(err)
	}
	end, err := m.read()
	if err != nil {
		return s.fail(err)
	}
	u := end.since(begin)
	megabytes := float64(total) / 1e6
	s.Rate = megabytes / u.Seconds
	s.count(u, megabytes)
	if total < int64(w.o.BigRows)*1000 {
		return s.fail(fmt.Errorf("%d bytes of a result of %d rows of 1000", total, w.o.BigRows))
	}
	if m.Proxy != 0 {
		after, err := processMemory(m.Proxy)
		if err != nil {
			return s.fail(err)
		}
		s.RSS, s.Growth = after.RSS, max(0, after.Peak-before.RSS)
	}
	return s
}
