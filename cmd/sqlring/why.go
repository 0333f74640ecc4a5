package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "why [MEMBER|UNIT|OPERATION]", Short: "Why it is as it is: one page of sentences", Args: args(cobra.MaximumNArgs(1)),
		Long: `Tells what the controller decides now and why, the verdict on each member with
what it is based on, the last decisions, and what to type if something is needed.
With a name it tells that of one member, unit or operation; a name that a member
has means the member.`,
		Example: "  sqlring why\n  sqlring why m1\n  sqlring why op2 -o json | jq -r '.now[]'",
		RunE: func(cmd *cobra.Command, a []string) error {
			about := ""
			if len(a) > 0 {
				about = a[0]
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			why, err := client.Why(cmd.Context(), about)
			if err != nil {
				return err
			}
			return c.print(why, func(w io.Writer) { whyText(w, why) })
		},
	}
}

func whyText(w io.Writer, why api.Why) {
	for _, line := range why.Now {
		fmt.Fprintln(w, line)
	}
	if len(why.Verdicts) > 0 {
		fmt.Fprint(w, "\nthe verdict now:\n")
		verdictText(w, why.Verdicts)
	}
	if len(why.Decisions) > 0 {
		fmt.Fprint(w, "\nwhat was decided, oldest first:\n")
	}
	for _, e := range why.Decisions {
		fmt.Fprintf(w, "  %s  %s: %s\n", timeText(e.At), e.By, e.What)
		if e.Why != "" {
			fmt.Fprintf(w, "      because %s\n", e.Why)
		}
		for _, line := range e.Evidence {
			fmt.Fprintf(w, "      evidence: %s\n", line)
		}
	}
	nextText(w, why.Next)
}

// verdictText says what is made of each member, and of what.
func verdictText(w io.Writer, verdicts []api.Verdict) {
	for _, v := range verdicts {
		word := "in"
		switch {
		case v.Lost:
			word = "LOST"
		case v.State == "joining":
			word = "not in yet"
		case v.State != "active":
			word = "out"
		}
		fmt.Fprintf(w, "  %s  %s: %s\n", v.Member, word, v.Why)
		for _, line := range v.Evidence {
			fmt.Fprintf(w, "      %s\n", line)
		}
	}
}
