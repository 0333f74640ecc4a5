package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

// watchFlags are the flags of what can be watched.
type watchFlags struct {
	on    bool
	every time.Duration
}

func (f *watchFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.on, "watch", "w", false, "show it again and again, until Ctrl-C")
	cmd.Flags().DurationVar(&f.every, "every", time.Second, "how often, with --watch")
}

// watch shows something once, or until ctx ends. While it is watched, a node
// that does not answer is shown, and asked again.
func (c *cli) watch(ctx context.Context, f watchFlags, show func(context.Context) error) error {
	if !f.on {
		return show(ctx)
	}
	if f.every < 100*time.Millisecond {
		return errUsage{"sqlring", fmt.Sprintf("--every %s is too often: use 100ms or more", f.every)}
	}
	ticker := time.NewTicker(f.every)
	defer ticker.Stop()
	for {
		if interactive(c.out) {
			fmt.Fprint(c.out, "\x1b[H\x1b[2J") // ANSI: home, and clear the screen
		}
		err := show(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, api.ErrUnreachable):
			fmt.Fprintln(c.err, err)
		case err != nil && !errors.Is(err, errDegraded):
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
