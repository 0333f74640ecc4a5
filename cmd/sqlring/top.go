package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

// topFlags are the flags of `top`.
type topFlags struct {
	every time.Duration
	once  bool
	lines int
}

func (c *cli) topCommand() *cobra.Command {
	f := topFlags{}
	cmd := &cobra.Command{
		Use: "top", Short: "What the members have to do now, who waits, and for what", Args: args(cobra.NoArgs),
		Long: `Shows, again and again until Ctrl-C, what passes the node that --api names: the gate in
front of each member with what is at it and what waits, accounts whose statements wait
now, hot keys, and the digests that have taken the most time since the last screen, the
time in the queue apart from the time at the member (SERVER). What is a second is of the
time between two screens: --once looks twice, --every apart, and shows one.

On a terminal each screen takes the place of the last; elsewhere they follow each other as
plain text. With -o json each is one object.`,
		Example: `  sqlring top
  sqlring top --once --every 10s
  sqlring top --once -o json | jq '.digests[0]'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.every < 100*time.Millisecond {
				return errUsage{"sqlring top", fmt.Sprintf("--every %s: use 100ms or more", f.every)}
			}
			if f.lines < 1 || f.lines > 500 {
				return errUsage{"sqlring top", fmt.Sprintf("--lines %d: use 1 to 500", f.lines)}
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			return c.top(cmd.Context(), client, f)
		},
	}
	cmd.Flags().DurationVar(&f.every, "every", 2*time.Second, "how often")
	cmd.Flags().BoolVar(&f.once, "once", false, "show one screen and end")
	cmd.Flags().IntVar(&f.lines, "lines", 10, "of each list, at most (1 to 500)")
	return cmd
}

// top shows screens until ctx ends, or one. A node that does not answer is said, and asked
// again; with --once it is an error.
func (c *cli) top(ctx context.Context, client *api.Client, f topFlags) error {
	before, err := lookTop(ctx, client)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(f.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now, err := lookTop(ctx, client)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, api.ErrUnreachable) && !f.once:
			fmt.Fprintln(c.err, err)
			continue
		case err != nil:
			return err
		}
		screen := topOf(before, now, f.lines)
		if err := c.print(screen, func(w io.Writer) {
			if interactive(c.out) && !f.once {
				fmt.Fprint(w, "\x1b[H\x1b[2J") // ANSI: home, and clear the screen
			}
			topText(w, screen)
		}); err != nil || f.once {
			return err
		}
		before = now
	}
}

// topLook is one look at a node.
type topLook struct {
	at      time.Time
	status  api.Status
	gates   api.GateReport
	digests map[[2]string]api.Digest
}

func lookTop(ctx context.Context, client *api.Client) (l topLook, err error) {
	if l.status, err = client.Status(ctx); err != nil {
		return l, err
	}
	if l.gates, err = client.Gates(ctx); err != nil {
		return l, err
	}
	list, err := client.Digests(ctx, 1000)
	if err != nil {
		return l, err
	}
	l.at, l.digests = time.Now(), make(map[[2]string]api.Digest, len(list.Digests))
	for _, d := range list.Digests {
		l.digests[[2]string{d.Member, d.Digest}] = d
	}
	return l, nil
}
