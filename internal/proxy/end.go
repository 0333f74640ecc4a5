package proxy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// A session, or what it runs, can be ended by who operates the node too, whatever
// account it is of. It is done as if its client had gone: the proxy itself kills at the
// member what it has opened there, as that account, which is allowed to.

// The ways in which ending comes to nothing.
var (
	// ErrNoSession: no session has that id here. Ids are this proxy's own.
	ErrNoSession = errors.New("no such session")
	// ErrNotRunning: the session has nothing at a member that could be ended.
	ErrNotRunning = errors.New("it runs nothing")
	// ErrCommits: a commit is not ended, since it could not be taken back, and might be
	// answered before a replica has it.
	ErrCommits = errors.New("it commits")
	// ErrStillThere: it was told, and had not ended in time.
	ErrStillThere = errors.New("it has not ended yet")
)

// lookAgain is how often it is looked whether something has ended.
const lookAgain = 5 * time.Millisecond

// EndSession ends a session, and what it runs, and returns when it is gone, or
// ErrNoSession, or ErrStillThere when ctx ends. A transaction that is open is rolled back.
// It is safe for concurrent use.
func (p *Proxy) EndSession(ctx context.Context, id uint32) error {
	target := p.session(id)
	if target == nil {
		return ErrNoSession
	}
	target.interrupt()
	return until(ctx, func() bool { return p.session(id) != target })
}

// EndQuery ends what a session runs, and returns when that has ended; the session goes
// on. The errors are those above, or what the member says. It is safe for concurrent use.
func (p *Proxy) EndQuery(ctx context.Context, id uint32) error {
	target := p.session(id)
	if target == nil {
		return ErrNoSession
	}
	phase := target.phase.Load()
	for {
		if err := p.callOff(ctx, target, phase); err != nil {
			return err
		}
		again, cancel := context.WithTimeout(ctx, tellAgain)
		err := until(again, func() bool { return target.phase.Load() != phase })
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// tellAgain is when a statement that has not ended is told again: it may have been on its
// way to the member, which then knew nothing of it yet.
const tellAgain = 500 * time.Millisecond

// callOff ends what a session runs, or waits for, in a phase.
func (p *Proxy) callOff(ctx context.Context, target *session, phase uint32) error {
	landed, ok := target.strikes.strike(ctx)
	if !ok {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return ErrCommits
	}
	err := p.strike(ctx, target, phase)
	if errors.Is(err, ErrNotRunning) && (target.waitsHere(phase) || target.phase.Load() != phase) {
		err = nil // it is called off, or has ended
	}
	landed(err == nil)
	return err
}

// strike sends a KILL QUERY for what a session runs in a phase. Whoever calls it has the
// turn: nobody else gets the link meanwhile (link.disputed).
func (p *Proxy) strike(ctx context.Context, target *session, phase uint32) error {
	l, as := target.atMember.Load(), target.known.Load()
	if phase&1 == 0 || target.phase.Load() != phase || l == nil || as == nil || target.waits.Load() != nil {
		return ErrNotRunning
	}
	other, err := p.dial(ctx, balancer.Route{Member: l.route.Member}, *as, "") // the rest of it is the session's own
	if err != nil {
		return fmt.Errorf("connect as its account: %w", err)
	}
	defer other.close()
	if target.atMember.Load() != l || target.phase.Load() != phase {
		return ErrNotRunning // it has ended by itself
	}
	return other.within(ctx, p.cfg.BackendTimeout, func() error {
		if err := other.own.Send(wire.Query("KILL QUERY " + strconv.FormatUint(uint64(l.thread), 10))); err != nil {
			return err
		}
		_, _, err := other.own.Result(other.caps, setupBudget)
		return err
	})
}

// until waits until something is so; ErrStillThere says that ctx has ended before.
func until(ctx context.Context, so func() bool) error {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			return ErrStillThere
		case <-ticker.C:
		}
	}
	return nil
}
