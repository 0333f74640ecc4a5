package mysqld

import (
	"context"
	"fmt"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Beat writes number seq into this node's heartbeat row of the member: a logged
// write, which the ring carries to all. It is written by a server that carries the
// identity that was issued to the member, and by no other: the server itself compares,
// since the process that was seen may have ended since (S99). It shows what no question does, a full
// disk and a commit that nobody acknowledges, and therefore it may hang: it
// returns when ctx ends, or after Config.Probe, and throws its connection away.
// The server may still be committing then; until it has ended that, no further
// heartbeat is written, so a hanging server collects one session and not many.
//
// Errors: ErrNoIdentity, ErrBeatWaits, ErrUnknownOutcome.
func (m *Member) Beat(ctx context.Context, issued uint32, seq uint64) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Probe)
	defer cancel()
	err := m.beats.enter(ctx)
	if err == nil {
		defer m.beats.leave()
		err = m.beat(ctx, issued, seq)
	}
	if err != nil {
		return fmt.Errorf("write heartbeat on %s: %w", m.id, err)
	}
	return nil
}

func (m *Member) beat(ctx context.Context, issued uint32, seq uint64) error {
	if issued == 0 {
		return fmt.Errorf("%w: none was issued", ErrNoIdentity)
	}
	row := topology.Beat{Origin: m.id, Node: m.cfg.Node, Seq: seq}
	held := m.beats.conn != nil
	written, err := m.beatOnce(ctx, issued, row)
	// Nothing was written by a session that is older than the server's identity,
	// and a connection that was ended while it was idle has carried nothing:
	// both are cured by a new one. The row is the same either way.
	if held && (err == nil && !written || judge(err) == failureLost) {
		m.beats.drop()
		written, err = m.beatOnce(ctx, issued, row)
	}
	switch {
	case err != nil:
		return err
	case !written:
		return fmt.Errorf("%w: %d", ErrNoIdentity, issued)
	}
	return nil
}

func (m *Member) beatOnce(ctx context.Context, issued uint32, row topology.Beat) (bool, error) {
	if m.beats.conn == nil {
		c, err := m.connect(ctx, forBeat)
		if err != nil {
			return false, err
		}
		m.beats.conn = c
		if late(ctx, m.cfg.Probe) {
			return false, errLate
		}
	}
	c := m.beats.conn
	if m.waiting != 0 {
		waits, err := c.dialect.beatWaits(ctx, c, m.waiting)
		if err != nil {
			return false, err
		}
		if waits {
			return false, fmt.Errorf("%w, on connection %d", ErrBeatWaits, m.waiting)
		}
		m.waiting = 0
	}
	written, err := c.dialect.beat(ctx, c, issued, row)
	if judge(err) == failureSilent {
		m.waiting = c.id
		return false, fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return written, err
}
