package mysqld

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Observe asks the member for everything that an observation holds, in two round
// trips, over a connection that it keeps. It returns when ctx ends, or after
// Config.Probe, at the latest; it never fails, but says in Reach and Error what
// went wrong. Since when the answers are of that kind is not known here.
//
// An answer of ReachRefused needs two attempts: if the kept connection is broken,
// which a restart does too, a new one is tried within the same deadline.
func (m *Member) Observe(ctx context.Context) topology.Observation {
	o := topology.Observation{Member: m.id, Asked: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Probe)
	defer cancel()
	seen, err := m.observe(ctx, o)
	if err == nil {
		seen.Reach, seen.At = topology.ReachAnswers, time.Now()
		return seen
	}
	o.Reach, o.Error, o.At, o.Held = reachOf(err), err.Error(), time.Now(), seen.Held
	m.tellHeld(&o)
	if errors.Is(err, ErrGaps) {
		o.Gap, o.Boot, o.ServerID, o.Domain = seen.Gap, seen.Boot, seen.ServerID, seen.Domain
	}
	if roomless(err) {
		o.Version, o.Apps, o.Room.Waiting = seen.Version, seen.Apps, max(1, seen.Room.Waiting)
	}
	return o
}

func (m *Member) observe(ctx context.Context, o topology.Observation) (topology.Observation, error) {
	if err := m.probe.enter(ctx); err != nil {
		// The probe before this one is late: that is ours to mend, not the server's.
		return o, errors.Join(err, context.Canceled)
	}
	defer m.probe.leave()
	if m.probe.conn != nil {
		seen, err := m.ask(ctx, m.probe.conn, o)
		if err == nil || judge(err) != failureLost {
			return seen, err
		}
		m.probe.drop()
	}
	c, err := m.connect(ctx, forProbe)
	if err != nil {
		return o, err
	}
	m.probe.conn = c
	if late(ctx, m.cfg.Probe) {
		return o, errLate
	}
	return m.ask(ctx, c, o)
}

// errLate ends a call whose time went into connecting. The connection is kept, and
// the next call has all of its time for the questions: otherwise a member that is far
// away would be connected to again and again, and never asked.
var errLate = fmt.Errorf("it was far to connect to, and is asked next time: %w", context.Canceled)

// late reports whether more than half of the time for a call is gone.
func late(ctx context.Context, whole time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < whole/2
}

// ask reads the member's state over c, which may be the probe's connection or
// the hands'.
func (m *Member) ask(ctx context.Context, c *conn, o topology.Observation) (topology.Observation, error) {
	o.Version, o.Greeting = c.version, c.text
	if err := observeEvents(ctx, c, &o); err != nil {
		return o, err
	}
	if err := c.dialect.observe(ctx, c, &o); err != nil {
		return o, err
	}
	if trouble := m.events.Load(); trouble != nil {
		o.Events.Trouble, o.Events.TroubleAt = trouble.why, trouble.at
	}
	m.slotTrouble(&o)
	m.tellHeld(&o)
	o.Tail, o.Copy, o.Replay = m.tail.Load(), m.copy.seen(), m.last.Load()
	return o, nil
}
