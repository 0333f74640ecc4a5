package main

import (
	"io"

	"github.com/spf13/cobra"
)

func (c *cli) unitCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "The units and their owners", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			units, err := client.Units(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(units, func(w io.Writer) { unitTable(w, units) })
		},
	}
	return noun("unit", "What has one writer: a schema, or * for the rest", list, c.unitCreate(), c.unitMove(), c.unitJoin(),
		c.unitPin("pin", "Keep a unit where it is: nothing moves it but a heal"), c.unitPin("unpin", "Let a unit be moved again"))
}
