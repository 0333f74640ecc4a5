package mysqld

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Execute does one action, and returns once reading back has shown it. It may be
// called again: an action whose result stands already changes nothing. It
// returns when ctx ends, or after Config.Act (Config.Tail for ActReadTail and ActReplay).
//
// It takes the hands if it does not hold them. If they are lost on the way, it
// fails and does not take them again: only the caller can know whether this node
// still leads.
//
// Errors: ErrPrecondition, ErrNotVerified, ErrBlocked, ErrUnknownOutcome,
// ErrHandsBusy, ErrHandsLost, ErrDeposed, or the server's own.
func (m *Member) Execute(ctx context.Context, a topology.Action) error {
	limit := m.cfg.Act
	if a.Kind == topology.ActReadTail || a.Kind == topology.ActReplay {
		limit = m.cfg.Tail
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := m.hands.enter(bounded)
	if err == nil {
		defer m.hands.leave()
		err = m.execute(bounded, a)
	}
	if a.Kind == topology.ActSlots {
		m.noteSlots(ctx, err)
	}
	if err != nil {
		m.noteHeld(err)
		return fmt.Errorf("%s on %s: %w", a, m.id, err)
	}
	return nil
}

func (m *Member) execute(ctx context.Context, a topology.Action) error {
	err := m.takeHands(ctx)
	if a.Kind == topology.ActDisarm && errors.Is(err, ErrHandsBusy) {
		// Commits that wait for an acknowledgement may be what holds the hands.
		return m.disarmWithoutHands(ctx)
	}
	if err != nil {
		return err
	}
	c := m.hands.conn
	if a.Kind == topology.ActCopy || a.Kind == topology.ActEndCopy { // on connections of their own
		if err := c.execute(ctx, "DO 1"); err != nil { // the hands are still this leader's
			return explain(err)
		}
		if a.Kind == topology.ActEndCopy {
			return explain(m.endCopy(ctx))
		}
		return m.startCopy(a)
	}
	return explain(c.dialect.act(ctx, work{conn: c, member: m}, a))
}

// takeHands makes sure that this handle holds the member's hands.
func (m *Member) takeHands(ctx context.Context) error {
	term := m.term.Load()
	if m.hands.conn != nil && m.hands.term == term {
		return nil
	}
	m.hands.drop()
	c, err := m.connect(ctx, forHands)
	if err != nil {
		return err
	}
	if err := c.dialect.seize(ctx, c, term); err != nil {
		c.close()
		return err
	}
	m.hands.conn, m.hands.term = c, term
	return nil
}

func (m *Member) disarmWithoutHands(ctx context.Context) error {
	c, err := m.connect(ctx, forHands)
	if err != nil {
		return err
	}
	defer c.close()
	return explain(c.dialect.disarm(ctx, c))
}

// explain gives the errors of a connection the names that callers branch on.
func explain(err error) error {
	switch judge(err) {
	case failureLost:
		return fmt.Errorf("%w: %w", ErrHandsLost, err)
	case failureSilent, failureOurs:
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	case failureBlocked:
		return fmt.Errorf("%w: %w", ErrBlocked, err)
	case failureDenied, failureOther:
	}
	return err
}

// until asks holds every few milliseconds until it says yes or limit is over.
func until(ctx context.Context, limit time.Duration, holds func() (bool, error)) (bool, error) {
	const interval = 10 * time.Millisecond
	deadline := time.Now().Add(limit)
	for {
		ok, err := holds()
		if ok || err != nil || time.Now().After(deadline) {
			return ok, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(interval):
		}
	}
}
