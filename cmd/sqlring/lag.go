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

func (c *cli) lagCommand() *cobra.Command {
	var watch watchFlags
	cmd := &cobra.Command{
		Use:   "lag",
		Short: "How stale each member is with respect to each origin",
		Long: `Shows the lag level of each member and why it is of that level; for every pair how
stale the member is with respect to the origin, at least AT LEAST and at most AT
MOST, and how far behind in transactions; and the hop of the ring that adds most.

The bounds come from numbered heartbeats against one clock, so the clocks of the
servers do not matter. RECEIVED of the transactions BEHIND wait for the applier, the
others have not come over the link yet.`,
		Example: `  sqlring lag --watch
  sqlring lag -o json | jq '.cells | map(.high_ms) | max'
  sqlring --api unix:/run/sqlring/api.sock lag set throttle --enter 5s --leave 2s`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			return c.watch(cmd.Context(), watch, func(ctx context.Context) error {
				r, err := client.Lag(ctx)
				if err != nil {
					return err
				}
				return c.print(r, func(w io.Writer) { lagTable(w, r) })
			})
		},
	}
	watch.add(cmd)
	cmd.AddCommand(c.lagSet())
	return cmd
}

func lagTable(w io.Writer, r api.LagReport) {
	if r.Ring == "" {
		fmt.Fprintln(w, "no ring yet")
		return
	}
	rows := [][]string{{"MEMBER", "LEVEL", "FOR", "BEHIND", "READ", "WHY"}}
	for _, m := range r.Members {
		rows = append(rows, []string{m.Name, m.Level, spanOf(m.SinceMS), orDash(m.Behind), yesNo(&m.Read), m.Why})
	}
	table(w, rows)
	fmt.Fprintln(w)
	rows = [][]string{{"ORIGIN", "MEMBER", "AT LEAST", "AT MOST", "LEVEL", "BEHIND", "RECEIVED", "ARRIVE/S", "APPLIED/S", "CAUGHT UP IN"}}
	for _, cell := range r.Cells {
		rows = append(rows, []string{
			cell.Origin, cell.Member, oneMillis(cell.LowMS), oneMillis(cell.HighMS), cell.Level,
			orUnknown(cell.Behind, "%d"), orUnknown(cell.Queued, "%d"),
			orUnknown(cell.Arrival, "%.0f"), orUnknown(cell.Apply, "%.0f"), caughtUp(cell),
		})
	}
	table(w, rows)
	if r.Hop != nil {
		fmt.Fprintf(w, "\nthe hop to blame: %s\n", r.Hop.What)
	}
	admissionText(w, r.Admissions)
}

// admissionText says whose writes are held back because others lag.
func admissionText(w io.Writer, list []api.Admission) {
	for _, a := range list {
		if a.SinceMS == nil {
			continue
		}
		places := ""
		if a.Places != nil {
			places = fmt.Sprintf(", %d places at this node's gate", *a.Places)
		}
		fmt.Fprintf(w, "\nwrites at %s are held back for %s%s: %s\n", a.Member, spanOf(a.SinceMS), places, a.What)
	}
}

func orUnknown[T any](v *T, format string) string {
	if v == nil {
		return "unknown"
	}
	return fmt.Sprintf(format, *v)
}

func caughtUp(cell api.LagCell) string {
	switch {
	case cell.CatchesUp == nil:
		return "unknown"
	case cell.ETAMS == nil:
		return "never"
	case *cell.ETAMS == 0:
		return "-"
	}
	return spanOf(cell.ETAMS)
}

// spanOf shows a time in milliseconds; nil is not known.
func spanOf(ms *int64) string {
	if ms == nil {
		return "unknown"
	}
	return api.Span(time.Duration(*ms) * time.Millisecond)
}

func oneMillis(ms *int64) string {
	if ms == nil {
		return "unknown"
	}
	return fmt.Sprintf("%d ms", *ms)
}

// lagSetFlags are the flags of `lag set`.
type lagSetFlags struct {
	enter, leave, hold, release time.Duration
	defaults, yes, dryRun       bool
	why                         string
}

func (c *cli) lagSet() *cobra.Command {
	var f lagSetFlags
	cmd := &cobra.Command{
		Use:   "set [LEVEL]",
		Short: "Change when a member enters and leaves a lag level",
		Long: `Changes one level: warn, throttle, drain, or broken (of which only --hold and
--release are). A level is entered when the lag has been at least --enter for --hold,
and left when it has been below --leave for --release. What is not given stays as it
is. --default sets every level to its default first; without LEVEL, that is all.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock lag set throttle --enter 5s --leave 2s --why "link to lyon"
  sqlring --api unix:/run/sqlring/api.sock lag set --default`,
		Args: args(cobra.MaximumNArgs(1)), ValidArgs: []string{"warn", "throttle", "drain", "broken"},
		RunE: func(cmd *cobra.Command, a []string) error {
			req, err := f.request(cmd, a)
			if err != nil {
				return err
			}
			client, err := c.changer(cmd.Context(), "lag set")
			if err != nil {
				return err
			}
			defer client.Close()
			return c.setLag(cmd.Context(), client, req, f)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&f.enter, "enter", 0, "the lag is at least this, for example 3s")
	flags.DurationVar(&f.leave, "leave", 0, "the lag is below this; less than --enter")
	flags.DurationVar(&f.hold, "hold", 0, "for how long, to enter")
	flags.DurationVar(&f.release, "release", 0, "for how long, to leave")
	flags.BoolVar(&f.defaults, "default", false, "begin from the defaults")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show what would change, and change nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.StringVar(&f.why, "why", "", "reason, for the audit")
	return cmd
}

func (f lagSetFlags) request(cmd *cobra.Command, a []string) (api.LagSetRequest, error) {
	req := api.LagSetRequest{Default: f.defaults, Why: f.why}
	given := func(name string, d time.Duration) *int64 {
		if !cmd.Flags().Changed(name) {
			return nil
		}
		ms := d.Milliseconds()
		return &ms
	}
	level := &api.LagSetLevel{
		EnterMS: given("enter", f.enter), LeaveMS: given("leave", f.leave),
		HoldMS: given("hold", f.hold), ReleaseMS: given("release", f.release),
	}
	nothing := *level == api.LagSetLevel{}
	if len(a) == 0 {
		if !f.defaults || !nothing {
			return req, errUsage{"sqlring lag set", "name a level (warn, throttle, drain, broken), or only --default"}
		}
		return req, nil
	}
	if nothing {
		return req, errUsage{"sqlring lag set", "nothing to set: use --enter, --leave, --hold or --release"}
	}
	switch a[0] {
	case "warn":
		req.Warn = level
	case "throttle":
		req.Throttle = level
	case "drain":
		req.Drain = level
	case "broken":
		if level.EnterMS != nil || level.LeaveMS != nil {
			return req, errUsage{"sqlring lag set", "broken is no matter of lag: it has --hold and --release only"}
		}
		req.Broken = &api.LagSetBroken{HoldMS: level.HoldMS, ReleaseMS: level.ReleaseMS}
	default:
		return req, errUsage{"sqlring lag set", fmt.Sprintf("%q is not one of warn, throttle, drain, broken", a[0])}
	}
	return req, nil
}

func (c *cli) setLag(ctx context.Context, client *api.Client, req api.LagSetRequest, f lagSetFlags) error {
	plan, err := client.PlanLagThresholds(ctx, req)
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) {
			thresholdTable(w, plan)
			fmt.Fprintln(w, "\nthis was a dry run: nothing was changed")
		})
	}
	thresholdTable(c.err, plan)
	if err := c.confirm(ctx, f.yes, "\nset these?"); err != nil {
		return err
	}
	set, err := client.SetLagThresholds(ctx, req)
	if err != nil {
		return err
	}
	return c.print(set, func(w io.Writer) { fmt.Fprintln(w, "the lag thresholds are set\nnext: sqlring lag --watch") })
}

// thresholdTable shows the thresholds, and what they were where that differs.
func thresholdTable(w io.Writer, r api.LagSetResponse) {
	was := func(now, before int64) string {
		text := shortSpan(now)
		if now != before {
			text += " (was " + shortSpan(before) + ")"
		}
		return text
	}
	rows := [][]string{{"LEVEL", "ENTERED AT", "FOR", "LEFT BELOW", "FOR"}}
	for _, l := range []struct {
		name        string
		now, before api.LagThreshold
	}{{"warn", r.After.Warn, r.Before.Warn}, {"throttle", r.After.Throttle, r.Before.Throttle}, {"drain", r.After.Drain, r.Before.Drain}} {
		rows = append(rows, []string{
			l.name, was(l.now.EnterMS, l.before.EnterMS), was(l.now.HoldMS, l.before.HoldMS),
			was(l.now.LeaveMS, l.before.LeaveMS), was(l.now.ReleaseMS, l.before.ReleaseMS),
		})
	}
	rows = append(rows, []string{
		"broken", "-", was(r.After.BrokenHoldMS, r.Before.BrokenHoldMS), "-", was(r.After.BrokenReleaseMS, r.Before.BrokenReleaseMS),
	})
	var text strings.Builder
	table(&text, rows)
	fmt.Fprint(w, text.String())
}

func shortSpan(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }
