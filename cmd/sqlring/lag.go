package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) lagCommand() *cobra.Command {
	var watch watchFlags
	cmd := &cobra.Command{
		Use:   "lag",
		Short: "How stale each member is with respect to each origin",
		Long: `Shows for every pair how stale the member is with respect to the origin: at least
AT LEAST, at most AT MOST. The bounds come from numbered heartbeats against one
clock, so the clocks of the servers do not matter.`,
		Example: "  sqlring lag --watch\n  sqlring lag -o json | jq '.cells | map(.high_ms) | max'",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			return c.watch(cmd.Context(), watch, func(ctx context.Context) error {
				r, err := client.Lag(ctx)
				if err != nil {
					return err
				}
				return c.print(r, func(w io.Writer) { lagTable(w, r) })
			})
		},
	}
	watch.add(cmd)
	return cmd
}

func lagTable(w io.Writer, r api.LagReport) {
	rows := [][]string{{"ORIGIN", "MEMBER", "AT LEAST", "AT MOST"}}
	for _, cell := range r.Cells {
		rows = append(rows, []string{cell.Origin, cell.Member, oneMillis(cell.LowMS), oneMillis(cell.HighMS)})
	}
	table(w, rows)
}

func oneMillis(ms *int64) string {
	if ms == nil {
		return "unknown"
	}
	return fmt.Sprintf("%d ms", *ms)
}
