package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) explainCommand() *cobra.Command {
	var r api.RouteQuery
	cmd := &cobra.Command{
		Use: "explain STATEMENT", Short: "Where a statement would go, and why", Args: args(cobra.ExactArgs(1)),
		Long: `Says which units a statement touches, what it leaves behind, to which member the proxy of
the node that is asked would send it now, and why not to the others. Nothing is run. The
session that it is asked for has just logged in, as --account: it has written nothing
itself, but has to see what its account has written through this node. EXPLAIN ROUTE in a
session gives the same answer for that one.`,
		Example: `  sqlring explain "SELECT title FROM shop.card WHERE id = 7"
  sqlring explain "SELECT title FROM card" --account web --schema shop --consistency eventual`,
		RunE: func(cmd *cobra.Command, a []string) error {
			r.Statement = a[0]
			if strings.TrimSpace(r.Statement) == "" {
				return errUsage{"sqlring explain", "there is no statement"}
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			route, err := client.Explain(cmd.Context(), r)
			if err != nil {
				return err
			}
			return c.print(route, func(w io.Writer) { routeText(w, route) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Account, "account", "", "user whose session would send it")
	flags.StringVar(&r.Schema, "schema", "", "the session's default schema")
	flags.StringVar(&r.Consistency, "consistency", "", "of its reads: eventual, session, account, strong (default: the account's)")
	_ = cmd.RegisterFlagCompletionFunc("consistency", cobra.FixedCompletions([]string{"eventual", "session", "account", "strong"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func routeText(w io.Writer, r api.Route) {
	to := r.GoesTo
	switch {
	case r.Refused:
		to = "nowhere: it would be refused"
	case to == "":
		to = "nowhere now"
	}
	rows := [][]string{{"goes to", to}, {"why", r.Why}, {"statement", r.Statement}}
	for _, p := range r.Parts {
		rows = append(rows, []string{"kind", p.Kind}, []string{"tables", orDash(strings.Join(p.Tables, ", "))}, []string{"does besides", orDash(strings.Join(p.Does, ", "))})
	}
	if len(r.Keeps) > 0 {
		rows = append(rows, []string{"keeps its connection for", strings.Join(r.Keeps, ", ")})
	}
	for _, u := range r.Units {
		rows = append(rows, []string{"unit", fmt.Sprintf("%s, epoch %d, of %s", u.Unit, u.Epoch, orDash(u.Owner))})
	}
	if r.Spreads {
		rows = append(rows, []string{"consistency", r.Consistency}, []string{"has to see", orDash(r.Need)})
	}
	for _, m := range r.Candidates {
		rows = append(rows, []string{"member " + m.Member, fmt.Sprintf("%s: %s", map[bool]string{true: "qualifies", false: "does not qualify"}[m.Qualifies], m.Why)})
	}
	table(w, rows)
}
