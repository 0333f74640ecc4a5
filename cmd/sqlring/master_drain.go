package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) masterDrain() *cobra.Command {
	return c.drainVerb("drain", &cobra.Command{
		Short: "Take the load from a member: its units move away, reads do not go there",
		Long: `The member stays in the ring: it replicates and acknowledges. Its units move to other
members, one after the other, without an error for any client; those that are pinned
stay, and the exit code is 2 then. It stays drained until sqlring master resume.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock master drain m1 --why "kernel update"`,
	})
}

func (c *cli) masterResume() *cobra.Command {
	return c.drainVerb("resume", &cobra.Command{
		Short:   "Let a member that was drained serve again",
		Long:    `Reads go there again. Units that have moved stay where they are: sqlring unit move.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock master resume m1`,
	})
}

func (c *cli) drainVerb(verb string, cmd *cobra.Command) *cobra.Command {
	var f planFlags
	cmd.Use, cmd.Args = verb+" NAME", args(cobra.ExactArgs(1))
	cmd.RunE = func(cmd *cobra.Command, a []string) error {
		client, err := c.changer(cmd.Context(), "master "+verb+" "+a[0])
		if err != nil {
			return err
		}
		defer client.Close()
		return c.drain(cmd.Context(), client, a[0], verb, f)
	}
	f.add(cmd)
	return cmd
}

// drain is plan, checks, confirmation, progress, verification, next step.
func (c *cli) drain(ctx context.Context, client *api.Client, name, verb string, f planFlags) error {
	plan, err := client.ChangeMember(ctx, name, verb, true, f.why)
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) { stepsText(w, plan.Steps, plan.Refused); dryRunText(w) })
	}
	stepsText(c.err, plan.Steps, plan.Refused)
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, f.yes, fmt.Sprintf("\n%s %s?", verb, name)); err != nil {
			return err
		}
	}
	if plan, err = client.ChangeMember(ctx, name, verb, false, f.why); err != nil {
		return err
	}
	left, err := c.awaitMoves(ctx, client, plan, f.follow)
	if err != nil {
		return err
	}
	if err := c.print(plan, func(w io.Writer) { drainedText(w, plan, left) }); err != nil {
		return err
	}
	if len(left) > 0 {
		return errDegraded
	}
	return nil
}

// awaitMoves waits until the units of a drained member have moved, and returns those
// that stay because they are pinned.
func (c *cli) awaitMoves(ctx context.Context, client *api.Client, plan api.DrainPlan, f followFlags) (left []string, err error) {
	deadline, said := time.Now().Add(f.timeout), ""
	for plan.Drained {
		st, err := f.statusBy(ctx, client, deadline)
		if err != nil {
			return nil, err
		}
		left = nil
		moving := 0
		for _, u := range st.Units {
			if u.Owner == plan.Member && u.Pinned {
				left = append(left, u.Name)
			} else if u.Owner == plan.Member || u.Drains || u.Owner == "" {
				moving++
			}
		}
		if moving == 0 && st.Operation == nil {
			return left, nil
		}
		if line := fmt.Sprintf("%d of %d units have moved%s", len(plan.Moves)-min(moving, len(plan.Moves)), len(plan.Moves), stepText(st.Step)); line != said {
			fmt.Fprintln(c.err, line)
			said = line
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s still owns units after %s%s\nit goes on: sqlring status", plan.Member, api.Span(f.timeout), stepText(st.Step))
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(c.err, "\nit goes on: sqlring status; to take it back: sqlring master resume %s\n", plan.Member)
			return nil, ctx.Err()
		case <-time.After(f.pollInterval):
		}
	}
	return nil, nil
}

func drainedText(w io.Writer, plan api.DrainPlan, left []string) {
	switch {
	case !plan.Drained:
		fmt.Fprintf(w, "%s is not drained any more\nnext: sqlring status\n", plan.Member)
	case len(left) > 0:
		fmt.Fprintf(w, "%s is drained, and still owns what is pinned: %s\nnext: sqlring unit unpin %s\n", plan.Member, strings.Join(left, ", "), shellWord(left[0]))
	default:
		fmt.Fprintf(w, "%s is drained and owns no unit\nnext: sqlring master resume %s, when it is to serve again\n", plan.Member, plan.Member)
	}
}
