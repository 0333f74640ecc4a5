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
	err := c.interruptible(t.Context(), "m1", topology.ActPrepare, func(ctx context.Context) error {
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
	if err := c.interruptible(t.Context(), "m1", topology.ActPrepare, late); err != nil {
		t.Error(err)
	}
	broken := errors.New("broken")
	if err := c.interruptible(t.Context(), "m1", topology.ActPrepare, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestTakingHandsIsNotGivenUpForWhatNeedsThem: the heal of the lost owner begins with what
// the other member says, and that counts when its hands are taken. A leader that gave
// the taking up for the heal, and took again, never came to either.
func TestTakingHandsIsNotGivenUpForWhatNeedsThem(t *testing.T) {
	w := newWorld(t)
	w.initRing(t)
	steps := []topology.Cursor{topology.InitPreflight, topology.InitPrepare, topology.InitLink, topology.InitVerify, topology.InitOpen}
	var changes []topology.Change
	for i := range steps[1:] {
		changes = append(changes, topology.AdvanceOperation{Operation: "op1", From: steps[i], To: steps[i+1]})
	}
	for _, change := range append(changes, topology.OpenRing{Operation: "op1", SemiSync: topology.SemiSyncArmed}) {
		if err := w.Propose(t.Context(), topology.Command{At: w.now, By: "test", Change: change}); err != nil {
			t.Fatal(err)
		}
	}
	c := w.controller()
	w.mu.Lock()
	seen, _ := w.obs.Of("m2")
	seen.Link = topology.Link{Upstream: seen.Link.Upstream, Receiver: topology.ThreadConnecting, Applier: topology.ThreadRunning, Since: w.now.Add(-time.Minute)}
	w.obs = w.obs.With(seen).With(topology.Observation{Member: "m1", At: w.now, Reach: topology.ReachRefused, Since: w.now.Add(-time.Minute), Error: "connection refused"})
	w.mu.Unlock()
	for _, tt := range []struct {
		kind topology.ActionKind
		want bool
	}{{topology.ActSeize, false}, {topology.ActPrepare, true}} {
		stop := c.interrupting(t.Context())
		err := c.interruptible(t.Context(), "m2", tt.kind, func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * lookAgain):
				return nil
			}
		})
		stop()
		if errors.Is(err, errInterrupted) != tt.want {
			t.Errorf("%v while another member is lost: %v", tt.kind, err)
		}
	}
}
