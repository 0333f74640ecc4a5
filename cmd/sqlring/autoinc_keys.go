package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) autoincVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Ask each member anew by what it gives out ids", Args: args(cobra.NoArgs),
		Long: `Asks every member, now, for its auto_increment_offset and auto_increment_increment,
and compares them with what is meant. MySQL shows the variables of every session,
and they are compared too; MariaDB shows a session's to nobody but itself.

TABLE is the member's own copy of who has which slot (sqlring.slots there), against the
replicated state; what differs is listed.

The exit code is 0 if all count as meant and have the same table, and 2 if one does not
or could not be asked.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			r, err := client.VerifyAutoinc(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.print(r, func(w io.Writer) { verifyTable(w, r) }); err != nil {
				return err
			}
			if r.OK == nil || !*r.OK || r.Tables == nil || !*r.Tables {
				return errDegraded
			}
			return nil
		},
	}
}

func verifyTable(w io.Writer, r api.VerifyReport) {
	if r.Ring == "" {
		fmt.Fprintln(w, "no ring yet")
		return
	}
	rows := [][]string{{"MEMBER", "MEANT", "GLOBAL", "SESSIONS", "OK", "TABLE"}}
	var notes []string
	for _, m := range r.Members {
		global, sessions := "unknown", "unknown"
		if m.Global != nil {
			global = m.Global.String()
		}
		switch {
		case m.SessionsSeen != nil:
			sessions = fmt.Sprintf("%d wrong of %d", len(m.Wrong), *m.SessionsSeen)
		case m.SessionsOpen != nil:
			sessions = fmt.Sprintf("%d, not visible", *m.SessionsOpen)
		}
		rows = append(rows, []string{m.Name, m.Meant.String(), global, sessions, yesNo(m.OK), tableState(m.Table)})
		if m.What != "" {
			notes = append(notes, m.Name+": "+m.What)
		}
		if m.Table != nil {
			for _, line := range m.Table.Differs {
				notes = append(notes, fmt.Sprintf("%s: table of slots: %s", m.Name, line))
			}
			if m.Table.What != "" {
				notes = append(notes, fmt.Sprintf("%s: table of slots: %s", m.Name, m.Table.What))
			}
		}
		for _, s := range m.Wrong {
			notes = append(notes, fmt.Sprintf("%s: connection %d counts by %s", m.Name, s.Connection, s.Layout))
		}
	}
	table(w, rows)
	if len(notes) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(notes, "\n"))
	}
}

func tableState(c *api.SlotCopy) string {
	if c == nil {
		return "-"
	}
	return c.State
}

func (c *cli) autoincHeadroom() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "headroom", Short: "How long the keys of each AUTO_INCREMENT column last", Args: args(cobra.NoArgs),
		Long: `Lists the AUTO_INCREMENT columns, those that are used most first: the share of the
key space that is gone, how many rows the owner can still insert at this stride,
how many come a day, and when the keys are gone at that pace.

A row takes a whole stride of values: a signed INT holds 134 million rows at stride
16. ROWS/DAY is what this node has seen since it was started, two days at most; it
is unknown for the first ten minutes. LEVEL: watch from 70 %, act from 85 %, urgent
from 95 %, full.`,
		Example: "  sqlring autoinc headroom --limit 10\n  sqlring autoinc headroom -o json | jq '.columns[] | select(.used > 0.7)'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			r, err := client.Headroom(cmd.Context(), limit)
			if err != nil {
				return err
			}
			return c.print(r, func(w io.Writer) { headroomTable(w, r) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many columns, at most 1000")
	return cmd
}

func headroomTable(w io.Writer, r api.HeadroomReport) {
	if r.Ring == "" {
		fmt.Fprintln(w, "no ring yet")
		return
	}
	rows := [][]string{{"COLUMN", "TYPE", "OWNER", "NEXT", "USED", "ROWS LEFT", "ROWS/DAY", "RUNS OUT", "LEVEL"}}
	for _, line := range r.Columns {
		perDay, out := "unknown", "unknown"
		if line.RowsPerDay != nil {
			perDay = fmt.Sprintf("%.0f", *line.RowsPerDay)
			out = "in 100 years or more"
		}
		if line.RunsOut != nil {
			out = line.RunsOut.Format(time.DateOnly)
		}
		rows = append(rows, []string{
			line.Schema + "." + line.Table + "." + line.Column, line.Type, orDash(line.Owner), fmt.Sprint(line.Next),
			fmt.Sprintf("%.1f %%", 100*line.Used), fmt.Sprint(line.Left), perDay, out, line.Level,
		})
	}
	table(w, rows)
	fmt.Fprintf(w, "\n%d columns, stride %d\n", r.Total, r.Stride)
	for _, what := range r.Unknown {
		fmt.Fprintf(w, "! columns may be missing: %s\n", what)
	}
}

func (c *cli) autoincPlan() *cobra.Command {
	return &cobra.Command{
		Use: "plan STRIDE", Short: "What another stride would do; nothing is changed", Args: args(cobra.ExactArgs(1)),
		Long: `Shows what a resize of the ring to a multiple of its stride would do: the layout
of each member, how many slots become free and when, and which columns run short
of keys by it. Nothing is changed.

Only multiples keep old and new sessions apart; any other stride is refused, with
exit code 3.`,
		Example: "  sqlring autoinc plan 32",
		RunE: func(cmd *cobra.Command, a []string) error {
			stride, err := strconv.Atoi(a[0])
			if err != nil || stride < 1 {
				return errUsage{cmd.CommandPath(), fmt.Sprintf("STRIDE %q is not a number above 0", a[0])}
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			p, err := client.PlanResize(cmd.Context(), stride)
			if err != nil {
				return err
			}
			return c.print(p, func(w io.Writer) {
				resizeTable(w, p)
				fmt.Fprintf(w, "\nnothing was changed; to do it: sqlring autoinc resize %d\n", p.To)
			})
		},
	}
}

func resizeTable(w io.Writer, p api.ResizePlan) {
	fmt.Fprintf(w, "ring %s: stride %d -> %d, %d slots free -> %d\n\n", p.Ring, p.From, p.To, p.FreeBefore, p.FreeAfter)
	rows := [][]string{{"MEMBER", "BEFORE", "AFTER"}}
	for _, m := range p.Members {
		rows = append(rows, []string{m.Name, m.Before.String(), m.After.String()})
	}
	table(w, rows)
	fmt.Fprintln(w)
	for _, line := range p.Conditions {
		fmt.Fprintf(w, "- %s\n", line)
	}
	if len(p.Columns) > 0 {
		rows = [][]string{{"COLUMN", "ROWS LEFT", "AFTER", "LEVEL", "AFTER"}}
		for _, line := range p.Columns {
			rows = append(rows, []string{line.Column, fmt.Sprint(line.LeftBefore), fmt.Sprint(line.LeftAfter), line.LevelBefore, line.LevelAfter})
		}
		fmt.Fprintln(w)
		table(w, rows)
	}
	for _, what := range p.Unknown {
		fmt.Fprintf(w, "! columns may be missing: %s\n", what)
	}
}
