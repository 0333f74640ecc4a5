package main

import (
	"io"

	"github.com/spf13/cobra"
)

func (c *cli) masterCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "The masters, in ring order", Args: args(cobra.NoArgs),
		Example: "  sqlring master list -o json | jq -r '.[] | select(.read_only == false) | .name'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			st, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(st.Members, func(w io.Writer) { memberTable(w, st.Members, st.Stride) })
		},
	}
	return noun("master", "The servers of the ring", list, c.masterDrain(), c.masterResume(), c.masterRejoin(), c.masterRemove(), c.masterMaintenance(), c.masterAdd(), c.masterReclone())
}
