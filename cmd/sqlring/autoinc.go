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
if somebody changes it. A resize that is under way is shown below, with what it
waits for.`,
		Example: "  sqlring autoinc show\n  sqlring autoinc show -o json | jq '.members[] | select(.ok != true)'",
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
	return noun("autoinc", "The auto_increment slots, and how long keys last", show, c.autoincVerify(), c.autoincPlan(), c.autoincResize(), c.autoincHeadroom())
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
	if r.Resize != nil {
		fmt.Fprintf(w, "\n%s\n", resizeText(*r.Resize))
		if r.Resize.Older != nil && *r.Resize.Older > 0 {
			fmt.Fprintf(w, "%d connections still count by stride %d; they are ended %s\n", *r.Resize.Older, r.Stride, orText(r.Resize.EndsAt, "some time after every member is through"))
		}
	}
	if r.Next == 0 {
		fmt.Fprintf(w, "\nstride %d, no slot is free\n", r.Stride)
		return
	}
	fmt.Fprintf(w, "\nstride %d, %d slots free, the next member gets slot %d\n", r.Stride, r.Free, r.Next)
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return "at " + s
}
