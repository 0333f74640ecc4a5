package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) hookCommand() *cobra.Command {
	return noun("hook", "Who is told what happens, and keeping them quiet", c.hookList(), c.hookTest(), c.hookSilence())
}

func (c *cli) hookList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The hooks of the node, how they are, and the silences", Args: args(cobra.NoArgs),
		Long: `Hooks are declared in each node's file (docs/hooks.md); the node that leads delivers, so
every file declares the same ones. Nothing of this API changes them.`,
		Example: "  sqlring hook list\n  sqlring hook list -o json | jq '.hooks[] | select(.failing)'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			h, err := client.Hooks(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(h, func(w io.Writer) { hookText(w, h) })
		},
	}
}

func hookText(w io.Writer, h api.Hooks) {
	if len(h.Hooks) == 0 {
		fmt.Fprintf(w, "the file of node %s declares no hook: nobody is told while it leads (docs/hooks.md)\n", h.Node)
	} else {
		rows := [][]string{{"HOOK", "TYPE", "TO", "FROM SEVERITY", "MATCH", "REPEAT", "WAITING", "DELIVERED", "GIVEN UP", "STATE"}}
		for _, k := range h.Hooks {
			state := "works"
			switch {
			case k.Failing:
				state = "FAILING: " + k.LastError
			case k.LastError != "":
				state = "last attempt: " + k.LastError
			case k.LastAt == nil:
				state = "not tried yet"
			}
			repeat := "once"
			if k.RepeatMS > 0 {
				repeat = (time.Duration(k.RepeatMS) * time.Millisecond).String()
			}
			match := "*"
			if len(k.Match) > 0 {
				match = strings.Join(k.Match, " ")
			}
			rows = append(rows, []string{
				k.Name, k.Type, k.Target, k.Severity, match, repeat, fmt.Sprint(k.Waiting), fmt.Sprint(k.Delivered), fmt.Sprint(k.GivenUp), state,
			})
		}
		table(w, rows)
	}
	switch {
	case !h.Open:
		fmt.Fprintln(w, "\ntransitions are not taken down yet: there is no ring, or a node runs an earlier release")
	case !h.Leads:
		fmt.Fprintf(w, "\nnode %s does not lead: it tells nobody now\n", h.Node)
	}
	if d := h.Dropped; d.Critical+d.Warning+d.Info > 0 {
		fmt.Fprintf(w, "\ndropped since too much was pending: %d critical, %d warning, %d info\n", d.Critical, d.Warning, d.Info)
	}
	if len(h.Silences) > 0 {
		fmt.Fprintln(w)
		silenceTable(w, h.Silences)
	}
}

func silenceTable(w io.Writer, silences []api.Silence) {
	if len(silences) == 0 {
		fmt.Fprintln(w, "nothing is silenced")
		return
	}
	rows := [][]string{{"SILENCE", "MATCH", "UNTIL", "BY", "WHY"}}
	for _, q := range silences {
		rows = append(rows, []string{q.ID, q.Match, timeText(q.Until), q.By, orDash(q.Why)})
	}
	table(w, rows)
}

func (c *cli) hookTest() *cobra.Command {
	return &cobra.Command{
		Use: "test HOOK", Short: "Send a test to a hook of the node, once", Args: args(cobra.ExactArgs(1)),
		Long: `Sends an event that says that it is a test, from the node that --api names, whether it
leads or not, and shows what came of it: exit code 0 if it was taken, else 1.`,
		Example: "  sqlring --api unix:/run/sqlring/api.sock hook test pager",
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.changer(cmd.Context(), "hook test "+a[0])
			if err != nil {
				return err
			}
			defer client.Close()
			t, err := client.TestHook(cmd.Context(), a[0])
			if err != nil {
				return err
			}
			err = c.print(t, func(w io.Writer) {
				if t.OK {
					fmt.Fprintf(w, "hook %s took the test from node %s, within %d ms\n", t.Hook, t.Node, t.TookMS)
				}
			})
			if err == nil && !t.OK {
				err = fmt.Errorf("hook %s of node %s did not take the test: %s", t.Hook, t.Node, t.Error)
			}
			return err
		},
	}
}

func (c *cli) hookSilence() *cobra.Command {
	var f ruleFlags
	var lasts time.Duration
	var end string
	cmd := &cobra.Command{
		Use: "silence [MATCH]", Short: "Keep hooks quiet about something for a while", Args: args(cobra.MaximumNArgs(1)),
		Long: `From now on until --for is over, no hook of any node is told of what MATCH matches:
"lag/m2" (kind/subject), "m2" (a member, a subject or a kind), "unit/*", "*", or terms with
commas, all of which have to hold: "topic=lag,member=m1", "severity=warning". What still
stands when the silence ends is told then. --end takes a silence away; sqlring hook list
shows them.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock hook silence m2 --for 2h --why "new disk"
  sqlring --api unix:/run/sqlring/api.sock hook silence --end s1`,
		RunE: func(cmd *cobra.Command, a []string) error {
			if (len(a) == 1) == (end != "") {
				return errUsage{"sqlring hook silence", "name what is silenced, or a silence that --end takes away"}
			}
			if end != "" {
				return changeList(cmd.Context(), c, silenceTable, "hook silence --end "+end, f, fmt.Sprintf("take silence %s away?", end), func(client *api.Client, dryRun bool) ([]api.Silence, error) {
					return client.EndSilence(cmd.Context(), end, f.why, dryRun)
				})
			}
			req := api.SilenceRequest{Match: a[0], ForMS: lasts.Milliseconds(), Why: f.why}
			if req.ForMS <= 0 {
				return errUsage{"sqlring hook silence", fmt.Sprintf("--for %s: a silence lasts for some time", lasts)}
			}
			return changeList(cmd.Context(), c, silenceTable, "hook silence "+a[0], f, fmt.Sprintf("tell no hook about %s for %s?", a[0], lasts), func(client *api.Client, dryRun bool) ([]api.Silence, error) {
				return client.AddSilence(cmd.Context(), req, dryRun)
			})
		},
	}
	cmd.Flags().DurationVar(&lasts, "for", 2*time.Hour, "how long it lasts, at most 720h")
	cmd.Flags().StringVar(&end, "end", "", "take the silence with this id away")
	f.add(cmd)
	return cmd
}
