package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) throttleCommand() *cobra.Command {
	return noun("throttle", "Ask whether an application may write, and hold applications or statements back",
		c.throttleCheck(), c.throttleSet(), c.throttleClear(), c.throttleList())
}

// errHeldBack ends `throttle check` with exitRefused.
type errHeldBack struct{ what string }

func (e errHeldBack) Error() string { return e.what }

func (c *cli) throttleCheck() *cobra.Command {
	var atMost time.Duration
	cmd := &cobra.Command{
		Use:   "check APP [STORE]",
		Short: "May this application write now?",
		Long: `Asks what gh-ost and the clients of freno ask over HTTP: may APP write? STORE is the
ring (all of its members count) or one member; without it, the ring. The answer is
yes, exit code 0; no, exit code 3, because a member lags too far or a rule holds the
application back; or not known, exit code 1: do not write then either.

--at-most asks for another lag than the ring's own threshold, without its hold times.`,
		Example: `  sqlring throttle check archive && ./archive-some-rows
  sqlring throttle check report m2 --at-most 500ms
  gh-ost --throttle-http=http://127.0.0.1:8406/freno/check/gh-ost/mysql/shop …`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			store := ""
			if len(a) == 2 {
				store = a[1]
			}
			return c.checkThrottle(cmd.Context(), client, api.CheckRequest{App: a[0], Store: store, AtMost: atMost})
		},
	}
	cmd.Flags().DurationVar(&atMost, "at-most", 0, "the lag that is borne (default: the ring's threshold of throttle)")
	return cmd
}

func (c *cli) checkThrottle(ctx context.Context, client *api.Client, req api.CheckRequest) error {
	r, err := client.Check(ctx, req)
	if err != nil {
		return err
	}
	err = c.print(r, func(w io.Writer) {
		if r.StatusCode == http.StatusOK {
			fmt.Fprintf(w, "yes: the lag is at most %.3f s, %g s are borne\n", r.Value, r.Threshold)
		}
	})
	switch {
	case err != nil || r.StatusCode == http.StatusOK:
		return err
	case r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusExpectationFailed:
		return errHeldBack{fmt.Sprintf("no (%d): %s", r.StatusCode, r.Message)}
	}
	return fmt.Errorf("not known (%d): %s", r.StatusCode, r.Message)
}

func (c *cli) throttleList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The rules that hold applications and statements back", Args: args(cobra.NoArgs),
		Example: "  sqlring throttle list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			rules, err := client.Throttles(cmd.Context())
			if err != nil {
				return err
			}
			limits, err := client.Limits(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(throttleRules{rules, limits}, func(w io.Writer) {
				throttleTable(w, rules)
				fmt.Fprintln(w)
				limitTable(w, limits)
			})
		},
	}
}

// throttleRules are all rules, of applications and of statements.
type throttleRules struct {
	Rules  []api.ThrottleRule `json:"rules"`
	Limits []api.LimitRule    `json:"limits"`
}

func throttleTable(w io.Writer, rules []api.ThrottleRule) {
	if len(rules) == 0 {
		fmt.Fprintln(w, "no application is held back by a rule")
		return
	}
	rows := [][]string{{"APP", "OF ITS CHECKS", "UNTIL", "BY", "WHY"}}
	for _, r := range rules {
		rows = append(rows, []string{r.App, fmt.Sprintf("%g %%", 100*r.Ratio), timeText(r.Until), r.By, orDash(r.Why)})
	}
	table(w, rows)
}

// ruleFlags are the flags of `throttle set` and `throttle clear`.
type ruleFlags struct {
	ratio       float64
	ttl         time.Duration
	yes, dryRun bool
	why         string
}

func (f *ruleFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only check it, and change nothing")
	cmd.Flags().StringVar(&f.why, "why", "", "reason, for the audit and for whoever is held back")
}

func (c *cli) throttleSet() *cobra.Command {
	var f ruleFlags
	var l limitFlags
	cmd := &cobra.Command{
		Use:   "set APP | set --digest HEX|--account USER|--network CIDR|--schema NAME|--all",
		Short: "Hold an application, or statements, back for a while",
		Long: `From now on until --ttl is over the checks of APP are answered no (417), or --ratio of
them. APP is what the application calls itself in its checks; "*" is all. A rule that
APP has already is replaced. It holds on every node.

With --digest, --account, --network, --schema or --all it is about statements that pass
the proxies: so many at once (--concurrency), so many a second (--rate); the others wait,
and get error 1041 if that takes too long. What is inside of a transaction is not held
back. --idle-transaction closes the connection of a transaction that waits for its client
for longer, --long-statement has the member stop what runs for longer (error 1317).`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock throttle set archive --ttl 30m --why "backup"
  sqlring --api unix:/run/sqlring/api.sock throttle set gh-ost --ratio 0.5
  sqlring --api unix:/run/sqlring/api.sock throttle set --digest 3f0a91c4d2e85b76 --concurrency 2 --ttl 10m
  sqlring --api unix:/run/sqlring/api.sock throttle set --account report --rate 5 --long-statement 30s`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			scope, err := l.scope("sqlring throttle set")
			switch {
			case err != nil:
				return err
			case (scope == "") == (len(a) == 0):
				return errUsage{"sqlring throttle set", "name an application, or one of --digest, --account, --network, --schema, --all"}
			case scope != "" && cmd.Flags().Changed("ratio"):
				return errUsage{"sqlring throttle set", fmt.Sprintf("--ratio is for the checks of an application, not for statements of %s: --concurrency, --rate", scope)}
			case scope != "":
				return c.setLimit(cmd.Context(), scope, l, f)
			}
			if given := givenOf(cmd, "concurrency", "rate", "idle-transaction", "long-statement"); given != "" {
				return errUsage{"sqlring throttle set", fmt.Sprintf("%s is for statements, and %s is an application that asks whether it may write: for the statements of a user: --account %s %s", given, a[0], a[0], given)}
			}
			req := api.ThrottleRequest{App: a[0], Ratio: f.ratio, ForMS: f.ttl.Milliseconds(), Why: f.why}
			switch { // 0 would stand for the default
			case req.ForMS <= 0:
				return errUsage{"sqlring throttle set", fmt.Sprintf("--ttl %s: a rule lasts for some time", f.ttl)}
			case !(req.Ratio > 0 && req.Ratio <= 1):
				return errUsage{"sqlring throttle set", fmt.Sprintf("--ratio %g: a rule meets above 0 and at most 1 of the checks", f.ratio)}
			}
			question := fmt.Sprintf("answer no to %g %% of the checks of %s for %s?", 100*f.ratio, a[0], f.ttl)
			return changeList(cmd.Context(), c, throttleTable, "throttle set "+a[0], f, question, func(client *api.Client, dryRun bool) ([]api.ThrottleRule, error) {
				return client.SetThrottle(cmd.Context(), req, dryRun)
			})
		},
	}
	cmd.Flags().Float64Var(&f.ratio, "ratio", 1, "of the checks, how many are answered no: above 0, at most 1")
	cmd.Flags().DurationVar(&f.ttl, "ttl", time.Hour, "how long the rule lasts, at most 720h")
	l.add(cmd)
	f.add(cmd)
	return cmd
}

// givenOf returns those of the flags that were given, as they are typed.
func givenOf(cmd *cobra.Command, names ...string) string {
	var given []string
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f.Changed {
			given = append(given, fmt.Sprintf("--%s %s", name, f.Value))
		}
	}
	return strings.Join(given, " ")
}

func (c *cli) throttleClear() *cobra.Command {
	var f ruleFlags
	var of scopeFlags
	cmd := &cobra.Command{
		Use:   "clear APP | clear --digest HEX|--account USER|--network CIDR|--schema NAME|--all",
		Short: "Hold an application, or statements, back no more", Args: args(cobra.MaximumNArgs(1)),
		Long:    "Takes the rule of APP, or of what a flag names, away. How far members lag counts still.",
		Example: "  sqlring --api unix:/run/sqlring/api.sock throttle clear archive",
		RunE: func(cmd *cobra.Command, a []string) error {
			scope, err := of.scope("sqlring throttle clear")
			switch {
			case err != nil:
				return err
			case (scope == "") == (len(a) == 0):
				return errUsage{"sqlring throttle clear", "name an application, or one of --digest, --account, --network, --schema, --all"}
			case scope != "":
				return c.clearLimit(cmd.Context(), scope, f)
			}
			req := api.ThrottleClearRequest{App: a[0], Why: f.why}
			question := fmt.Sprintf("take the rule of %s away?", a[0])
			return changeList(cmd.Context(), c, throttleTable, "throttle clear "+a[0], f, question, func(client *api.Client, dryRun bool) ([]api.ThrottleRule, error) {
				return client.ClearThrottle(cmd.Context(), req, dryRun)
			})
		},
	}
	f.add(cmd)
	of.add(cmd)
	return cmd
}
