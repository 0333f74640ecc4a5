package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) tokenCommand() *cobra.Command {
	return noun("token", "Who may call the API over the network", c.tokenCreate(), c.tokenList(), c.tokenRevoke())
}

func (c *cli) tokenCreate() *cobra.Command {
	var f wordFlags
	var role string
	cmd := &cobra.Command{
		Use: "create NAME --role viewer|operator|admin", Short: "Let the bearer of a new token in", Args: args(cobra.ExactArgs(1)),
		Long: `Makes a secret and prints it, once: whoever shows it to the API of any node, over
TLS, may read (viewer), change the ring (operator), or change raft and who may
call (admin). The ring keeps its hash alone.`,
		Example: "  sqlring --api unix:/run/sqlring/api.sock token create backup --role viewer > backup.token",
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.changer(cmd.Context(), "token create")
			if err != nil {
				return err
			}
			defer client.Close()
			secret := "sqlring_" + rand.Text() // 130 bits
			sum := sha256.Sum256([]byte(secret))
			if err := client.CreateToken(cmd.Context(), api.TokenRequest{Name: a[0], Role: role, Hash: hex.EncodeToString(sum[:]), Why: f.why}, f.dryRun); err != nil {
				return err
			}
			if f.dryRun {
				fmt.Fprintf(c.out, "token %s (%s) would be made\n\nthis was a dry run: nothing was changed\n", a[0], role)
				return nil
			}
			fmt.Fprintf(c.err, "token %s (%s) is made; it is shown this once: keep it in a file of mode 0600, for --token-file\n", a[0], role)
			return c.print(map[string]string{"token": secret}, func(w io.Writer) { fmt.Fprintln(w, secret) })
		},
	}
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only check it, and make no secret")
	cmd.Flags().StringVar(&f.why, "why", "", "reason, for the audit")
	cmd.Flags().StringVar(&role, "role", "", "viewer, operator or admin (required)")
	_ = cmd.MarkFlagRequired("role")
	return cmd
}

func (c *cli) tokenList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The tokens; not their secrets, which nobody has", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			tokens, err := client.Tokens(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(tokens, func(w io.Writer) {
				if len(tokens) == 0 {
					fmt.Fprintln(w, "there is none: sqlring token create NAME --role viewer")
					return
				}
				rows := [][]string{{"NAME", "ROLE", "MADE", "BY"}}
				for _, t := range tokens {
					rows = append(rows, []string{t.Name, t.Role, t.At, t.By})
				}
				table(w, rows)
			})
		},
	}
}

func (c *cli) tokenRevoke() *cobra.Command {
	var f wordFlags
	cmd := &cobra.Command{
		Use: "revoke NAME", Short: "Let the bearer of a token in no longer", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.changer(cmd.Context(), "token revoke "+a[0])
			if err != nil {
				return err
			}
			defer client.Close()
			if err := client.CheckRevoke(cmd.Context(), a[0]); err != nil {
				return err
			}
			if f.dryRun {
				fmt.Fprintf(c.out, "token %s would be revoked\n\nthis was a dry run: nothing was changed\n", a[0])
				return nil
			}
			if err := c.confirm(cmd.Context(), f.yes, "revoke token "+a[0]+"?"); err != nil {
				return err
			}
			if err := client.RevokeToken(cmd.Context(), a[0], f.why); err != nil {
				return err
			}
			fmt.Fprintf(c.err, "token %s is revoked: nobody is let in by it any more\n", a[0])
			return nil
		},
	}
	f.add(cmd)
	return cmd
}
