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

// healFlags are the flags of `ring heal`.
type healFlags struct {
	dryRun, acceptLoss, yes bool
	why                     string
	follow                  followFlags
}

func (c *cli) ringHeal() *cobra.Command {
	var f healFlags
	cmd := &cobra.Command{
		Use: "heal", Short: "The verdict on each member, and the heal that runs or would begin", Args: args(cobra.NoArgs),
		Long: `Shows the verdict on each member with what it is based on, and the heal that runs
or would begin. The controller heals by itself: if a heal runs, or a member is
judged lost, it is followed until it is over or needs a person.

A heal is stuck if no survivor has all that was acknowledged to clients. Bring the
lost member back, and it goes on by itself. If it can not be brought back:
--accept-loss shows what is given up, asks, and lets it go on without.`,
		Example: `  sqlring ring heal --dry-run
  sqlring --api unix:/run/sqlring/api.sock ring heal --accept-loss --why "its disk is gone"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.dryRun && f.acceptLoss {
				f.yes = false // it shows the loss, and asks nothing
			}
			var client *api.Client
			var err error
			if f.acceptLoss && !f.dryRun {
				client, err = c.changer(cmd.Context(), "ring heal --accept-loss")
			} else {
				client, err = c.client()
			}
			if err != nil {
				return err
			}
			defer client.Close()
			return c.heal(cmd.Context(), client, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the verdicts and the plan, and follow nothing")
	flags.BoolVar(&f.acceptLoss, "accept-loss", false, "let a heal that is stuck go on without what no survivor has")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.StringVar(&f.why, "why", "", "reason, for the audit")
	f.follow.add(cmd)
	return cmd
}

func (c *cli) heal(ctx context.Context, client *api.Client, f healFlags) error {
	report, err := client.Heal(ctx)
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.print(report, func(w io.Writer) { healText(w, report) })
	}
	restarts := report.Operation != nil && report.Operation.Kind == "restart"
	switch {
	case f.acceptLoss:
		if err := c.acceptLoss(ctx, client, report, f); err != nil {
			return err
		}
	case report.Heal == nil && !restarts && !anyLost(report):
		return c.print(report, func(w io.Writer) { healText(w, report) })
	default:
		healText(c.err, report)
	}
	return c.followHeal(ctx, client, f.follow)
}

func anyLost(r api.HealReport) bool {
	for _, v := range r.Verdicts {
		if v.Lost {
			return true
		}
	}
	return false
}

// acceptLoss shows what is given up, asks, and says so to the node.
func (c *cli) acceptLoss(ctx context.Context, client *api.Client, r api.HealReport, f healFlags) error {
	healText(c.err, r)
	h := r.Heal
	if h == nil || h.Operation == "" {
		return errors.New("no heal runs: there is no loss to be accepted")
	}
	req := api.AcceptLossRequest{Why: f.why}
	if h.Loss != nil { // else the node refuses, and says which check
		req.Missing = h.Loss.Missing
		if err := c.confirm(ctx, f.yes, fmt.Sprintf("\ngive this up for ever, and let %s go on?", h.Operation)); err != nil {
			return err
		}
	}
	_, err := client.AcceptLoss(ctx, h.Operation, req)
	return err
}

// followHeal follows what repairs the ring: the heal, and the restart that a heal
// may turn into. It ends when neither runs and nobody is lost.
func (c *cli) followHeal(ctx context.Context, client *api.Client, f followFlags) error {
	f.needsPerson = true
	deadline := time.Now().Add(f.timeout)
	for {
		st, err := client.Status(ctx)
		if err != nil {
			return err
		}
		if op := st.Operation; op != nil && (op.Kind == "heal" || op.Kind == "restart") {
			f.timeout = time.Until(deadline)
			_, err := c.follow(ctx, client, *op, f)
			var stuck stuckError
			var aborted abortedError
			switch {
			case errors.As(err, &stuck):
				return fmt.Errorf("%w\nwhat to type:\n  %s", err, strings.Join(st.Next, "\n  "))
			case errors.As(err, &aborted) && op.Kind == "heal":
				continue // a restart takes over from it
			case err != nil:
				return err
			}
			continue
		}
		report, err := client.Heal(ctx)
		switch {
		case err != nil:
			return err
		case !anyLost(report):
			return c.print(st, func(w io.Writer) { healedText(w, st) })
		case report.Step != nil && report.Step.Kind == "stuck":
			return fmt.Errorf("the controller does not go on without a person: %s", report.Step.Why)
		case time.Now().After(deadline):
			return fmt.Errorf("a member is lost, and no heal has begun: sqlring why")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.pollInterval):
		}
	}
}

// healedText says what came of it, and what is next.
func healedText(w io.Writer, st api.Status) {
	fmt.Fprintf(w, "ring %s is %s:", st.Ring, st.Health)
	for _, u := range st.Units {
		fmt.Fprintf(w, " %s: %s", u.Name, ownerText(u))
	}
	fmt.Fprintln(w)
	for _, m := range st.Members {
		if m.State != "active" {
			fmt.Fprintf(w, "%s is %s: %s\n", m.Name, m.State, m.Why)
		}
	}
	fmt.Fprintln(w, "next: sqlring status")
}

func healText(w io.Writer, r api.HealReport) {
	if r.Ring == "" {
		fmt.Fprintln(w, "no ring yet: nothing is to be healed")
		return
	}
	verdictText(w, r.Verdicts)
	fmt.Fprintln(w)
	h := r.Heal
	if h == nil {
		noHealText(w, r)
		return
	}
	if h.Operation == "" {
		fmt.Fprintf(w, "%s is judged lost, and the controller is about to heal that:\n", h.Member)
	} else {
		fmt.Fprintf(w, "%s heals the loss of %s%s:\n", h.Operation, h.Member, stepText(r.Step))
	}
	for i, step := range h.Steps {
		fmt.Fprintf(w, "  %d. %-9s %s\n", i+1, "["+step.State+"]", step.What)
	}
	if h.Mark != "" {
		fmt.Fprintf(w, "acknowledged to clients: %s\n", h.Mark)
	}
	for _, s := range h.Survivors {
		role := "survives"
		if s.Heir {
			role = "inherits, as it looks now"
		}
		fmt.Fprintf(w, "  %s  %s; it has %s%s\n", s.Member, role, orDash(s.Position), lacksText(s))
	}
	if len(h.Survivors) == 0 {
		fmt.Fprintln(w, "  nobody who could inherit answers")
	}
	if h.Stuck != "" {
		fmt.Fprintf(w, "it does not go on without a person: %s\n", h.Stuck)
	}
	if h.Loss != nil {
		fmt.Fprintf(w, "--accept-loss would give this up: %s\n", h.Loss.What)
	}
}

func noHealText(w io.Writer, r api.HealReport) {
	if op := r.Operation; op != nil {
		fmt.Fprintf(w, "no heal runs; %s does, at %q%s\n", titleOf(*op), op.Cursor, stepText(op.Step))
	}
	switch {
	case anyLost(r) && r.Operation != nil:
		fmt.Fprintln(w, "what is lost is healed next")
	case anyLost(r):
		fmt.Fprintln(w, "no heal has begun"+stepText(r.Step))
	case r.Operation == nil || r.Operation.Kind != "restart":
		fmt.Fprintln(w, "nothing is lost: there is nothing to be healed")
	}
}

func lacksText(s api.Survivor) string {
	switch s.Lacks {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(", and lacks 1 transaction up to %s", s.Missing)
	}
	return fmt.Sprintf(", and lacks %d transactions up to %s", s.Lacks, s.Missing)
}
