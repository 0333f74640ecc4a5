package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) operationFollow() *cobra.Command {
	var f followFlags
	cmd := &cobra.Command{
		Use: "follow [ID]", Short: "Watch an operation until it is over, or all that are under way", Args: args(cobra.MaximumNArgs(1)),
		Long: `Tells the progress of an operation until it is over. Without an ID it watches what
runs, and then what comes after that, until nothing is under way and no member waits
to be filled. What is watched goes on when this is ended.

The exit code is 0 if all that was watched is done, and 1 if something was aborted or
the time is over.`,
		Example: "  sqlring operation follow\n  sqlring operation follow op2 --timeout 1h",
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			if len(a) == 0 {
				return c.followAll(cmd.Context(), client, f)
			}
			op, err := client.Operation(cmd.Context(), a[0])
			if err != nil {
				return err
			}
			if op, err = c.follow(cmd.Context(), client, op, f); err != nil {
				return err
			}
			return c.print(op, func(w io.Writer) { operationText(w, op) })
		},
	}
	f.add(cmd)
	f.timeout = addTimeout
	cmd.Flag("timeout").DefValue = api.Span(addTimeout)
	return cmd
}

// followAll watches one operation after the other.
func (c *cli) followAll(ctx context.Context, client *api.Client, f followFlags) error {
	deadline := time.Now().Add(f.timeout)
	var watched []api.Operation
	for {
		st, err := client.Status(ctx)
		if err != nil {
			return err
		}
		if st.Operation != nil {
			f.timeout = max(0, time.Until(deadline))
			op, err := c.follow(ctx, client, *st.Operation, f)
			if err != nil {
				return err
			}
			watched = append(watched, op)
			continue
		}
		filling := slices.ContainsFunc(st.Members, func(m api.Member) bool { return m.State == "copying" })
		if !filling || time.Now().After(deadline) {
			if err := c.print(watched, func(w io.Writer) { followedText(w, watched, st) }); err != nil {
				return err
			}
			if filling {
				return errDegraded
			}
			return nil
		}
		select { // the next one begins by itself
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.pollInterval):
		}
	}
}

func followedText(w io.Writer, watched []api.Operation, st api.Status) {
	for _, op := range watched {
		fmt.Fprintf(w, "operation %s is %s, it took %s\n", titleOf(op), op.State, tookText(op))
	}
	fmt.Fprintf(w, "nothing is under way; the ring is %s\n", st.Health)
	for _, reason := range st.Reasons {
		fmt.Fprintf(w, "  %s\n", reason)
	}
	fmt.Fprintln(w, "next: sqlring status")
}
