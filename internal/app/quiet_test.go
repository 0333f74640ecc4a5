package app_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNoNeedlessTakeover runs the load beside a busy core: nothing is wrong, so
// nothing may be taken over. `make faults` runs it for 15 minutes.
func TestNoNeedlessTakeover(t *testing.T) {
	length := 15 * time.Second
	if text := os.Getenv("SQLRING_QUIET"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SQLRING_QUIET: %v", err)
		}
		length = d
	}
	r := startRig(t, 3)
	w := r.startWorkload(t)
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	var busy sync.WaitGroup
	busy.Go(func() {
		for n := uint64(1); ctx.Err() == nil; {
			for range 1 << 20 {
				n = n*6364136223846793005 + 1442695040888963407
			}
		}
	})
	busy.Wait()
	events, err := r.client.Events(t.Context(), 0, 500)
	if err != nil {
		t.Fatal(err)
	}
	heals := 0
	for _, e := range events {
		if e.Kind == "heal" && strings.Contains(e.What, "is taken out") {
			heals++
			t.Errorf("%s: %s (%v)", e.What, e.Why, e.Evidence)
		}
	}
	w.end()
	r.untilEqual(t, "faults.w", "faults.account", "faults.move")
	okN, failedN, unknownN, broken := w.counts()
	if failedN+unknownN+broken > 0 {
		t.Errorf("%d failed, %d unknown, %d connections broken, and nothing was wrong", failedN, unknownN, broken)
	}
	t.Logf("FIGURE %s of load with a core busy: %d takeovers; %d writes acknowledged, %d failed, %d unknown", length, heals, okN, failedN, unknownN)
}
