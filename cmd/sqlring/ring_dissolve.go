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

// orNobody names members, or says that there is none.
func orNobody(members []string) string {
	if len(members) == 0 {
		return "nobody"
	}
	return strings.Join(members, ", ")
}

func (c *cli) ringDissolve() *cobra.Command {
	var f planFlags
	var req api.DissolveRequest
	var grace time.Duration
	cmd := &cobra.Command{
		Use: "dissolve", Short: "End the ring: its members become servers of their own", Args: args(cobra.NoArgs),
		Long: `Writes wait; each member is closed and gets all that the others have; nobody follows
anybody any more; what sqlring has put on them is removed; who is to take writes is opened.
Then sqlring knows of no ring: applications that use the proxy are served by nobody, so send
them to a member first, or right after. Until the members are taken apart it can be aborted:
sqlring operation abort.

A refusal names the check that refused and what overrides it; the exit code is 3.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock ring dissolve --dry-run
  sqlring --api unix:/run/sqlring/api.sock ring dissolve --open owners --why "one server is enough"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.changer(cmd.Context(), "ring dissolve")
			if err != nil {
				return err
			}
			defer client.Close()
			req.GraceMS, req.Why = grace.Milliseconds(), f.why
			return c.dissolve(cmd.Context(), client, req, f)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&req.Open, "open", "owners", "who takes writes afterwards: owners, none or all")
	flags.BoolVar(&req.Keep, "keep", false, "leave the schema sqlring and the replication account on the members")
	flags.BoolVar(&req.Unhealthy, "unhealthy", false, "although something is amiss: nothing is done on members that are out")
	flags.DurationVar(&grace, "grace", time.Second, "how long transactions in flight may take to end")
	return cmd
}

// dissolve is plan, checks, confirmation, progress, verification, next step.
func (c *cli) dissolve(ctx context.Context, client *api.Client, req api.DissolveRequest, f planFlags) error {
	plan, err := client.PlanDissolve(ctx, req)
	if err != nil {
		return err
	}
	show := func(w io.Writer) {
		leaveText(w, api.LeavePlan{Checks: plan.Checks, Steps: plan.Steps, Refused: plan.Refused})
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) { show(w); dryRunText(w) })
	}
	show(c.err)
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, f.yes, fmt.Sprintf("\nend the ring %s?", plan.Ring)); err != nil {
			return err
		}
	}
	if _, err := client.Dissolve(ctx, req); err != nil {
		return err
	}
	if err := c.awaitDissolved(ctx, client, f.follow); err != nil {
		return err
	}
	return c.print(plan, func(w io.Writer) {
		fmt.Fprintf(w, "ring %s is dissolved; open for writes: %s\nnext: take read_only and skip_slave_start out of their configuration files, or a restart closes them\n", plan.Ring, orNobody(plan.Open))
	})
}

// awaitDissolved waits until there is no ring.
func (c *cli) awaitDissolved(ctx context.Context, client *api.Client, f followFlags) error {
	deadline, said := time.Now().Add(f.timeout), ""
	for {
		st, err := f.statusBy(ctx, client, deadline)
		switch {
		case err != nil:
			return err
		case st.Ring == "":
			return nil
		case st.Operation == nil:
			return fmt.Errorf("the ring goes on: it was told to, or something was in the way: sqlring event list")
		}
		if line := fmt.Sprintf("%s %s: %s%s", st.Operation.ID, st.Operation.Kind, st.Operation.Cursor, stepText(st.Step)); line != said {
			fmt.Fprintln(c.err, line)
			said = line
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the ring is not dissolved after %s%s\nit goes on: %s", api.Span(f.timeout), stepText(st.Step), goesOn(*st.Operation))
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(c.err, "\noperation %s goes on: %s\n", st.Operation.ID, goesOn(*st.Operation))
			return ctx.Err()
		case <-time.After(f.pollInterval):
		}
	}
}
