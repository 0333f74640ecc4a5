package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// An action may take seconds, on a member that freezes meanwhile, or a minute, if
// it reads a tail; and one action is done at a time. What is seen meanwhile may be
// more urgent: then it is given up, which is what a crash between two of its
// statements would do to it, and decided anew.

var errInterrupted = errors.New("given up")

// shortly is the pause after an action was given up; lookAgain, how long an
// unchanged view is trusted to be the same verdict: silence grows by itself.
const (
	shortly   = 20 * time.Millisecond
	lookAgain = 100 * time.Millisecond
)

// deed is an action under way, for who watches over it.
type deed struct {
	member topology.MemberID
	kind   topology.ActionKind
	giveUp context.CancelCauseFunc
}

// interruptible runs act so that the watch can end it.
func (c *Controller) interruptible(ctx context.Context, member topology.MemberID, kind topology.ActionKind, act func(context.Context) error) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	c.deed.Store(&deed{member, kind, giveUp})
	defer c.deed.Store(nil)
	err := act(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errInterrupted) {
		return cause
	}
	return err
}

// interrupting watches over the actions of one leadership until the returned
// function is called, which waits for the watch to end.
func (c *Controller) interrupting(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		for ctx.Err() == nil {
			changed := c.eyes.Changed()
			if d := c.deed.Load(); d != nil {
				if why, urgent := topology.Urgent(c.log.Snapshot(), d.member, d.kind, c.eyes.Observations(), c.cfg.Clock()); urgent {
					d.giveUp(fmt.Errorf("%w: %s", errInterrupted, why))
				}
			}
			timer := time.NewTimer(lookAgain)
			select {
			case <-ctx.Done():
			case <-changed:
			case <-timer.C:
			}
			timer.Stop()
		}
	})
	return func() { cancel(); watch.Wait() }
}
