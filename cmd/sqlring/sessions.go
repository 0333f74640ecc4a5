package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) sessionsCommand() *cobra.Command {
	var f api.SessionFilter
	var older time.Duration
	cmd := &cobra.Command{
		Use: "sessions", Short: "The clients of a node's proxy, and what each does", Args: args(cobra.NoArgs),
		Long: `Lists the sessions of the proxy of the node that is asked (--api): their ids are that
node's own, so ask each node for its own. Statements are shown by their digest, without
their values. STATE and FOR say what a session is at, and for how long, to a quarter of a
second: it logs in, is idle, runs a statement, or waits. KEEPS says why it keeps its
connection to a member between its statements; "-": it does not, and MEMBER is where it
had one last.`,
		Example: `  sqlring sessions --state runs --older 10s
  sqlring sessions --account web --pinned
  sqlring sessions --member m2 -o json | jq -r '.sessions[].id'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if older < 0 {
				return errUsage{"sqlring sessions", fmt.Sprintf("--older %s is not a span of time: 10s, 5m", older)}
			}
			if states := []string{"logs in", "idle", "runs", "waits"}; f.State != "" && !slices.Contains(states, f.State) {
				return errUsage{"sqlring sessions", fmt.Sprintf("--state %q is not one of %s", f.State, strings.Join(states, ", "))}
			}
			f.OlderMS = older.Milliseconds()
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			list, err := client.Sessions(cmd.Context(), f)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) { sessionTable(w, list) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Account, "account", "", "only this user's")
	flags.StringVar(&f.Member, "member", "", "only those whose connection is, or was last, to this member")
	flags.StringVar(&f.State, "state", "", "only those that are in this state: 'logs in', idle, runs, waits")
	flags.BoolVar(&f.Pinned, "pinned", false, "only those that keep their connection")
	flags.DurationVar(&older, "older", 0, "only those that have been in their state for so long")
	flags.IntVar(&f.Limit, "limit", 1000, "at most so many, those first that have been in their state for longest (1 to 20000)")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"logs in", "idle", "runs", "waits"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func sessionTable(w io.Writer, list api.SessionList) {
	if len(list.Sessions) == 0 {
		fmt.Fprintf(w, "none of the %d sessions of node %s\n", list.Total, list.Node)
		return
	}
	rows := [][]string{{"ID", "ACCOUNT", "FROM", "SCHEMA", "STATE", "FOR", "MEMBER", "READS", "KEEPS", "WHAT"}}
	for i := range list.Sessions {
		s := &list.Sessions[i]
		rows = append(rows, []string{
			fmt.Sprint(s.ID), orDash(s.Account), s.From, orDash(s.Schema), s.State, api.Span(time.Duration(s.ForMS) * time.Millisecond),
			orDash(s.Member), orDash(s.Consistency), orDash(strings.Join(s.Keeps, ", ")), whatOf(s),
		})
	}
	table(w, rows)
	fmt.Fprintf(w, "\n%d of the %d sessions of node %s", len(list.Sessions), list.Total, list.Node)
	if list.Left > 0 {
		fmt.Fprintf(w, "; %d more are left out (--limit)", list.Left)
	}
	fmt.Fprintln(w)
}

func whatOf(s *api.Session) string {
	if s.WaitsFor == "" {
		return orDash(s.Doing)
	}
	return strings.TrimSpace("for " + s.WaitsFor + ": " + s.Doing)
}
