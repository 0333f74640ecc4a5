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

func (c *cli) gateCommand() *cobra.Command {
	return noun("gate", "What stands in front of the members: who may run now, who waits", c.gateShow(), c.gateSet())
}

func (c *cli) gateShow() *cobra.Command {
	var watch watchFlags
	cmd := &cobra.Command{
		Use: "show", Short: "The gates of the node, their queues and hot keys", Args: args(cobra.NoArgs),
		Long: `Shows, of the node that --api names, the gate in front of each member: how many places
there are (LIMIT) and are taken, by READS, WRITES, HEAVY reads and ADMINistration; how
many transactions of those wait for their client (IDLE); how many statements WAIT for a
place, and for how long one that comes now would (EXPECTED). INFLATION is what
statements take at the member, divided by what is usual: from 1.5 on places are taken
away. SHED have got an error instead of a place, GONE went while they waited.

Then the settings, which are the ring's, and the hot keys.`,
		Example: "  sqlring gate show --watch\n  sqlring gate show -o json | jq '.gates[].waiting'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			return c.watch(cmd.Context(), watch, func(ctx context.Context) error {
				r, err := client.Gates(ctx)
				if err != nil {
					return err
				}
				return c.print(r, func(w io.Writer) { gateTable(w, r) })
			})
		},
	}
	watch.add(cmd)
	return cmd
}

func gateTable(w io.Writer, r api.GateReport) {
	rows := [][]string{{"MEMBER", "STATE", "LIMIT", "READS", "WRITES", "HEAVY", "ADMIN", "IDLE", "WAIT", "EXPECTED", "INFLATION", "SHED", "GONE"}}
	hot := [][]string{{"MEMBER", "HOT KEY", "LANE", "USING", "WAITING", "USES", "WAITS", "PASSED"}}
	for _, g := range r.Gates {
		waiting, shed := 0, uint64(0)
		for _, n := range g.Waiting {
			waiting += n
		}
		for _, n := range g.Refused {
			shed += n
		}
		rows = append(rows, []string{
			g.Member, g.State, strconv.Itoa(g.Limit), strconv.Itoa(g.Taken["read"]), strconv.Itoa(g.Taken["write"]), strconv.Itoa(g.Taken["heavy"]), strconv.Itoa(g.Taken["admin"]),
			strconv.Itoa(g.Idle), strconv.Itoa(waiting), fmt.Sprintf("%d ms", g.ExpectedMS), fmt.Sprintf("%.2f", g.Inflation),
			strconv.FormatUint(shed, 10), strconv.FormatUint(g.Gone, 10),
		})
		for _, h := range g.HotKeys {
			lane := "dry run"
			if h.Laned {
				lane = "yes"
			}
			hot = append(hot, []string{g.Member, h.Key, lane, strconv.Itoa(h.Using), strconv.Itoa(h.Waiting), strconv.FormatUint(h.Uses, 10), strconv.FormatUint(h.Waits, 10), strconv.FormatUint(h.Passed, 10)})
		}
	}
	if len(r.Gates) == 0 {
		fmt.Fprintln(w, "no statement has passed this node yet")
	} else {
		table(w, rows)
	}
	fmt.Fprintln(w)
	gateSettingsTable(w, r.Settings, r.Settings)
	if len(hot) > 1 {
		fmt.Fprintln(w)
		table(w, hot)
	}
}

// gateSettingsTable shows settings, and what they were where that differs.
func gateSettingsTable(w io.Writer, now, before api.GateSettings) {
	rows := [][]string{{"SETTING", "VALUE"}}
	add := func(name, now, before string) {
		if now != before {
			now += " (was " + before + ")"
		}
		rows = append(rows, []string{name, now})
	}
	number := func(name string, now, before int) { add(name, strconv.Itoa(now), strconv.Itoa(before)) }
	add("mode", now.Mode, before.Mode)
	number("floor", now.Floor, before.Floor)
	add("ceiling", ceilingText(now.Ceiling), ceilingText(before.Ceiling))
	add("max-wait", shortSpan(now.MaxWaitMS), shortSpan(before.MaxWaitMS))
	add("shed-wait", shortSpan(now.ShedWaitMS), shortSpan(before.ShedWaitMS))
	number("queue", now.MaxQueue, before.MaxQueue)
	number("queue-bytes", now.QueueBytes, before.QueueBytes)
	add("heavy-after", shortSpan(now.HeavyAfterMS), shortSpan(before.HeavyAfterMS))
	number("running-threads", now.RunningThreads, before.RunningThreads)
	number("row-lock-waits", now.RowLockWaits, before.RowLockWaits)
	add("hot-keys", now.HotKeys, before.HotKeys)
	number("hot-width", now.HotWidth, before.HotWidth)
	table(w, rows)
}

// ceilingText is a ceiling; 0 is that of each node.
func ceilingText(n int) string {
	if n == 0 {
		return "proxy.member_links"
	}
	return strconv.Itoa(n)
}

// gateSetFlags are the flags of `gate set`.
type gateSetFlags struct {
	mode, hot                                                       string
	floor, ceiling, queue, queueBytes, threads, lockWaits, hotWidth int
	maxWait, shedWait, heavyAfter                                   time.Duration
	defaults, yes, dryRun                                           bool
	why                                                             string
}

func (c *cli) gateSet() *cobra.Command {
	var f gateSetFlags
	cmd := &cobra.Command{
		Use: "set", Short: "Change the mode and the limits of all gates", Args: args(cobra.NoArgs),
		Long: `Changes what the gates of all nodes are told, within a second and without a restart.
What is not given stays as it is, 0 is the default. --default sets everything to its
default first.

In mode absorb everybody waits, up to --max-wait. In mode shed the queue is short:
who would wait for longer than --shed-wait gets an error (1041) at once.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock gate set --mode absorb --max-wait 60s --why "new year"
  sqlring --api unix:/run/sqlring/api.sock gate set --mode shed --shed-wait 300ms
  sqlring --api unix:/run/sqlring/api.sock gate set --hot-keys dry-run
  sqlring --api unix:/run/sqlring/api.sock gate set --default`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := f.request(cmd)
			if req == (api.GateSetRequest{Why: f.why}) {
				return errUsage{"sqlring gate set", "nothing to set: use --mode, --ceiling, --max-wait and the like, or --default"}
			}
			client, err := c.changer(cmd.Context(), "gate set")
			if err != nil {
				return err
			}
			defer client.Close()
			return c.setGates(cmd.Context(), client, req, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.mode, "mode", "", "absorb or shed")
	flags.IntVar(&f.floor, "floor", 0, "places that there are at the least")
	flags.IntVar(&f.ceiling, "ceiling", 0, "places that there are at the most; not more than proxy.member_links count")
	flags.DurationVar(&f.maxWait, "max-wait", 0, "in absorb, how long a statement waits at the most")
	flags.DurationVar(&f.shedWait, "shed-wait", 0, "in shed, how long a statement waits for a place at the most; a tenth of it while the queue does not get empty")
	flags.IntVar(&f.queue, "queue", 0, "statements that may wait at a gate")
	flags.IntVar(&f.queueBytes, "queue-bytes", 0, "bytes of them")
	flags.DurationVar(&f.heavyAfter, "heavy-after", 0, "from which usual time on a statement is heavy")
	flags.IntVar(&f.threads, "running-threads", 0, "Threads_running of a member from which on it has too much to do; 0: do not ask")
	flags.IntVar(&f.lockWaits, "row-lock-waits", 0, "the same of Innodb_row_lock_current_waits")
	flags.StringVar(&f.hot, "hot-keys", "", "on, dry-run or off")
	flags.IntVar(&f.hotWidth, "hot-width", 0, "transactions that may have a hot key at once; 2 unless set")
	flags.BoolVar(&f.defaults, "default", false, "begin from the defaults")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show what would change, and change nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.StringVar(&f.why, "why", "", "reason, for the audit")
	return cmd
}

func (f gateSetFlags) request(cmd *cobra.Command) api.GateSetRequest {
	req := api.GateSetRequest{Default: f.defaults, Why: f.why}
	number := func(name string, v int) *int {
		if !cmd.Flags().Changed(name) {
			return nil
		}
		return &v
	}
	span := func(name string, d time.Duration) *int64 {
		if !cmd.Flags().Changed(name) {
			return nil
		}
		ms := d.Milliseconds()
		return &ms
	}
	text := func(name, v string) *string {
		if !cmd.Flags().Changed(name) {
			return nil
		}
		return &v
	}
	req.Mode, req.HotKeys = text("mode", f.mode), text("hot-keys", f.hot)
	req.Floor, req.Ceiling = number("floor", f.floor), number("ceiling", f.ceiling)
	req.MaxQueue, req.QueueBytes = number("queue", f.queue), number("queue-bytes", f.queueBytes)
	req.RunningThreads, req.RowLockWaits = number("running-threads", f.threads), number("row-lock-waits", f.lockWaits)
	req.HotWidth = number("hot-width", f.hotWidth)
	req.MaxWaitMS, req.ShedWaitMS, req.HeavyAfterMS = span("max-wait", f.maxWait), span("shed-wait", f.shedWait), span("heavy-after", f.heavyAfter)
	return req
}

func (c *cli) setGates(ctx context.Context, client *api.Client, req api.GateSetRequest, f gateSetFlags) error {
	plan, err := client.SetGates(ctx, req, true)
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.print(plan, func(w io.Writer) {
			gateSettingsTable(w, plan.After, plan.Before)
			fmt.Fprintln(w, "\nthis was a dry run: nothing was changed")
		})
	}
	gateSettingsTable(c.err, plan.After, plan.Before)
	if err := c.confirm(ctx, f.yes, "\nset these?"); err != nil {
		return err
	}
	set, err := client.SetGates(ctx, req, false)
	if err != nil {
		return err
	}
	return c.print(set, func(w io.Writer) { fmt.Fprintln(w, "the gates are set\nnext: sqlring gate show --watch") })
}
