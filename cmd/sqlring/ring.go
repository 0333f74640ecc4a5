package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/topology"
)

func (c *cli) ringCommand() *cobra.Command {
	return noun("ring", "Make the ring, see it, check it, compare it, heal it, dissolve it", c.ringInit(), c.ringTopology(), c.ringHeal(), c.ringCheck(), c.ringVerify(), c.ringRepair(), c.ringDissolve(), c.ringAdopt())
}

// initFlags are the flags of `ring init`.
type initFlags struct {
	stride      int
	durability  string
	degraded    string
	why         string
	from        string
	boots       bool
	dryRun, yes bool
	follow      followFlags
}

func (c *cli) ringInit() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init NAME ID=HOST:PORT[,site=SITE][,weight=N] ID=HOST:PORT…",
		Short: "Make a ring of empty servers, or of one that holds data",
		Long: `Makes a ring of servers that hold no data. Each follows the one before it, the
first follows the last; the first becomes the owner of everything.

The plan is shown first, and nothing is changed before you say yes. The node
checks that every server answers, is empty and boots closed; it gives each its
identity and auto_increment slot, links them, sees the heartbeat of each arrive
at each, arms semi-sync, and opens the owner. It can be aborted until then.

With --from ID that server holds data, and goes on serving: the ring is opened with
it alone, and the others get its data one after the other (docs/grow.md).

A member's site is where it stands: a proxy sends reads to the members of its own
site first. Its weight (1 to 100, 1 if not given) is its share of the reads.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock ring init shop \
      paris=198.51.100.1:3306,site=north lyon=198.51.100.2:3306,site=south,weight=2 --dry-run`,
		Args: args(cobra.MinimumNArgs(3)),
		RunE: func(cmd *cobra.Command, a []string) error {
			req, err := f.request(a)
			if err != nil {
				return err
			}
			client, err := c.changer(cmd.Context(), "ring init")
			if err != nil {
				return err
			}
			defer client.Close()
			return c.initRing(cmd.Context(), client, req, f)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.stride, "stride", 0, "auto_increment_increment: room for so many members (0: 16)")
	flags.StringVar(&f.durability, "durability", "semisync", "when a commit is acknowledged: semisync (another member has it) or async")
	flags.StringVar(&f.degraded, "degraded", "allow", "an owner without an acker: allow (goes on) or refuse (its writes wait)")
	flags.StringVar(&f.from, "from", "", "the member that holds data, which the others get; it becomes the owner")
	flags.BoolVar(&f.boots, "boots-closed", false, "your word that the config file of --from has read_only=1, which can not be seen once it was set by SQL")
	flags.StringVar(&f.why, "why", "", "reason, for the audit")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the plan, and change nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	f.follow.add(cmd)
	return cmd
}

// request reads NAME ID=HOST:PORT…
func (f initFlags) request(a []string) (api.InitRequest, error) {
	req := api.InitRequest{Name: a[0], Stride: f.stride, Durability: f.durability, Degraded: f.degraded, Why: f.why}
	if strings.Contains(a[0], "=") {
		return req, errUsage{"sqlring ring init", fmt.Sprintf("the first argument is the name of the ring, %q looks like a member", a[0])}
	}
	for _, spec := range a[1:] {
		member, err := parseMember(spec)
		if err != nil {
			return req, errUsage{"sqlring ring init", err.Error()}
		}
		req.Members = append(req.Members, member)
	}
	if f.from != "" {
		i := slices.IndexFunc(req.Members, func(m api.InitMember) bool { return m.ID == f.from })
		if i < 0 {
			return req, errUsage{"sqlring ring init", fmt.Sprintf("--from %s is none of the members", f.from)}
		}
		req.Data, req.BootsClose = true, f.boots
		req.Members = append(slices.Clone(req.Members[i:]), req.Members[:i]...) // ring order stays
	}
	return req, nil
}

// parseMember reads ID=HOST:PORT[,site=SITE][,weight=N].
func parseMember(spec string) (api.InitMember, error) {
	fields := strings.Split(spec, ",")
	id, addr, ok := strings.Cut(fields[0], "=")
	if !ok || id == "" || addr == "" {
		return api.InitMember{}, fmt.Errorf("%q is not of the form ID=HOST:PORT, such as m1=198.51.100.1:3306", spec)
	}
	member := api.InitMember{ID: id, Addr: addr}
	for _, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		var err error
		switch key {
		case "site":
			if member.Site = value; value == "" {
				err = fmt.Errorf("a site is missing")
			}
		case "weight":
			if member.Weight, err = strconv.Atoi(value); err != nil || member.Weight < 1 || member.Weight > topology.MaxWeight {
				err = fmt.Errorf("weight %q is not a number in 1..%d", value, topology.MaxWeight)
			}
		default:
			err = fmt.Errorf("%q is neither site=SITE nor weight=N", field)
		}
		if err != nil {
			return api.InitMember{}, fmt.Errorf("%s: %w", spec, err)
		}
	}
	return member, nil
}

// initRing is plan, checks, confirmation, progress, verification, next step.
func (c *cli) initRing(ctx context.Context, client *api.Client, req api.InitRequest, f initFlags) error {
	plan, err := client.PlanRing(ctx, req)
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) {
			planText(w, plan)
			fmt.Fprintln(w, "\nthis was a dry run: nothing was changed")
		})
	}
	planText(c.err, plan)
	if err := c.confirm(ctx, f.yes, "\nmake this ring?"); err != nil {
		return err
	}
	started, err := client.InitRing(ctx, req)
	if err != nil {
		return err
	}
	if started.Operation == nil {
		return fmt.Errorf("the ring is ordered, but its operation is not seen yet: look at `sqlring operation list`")
	}
	if _, err := c.follow(ctx, client, *started.Operation, f.follow); err != nil {
		return err
	}
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	return c.print(st, func(w io.Writer) {
		if req.Data {
			fmt.Fprintf(w, "the others get the data of %s one after the other: sqlring operation follow\n", req.Members[0].ID)
		}
		fmt.Fprintf(w, "ring %s is open:", st.Ring)
		for _, u := range st.Units {
			fmt.Fprintf(w, " %s owns %s", u.Owner, u.Name)
		}
		fmt.Fprintln(w, "\nnext: sqlring status --watch; applications connect to", proxyAddr(st.Proxy))
	})
}

func planText(w io.Writer, p api.Plan) {
	fmt.Fprintf(w, "ring %s: stride %d, durability %s, degraded: %s\n\n", p.Ring, p.Stride, p.Durability, p.DegradedPolicy)
	rows := [][]string{{"MEMBER", "SLOT", "IDENTITY", "FOLLOWS", "OWNER", "ADDRESS"}}
	placed := slices.ContainsFunc(p.Members, func(m api.PlanMember) bool { return m.Site != "" || m.Weight != 1 })
	if placed {
		rows[0] = append(rows[0], "SITE", "WEIGHT")
	}
	for _, m := range p.Members {
		row := []string{m.Name, fmt.Sprintf("%d/%d", m.Slot, p.Stride), fmt.Sprint(m.Identity), m.Upstream, yesNo(&m.Owner), m.Addr}
		if placed {
			row = append(row, orDash(m.Site), fmt.Sprint(m.Weight))
		}
		rows = append(rows, row)
	}
	table(w, rows)
	fmt.Fprintln(w)
	for i, step := range p.Steps {
		fmt.Fprintf(w, "%d. %s\n", i+1, step)
	}
	if len(p.InTheWay) > 0 {
		fmt.Fprintln(w, "\nin the way now; it would wait until this is mended, and go on by itself:")
	}
	for _, what := range p.InTheWay {
		fmt.Fprintf(w, "  %s\n", what)
	}
}
