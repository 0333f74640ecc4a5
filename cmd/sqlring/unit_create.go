package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) unitCreate() *cobra.Command {
	var f planFlags
	var grace time.Duration
	cmd := &cobra.Command{
		Use: "create SCHEMA", Short: "Make a schema a unit of its own, which can have another owner", Args: args(cobra.ExactArgs(1)),
		Long: `A unit is a closed set: no view, trigger, routine, event, foreign key or default may tie
its schema to another one. What ties it is read anew each time, and named: the exit code
is 3 then; --dry-run only says it. Its owner stays the same; sqlring unit move moves it.
Writes of * wait while it is made, usually for some 20 ms.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock unit create shop --dry-run`,
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.changer(cmd.Context(), "unit create "+a[0])
			if err != nil {
				return err
			}
			defer client.Close()
			return c.createUnit(cmd.Context(), client, api.CreateUnitRequest{Name: a[0], GraceMS: grace.Milliseconds(), Why: f.why}, f)
		},
	}
	f.add(cmd)
	cmd.Flags().DurationVar(&grace, "grace", time.Second, "how long open transactions may take to end")
	return cmd
}

// createUnit is plan, checks, confirmation, progress, verification, next step.
func (c *cli) createUnit(ctx context.Context, client *api.Client, req api.CreateUnitRequest, f planFlags) error {
	plan, err := client.PlanUnit(ctx, req)
	if err != nil {
		return err
	}
	text := func(w io.Writer) {
		fmt.Fprintf(w, "schema %s becomes a unit of %s\n", plan.Unit, orDash(plan.Owner))
		if len(plan.Tied) > 1 {
			fmt.Fprintf(w, "tied together: %s\n", strings.Join(plan.Tied, ", "))
		}
		fmt.Fprintln(w)
		stepsText(w, plan.Steps, plan.Refused)
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) { text(w); dryRunText(w) })
	}
	text(c.err)
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, f.yes, fmt.Sprintf("\nmake %s a unit?", plan.Unit)); err != nil {
			return err
		}
	}
	started, err := client.CreateUnit(ctx, req)
	if err != nil {
		return err
	}
	if started.Operation == nil {
		return errors.New("the unit is ordered, but its operation is not seen yet: look at `sqlring operation list`")
	}
	op, err := c.follow(ctx, client, *started.Operation, f.follow)
	if err != nil {
		return err
	}
	return c.verifyOwner(ctx, client, op)
}

// unitPin is `unit pin` and `unit unpin`: a word that takes effect at once.
func (c *cli) unitPin(verb, short string) *cobra.Command {
	var dryRun, yes bool
	var why string
	cmd := &cobra.Command{
		Use: verb + " UNIT", Short: short, Args: args(cobra.ExactArgs(1)),
		Long: `A unit that is pinned is moved by nobody but a heal, which follows the loss of its owner: unit
move, unit join and the removal of its owner are refused until it is unpinned, and master drain
leaves it where it is. It takes effect at once, and is no operation.`,
		Example: "  sqlring --api unix:/run/sqlring/api.sock unit " + verb + " shop --dry-run\n  sqlring --api unix:/run/sqlring/api.sock unit " + verb + " shop --why \"end of the sale\"",
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.changer(cmd.Context(), "unit "+verb+" "+a[0])
			if err != nil {
				return err
			}
			defer client.Close()
			ctx := cmd.Context()
			unit, err := client.ChangeUnit(ctx, a[0], verb, true, why)
			if err != nil {
				return err
			}
			if dryRun {
				return c.print(unit, func(w io.Writer) {
					fmt.Fprintf(w, "%s unit %s, which %s owns\n", verb, unit.Name, orDash(unit.Owner))
					dryRunText(w)
				})
			}
			if err := c.confirm(ctx, yes, fmt.Sprintf("%s unit %s, which %s owns?", verb, unit.Name, orDash(unit.Owner))); err != nil {
				return err
			}
			if unit, err = client.ChangeUnit(ctx, a[0], verb, false, why); err != nil {
				return err
			}
			return c.print(unit, func(w io.Writer) {
				fmt.Fprintf(w, "unit %s of %s is %s\nnext: sqlring unit list\n", unit.Name, orDash(unit.Owner), map[bool]string{true: "pinned", false: "not pinned"}[unit.Pinned])
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only check it")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().StringVar(&why, "why", "", "reason, for the audit")
	return cmd
}
