package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// wordFlags are the flags of a change that needs no others.
type wordFlags struct {
	yes, dryRun bool
	why         string
}

func (f *wordFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would be done, and change nothing")
	cmd.Flags().StringVar(&f.why, "why", "", "reason, for the audit")
}

// errDeclined is returned when the answer was not yes.
var errDeclined = errors.New("nothing was changed: answer yes to go on, or use --yes")

// confirm asks a question and returns nil if the answer is yes, or if yes was
// said beforehand.
func (c *cli) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	fmt.Fprintf(c.err, "%s [yes/no] ", question)
	answer := make(chan string, 1)
	go func() { // ends with its read; the process ends soon after if that never does
		line, _ := bufio.NewReader(c.in).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(c.err)
		return ctx.Err()
	case line := <-answer:
		if line == "yes" || line == "y" {
			return nil
		}
		fmt.Fprintln(c.err)
		return errDeclined
	}
}
