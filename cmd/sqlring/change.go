package main

import (
	"context"
	"fmt"
	"io"

	"github.com/sqlring/sqlring/internal/api"
)

// changeList is what is done for a change of a list, as that of rules or silences: it is checked,
// confirmed and made, and the list is shown by table as it is then. change is called with
// true to check it alone, and returns the list as it would be.
func changeList[T any](ctx context.Context, c *cli, table func(io.Writer, []T), command string, f ruleFlags, question string, change func(client *api.Client, dryRun bool) ([]T, error)) error {
	client, err := c.changer(ctx, command)
	if err != nil {
		return err
	}
	defer client.Close()
	list, err := change(client, true)
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.print(list, func(w io.Writer) {
			table(w, list)
			fmt.Fprintln(w, "\nthis was a dry run: nothing was changed")
		})
	}
	if err := c.confirm(ctx, f.yes, question); err != nil {
		return err
	}
	if list, err = change(client, false); err != nil {
		return err
	}
	return c.print(list, func(w io.Writer) { table(w, list) })
}
