package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) autoincCommand() *cobra.Command {
	show := &cobra.Command{
		Use: "show", Short: "The auto_increment slot of each member, meant and seen", Args: args(cobra.NoArgs),
		Long: `Shows which auto_increment values each member gives out. Slot 3 of stride 16 gives
out 3, 19, 35, …: two members never give out the same value.

SEEN is what the server has (offset/increment); it is put right within a second
if somebody changes it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			r, err := client.Autoinc(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(r, func(w io.Writer) { autoincTable(w, r) })
		},
	}
	return noun("autoinc", "The auto_increment slots, and how long keys last", show, c.autoincVerify(), c.autoincPlan(), c.autoincHeadroom())
}

func autoincTable(w io.Writer, r api.AutoincReport) {
	if r.Ring == "" {
		fmt.Fprintln(w, "no ring yet")
		return
	}
	rows := [][]string{{"MEMBER", "SLOT", "MEANT", "SEEN", "OK", "VALUES"}}
	for _, m := range r.Members {
		seen := "unknown"
		if m.Seen != nil {
			seen = m.Seen.String()
		}
		var values strings.Builder
		for _, v := range m.Values {
			fmt.Fprintf(&values, "%d, ", v)
		}
		rows = append(rows, []string{m.Name, fmt.Sprint(m.Slot), m.Meant.String(), seen, yesNo(m.OK), values.String() + "…"})
	}
	table(w, rows)
	if r.Next == 0 {
		fmt.Fprintf(w, "\nstride %d, no slot is free\n", r.Stride)
		return
	}
	fmt.Fprintf(w, "\nstride %d, %d slots free, the next member gets slot %d\n", r.Stride, r.Free, r.Next)
}
