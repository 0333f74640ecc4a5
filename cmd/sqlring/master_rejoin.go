package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

// rejoinFlags are the flags of `master rejoin`.
type rejoinFlags struct {
	letFlow, discard, replay bool
	dryRun, yes              bool
	why                      string
	follow                   followFlags
}

func (c *cli) masterRejoin() *cobra.Command {
	var f rejoinFlags
	cmd := &cobra.Command{
		Use: "rejoin NAME", Short: "Let a member back in that is out, or in quarantine", Args: args(cobra.ExactArgs(1)),
		Long: `A member that is down is let back in by itself as soon as it answers: start it, and
watch. A member in quarantine holds transactions that the ring does not have; they
were written to a file. --let-flow lets them flow into the ring, whatever they are:
where the ring has changed the same rows meanwhile, that diverges or stops. --discard
drops them: they stay in the file, and the member needs a copy of the data that has
nothing of them; said again after that, it lets the member in under a new identity.
--replay writes each of them anew at the owner, if it does not conflict with what the
ring has: --dry-run shows which would, and why. If none conflicts the member's data is
copied anew and it is in the ring; else it stays in quarantine, and what conflicts is in
a file.

A refusal names the check that refused and what overrides it; the exit code is 3.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock master rejoin m1 --dry-run
  sqlring --api unix:/run/sqlring/api.sock master rejoin m1 --let-flow --why "inserts only, looked at"`,
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.changer(cmd.Context(), "master rejoin "+a[0])
			if err != nil {
				return err
			}
			defer client.Close()
			return c.rejoin(cmd.Context(), client, a[0], f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.letFlow, "let-flow", false, "what only it holds flows into the ring, whatever it is")
	flags.BoolVar(&f.discard, "discard", false, "what only it holds is dropped, and kept in a file")
	flags.BoolVar(&f.replay, "replay", false, "what only it holds, and does not conflict, is written anew at the owners")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show what only it holds and the plan, and change nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.StringVar(&f.why, "why", "", "reason, for the audit")
	f.follow.add(cmd)
	return cmd
}

// rejoin is plan, checks, confirmation, progress, verification, next step.
func (c *cli) rejoin(ctx context.Context, client *api.Client, name string, f rejoinFlags) error {
	req := api.RejoinRequest{LetFlow: f.letFlow, Discard: f.discard, Replay: f.replay, Why: f.why}
	plan, err := client.PlanRejoin(ctx, name, req)
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) {
			rejoinText(w, plan)
			fmt.Fprintln(w, "\nthis was a dry run: nothing was changed")
		})
	}
	rejoinText(c.err, plan)
	question := fmt.Sprintf("\nlet %s back in?", name)
	if f.letFlow {
		question = fmt.Sprintf("\nlet everything that only %s holds flow into the ring?", name)
	}
	if f.discard {
		question = fmt.Sprintf("\ndrop everything that only %s holds? it stays in the file", name)
	}
	if f.replay {
		question = fmt.Sprintf("\nreplay what only %s holds and does not conflict?", name)
	}
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, f.yes, question); err != nil {
			return err
		}
	}
	started, err := client.Rejoin(ctx, name, req)
	if err != nil {
		return err
	}
	if started.Operation == nil {
		return errors.New("the rejoin is ordered, but its operation is not seen yet: look at `sqlring operation list`")
	}
	f.follow.needsPerson = true
	op, err := c.follow(ctx, client, *started.Operation, f.follow)
	if err != nil {
		return err
	}
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	m := memberOf(st, name)
	if err := c.print(op, func(w io.Writer) { rejoinedText(w, op, m) }); err != nil {
		return err
	}
	if m.State != "active" && !(f.replay && m.State == "copying") {
		return errDegraded
	}
	return nil
}

// becauseOf is a reason behind what it is the reason for, if there is one.
func becauseOf(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func rejoinText(w io.Writer, p api.RejoinPlan) {
	fmt.Fprintf(w, "%s is %s%s\n", p.Member, p.State, becauseOf(p.Why))
	if p.Cut != "" {
		fmt.Fprintf(w, "the ring has its own transactions up to %s\n", p.Cut)
	}
	if t := p.Tail; t != nil {
		fmt.Fprintf(w, "what only it holds, as %s judged: %s\n", p.Judged, tailText(*t))
		if t.File != "" {
			fmt.Fprintf(w, "they are in %s\n", t.File)
		}
	} else {
		fmt.Fprintln(w, "what only it holds was not judged yet")
	}
	if t := p.Trial; t != nil {
		trialText(w, *t)
	}
	fmt.Fprintln(w)
	for i, step := range p.Steps {
		fmt.Fprintf(w, "%d. %s\n", i+1, step)
	}
	if p.Refused != "" {
		fmt.Fprintf(w, "\nit is refused now: %s\n", p.Refused)
	}
}

// trialText shows what a replay would do, transaction by transaction.
func trialText(w io.Writer, t api.Trial) {
	rows := [][]string{{"TRANSACTION", "DOES", "WOULD BE", "WHY"}}
	for _, line := range t.Lines {
		rows = append(rows, []string{line.GTID, strings.Join(line.Tables, ", "), line.Fate, orDash(line.Why)})
	}
	fmt.Fprintln(w)
	table(w, rows)
	fmt.Fprintf(w, "%d would be replayed, %d were before, %d conflict", t.Replayed, t.Already, t.Conflicts)
	if n := t.Replayed + t.Already + t.Conflicts - len(t.Lines); n > 0 {
		fmt.Fprintf(w, "; %d are not shown", n)
	}
	fmt.Fprintln(w)
}

// rejoinedText says what came of it, and what is next.
func rejoinedText(w io.Writer, op api.Operation, m api.Member) {
	if op.Tail != nil {
		fmt.Fprintf(w, "what only %s held: %s\n", m.Name, tailText(*op.Tail))
	}
	switch {
	case m.State == "active":
		fmt.Fprintf(w, "%s is in the ring again\n", m.Name)
	default:
		fmt.Fprintf(w, "%s is %s: %s\n", m.Name, m.State, m.Why)
	}
	fmt.Fprintln(w, "next: sqlring status")
}
