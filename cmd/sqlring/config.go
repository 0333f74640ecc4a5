package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/app"
)

func (c *cli) configCommand() *cobra.Command {
	check := &cobra.Command{
		Use: "check FILE", Short: "Check a node's file, and show what it comes to", Args: args(cobra.ExactArgs(1)),
		Long: `Reads a node's file as "serve" does. Everything that is wrong is told at once,
with its line and the fix. If nothing is, it says ok and shows the file with every
default filled in.`,
		Example: "  sqlring config check /etc/sqlring/sqlring.yaml",
		RunE: func(_ *cobra.Command, a []string) error {
			cfg, err := app.LoadConfig(a[0])
			if err != nil {
				return fmt.Errorf("config check:\n%w", err)
			}
			text, err := cfg.YAML()
			if err != nil {
				return fmt.Errorf("config check: %w", err)
			}
			fmt.Fprintf(c.err, "%s: ok\n", a[0])
			_, err = c.out.Write(text)
			return err
		},
	}
	return noun("config", "The node's file", check)
}
