package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) unitJoin() *cobra.Command {
	var f planFlags
	var grace time.Duration
	cmd := &cobra.Command{
		Use: "join SCHEMA", Short: "Make a unit a part of * again", Args: args(cobra.ExactArgs(1)),
		Long: `The unit and * have to have one owner: sqlring unit move gives them one. No view, trigger,
routine, event, foreign key or default may tie its schema to a unit of another owner; the
exit code is 3 if something does. Writes of the unit and of * wait meanwhile, usually for
some 20 ms.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock unit join shop --dry-run`,
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.changer(cmd.Context(), "unit join "+a[0])
			if err != nil {
				return err
			}
			defer client.Close()
			return c.joinUnit(cmd.Context(), client, a[0], api.JoinUnitRequest{GraceMS: grace.Milliseconds(), Why: f.why}, f)
		},
	}
	f.add(cmd)
	cmd.Flags().DurationVar(&grace, "grace", time.Second, "how long open transactions may take to end")
	return cmd
}

// joinUnit is plan, checks, confirmation, progress, verification, next step.
func (c *cli) joinUnit(ctx context.Context, client *api.Client, unit string, req api.JoinUnitRequest, f planFlags) error {
	plan, err := client.PlanJoin(ctx, unit, req)
	if err != nil {
		return err
	}
	text := func(w io.Writer) {
		fmt.Fprintf(w, "unit %s of %s becomes a part of * again\n\n", plan.Unit, orDash(plan.Owner))
		stepsText(w, plan.Steps, plan.Refused)
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) { text(w); dryRunText(w) })
	}
	text(c.err)
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, f.yes, fmt.Sprintf("\njoin unit %s to *?", plan.Unit)); err != nil {
			return err
		}
	}
	started, err := client.JoinUnit(ctx, unit, req)
	if err != nil {
		return err
	}
	if started.Operation == nil {
		return errors.New("the join is ordered, but its operation is not seen yet: look at `sqlring operation list`")
	}
	op, err := c.follow(ctx, client, *started.Operation, f.follow)
	if err != nil {
		return err
	}
	units, err := client.Units(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(units, func(u api.Unit) bool { return u.Name == unit }) {
		return fmt.Errorf("operation %s is done, and %s is a unit still: look at `sqlring event list`", op.ID, unit)
	}
	return c.print(op, func(w io.Writer) {
		fmt.Fprintf(w, "%s is a part of *, which %s owns\nnext: sqlring unit list\n", unit, op.Heir)
	})
}
