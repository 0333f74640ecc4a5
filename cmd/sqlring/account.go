package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) accountCommand() *cobra.Command {
	return noun("account", "How urgent the statements of accounts are that say nothing themselves", c.accountList(), c.accountSet(), c.accountClear())
}

func (c *cli) accountList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "What accounts ask for by default", Args: args(cobra.NoArgs),
		Example: "  sqlring account list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			list, err := client.Accounts(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) { accountTable(w, list) })
		},
	}
}

func accountTable(w io.Writer, list []api.AccountDefault) {
	if len(list) == 0 {
		fmt.Fprintln(w, "all accounts are alike: priority normal, no deadline")
		return
	}
	rows := [][]string{{"ACCOUNT", "PRIORITY", "DEADLINE", "UNTIL", "BY", "WHY"}}
	for _, a := range list {
		deadline, until := "-", "it is cleared"
		if a.DeadlineMS > 0 {
			deadline = shortSpan(a.DeadlineMS)
		}
		if a.Until != nil {
			until = timeText(*a.Until)
		}
		rows = append(rows, []string{a.Account, a.Priority, deadline, until, a.By, orDash(a.Why)})
	}
	table(w, rows)
}

func (c *cli) accountSet() *cobra.Command {
	var f ruleFlags
	var priority string
	var deadline time.Duration
	cmd := &cobra.Command{
		Use: "set USER", Short: "Set what statements of a user ask for that say nothing themselves", Args: args(cobra.ExactArgs(1)),
		Long: `Says how urgent the statements of USER are, whatever the host of the account, and within
what time an answer is of use. It counts where something has to wait, on every node and
within a second. What a session has set (sqlring_priority, sqlring_deadline), a comment in
a text and a query attribute count more. What USER has is replaced.

It lasts until it is cleared, or --ttl is over. --priority background holds an account
back, so it needs a --ttl.`,
		Example: `  sqlring --api unix:/run/sqlring/api.sock account set web --priority high --deadline 2s
  sqlring --api unix:/run/sqlring/api.sock account set report --priority background --ttl 12h --why "new year"`,
		RunE: func(cmd *cobra.Command, a []string) error {
			req := api.AccountRequest{Account: a[0], Priority: priority, DeadlineMS: deadline.Milliseconds(), ForMS: f.ttl.Milliseconds(), Why: f.why}
			question := fmt.Sprintf("from now on, are statements of %s of priority %s?", a[0], priority)
			if deadline != 0 {
				question = fmt.Sprintf("from now on, are statements of %s of priority %s, with a deadline of %s?", a[0], priority, deadline)
			}
			return changeList(cmd.Context(), c, accountTable, "account set", f, question, func(client *api.Client, dryRun bool) ([]api.AccountDefault, error) {
				return client.SetAccount(cmd.Context(), req, dryRun)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&priority, "priority", "normal", "background, normal, high or urgent")
	flags.DurationVar(&deadline, "deadline", 0, "within which an answer is of use, 1ms to 1h; 0: that is not known")
	flags.DurationVar(&f.ttl, "ttl", 0, "how long it lasts, at most 720h; 0: until it is cleared")
	_ = cmd.RegisterFlagCompletionFunc("priority", cobra.FixedCompletions([]string{"background", "normal", "high", "urgent"}, cobra.ShellCompDirectiveNoFileComp))
	f.add(cmd)
	return cmd
}

func (c *cli) accountClear() *cobra.Command {
	var f ruleFlags
	cmd := &cobra.Command{
		Use: "clear USER", Short: "Take away what a user's statements ask for", Args: args(cobra.ExactArgs(1)),
		Example: "  sqlring --api unix:/run/sqlring/api.sock account clear report",
		RunE: func(cmd *cobra.Command, a []string) error {
			req := api.AccountClearRequest{Account: a[0], Why: f.why}
			return changeList(cmd.Context(), c, accountTable, "account clear", f, fmt.Sprintf("are statements of %s as all others from now on?", a[0]), func(client *api.Client, dryRun bool) ([]api.AccountDefault, error) {
				return client.ClearAccount(cmd.Context(), req, dryRun)
			})
		},
	}
	f.add(cmd)
	return cmd
}
