package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

// moveFlags are the flags of `unit move`.
type moveFlags struct {
	planFlags

	to    string
	grace time.Duration
}

// planFlags are those of every command that shows a plan, asks, and follows.
type planFlags struct {
	dryRun, yes bool
	why         string
	follow      followFlags
}

func (f *planFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the plan, and change nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.StringVar(&f.why, "why", "", "reason, for the audit")
	f.follow.add(cmd)
}

func (c *cli) unitMove() *cobra.Command {
	var f moveFlags
	cmd := &cobra.Command{
		Use: "move UNIT --to NAME", Short: "Give a unit another owner, without an error for any client", Args: args(cobra.ExactArgs(1)),
		Long: `Writes of the unit wait while it moves, usually for some 20 ms; reads and other units
do not. Transactions that are open may end, for at most --grace; one that is still
open then is undone, and its client told so (1213). If the new owner can not take
over in time the unit stays where it was. It can be aborted until the new owner has it.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock unit move '*' --to m2 --dry-run
  sqlring --api unix:/run/sqlring/api.sock unit move shop --to m2 --grace 5s --why "kernel update of m1"`,
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.changer(cmd.Context(), "unit move "+a[0])
			if err != nil {
				return err
			}
			defer client.Close()
			return c.moveUnit(cmd.Context(), client, a[0], f)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.to, "to", "", "the member that gets it")
	cmd.Flags().DurationVar(&f.grace, "grace", time.Second, "how long open transactions may take to end")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

// moveUnit is plan, checks, confirmation, progress, verification, next step.
func (c *cli) moveUnit(ctx context.Context, client *api.Client, unit string, f moveFlags) error {
	req := api.MoveRequest{To: f.to, GraceMS: f.grace.Milliseconds(), Why: f.why}
	plan, err := client.PlanMove(ctx, unit, req)
	if err != nil {
		return err
	}
	text := func(w io.Writer) {
		fmt.Fprintf(w, "unit %s moves from %s to %s\n\n", plan.Unit, orDash(plan.From), plan.To)
		stepsText(w, plan.Steps, plan.Refused)
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) { text(w); dryRunText(w) })
	}
	text(c.err)
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, f.yes, fmt.Sprintf("\nmove unit %s to %s?", plan.Unit, plan.To)); err != nil {
			return err
		}
	}
	started, err := client.Move(ctx, unit, req)
	if err != nil {
		return err
	}
	if started.Operation == nil {
		return errors.New("the move is ordered, but its operation is not seen yet: look at `sqlring operation list`")
	}
	op, err := c.follow(ctx, client, *started.Operation, f.follow)
	var aborted abortedError
	if errors.As(err, &aborted) {
		return fmt.Errorf("%w: unit %s stays with %s: look at `sqlring event list`", err, unit, op.Former)
	}
	if err != nil {
		return err
	}
	return c.verifyOwner(ctx, client, op)
}

// verifyOwner looks who owns the unit now.
func (c *cli) verifyOwner(ctx context.Context, client *api.Client, op api.Operation) error {
	units, err := client.Units(ctx)
	if err != nil {
		return err
	}
	for _, u := range units {
		if u.Name == op.Unit && u.Owner == op.Heir {
			return c.print(op, func(w io.Writer) {
				fmt.Fprintf(w, "%s owns unit %s in epoch %d\nnext: sqlring status\n", u.Owner, u.Name, u.Epoch)
			})
		}
	}
	return fmt.Errorf("operation %s is done, and %s does not own unit %s: look at `sqlring event list`", op.ID, op.Heir, op.Unit)
}

func stepsText(w io.Writer, steps []string, refused string) {
	for i, step := range steps {
		fmt.Fprintf(w, "%d. %s\n", i+1, step)
	}
	if refused != "" {
		fmt.Fprintf(w, "\nit is refused now: %s\n", refused)
	}
}

func dryRunText(w io.Writer) { fmt.Fprintln(w, "\nthis was a dry run: nothing was changed") }
