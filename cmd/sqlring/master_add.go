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

// addFlags are the flags of `master add` and `master reclone`.
type addFlags struct {
	req         api.AddRequest
	dryRun, yes bool
	follow      followFlags
}

// addTimeout is how long a copy is watched if nothing else is said.
const addTimeout = 24 * time.Hour

func (f *addFlags) common(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.req.LockTables, "lock-tables", false, "copy tables that are not InnoDB too; writes to them wait meanwhile")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the checks and the plan, and change nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.StringVar(&f.req.Why, "why", "", "reason, for the audit")
	f.follow.add(cmd)
	f.follow.timeout = addTimeout
	cmd.Flag("timeout").DefValue = api.Span(addTimeout)
}

func (c *cli) masterAdd() *cobra.Command {
	var f addFlags
	cmd := &cobra.Command{
		Use: "add NAME --address HOST:PORT", Short: "Give the ring another master, while it works", Args: args(cobra.ExactArgs(1)),
		Long: `Adds a server to the ring. It has to be empty and to boot closed (docs/grow.md); the
manager's account has to be there. It gets the data of a member over the MySQL
protocol, as of one moment and without a lock; it follows the ring until it has
caught up; then the ring is closed through it. Applications go on all the while.

The checks and the plan are shown first, and nothing is changed before you say yes.
It can be aborted until the ring is closed through it (sqlring operation abort), and
it goes on by itself after the node that does it was restarted, or another leads.

A refusal names the check that refused and what overrides it; the exit code is 3.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock master add nice --address 198.51.100.3:3306 --site south --dry-run`,
		RunE: func(cmd *cobra.Command, a []string) error {
			f.req.ID = a[0]
			if f.req.Addr == "" {
				return errUsage{"sqlring master add", "--address HOST:PORT is missing: where the ring's members reach it"}
			}
			return c.copyInto(cmd.Context(), "master add "+a[0], f, func(client *api.Client, dryRun bool) (api.AddResponse, error) {
				return client.AddMember(cmd.Context(), f.req, dryRun)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.req.Addr, "address", "", "host:port of its MySQL protocol port, as the other members reach it")
	flags.StringVar(&f.req.Site, "site", "", "where it stands: a proxy sends reads to the members of its own site first")
	flags.IntVar(&f.req.Weight, "weight", 0, "its share of the reads, relative to the others', 1 to 100 (1 if not given)")
	flags.StringVar(&f.req.After, "after", "", "the member that it follows (the last one if not given)")
	flags.BoolVar(&f.req.DiscardData, "discard-data", false, "what the server holds is given up")
	f.common(cmd)
	return cmd
}

func (c *cli) masterReclone() *cobra.Command {
	var f addFlags
	cmd := &cobra.Command{
		Use: "reclone NAME", Short: "Give up what a member holds that is out, and copy another one's data", Args: args(cobra.ExactArgs(1)),
		Long: `For a member that is down, held, in quarantine, or whose copying was aborted: what it
holds is given up, tail and all; it gets a new identity and the data of another
member, as a new one does (sqlring master add). Its slot stays its own.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock master reclone nice --why "its tail was looked at, nobody needs it"`,
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.copyInto(cmd.Context(), "master reclone "+a[0], f, func(client *api.Client, dryRun bool) (api.AddResponse, error) {
				return client.Reclone(cmd.Context(), a[0], api.RecloneRequest{LockTables: f.req.LockTables, Why: f.req.Why}, dryRun)
			})
		},
	}
	f.common(cmd)
	return cmd
}

// copyInto is plan, checks, confirmation, progress, verification, next step.
func (c *cli) copyInto(ctx context.Context, what string, f addFlags, ask func(client *api.Client, dryRun bool) (api.AddResponse, error)) error {
	client, err := c.changer(ctx, what)
	if err != nil {
		return err
	}
	defer client.Close()
	planned, err := ask(client, true)
	if err != nil {
		return err
	}
	plan := planned.Plan
	if f.dryRun {
		return c.print(plan, func(w io.Writer) {
			addText(w, plan)
			fmt.Fprintln(w, "\nthis was a dry run: nothing was changed")
		})
	}
	addText(c.err, plan)
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, f.yes, fmt.Sprintf("\ncopy the data of %s to %s, and close the ring through it?", plan.Source, plan.Member.Name)); err != nil {
			return err
		}
	}
	started, err := ask(client, false)
	if err != nil {
		return err
	}
	if started.Operation == nil {
		return errors.New("it is ordered, but its operation is not seen yet: look at `sqlring operation list`")
	}
	op, err := c.follow(ctx, client, *started.Operation, f.follow)
	var aborted abortedError
	if errors.As(err, &aborted) {
		return c.gaveWay(ctx, client, plan.Member.Name, aborted)
	}
	if err != nil {
		return err
	}
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	m := memberOf(st, plan.Member.Name)
	if err := c.print(op, func(w io.Writer) { addedText(w, m, plan) }); err != nil {
		return err
	}
	if m.State != "active" {
		return errDegraded
	}
	return nil
}

// gaveWay says how an operation that ended without a member in the ring goes on.
func (c *cli) gaveWay(ctx context.Context, client *api.Client, name string, aborted abortedError) error {
	st, err := client.Status(ctx)
	if err != nil {
		return errors.Join(aborted, err)
	}
	for _, m := range st.Members {
		if m.Name == name && m.State == "copying" {
			return fmt.Errorf("%w: it gives way to something more urgent and goes on by itself afterwards: sqlring operation list", aborted)
		}
		if m.Name == name {
			return fmt.Errorf("%w: %s is %s: %s", aborted, name, m.State, m.Why)
		}
	}
	return fmt.Errorf("%w: %s is not added", aborted, name)
}

func addText(w io.Writer, p api.AddPlan) {
	m := p.Member
	fmt.Fprintf(w, "%s at %s: slot %d/%d, identity %d; it follows %s, and %s follows it; its data comes from %s\n\n", m.Name, m.Addr, m.Slot, p.Stride, m.Identity, m.Upstream, p.Behind, p.Source)
	copyChecksText(w, p.Checks)
	for i, step := range p.Steps {
		fmt.Fprintf(w, "%d. %s\n", i+1, step)
	}
	if p.Refused != "" {
		fmt.Fprintf(w, "\nit is refused now: %s\n", p.Refused)
	}
}

func copyChecksText(w io.Writer, checks []api.CopyCheck) {
	rows := [][]string{{"CHECK", "VERDICT", "FOUND"}}
	for _, check := range checks {
		found := check.What
		if check.Remedy != "" {
			found += "; " + check.Remedy
		}
		if check.Override != "" {
			found += "; or --" + strings.ReplaceAll(check.Override, "_", "-")
		}
		rows = append(rows, []string{check.Name, check.Verdict, found})
	}
	table(w, rows)
	fmt.Fprintln(w)
}

// addedText says what came of it, and what is next.
func addedText(w io.Writer, m api.Member, p api.AddPlan) {
	if m.State != "active" {
		fmt.Fprintf(w, "%s is %s: %s\nnext: sqlring why %s\n", m.Name, m.State, m.Why, m.Name)
		return
	}
	fmt.Fprintf(w, "%s is in the ring: it follows %s, and serves reads\nnext: sqlring status; to let it take writes: sqlring unit move UNIT --to %s\n", m.Name, p.Member.Upstream, m.Name)
}
