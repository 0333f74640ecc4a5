package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

// resizeFlags are the flags of `autoinc resize`.
type resizeFlags struct {
	planFlags

	grace  time.Duration
	cancel bool
}

func (c *cli) autoincResize() *cobra.Command {
	var f resizeFlags
	cmd := &cobra.Command{
		Use: "resize STRIDE | --cancel", Short: "Give the ring a multiple of its stride, while it works", Args: args(cobra.MaximumNArgs(1)),
		Long: `Makes room for more members: a ring of stride 16 has 16 slots, and its values of a
slot are 16 apart. STRIDE is a larger multiple of the present one (16: 32, 48, …);
any other would have old and new sessions give out the same values, and is refused.

Nothing is closed, and writes go on:

1. Each member gives the later stride to whoever connects. What it gives out then
   is a part of what it gave out before, so no two members can meet.
2. A server copies the stride into a session when that begins, so sessions from
   before go on by the earlier one. The proxies renew their connections at once; an
   open transaction, and a session that is connected directly, may go on for --grace,
   and is ended after that: the application connects again, as after any lost
   connection. A session is told by its connection id, so none is missed.
3. Every member must have all that was given out by the earlier stride.
4. Only then are the new slots given away.

Every member has to be in the ring. If one is lost on the way that is healed first,
and the resize goes on when it is back. --cancel takes it back at any time before
the end. What it costs: a row takes STRIDE values, so the keys of a column last for
fewer rows; the plan names the columns that run short.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock autoinc resize 32 --dry-run
  sqlring --api unix:/run/sqlring/api.sock autoinc resize 32 --grace 5m --why "six members more"
  sqlring --api unix:/run/sqlring/api.sock autoinc resize --cancel`,
		RunE: func(cmd *cobra.Command, a []string) error {
			stride := 0
			switch {
			case f.cancel == (len(a) == 1):
				return errUsage{cmd.CommandPath(), "give the STRIDE to resize to, or --cancel"}
			case len(a) == 1:
				n, err := strconv.Atoi(a[0])
				if err != nil || n < 1 {
					return errUsage{cmd.CommandPath(), fmt.Sprintf("STRIDE %q is not a number above 0", a[0])}
				}
				stride = n
			}
			client, err := c.changer(cmd.Context(), "autoinc resize")
			if err != nil {
				return err
			}
			defer client.Close()
			if f.cancel {
				return c.cancelResize(cmd.Context(), client, f)
			}
			return c.resize(cmd.Context(), client, stride, f)
		},
	}
	f.add(cmd)
	cmd.Flags().DurationVar(&f.grace, "grace", 30*time.Second, "how long sessions of the earlier stride may go on")
	cmd.Flags().BoolVar(&f.cancel, "cancel", false, "take the resize back that is under way")
	return cmd
}

// resize is plan, checks, confirmation, progress, verification, next step.
func (c *cli) resize(ctx context.Context, client *api.Client, stride int, f resizeFlags) error {
	req := api.ResizeRequest{Stride: stride, GraceMS: f.grace.Milliseconds(), Why: f.why}
	plan, err := client.DryResize(ctx, req)
	if err != nil {
		return err
	}
	text := func(w io.Writer) {
		resizeTable(w, plan)
		fmt.Fprintln(w)
		stepsText(w, plan.Steps, plan.Refused)
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) { text(w); dryRunText(w) })
	}
	text(c.err)
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, f.yes, fmt.Sprintf("\nresize ring %s to stride %d?", plan.Ring, stride)); err != nil {
			return err
		}
	}
	if _, err := client.Resize(ctx, req); err != nil {
		return err
	}
	r, err := c.followResize(ctx, client, stride, f.follow)
	if err != nil {
		return err
	}
	return c.print(r, func(w io.Writer) {
		autoincTable(w, r)
		fmt.Fprintln(w, "next: sqlring autoinc verify")
	})
}

// followResize watches until the ring has the stride. It is not one operation that is
// watched: a resize gives way to others, and goes on as another one.
func (c *cli) followResize(ctx context.Context, client *api.Client, stride int, f followFlags) (api.AutoincReport, error) {
	deadline, said := time.Now().Add(f.timeout), ""
	for {
		r, err := client.Autoinc(ctx)
		switch {
		case err != nil:
			return r, err
		case r.Stride == stride:
			return r, nil
		case r.Resize == nil || r.Resize.To != stride:
			return r, fmt.Errorf("the resize to stride %d was taken back: look at `sqlring event list`", stride)
		case time.Now().After(deadline):
			return r, fmt.Errorf("the resize is not done after %s: %s\nit goes on: sqlring autoinc show; to take it back: sqlring autoinc resize --cancel", api.Span(f.timeout), r.Resize.Step)
		}
		if line := resizeText(*r.Resize); line != said {
			fmt.Fprintln(c.err, line)
			said = line
		}
		select {
		case <-ctx.Done():
			fmt.Fprintln(c.err, "\nthe resize goes on: sqlring autoinc show")
			return r, ctx.Err()
		case <-time.After(f.pollInterval):
		}
	}
}

func resizeText(r api.ResizeStatus) string {
	state := ""
	if !r.Running {
		state = " (it has given way, and goes on afterwards)"
	}
	if r.Step != "" {
		state += ": " + r.Step
	}
	return fmt.Sprintf("resize to stride %d%s", r.To, state)
}

func (c *cli) cancelResize(ctx context.Context, client *api.Client, f resizeFlags) error {
	r, err := client.Autoinc(ctx)
	if err != nil {
		return err
	}
	if r.Resize == nil {
		return fmt.Errorf("no resize is under way: the stride is %d", r.Stride)
	}
	text := func(w io.Writer) {
		fmt.Fprintf(w, "the resize to stride %d is taken back; the ring stays at stride %d, and no slot above that was given away\n", r.Resize.To, r.Stride)
	}
	if f.dryRun {
		return c.print(r, func(w io.Writer) { text(w); dryRunText(w) })
	}
	text(c.err)
	if err := c.confirm(ctx, f.yes, "\ntake it back?"); err != nil {
		return err
	}
	after, err := client.CancelResize(ctx, f.why)
	if err != nil {
		return err
	}
	return c.print(after, func(w io.Writer) { autoincTable(w, after) })
}
