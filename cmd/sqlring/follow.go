package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

// followFlags say how an operation is watched.
type followFlags struct {
	timeout      time.Duration
	pollInterval time.Duration
	// needsPerson ends the watch as soon as the operation is stuck: nothing that
	// happens by itself is worth being waited for.
	needsPerson bool
}

func (f *followFlags) add(cmd *cobra.Command) {
	f.pollInterval = 100 * time.Millisecond
	cmd.Flags().DurationVar(&f.timeout, "timeout", 2*time.Minute, "how long to watch; the operation itself goes on")
}

// stuckError says that an operation needs a person.
type stuckError struct{ op api.Operation }

func (e stuckError) Error() string {
	return fmt.Sprintf("operation %s does not go on without a person%s", e.op.ID, stepText(e.op.Step))
}

// follow tells the progress of an operation on standard error until it is over.
// It returns an error if it was aborted, if ctx ends, or after the time that f
// gives: the operation itself goes on then.
func (c *cli) follow(ctx context.Context, client *api.Client, op api.Operation, f followFlags) (api.Operation, error) {
	deadline := time.Now().Add(f.timeout)
	said := ""
	for {
		if line := fmt.Sprintf("%s %s: %s%s", op.ID, op.State, op.Cursor, stepText(op.Step)); line != said {
			fmt.Fprintln(c.err, line)
			said = line
		}
		switch {
		case op.State == "done":
			return op, nil
		case op.State != "running":
			return op, abortedError{op}
		case f.needsPerson && op.Step != nil && op.Step.Kind == "stuck":
			return op, stuckError{op}
		case time.Now().After(deadline):
			return op, fmt.Errorf("operation %s is still at %q after %s%s\nit goes on: %s",
				op.ID, op.Cursor, api.Span(f.timeout), stepText(op.Step), goesOn(op))
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(c.err, "\noperation %s goes on: %s\n", op.ID, goesOn(op))
			return op, ctx.Err()
		case <-time.After(f.pollInterval):
		}
		next, err := client.Operation(ctx, op.ID)
		var p *api.Problem
		switch {
		case errors.As(err, &p) && p.Kind() == api.ProblemNotFound:
			return op, fmt.Errorf("operation %s is gone: somebody aborted it", op.ID)
		case errors.Is(err, api.ErrUnreachable):
			continue // the node may come back before the deadline
		case err != nil:
			return op, err
		}
		op = next
	}
}

// statusBy asks how the ring is, again and again while the node does not answer, until deadline.
func (f followFlags) statusBy(ctx context.Context, client *api.Client, deadline time.Time) (api.Status, error) {
	for {
		st, err := client.Status(ctx)
		if !errors.Is(err, api.ErrUnreachable) || !time.Now().Before(deadline) {
			return st, err
		}
		select { // the node may come back
		case <-ctx.Done():
			return st, ctx.Err()
		case <-time.After(f.pollInterval):
		}
	}
}

// abortedError says that an operation ended without having come to its end.
type abortedError struct{ op api.Operation }

func (e abortedError) Error() string { return fmt.Sprintf("operation %s is %s", e.op.ID, e.op.State) }

// goesOn says how to look at an operation that is left alone.
func goesOn(op api.Operation) string {
	lines := []string{"sqlring operation show " + op.ID}
	if mayBeAborted(op) {
		lines = append(lines, "to give it up: sqlring operation abort "+op.ID)
	}
	return strings.Join(lines, "; ")
}

// mayBeAborted reports whether an operation is known to be before its point of no return, and is
// not turned back already.
func mayBeAborted(op api.Operation) bool {
	switch op.Kind {
	case "add", "reclone":
		return op.Cursor != "splice" && op.Cursor != "admit" && op.Cursor != "back"
	case "adopt", "init", "move", "divide", "remove", "maintain", "dissolve", "resize":
		return op.Cursor != "back"
	}
	return false
}
