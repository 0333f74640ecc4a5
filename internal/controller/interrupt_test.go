package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// TestAnActionOnAMemberThatFellSilentIsGivenUp: the tick must not wait for its
// deadline, or the loss of the member is seen that much later.
func TestAnActionOnAMemberThatFellSilentIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.initRing(t)
	c := w.controller()
	defer c.interrupting(t.Context())()
	began, acting := time.Now(), make(chan struct{})
	go func() {
		<-acting
		w.mu.Lock()
		defer w.mu.Unlock()
		w.obs = w.obs.With(topology.Observation{Member: "m1", At: w.now, Reach: topology.ReachRefused, Since: w.now.Add(-time.Second), Error: "connection refused"})
	}()
	err := c.interruptible(t.Context(), "m1", func(ctx context.Context) error {
		close(acting)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Second):
			return nil
		}
	})
	if !errors.Is(err, errInterrupted) || !strings.Contains(err.Error(), "m1 does not answer any more") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestAnActionThatWorkedIsNotGivenUp, whatever the watch said last.
func TestAnActionThatWorkedIsNotGivenUp(t *testing.T) {
	w := newWorld(t)
	w.initRing(t)
	c := w.controller()
	defer c.interrupting(t.Context())()
	late := func(context.Context) error { // the word comes when it is done already
		c.deed.Load().giveUp(errInterrupted)
		return nil
	}
	if err := c.interruptible(t.Context(), "m1", late); err != nil {
		t.Error(err)
	}
	broken := errors.New("broken")
	if err := c.interruptible(t.Context(), "m1", func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
