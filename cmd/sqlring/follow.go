package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/internal/api"
)

// follow tells the progress of an operation on standard error until it is over.
// It returns an error if it was aborted, if ctx ends, or after the time that f
// gives: the operation itself goes on then.
func (c *cli) follow(ctx context.Context, client *api.Client, op api.Operation, f initFlags) (api.Operation, error) {
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
			return op, fmt.Errorf("operation %s is %s", op.ID, op.State)
		case time.Now().After(deadline):
			return op, fmt.Errorf("operation %s is still at %q after %s%s\nit goes on: sqlring operation show %s; to give it up: sqlring operation abort %s",
				op.ID, op.Cursor, f.timeout, stepText(op.Step), op.ID, op.ID)
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(c.err, "\noperation %s goes on: sqlring operation show %s; to give it up: sqlring operation abort %s\n", op.ID, op.ID, op.ID)
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
