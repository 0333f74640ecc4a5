package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) killCommand() *cobra.Command {
	var r api.KillRequest
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use: "kill ID", Short: "End a session of a node's proxy, or what it runs", Args: args(cobra.ExactArgs(1)),
		Long: `Closes the connection of the client with this ID, and kills what it runs at a member; an
open transaction is rolled back. With --query only what it runs is ended, and the client
gets 1317. IDs are those of the node that is asked (--api): sqlring sessions shows them,
and the client itself has it from SELECT CONNECTION_ID().

It returns when the session was seen to be gone, or its statement to have ended. A session
that commits is not stopped by --query: a commit can not be taken back.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock kill 1073741830 --why "holds locks for an hour"
  sqlring --api unix:/run/sqlring/api.sock kill 1073741830 --query --yes`,
		RunE: func(cmd *cobra.Command, a []string) error {
			id, err := strconv.ParseUint(a[0], 10, 32)
			if err != nil {
				return errUsage{"sqlring kill", fmt.Sprintf("%q is no id of a session: sqlring sessions shows them", a[0])}
			}
			command := "kill " + a[0]
			if r.Query {
				command += " --query"
			}
			client, err := c.changer(cmd.Context(), command)
			if err != nil {
				return err
			}
			defer client.Close()
			plan, err := client.Kill(cmd.Context(), uint32(id), r, true)
			if err != nil {
				return err
			}
			if dryRun {
				return c.print(plan, func(w io.Writer) { stepsText(w, plan.Steps, plan.Refused); dryRunText(w) })
			}
			return c.kill(cmd.Context(), client, plan, r, yes)
		},
	}
	cmd.Flags().BoolVar(&r.Query, "query", false, "end only what it runs; the session goes on")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be ended")
	cmd.Flags().StringVar(&r.Why, "why", "", "reason, for the node's log")
	return cmd
}

// kill shows the plan, asks, and ends the session.
func (c *cli) kill(ctx context.Context, client *api.Client, plan api.KillPlan, r api.KillRequest, yes bool) error {
	stepsText(c.err, plan.Steps, plan.Refused)
	id := plan.Session.ID
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, yes, fmt.Sprintf("\nkill %d on node %s?", id, plan.Node)); err != nil {
			return err
		}
	}
	done, err := client.Kill(ctx, id, r, false)
	if err != nil {
		return err
	}
	return c.print(done, func(w io.Writer) {
		if r.Query {
			fmt.Fprintf(w, "what session %d ran has ended; the session goes on\nnext: sqlring sessions\n", id)
			return
		}
		fmt.Fprintf(w, "session %d is gone\nnext: sqlring sessions\n", id)
	})
}
