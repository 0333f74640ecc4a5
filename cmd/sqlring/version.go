package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "The version of this program", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			v := api.BuildVersion()
			return c.print(v, func(w io.Writer) {
				fmt.Fprintf(w, "sqlring %s (revision %s, %s, api %s)\n", v.Version, orDash(v.Revision), v.Go, v.API)
			})
		},
	}
}
