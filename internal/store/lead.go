package store

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

const (
	barrierTimeout = 5 * time.Second
	leadPause      = 50 * time.Millisecond // after a leadership that did not come to be
)

// Lead runs f whenever this node leads, until ctx ends, and returns the error of
// ctx. Before each call all earlier commands are applied here (a barrier), so
// that Snapshot is current. f gets raft's term, which is higher at each call,
// and a context that is cancelled (cause ErrNotLeader) when the leadership is
// lost; Lead waits for f to return before anything else.
//
// f runs until its context ends. If it returns earlier, Lead returns what it
// returned; the node stays raft's leader, so the caller calls Lead again or ends.
// Other errors: ErrLeading, ErrFailed, ErrStopped.
//
// The context ends at least one lease (see Profile) after the last contact with a
// majority, and a leader that was paused notices only when it runs again: what
// must not be done by an old leader is guarded by VerifyLeader or by the term.
func (s *Store) Lead(ctx context.Context, f func(ctx context.Context, term uint64) error) error {
	if !s.leading.CompareAndSwap(false, true) {
		return fmt.Errorf("lead: %w", ErrLeading)
	}
	defer s.leading.Store(false)
	if err := s.gate.enter(); err != nil {
		return fmt.Errorf("lead: %w", err)
	}
	defer s.gate.leave()
	for {
		term, err := s.elected(ctx)
		if err != nil {
			return err
		}
		lost, err := s.hold(ctx, term, f)
		if !lost {
			return err
		}
		s.log.Info("leadership lost", "term", term, "error", err)
	}
}

// elected waits until this node leads and has applied all that came before. The
// error is that of ctx, ErrFailed or ErrStopped.
func (s *Store) elected(ctx context.Context) (term uint64, err error) {
	for {
		if err := s.ended(ctx); err != nil {
			return 0, err
		}
		if term = s.raft.CurrentTerm(); s.leads(term) {
			err := s.await(ctx, func() error { return s.raft.Barrier(barrierTimeout).Error() }, nil)
			if err == nil && s.leads(term) {
				s.settleSole()
				s.settleAddress(ctx)
				s.log.Info("leadership gained", "term", term)
				return term, nil
			}
			s.log.Debug("leadership did not come to be", "term", term, "error", err)
			s.pause(ctx)
			continue
		}
		select {
		case <-s.raft.LeaderCh():
		case <-ctx.Done():
		case <-s.failure.done:
		case <-s.gate.closing:
		}
	}
}

// hold runs f for one leadership. lost says that the leadership ended, and not f
// by itself nor the caller's ctx.
func (s *Store) hold(ctx context.Context, term uint64, f func(context.Context, uint64) error) (lost bool, err error) {
	scope, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(scope, term)
		cancel(ErrNotLeader)
	}()
	err = f(scope, term)
	lost = scope.Err() != nil
	cancel(nil)
	<-watched
	if ended := s.ended(ctx); lost && ended != nil {
		return false, ended
	}
	return lost, err
}

// watch returns when this node does not lead in term any more, or scope ends.
// raft's channel keeps the latest change for us, so none is missed; what it says
// is only a reason to look.
func (s *Store) watch(scope context.Context, term uint64) {
	for s.leads(term) {
		select {
		case <-s.raft.LeaderCh():
		case <-scope.Done():
			return
		case <-s.failure.done:
			return
		case <-s.gate.closing:
			return
		}
	}
}

// leads: a term has one leader, so the same term means the same leadership.
func (s *Store) leads(term uint64) bool {
	return s.raft.State() == raft.Leader && s.raft.CurrentTerm() == term
}

// ended returns why nothing more is to be done, or nil.
func (s *Store) ended(ctx context.Context) error {
	select {
	case <-s.gate.closing:
		return ErrStopped
	default:
	}
	if err := s.failure.err(); err != nil {
		return err
	}
	return ctx.Err()
}

func (s *Store) pause(ctx context.Context) {
	timer := time.NewTimer(leadPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-s.gate.closing:
	}
}
