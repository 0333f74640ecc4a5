package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// errDiffer ends `ring verify` with exitRefused; the rows have been printed.
var errDiffer = errors.New("rows differ")

// verifyFlags are the flags of `ring verify`.
type verifyFlags struct {
	req                  api.VerifyRequest
	maxLag               time.Duration
	status, stop, detach bool
}

func (c *cli) ringVerify() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use: "verify", Short: "Compare the tables of all members, while they are written", Args: args(cobra.NoArgs),
		Long: `The node that is asked compares the rows of all members chunk by chunk: no lock, one
statement at a time on each member, and it waits while members lag. A row is said to
differ only if it does in three rounds between which every member has reached what
all had; what changes all the time is told as unsettled. Ctrl-C leaves it running;
--status shows it, --stop stops it, --resume goes on where it was stopped.

The exit code is 0 if all is equal, 3 if rows differ, and 2 if it is not through or
something could not be compared.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock ring verify
  sqlring --api unix:/run/sqlring/api.sock ring verify --schema shop --table card
  sqlring ring verify --status`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runVerify(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.req.Schema, "schema", "", "only this schema")
	flags.StringVar(&f.req.Table, "table", "", "only this table of the schema")
	flags.IntVar(&f.req.Chunk, "chunk", 2000, "most rows of one chunk, at most 100000")
	flags.DurationVar(&f.maxLag, "max-lag", 0, "wait while a member lags further (default: the ring's threshold of throttle)")
	flags.BoolVar(&f.req.Resume, "resume", false, "go on where the last one was stopped")
	flags.BoolVar(&f.status, "status", false, "show the one that runs, or the last one")
	flags.BoolVar(&f.stop, "stop", false, "stop what compares or repairs")
	flags.BoolVar(&f.detach, "detach", false, "begin it, and do not wait for its end")
	cmd.MarkFlagsMutuallyExclusive("status", "stop", "resume", "detach")
	return cmd
}

func (c *cli) runVerify(ctx context.Context, f verifyFlags) error {
	f.req.MaxLagMS = f.maxLag.Milliseconds()
	if f.req.Chunk < 1 || f.req.Chunk > 100_000 || f.req.MaxLagMS < 0 {
		return errUsage{"sqlring ring verify", fmt.Sprintf("--chunk %d, --max-lag %s: a chunk has 1 to 100000 rows, and a lag is not negative", f.req.Chunk, f.maxLag)}
	}
	if f.status {
		client, err := c.client()
		if err != nil {
			return err
		}
		defer client.Close()
		run, err := client.LastVerify(ctx)
		if err != nil {
			return err
		}
		return c.showRun(run)
	}
	client, err := c.changer(ctx, "ring verify")
	if err != nil {
		return err
	}
	defer client.Close()
	if f.stop {
		run, err := client.StopVerify(ctx)
		if err != nil {
			return err
		}
		return c.showRun(run)
	}
	run, err := client.Verify(ctx, f.req)
	if err != nil || f.detach {
		if err == nil {
			fmt.Fprintf(c.err, "comparison %s runs: sqlring ring verify --status shows it\n", run.ID)
		}
		return err
	}
	run, err = c.followRun(ctx, client, func(r rowcheck.Run) (string, bool) { return progressOf(r), r.State != rowcheck.StateRunning })
	if err != nil {
		return err
	}
	return c.showRun(run)
}

// followRun shows how far the node is, on a line of its own, until it is through. An
// interruption leaves it running.
func (c *cli) followRun(ctx context.Context, client *api.Client, progress func(rowcheck.Run) (line string, over bool)) (rowcheck.Run, error) {
	live, last := interactive(c.err), ""
	for {
		run, err := client.LastVerify(ctx)
		switch {
		case ctx.Err() != nil:
			fmt.Fprintln(c.err, "\nit goes on: sqlring ring verify --status shows it, --stop stops it")
			return run, context.Canceled
		case errors.Is(err, api.ErrUnreachable):
			fmt.Fprintln(c.err, "the node does not answer; when it is back: sqlring ring verify --status, --resume")
			return run, err
		case err != nil:
			return run, err
		}
		line, over := progress(run)
		if line != last {
			last = line
			if live {
				fmt.Fprintf(c.err, "\r\033[K%s", line)
			} else if over || run.Why != "" {
				fmt.Fprintln(c.err, line)
			}
		}
		if over {
			if live {
				fmt.Fprintln(c.err)
			}
			return run, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func progressOf(r rowcheck.Run) string {
	line := fmt.Sprintf("%s: %d of %d tables, %d of about %d rows, %.0f rows/s", r.State, r.Compared, r.Tables, r.Rows, max(r.Expected, r.Rows), r.PerS)
	if r.ETAMS != nil {
		line += ", " + api.Span(time.Duration(*r.ETAMS)*time.Millisecond) + " left"
	}
	if r.Table != "" {
		line += ", at " + strings.TrimRight(r.Table, "\x00")
	}
	if r.Found > 0 {
		line += fmt.Sprintf(", %d rows differ", r.Found)
	}
	if r.Why != "" {
		line += "; " + r.Why
	}
	return line
}

func (c *cli) showRun(run rowcheck.Run) error {
	if err := c.print(run, func(w io.Writer) { runText(w, run) }); err != nil {
		return err
	}
	switch run.Verdict() {
	case exitRefused:
		return errDiffer
	case exitDegraded:
		return errDegraded
	}
	return nil
}

func runText(w io.Writer, r rowcheck.Run) {
	for _, d := range r.Differences {
		differenceText(w, d)
	}
	if more := r.Found - len(r.Differences); more > 0 {
		fmt.Fprintf(w, "and %d rows more\n\n", more)
	}
	for _, a := range r.Unsettled {
		fmt.Fprintf(w, "unsettled: %s\n", asideText(a))
	}
	for _, a := range r.Skipped {
		fmt.Fprintf(w, "not compared: %s\n", asideText(a))
	}
	fmt.Fprintf(w, "comparison %s of %s, begun %s\n%s\n", r.ID, orDash(strings.Join(r.Members, ", ")), timeText(r.Began), progressOf(r))
	fmt.Fprintf(w, "%d rows differ, %d unsettled, %d tables not compared\n", r.Found, len(r.Unsettled), len(r.Skipped))
	if r.Repair != nil {
		repairText(w, *r.Repair)
	}
	switch {
	case r.State == rowcheck.StateStopped:
		fmt.Fprintln(w, "next: sqlring ring verify --resume")
	case r.Verdict() == exitRefused && r.State == rowcheck.StateDone:
		fmt.Fprintln(w, "next: sqlring ring repair --dry-run")
	}
}

func asideText(a rowcheck.Aside) string {
	if a.What == "" {
		return a.Table + ": " + a.Why
	}
	return a.Table + ", " + a.What + ": " + a.Why
}

func differenceText(w io.Writer, d rowcheck.Difference) {
	state := ""
	if d.Mended {
		state = " (mended)"
	}
	fmt.Fprintf(w, "%s %s%s\n", d.FullName(), d.Shown, state)
	if missing := d.Missing(); len(missing) > 0 {
		fmt.Fprintf(w, "  not on %s\n", strings.Join(missing, ", "))
	}
	for _, c := range d.Columns {
		for _, member := range slices.Sorted(maps.Keys(c.Values)) {
			fmt.Fprintf(w, "  %s: %s = %s\n", member, c.Name, c.Values[member])
		}
	}
	fmt.Fprintln(w)
}

func repairText(w io.Writer, r rowcheck.Repair) {
	from := r.From
	if from == "" {
		from = "the owners"
	}
	fmt.Fprintf(w, "repair from %s: %s, %d of %d rows written, %d were equal by themselves, %d left\n", from, r.State, r.Written, r.Total, r.Equal, len(r.Failed))
	if r.Error != "" {
		fmt.Fprintf(w, "! %s\n", r.Error)
	}
	for _, a := range r.Failed {
		fmt.Fprintf(w, "left alone: %s\n", asideText(a))
	}
}

func (c *cli) ringRepair() *cobra.Command {
	var req api.RepairRequest
	var dryRun, yes bool
	cmd := &cobra.Command{
		Use: "repair", Short: "Make the rows equal that the last comparison found to differ", Args: args(cobra.NoArgs),
		Long: `Shows what would be written, asks, and writes: each row on the members where it is
wrong and nowhere else, out of the binlog, under a lock of that row, and only if it
is still what the comparison saw. What is right is what the owner of the table's unit
has, or --from. Rows of tables without a key and of tables with triggers are left
alone, and told. It looks at every row again at the end.

The manager's account needs INSERT, UPDATE and DELETE on the schema (docs/accounts.md).`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock ring repair --dry-run
  sqlring --api unix:/run/sqlring/api.sock ring repair --from m2 --schema shop --table card --why "restored by hand"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.changer(cmd.Context(), "ring repair")
			if err != nil {
				return err
			}
			defer client.Close()
			return c.repair(cmd.Context(), client, req, dryRun, yes)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.From, "from", "", "the member that is right (default: the owner of each table's unit)")
	flags.StringVar(&req.Schema, "schema", "", "only this schema")
	flags.StringVar(&req.Table, "table", "", "only this table of the schema")
	flags.StringVar(&req.Why, "why", "", "reason, for the audit")
	flags.BoolVar(&dryRun, "dry-run", false, "show the statements, and write nothing")
	flags.BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (c *cli) repair(ctx context.Context, client *api.Client, req api.RepairRequest, dryRun, yes bool) error {
	plan, err := client.PlanRepair(ctx, req)
	if err != nil {
		return err
	}
	if dryRun {
		return c.print(plan, func(w io.Writer) { writesText(w, plan); dryRunText(w) })
	}
	writesText(c.err, plan)
	if plan.Total == 0 {
		fmt.Fprintln(c.err, "there is nothing to write")
		return nil
	}
	if err := c.confirm(ctx, yes, fmt.Sprintf("\nwrite %d rows?", plan.Total)); err != nil {
		return err
	}
	if _, err := client.Repair(ctx, req); err != nil {
		return err
	}
	run, err := c.followRun(ctx, client, func(r rowcheck.Run) (string, bool) {
		if r.Repair == nil {
			return "", true
		}
		return fmt.Sprintf("%s: %d of %d rows written", r.Repair.State, r.Repair.Written, r.Repair.Total), r.Repair.State != rowcheck.StateRunning
	})
	if err != nil {
		return err
	}
	if err := c.print(run, func(w io.Writer) { repairText(w, *run.Repair) }); err != nil {
		return err
	}
	switch {
	case run.Repair.State != rowcheck.StateDone:
		return fmt.Errorf("the repair is %s: %s", run.Repair.State, run.Repair.Error)
	case len(run.Repair.Failed) > 0:
		return errDegraded
	}
	fmt.Fprintln(c.err, "next: sqlring ring verify")
	return nil
}

func writesText(w io.Writer, plan rowcheck.RepairPlan) {
	for _, write := range plan.Writes {
		fmt.Fprintf(w, "on %s, %s %s:\n  %s\n", write.Member, write.Table, write.Row, write.Statement)
	}
	if more := plan.Total - len(plan.Writes); more > 0 {
		fmt.Fprintf(w, "and %d rows more\n", more)
	}
	for _, a := range plan.Refused {
		fmt.Fprintf(w, "left alone: %s\n", asideText(a))
	}
	from := plan.From
	if from == "" {
		from = "the owner of each table's unit"
	}
	fmt.Fprintf(w, "\n%d rows are made what they are on %s, each on its member alone: nothing of it is replicated\n", plan.Total, from)
}
