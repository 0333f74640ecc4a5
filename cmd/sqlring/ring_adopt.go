package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) ringAdopt() *cobra.Command {
	var f planFlags
	var req api.AdoptRequest
	var closes bool
	cmd := &cobra.Command{
		Use:   "adopt NAME ID=HOST:PORT[,site=SITE][,weight=N] ID=HOST:PORT…",
		Short: "Make a ring of servers that replicate in a circle already, while they are written to",
		Long: `Takes over a circle of MariaDB or MySQL masters that somebody has built by hand. Name them in the
order of the circle: each pulls from the one before it, the first from the last. The
first becomes the owner of everything.

No server is closed, restarted or copied. One after the other gets its identity, its
auto_increment slot (a part of what it gives out now: of stride 2 becomes 16, of 3 48,
of 10 80) and the ring's settings; connections of before are ended once. Then
applications may connect to the proxy. The other servers stay open for applications
that still write there directly, until you say that none does any more: ring adopt --close.

Until the ring is open it can be aborted (sqlring operation abort): the servers go on
replicating. A refusal names the check that refused and what mends it; the exit code is 3.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock ring adopt shop \
      paris=198.51.100.1:3306,site=north lyon=198.51.100.2:3306,site=south --dry-run
  sqlring --api unix:/run/sqlring/api.sock ring adopt --close --why "all applications use the proxy"`,
		Args: func(_ *cobra.Command, a []string) error {
			switch {
			case closes && len(a) > 1:
				return errUsage{"sqlring ring adopt --close", "it takes one member, or none for all"}
			case !closes && len(a) < 3:
				return errUsage{"sqlring ring adopt", "a name and at least two members are needed: NAME ID=HOST:PORT ID=HOST:PORT"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			if !closes {
				form, err := initFlags{durability: req.Durability, degraded: req.Degraded, why: f.why}.request(a)
				if err != nil {
					return err
				}
				req.Name, req.Members, req.Why = form.Name, form.Members, f.why
			}
			client, err := c.changer(cmd.Context(), "ring adopt")
			if err != nil {
				return err
			}
			defer client.Close()
			if closes {
				return c.closeDirect(cmd.Context(), client, api.CloseDirectRequest{Member: strings.Join(a, ""), Why: f.why}, f)
			}
			return c.adopt(cmd.Context(), client, req, f)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&req.Durability, "durability", "semisync", "when a commit is acknowledged: semisync (another member has it) or async")
	flags.StringVar(&req.Degraded, "degraded", "allow", "an owner without an acker: allow (goes on) or refuse (its writes wait)")
	flags.BoolVar(&req.BootsClose, "boots-closed", false, "MariaDB: your word that the config file of each has read_only=1 and skip_slave_start, which can not be seen before a restart")
	flags.BoolVar(&closes, "close", false, "nobody writes to adopted members directly any more: close those that own no unit")
	return cmd
}

// adopt is plan, checks, confirmation, progress, verification, next step.
func (c *cli) adopt(ctx context.Context, client *api.Client, req api.AdoptRequest, f planFlags) error {
	planned, err := client.Adopt(ctx, req, true)
	if err != nil {
		return err
	}
	plan := planned.Plan
	show := func(w io.Writer) {
		copyChecksText(w, plan.Checks)
		planText(w, plan.Plan)
		if plan.Refused != "" {
			fmt.Fprintf(w, "\nit is refused now: %s\n", plan.Refused)
		}
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) { show(w); dryRunText(w) })
	}
	show(c.err)
	if plan.Refused == "" { // else the node says so, before anybody is asked
		if err := c.confirm(ctx, f.yes, "\nadopt this circle?"); err != nil {
			return err
		}
	}
	started, err := client.Adopt(ctx, req, false)
	if err != nil {
		return err
	}
	if started.Operation == nil {
		return fmt.Errorf("it is ordered, but its operation is not seen yet: look at `sqlring operation list`")
	}
	if _, err := c.follow(ctx, client, *started.Operation, f.follow); err != nil {
		return err
	}
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	return c.print(st, func(w io.Writer) {
		fmt.Fprintf(w, "ring %s is adopted; applications connect to %s\n", st.Ring, proxyAddr(st.Proxy))
		if len(plan.Direct) > 0 {
			fmt.Fprintf(w, "%v still take writes past sqlring; when no application writes there any more: sqlring ring adopt --close\n", plan.Direct)
		}
		fmt.Fprintln(w, "next: sqlring ring verify")
	})
}

func (c *cli) closeDirect(ctx context.Context, client *api.Client, req api.CloseDirectRequest, f planFlags) error {
	planned, err := client.CloseDirect(ctx, req, true)
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.print(planned, func(w io.Writer) {
			fmt.Fprintf(w, "closed would be: %v\n", planned.Members)
			dryRunText(w)
		})
	}
	if err := c.confirm(ctx, f.yes, fmt.Sprintf("close %v? who still writes there directly gets an error", planned.Members)); err != nil {
		return err
	}
	done, err := client.CloseDirect(ctx, req, false)
	if err != nil {
		return err
	}
	return c.print(done, func(w io.Writer) {
		fmt.Fprintf(w, "%v take writes through the proxy alone, if they own a unit\nnext: sqlring status\n", done.Members)
	})
}
