package proxy

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// A lifetime is a context like others: whoever hangs on it ends with it, whether he came
// before the end or after it.
func TestLifetime(t *testing.T) {
	var l lifetime
	if _, ok := l.Deadline(); ok || l.Err() != nil || l.Value("any") != nil {
		t.Fatalf("a new one has a deadline (%v), an end (%v) or a value", ok, l.Err())
	}
	before, cancel := context.WithTimeout(&l, time.Hour)
	defer cancel()
	called := make(chan struct{})
	context.AfterFunc(&l, func() { close(called) })
	if before.Err() != nil {
		t.Fatalf("below it: %v", before.Err())
	}
	l.end()
	l.end()
	<-l.Done()
	<-before.Done()
	<-called
	after, cancelAfter := context.WithCancel(&l)
	defer cancelAfter()
	<-after.Done()
	for name, ctx := range map[string]context.Context{"itself": &l, "before": before, "after": after} {
		if !errors.Is(ctx.Err(), context.Canceled) || !errors.Is(context.Cause(ctx), context.Canceled) {
			t.Errorf("%s: %v, because of %v", name, ctx.Err(), context.Cause(ctx))
		}
	}
}

// Those who begin to wait while it ends do not wait for ever.
func TestLifetimeThatEndsWhileSomebodyBeginsToWait(t *testing.T) {
	for range 2000 {
		var l lifetime
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() { <-l.Done() })
		}
		waiting.Go(l.end)
		waiting.Wait()
		if !errors.Is(l.Err(), context.Canceled) {
			t.Fatal("it has ended, and does not say so")
		}
	}
}

// What nobody waits for costs nothing.
func TestLifetimeCostsNothingWhileNobodyWaits(t *testing.T) {
	const runs = 100
	lives := make([]lifetime, runs+1) // it runs once more, to warm up
	n := testing.AllocsPerRun(runs, func() {
		l := &lives[0]
		lives = lives[1:]
		_ = l.Err()
		l.end()
		_ = l.Err()
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
