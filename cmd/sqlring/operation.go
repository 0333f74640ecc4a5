package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) operationCommand() *cobra.Command {
	return noun("operation", "What is being changed, and what was", c.operationList(), c.operationShow(), c.operationFollow(), c.operationAbort())
}

func (c *cli) operationList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The operations, newest first", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			ops, err := client.Operations(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(ops, func(w io.Writer) {
				if len(ops) == 0 {
					fmt.Fprintln(w, "nothing has been begun yet")
					return
				}
				rows := [][]string{{"ID", "KIND", "ABOUT", "STATE", "AT STEP", "BEGAN", "TOOK", "HEIR", "BY"}}
				for _, op := range ops {
					rows = append(rows, []string{
						op.ID, op.Kind, orDash(op.Member + op.Unit), op.State, op.Cursor, timeText(op.Began), tookText(op), orDash(op.Heir), op.By,
					})
				}
				table(w, rows)
			})
		},
	}
}

func (c *cli) operationShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "One operation: where it stands, and what it waits for", Args: args(cobra.ExactArgs(1)),
		Example: "  sqlring operation show op1",
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			op, err := client.Operation(cmd.Context(), a[0])
			if err != nil {
				return err
			}
			return c.print(op, func(w io.Writer) { operationText(w, op) })
		},
	}
}

func (c *cli) operationAbort() *cobra.Command {
	var f wordFlags
	cmd := &cobra.Command{
		Use: "abort ID", Short: "End a running operation before its point of no return", Args: args(cobra.ExactArgs(1)),
		Long: `Ends an operation that runs. What it leaves is safe: members that it has closed
stay closed; a member that was being let back in is held out until it is told to
come back (sqlring master rejoin). An operation that is past its point of no return is not aborted: the
refusal says so, and the exit code is 3.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock operation abort op1 --why "wrong port"`,
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.changer(cmd.Context(), "operation abort")
			if err != nil {
				return err
			}
			defer client.Close()
			op, err := client.Operation(cmd.Context(), a[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(c.err, "operation %s is %s at %q%s\n", titleOf(op), op.State, op.Cursor, stepText(op.Step))
			would, err := client.CheckAbort(cmd.Context(), a[0])
			if err != nil {
				return err
			}
			if f.dryRun {
				return c.print(would, func(w io.Writer) {
					if would.State == "running" {
						fmt.Fprintf(w, "operation %s would be turned back%s\n", titleOf(would), goesBack(would, "would go"))
					} else {
						fmt.Fprintf(w, "operation %s (%s) would be aborted\n", would.ID, would.Kind)
					}
					fmt.Fprintln(w, "\nthis was a dry run: nothing was changed")
				})
			}
			if err := c.confirm(cmd.Context(), f.yes, "abort it?"); err != nil {
				return err
			}
			op, err = client.AbortOperation(cmd.Context(), a[0], f.why)
			if err != nil {
				return err
			}
			return c.print(op, func(w io.Writer) {
				if op.State == "running" {
					fmt.Fprintf(w, "operation %s is turned back%s\nnext: sqlring operation show %s\n", titleOf(op), goesBack(op, "goes"), op.ID)
					return
				}
				fmt.Fprintf(w, "operation %s (%s) is aborted\nnext: sqlring status\n", op.ID, op.Kind)
			})
		},
	}
	f.add(cmd)
	return cmd
}

// goesBack says what an operation that is turned back does to its unit, "" if it is about none.
func goesBack(op api.Operation, goes string) string {
	if op.Unit == "" {
		return ""
	}
	return fmt.Sprintf(", unit %s %s back to %s", op.Unit, goes, op.Former)
}
