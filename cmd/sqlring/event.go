package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) eventCommand() *cobra.Command {
	var after uint64
	var limit int
	var evidence bool
	list := &cobra.Command{
		Use: "list", Short: "What was changed, by whom and why, oldest first", Args: args(cobra.NoArgs),
		Long: `What stands in the audit, and between that what the node that answers has seen since
it was started: changes of lag levels. Those have no index; --after leaves them out.`,
		Example: "  sqlring event list --limit 20\n  sqlring event list --evidence\n  sqlring event list --after 118 -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			events, err := c.events(cmd, client, after, limit)
			if err != nil {
				return err
			}
			return c.print(events, func(w io.Writer) { eventTable(w, events, evidence) })
		},
	}
	list.Flags().Uint64Var(&after, "after", 0, "only events above this index")
	list.Flags().IntVar(&limit, "limit", 100, "at most so many, the newest (1 to 512)")
	list.Flags().BoolVar(&evidence, "evidence", false, "what each decision was based on, below it")
	return noun("event", "The audit of the ring", list)
}

func (c *cli) events(cmd *cobra.Command, client *api.Client, after uint64, limit int) ([]api.Event, error) {
	if cmd.Flags().Changed("after") {
		return client.Events(cmd.Context(), after, limit)
	}
	return client.AllEvents(cmd.Context(), limit)
}

// eventTable shows the audit. Evidence stands below its event, indented.
func eventTable(w io.Writer, events []api.Event, evidence bool) {
	rows := [][]string{{"INDEX", "AT", "BY", "KIND", "MEMBER", "WHAT", "WHY"}}
	for _, e := range events {
		rows = append(rows, []string{
			indexText(e.Index), timeText(e.At), e.By, e.Kind, orDash(e.Member), e.What, orDash(e.Why),
		})
	}
	var text strings.Builder
	table(&text, rows)
	for i, line := range strings.SplitAfter(text.String(), "\n") {
		fmt.Fprint(w, line)
		if !evidence || i == 0 || i > len(events) {
			continue
		}
		for _, e := range events[i-1].Evidence {
			fmt.Fprintf(w, "         evidence: %s\n", e)
		}
	}
}

// indexText shows an index of the audit; 0 is none.
func indexText(index uint64) string {
	if index == 0 {
		return "-"
	}
	return fmt.Sprint(index)
}

func timeText(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05Z") }
