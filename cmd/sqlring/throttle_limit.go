package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

// scopeFlags name what a rule for statements is about.
type scopeFlags struct {
	digest, account, network, schema string
	all                              bool
}

func (f *scopeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.digest, "digest", "", "statements with this digest, 16 hexadecimal digits as EXPLAIN ROUTE shows it")
	flags.StringVar(&f.account, "account", "", "statements of this user")
	flags.StringVar(&f.network, "network", "", "statements of clients from there, for example 192.0.2.0/24")
	flags.StringVar(&f.schema, "schema", "", "statements whose default schema this is")
	flags.BoolVar(&f.all, "all", false, "every statement")
}

// scope returns the rule's scope, "" if none is named.
func (f scopeFlags) scope(command string) (string, error) {
	var scopes []string
	for _, s := range [][2]string{{"digest", strings.TrimPrefix(strings.ToLower(f.digest), "0x")}, {"account", f.account}, {"network", f.network}, {"schema", f.schema}} {
		if s[1] != "" {
			scopes = append(scopes, s[0]+":"+s[1])
		}
	}
	if f.all {
		scopes = append(scopes, "all")
	}
	switch len(scopes) {
	case 0:
		return "", nil
	case 1:
		return scopes[0], nil
	}
	return "", errUsage{command, "one of --digest, --account, --network, --schema and --all, not " + strings.Join(scopes, " and ")}
}

// limitFlags are what a rule for statements allows.
type limitFlags struct {
	scopeFlags
	concurrency int
	rate        float64
	idle, long  time.Duration
}

func (f *limitFlags) add(cmd *cobra.Command) {
	f.scopeFlags.add(cmd)
	flags := cmd.Flags()
	flags.IntVar(&f.concurrency, "concurrency", 0, "of statements: how many at once, for each node")
	flags.Float64Var(&f.rate, "rate", 0, "of statements: how many a second, for each node")
	flags.DurationVar(&f.idle, "idle-transaction", 0, "an open transaction that waits for its client for longer is ended (--account, --network, --all)")
	flags.DurationVar(&f.long, "long-statement", 0, "a statement that runs for longer is ended (--account, --network, --all)")
}

func (c *cli) setLimit(ctx context.Context, scope string, l limitFlags, f ruleFlags) error {
	req := api.LimitRequest{
		Scope: scope, Concurrency: l.concurrency, Rate: l.rate, IdleTransactionMS: l.idle.Milliseconds(), LongStatementMS: l.long.Milliseconds(),
		ForMS: f.ttl.Milliseconds(), Why: f.why,
	}
	if req.ForMS <= 0 {
		return errUsage{"sqlring throttle set", fmt.Sprintf("--ttl %s: a rule lasts for some time", f.ttl)}
	}
	question := fmt.Sprintf("hold statements of %s back for %s?", scope, f.ttl)
	return changeList(ctx, c, limitTable, "throttle set", f, question, func(client *api.Client, dryRun bool) ([]api.LimitRule, error) {
		return client.SetLimit(ctx, req, dryRun)
	})
}

func (c *cli) clearLimit(ctx context.Context, scope string, f ruleFlags) error {
	req := api.LimitClearRequest{Scope: scope, Why: f.why}
	question := fmt.Sprintf("take the rule of %s away?", scope)
	return changeList(ctx, c, limitTable, "throttle clear", f, question, func(client *api.Client, dryRun bool) ([]api.LimitRule, error) {
		return client.ClearLimit(ctx, req, dryRun)
	})
}

func limitTable(w io.Writer, rules []api.LimitRule) {
	if len(rules) == 0 {
		fmt.Fprintln(w, "no statement is held back by a rule")
		return
	}
	number := func(v float64) string {
		if v == 0 {
			return "-"
		}
		return fmt.Sprintf("%g", v)
	}
	span := func(ms int64) string {
		if ms == 0 {
			return "-"
		}
		return shortSpan(ms)
	}
	rows := [][]string{{"STATEMENTS OF", "AT ONCE", "A SECOND", "IDLE TRANSACTION", "LONG STATEMENT", "INSIDE", "WAITING", "HELD", "REFUSED", "UNTIL", "BY", "WHY"}}
	for _, r := range rules {
		rows = append(rows, []string{
			r.Scope, number(float64(r.Concurrency)), number(r.Rate), span(r.IdleTransactionMS), span(r.LongStatementMS),
			strconv.Itoa(r.Inside), strconv.Itoa(r.Waiting), strconv.FormatUint(r.Held, 10), strconv.FormatUint(r.Refused, 10), timeText(r.Until), r.By, orDash(r.Why),
		})
	}
	table(w, rows)
}
