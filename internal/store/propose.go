package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

const (
	enqueueTimeout = time.Second // until raft takes a command
	maxCommand     = 1 << 20     // bytes of an encoded command
)

// Propose appends c to the log and returns when it is committed and applied
// here: Snapshot then shows its effect, or a later state. Index is set by raft;
// At, By and Why are the caller's.
//
// Errors: ErrRefused, ErrNotLeader, ErrBusy, ErrFailed, ErrStopped, an error of
// ctx or of the encoding (nothing was appended), or ErrOutcomeUnknown.
func (s *Store) Propose(ctx context.Context, c topology.Command) error {
	data, err := topology.EncodeCommand(c)
	if err != nil {
		return fmt.Errorf("propose: %w", err)
	}
	if len(data) > maxCommand {
		return fmt.Errorf("propose %v: %d bytes, at most %d are allowed", c.Change, len(data), maxCommand)
	}
	handed := false // set before await's goroutine starts
	err = s.await(ctx, func() error { return s.apply(data) }, &handed)
	if err != nil && handed && ended(err) {
		err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	if err != nil {
		return fmt.Errorf("propose %v: %w", c.Change, err)
	}
	return nil
}

// ended reports that the waiting ended, not the proposal.
func ended(err error) bool {
	known := errors.Is(err, ErrRefused) || errors.Is(err, ErrNotLeader) || errors.Is(err, ErrBusy)
	return !known && !errors.Is(err, ErrOutcomeUnknown)
}

func (s *Store) apply(data []byte) error {
	future := s.raft.Apply(data, enqueueTimeout)
	if err := future.Error(); err != nil {
		return proposalError(err)
	}
	if err, ok := future.Response().(error); ok {
		return err // ErrRefused; ErrFailed if it is committed but not readable here
	}
	return nil
}

// proposalError sorts raft's errors. Not appended is only what raft says before
// it appends; all else may be on some disk and be committed by the next leader.
func proposalError(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

// VerifyLeader returns nil if a majority of the voters took this node for the
// leader after the call began: no other node had committed anything by then.
//
// Errors: ErrNotLeader, ErrFailed, ErrStopped, or the error of ctx.
func (s *Store) VerifyLeader(ctx context.Context) error {
	err := s.await(ctx, func() error {
		if err := s.raft.VerifyLeader().Error(); err != nil {
			return fmt.Errorf("%w: %w", ErrNotLeader, err)
		}
		return nil
	}, nil)
	if err != nil {
		return fmt.Errorf("verify leadership: %w", err)
	}
	return nil
}

// await runs call, which waits for raft, in a goroutine of its own, since raft's
// futures know no context. It returns when call does, or ctx ends, or the store
// fails. *handed, if given, is set when call may have begun.
//
// The goroutine ends with call: raft answers every future when it commits, loses
// the leadership or is shut down. Only a store that fails may leave one behind,
// waiting for an entry that raft dropped on its way out.
func (s *Store) await(ctx context.Context, call func() error, handed *bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.failure.err(); err != nil {
		return err
	}
	if err := s.gate.enter(); err != nil {
		return err
	}
	if handed != nil {
		*handed = true
	}
	done := make(chan error, 1) // call never waits for us
	go func() {
		defer s.gate.leave()
		done <- call()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.failure.done:
		return s.failure.err()
	}
}
