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

// leaveFlags are the flags of `master remove` and `master maintenance`.
type leaveFlags struct {
	planFlags

	ttl, grace                                  time.Duration
	end, alone, unhealthy, forget, mayRun, keep bool
}

func (f leaveFlags) request() api.LeaveRequest {
	return api.LeaveRequest{
		TTLMS: f.ttl.Milliseconds(), End: f.end, GraceMS: f.grace.Milliseconds(), Alone: f.alone, Unhealthy: f.unhealthy,
		Forget: f.forget, MayRun: f.mayRun, Keep: f.keep, Why: f.why,
	}
}

func (c *cli) masterRemove() *cobra.Command {
	f := leaveFlags{}
	cmd := c.leaveVerb("remove", &f, &cobra.Command{
		Short: "Take a member out of the ring for good",
		Long: `Its units move away first, without an error for any client; then it is closed, each
other member gets all that it has, its downstream follows its upstream, it follows nobody,
and its binlog is held against what the others have. It stays read-only, with its data. Its
slot is kept as a tombstone. Until the last step it can be aborted: sqlring master resume
while its units move, sqlring operation abort afterwards.

A member that is out is forgotten with --forget: what only its disk holds is given up.

A refusal names the check that refused and what overrides it; the exit code is 3.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock master remove m3 --why "host is given back"
  sqlring --api unix:/run/sqlring/api.sock master remove m3 --forget --why "its disk is gone"`,
	})
	flags := cmd.Flags()
	flags.BoolVar(&f.forget, "forget", false, "it is out, and what only its disk holds is given up")
	flags.BoolVar(&f.mayRun, "may-run", false, "forget it although its server may run")
	flags.BoolVar(&f.keep, "keep", false, "leave the schema sqlring and the replication account on it")
	return cmd
}

func (c *cli) masterMaintenance() *cobra.Command {
	f := leaveFlags{}
	cmd := c.leaveVerb("maintenance", &f, &cobra.Command{
		Short: "Take a member out for a while, so that its server can be stopped",
		Long: `Its units move away and reads go elsewhere, without an error for any client; then the ring
is closed around it. While it is out its server may be stopped and started: nothing is done
about that, and nothing moves there. It comes back by itself after --ttl, or with --end. Said
again, it gets another --ttl.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock master maintenance m3 --ttl 30m --why "kernel update"
  sqlring --api unix:/run/sqlring/api.sock master maintenance m3 --end`,
	})
	flags := cmd.Flags()
	flags.DurationVar(&f.ttl, "ttl", 30*time.Minute, "when it comes back by itself")
	flags.BoolVar(&f.end, "end", false, "end it now")
	return cmd
}

func (c *cli) leaveVerb(verb string, f *leaveFlags, cmd *cobra.Command) *cobra.Command {
	cmd.Use, cmd.Args = verb+" NAME", args(cobra.ExactArgs(1))
	cmd.RunE = func(cmd *cobra.Command, a []string) error {
		client, err := c.changer(cmd.Context(), "master "+verb+" "+a[0])
		if err != nil {
			return err
		}
		defer client.Close()
		return c.leave(cmd.Context(), client, a[0], verb, *f)
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.DurationVar(&f.grace, "grace", 10*time.Second, "how long statements that run there may take to end")
	flags.BoolVar(&f.alone, "alone", false, "although one member is left, whose commits nobody acknowledges")
	flags.BoolVar(&f.unhealthy, "unhealthy", false, "although something else is amiss")
	return cmd
}

// leave is plan, checks, confirmation, progress, verification, next step.
func (c *cli) leave(ctx context.Context, client *api.Client, name, verb string, f leaveFlags) error {
	req := f.request()
	if f.end {
		req.TTLMS = 0
	}
	plan, err := client.Leave(ctx, name, verb, req, true)
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) { leaveText(w, plan); dryRunText(w) })
	}
	leaveText(c.err, plan)
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, f.yes, fmt.Sprintf("\n%s %s?", verb, name)); err != nil {
			return err
		}
	}
	if plan, err = client.Leave(ctx, name, verb, req, false); err != nil {
		return err
	}
	m, there, err := c.awaitLeft(ctx, client, name, f)
	if err != nil {
		return err
	}
	return c.print(plan, func(w io.Writer) { leftText(w, name, m, there) })
}

// awaitLeft waits until the member is as it was ordered to be: gone, in maintenance, or
// back. It returns it as it is then, if it is one.
func (c *cli) awaitLeft(ctx context.Context, client *api.Client, name string, f leaveFlags) (m api.Member, there bool, err error) {
	deadline, said := time.Now().Add(f.follow.timeout), ""
	for {
		st, err := f.follow.statusBy(ctx, client, deadline)
		if err != nil {
			return m, false, err
		}
		m, there = api.Member{Name: name}, false
		for _, x := range st.Members {
			if x.Name == name {
				m, there = x, true
			}
		}
		switch {
		case !there, f.end && m.State == "active", !f.end && m.State == "maintenance":
			return m, there, nil
		case !f.end && m.Leaving == "":
			return m, there, fmt.Errorf("%s stays in the ring: it was told to, or something was in the way: sqlring event list", name)
		}
		if line := leavingText(st, m); line != said {
			fmt.Fprintln(c.err, line)
			said = line
		}
		if time.Now().After(deadline) {
			return m, there, fmt.Errorf("%s is %s after %s%s\nit goes on: sqlring status; to have it stay: sqlring master resume %s",
				name, m.State, api.Span(f.follow.timeout), stepText(st.Step), name)
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(c.err, "\nit goes on: sqlring status; to have it stay: sqlring master resume %s\n", name)
			return m, there, ctx.Err()
		case <-time.After(f.follow.pollInterval):
		}
	}
}

// leavingText says how far it is.
func leavingText(st api.Status, m api.Member) string {
	if op := st.Operation; op != nil {
		return fmt.Sprintf("%s %s: %s%s", op.ID, op.Kind, op.Cursor, stepText(op.Step))
	}
	if len(m.Owns) > 0 {
		return fmt.Sprintf("%s still owns %s%s", m.Name, strings.Join(m.Owns, ", "), stepText(st.Step))
	}
	return fmt.Sprintf("%s is %s%s", m.Name, m.State, stepText(st.Step))
}

func leaveText(w io.Writer, p api.LeavePlan) {
	for _, check := range p.Checks {
		mark := map[bool]string{true: "ok", false: "NO"}[check.OK]
		fmt.Fprintf(w, "check %-8s %s: %s\n", check.Name, mark, check.What)
	}
	if len(p.Checks) > 0 {
		fmt.Fprintln(w)
	}
	stepsText(w, p.Steps, p.Refused)
}

func leftText(w io.Writer, name string, m api.Member, there bool) {
	switch {
	case !there:
		fmt.Fprintf(w, "%s is no member any more\nnext: sqlring status\n", name)
	case m.State == "maintenance":
		fmt.Fprintf(w, "%s is %s\nits server may be stopped now\nnext: sqlring master maintenance %s --end, when it is back\n", name, m.Why, name)
	default:
		fmt.Fprintf(w, "%s is %s\nnext: sqlring status\n", name, m.State)
	}
}
