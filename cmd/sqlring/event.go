package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) eventCommand() *cobra.Command {
	return noun("event", "What happened: the audit of changes, and the transitions that hooks are told",
		c.eventList(), c.eventTail(), c.eventAck())
}

// eventFlags say which events are asked for.
type eventFlags struct {
	kind, member, severity string
	evidence               bool
}

func (f *eventFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.kind, "kind", "", "only of this kind: lag, member, ring, unit, raft, node, semi-sync, headroom, operation, hook, heal, move, step, …")
	cmd.Flags().StringVar(&f.member, "member", "", "only about this member")
	cmd.Flags().StringVar(&f.severity, "severity", "", "only of this severity or a worse one: info, warning or critical")
	cmd.Flags().BoolVar(&f.evidence, "evidence", false, "what each was based on, and what to do, below it")
}

func (f *eventFlags) query() api.EventQuery {
	return api.EventQuery{Observed: true, Kind: f.kind, Member: f.member, Severity: f.severity}
}

// asked says what was asked for by name, which may be misspelt.
func (f *eventFlags) asked() string {
	text := ""
	for _, of := range [][2]string{{"--kind", f.kind}, {"--member", f.member}, {"--severity", f.severity}} {
		if of[1] != "" {
			text += " " + of[0] + " " + of[1]
		}
	}
	if text == "" {
		return ""
	}
	return ":" + text + " (`sqlring event list` shows all)"
}

func (c *cli) eventList() *cobra.Command {
	var f eventFlags
	var after uint64
	var limit int
	var since time.Duration
	var standing bool
	cmd := &cobra.Command{
		Use: "list", Short: "What happened, by whom and why, oldest first", Args: args(cobra.NoArgs),
		Long: `What was changed (the audit), and each transition of a lag level, a member, the ring, a
unit, raft, a node, semi-sync, headroom or an operation. A transition has a number (SEQ),
by which it is acknowledged. --standing shows what is not as it should be now.`,
		Example: `  sqlring event list --limit 20
  sqlring event list --severity warning --since 24h --evidence
  sqlring event list --standing
  sqlring event list --after 118 -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			if since < 0 {
				return errUsage{"sqlring event list", fmt.Sprintf("--since %s: it is counted backwards: say %s", since, -since)}
			}
			if standing {
				stand, err := client.Standing(cmd.Context())
				if err != nil {
					return err
				}
				return c.print(stand, func(w io.Writer) { standingTable(w, stand) })
			}
			if limit < 1 {
				return errUsage{"sqlring event list", fmt.Sprintf("--limit %d: at least 1 is shown", limit)}
			}
			q := f.query()
			q.After, q.Limit, q.Since = after, limit, since
			events, _, err := client.FindEvents(cmd.Context(), q)
			if err != nil {
				return err
			}
			return c.print(events, func(w io.Writer) {
				if len(events) == 0 {
					fmt.Fprintln(w, "no event is like that"+f.asked())
					return
				}
				eventTable(w, events, f.evidence)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().Uint64Var(&after, "after", 0, "only events above this index")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many, the newest (1 to 1024)")
	cmd.Flags().DurationVar(&since, "since", 0, "only of the last so long, as 90m or 24h")
	cmd.Flags().BoolVar(&standing, "standing", false, "what is not as it should be, and lasts")
	return cmd
}

// tailWait is for how long a node holds a question of event tail, if there is nothing.
const tailWait = 20 * time.Second

func (c *cli) eventTail() *cobra.Command {
	var f eventFlags
	var lines int
	cmd := &cobra.Command{
		Use: "tail", Short: "The last events, and each one as it happens", Args: args(cobra.NoArgs),
		Long: `Shows the last events and follows, until it is interrupted. The node is asked once for
each that happens, and every 20 s: it holds the question until there is something.
-o json writes one object a line.`,
		Example: "  sqlring event tail\n  sqlring event tail --severity warning -o json | while read -r event; do …; done",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			if lines < 1 {
				return errUsage{"sqlring event tail", fmt.Sprintf("--lines %d: at least 1 is shown", lines)}
			}
			return c.tail(cmd, client, f, lines)
		},
	}
	f.add(cmd)
	cmd.Flags().IntVarP(&lines, "lines", "n", 10, "how many of the past (1 to 1024)")
	return cmd
}

func (c *cli) tail(cmd *cobra.Command, client *api.Client, f eventFlags, lines int) error {
	q := f.query()
	q.Limit = lines
	for first := true; ; first = false {
		events, index, err := client.FindEvents(cmd.Context(), q)
		if err != nil {
			return err // the node is gone, or Ctrl-C
		}
		for _, e := range events {
			if c.format != "table" {
				line, err := json.Marshal(e)
				if err != nil {
					return err
				}
				fmt.Fprintln(c.out, string(line))
				continue
			}
			fmt.Fprintf(c.out, "%s  %-8s %-9s %s: %s%s\n", timeText(e.At), e.Severity, e.Status, kindText(e), e.What, becauseText(e.Why))
			if f.evidence {
				evidenceText(c.out, e)
			}
		}
		if first && q.After == 0 || index > q.After {
			q.After = index
		}
		q.Limit, q.Wait = 1024, tailWait
	}
}

func becauseText(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// kindText names what an event is about.
func kindText(e api.Event) string {
	if e.Subject != "" {
		return e.Kind + "/" + e.Subject
	}
	return e.Kind
}

func (c *cli) eventAck() *cobra.Command {
	var f ruleFlags
	cmd := &cobra.Command{
		Use: "ack SEQ", Short: "Say that you have seen it: it is not told again until it changes", Args: args(cobra.ExactArgs(1)),
		Long: `Notes in the replicated state who has seen a transition. Hooks are not told again of what
stands by it, until that changes or is over. SEQ is its number in sqlring event list.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock event ack 41 --why "disk ordered"`,
		RunE: func(cmd *cobra.Command, a []string) error {
			seq, err := strconv.ParseUint(a[0], 10, 64)
			if err != nil {
				return errUsage{"sqlring event ack", fmt.Sprintf("%q is not a number: sqlring event list shows it as SEQ", a[0])}
			}
			client, err := c.changer(cmd.Context(), "event ack "+a[0])
			if err != nil {
				return err
			}
			defer client.Close()
			e, err := client.AckEvent(cmd.Context(), seq, f.why, true)
			if err != nil {
				return err
			}
			if !f.dryRun {
				if err := c.confirm(cmd.Context(), f.yes, fmt.Sprintf("acknowledge event %d, %s?", seq, e.What)); err != nil {
					return err
				}
				if e, err = client.AckEvent(cmd.Context(), seq, f.why, false); err != nil {
					return err
				}
			}
			return c.print(e, func(w io.Writer) {
				eventTable(w, []api.Event{e}, true)
				if f.dryRun {
					fmt.Fprintln(w, "\nthis was a dry run: nothing was changed")
				}
			})
		},
	}
	f.add(cmd)
	return cmd
}

// eventTable shows events. Evidence stands below its event, indented.
func eventTable(w io.Writer, events []api.Event, evidence bool) {
	rows := [][]string{{"INDEX", "SEQ", "AT", "BY", "SEVERITY", "KIND", "MEMBER", "WHAT", "WHY"}}
	for _, e := range events {
		severity := e.Severity
		if e.Status == "resolved" {
			severity = "resolved"
		}
		if e.Acked != nil {
			severity += ", acked"
		}
		rows = append(rows, []string{
			indexText(e.Index), indexText(e.Seq), timeText(e.At), e.By, severity, e.Kind, orDash(e.Member), e.What, orDash(e.Why),
		})
	}
	var text strings.Builder
	table(&text, rows)
	for i, line := range strings.SplitAfter(text.String(), "\n") {
		fmt.Fprint(w, line)
		if evidence && i > 0 && i <= len(events) {
			evidenceText(w, events[i-1])
		}
	}
}

func evidenceText(w io.Writer, e api.Event) {
	for _, line := range e.Evidence {
		fmt.Fprintf(w, "         evidence: %s\n", line)
	}
	if e.Remedy != "" {
		fmt.Fprintf(w, "         what to do: %s\n", e.Remedy)
	}
	if e.Acked != nil {
		fmt.Fprintf(w, "         seen by %s at %s%s\n", e.Acked.By, timeText(e.Acked.At), becauseText(e.Acked.Why))
	}
}

func standingTable(w io.Writer, standing []api.StandingEvent) {
	if len(standing) == 0 {
		fmt.Fprintln(w, "nothing stands: all is as it should be, as far as is told")
		return
	}
	rows := [][]string{{"SEQ", "BEGAN", "SEVERITY", "WHAT", "IS", "TOLD", "SEEN BY", "WHAT TO DO"}}
	for _, st := range standing {
		told, seen := "", "-"
		for _, t := range st.Told {
			told += " " + t.Hook
		}
		if st.Acked != nil {
			seen = st.Acked.By
		}
		rows = append(rows, []string{
			indexText(st.Seq), timeText(st.Began), st.Severity, kindText(st.Event), st.To, orDash(strings.TrimSpace(told)), seen, orDash(st.Remedy),
		})
	}
	table(w, rows)
}

// indexText shows an index of the audit; 0 is none.
func indexText(index uint64) string {
	if index == 0 {
		return "-"
	}
	return fmt.Sprint(index)
}

func timeText(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05Z") }
