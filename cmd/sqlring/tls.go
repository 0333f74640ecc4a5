package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/authority"
	"github.com/sqlring/sqlring/pkg/topology"
)

// made is what a command has written.
type made struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
	CA   string `json:"ca,omitempty"`
}

func (c *cli) tlsCommand() *cobra.Command {
	return noun("tls", "The ring's own certificates: for nodes, and for callers of the API",
		noun("ca", "The authority that signs them", c.tlsCA()), noun("cert", "What it signs", c.tlsCert()))
}

func (c *cli) tlsCA() *cobra.Command {
	var dir, name string
	cmd := &cobra.Command{
		Use: "create", Short: "Make the ring's own authority", Args: args(cobra.NoArgs),
		Long: `Makes the authority that nodes know each other by: ca.pem, which every node gets,
and ca-key.pem, which signs. Who has the key can be a node of the ring: keep it
off the nodes. It is valid for ten years, and never written over.`,
		Example: "  sqlring tls ca create --dir ~/sqlring-ca",
		RunE: func(*cobra.Command, []string) error {
			cert, key, err := authority.Create(dir, name, time.Now())
			if err != nil {
				return err
			}
			return c.print(made{Cert: cert, Key: key}, func(w io.Writer) {
				fmt.Fprintf(w, "made %s (for every node) and %s (keep it safe)\nnext: sqlring tls cert create n1 --node --host ADDRESS --ca-dir %s\n", cert, key, dir)
			})
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "sqlring-ca", "directory of the authority; it is made")
	cmd.Flags().StringVar(&name, "name", "authority", "what it is called in certificates")
	return cmd
}

func (c *cli) tlsCert() *cobra.Command {
	var dir, out, role string
	var hosts []string
	var days int
	var node bool
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Sign a certificate for a node, a person or a program", Args: args(cobra.ExactArgs(1)),
		Long: `Signs a certificate: with --node for the node of that name, which serves at the
given hosts; with --role for a caller of the API, who may then read (viewer),
change the ring (operator), or change raft and who may call (admin). Files are
NAME.pem and NAME-key.pem, and never written over. A node reads new files without
a restart.`,
		Example: `  sqlring tls cert create n1 --node --host n1.example --host 192.0.2.1
  sqlring tls cert create ann --role operator`,
		RunE: func(cmd *cobra.Command, a []string) error {
			r := authority.Request{Name: a[0], Hosts: hosts, Days: days, Role: authority.RoleNode}
			if err := topology.ValidName(r.Name); err != nil {
				return errUsage{cmd.CommandPath(), err.Error()}
			}
			if node == (role != "") {
				return errUsage{cmd.CommandPath(), "say what it is for: --node, or --role viewer, operator or admin"}
			}
			if days < 1 {
				return errUsage{cmd.CommandPath(), fmt.Sprintf("--days %d: at least 1, or it is over already", days)}
			}
			if !node {
				parsed, err := authority.ParseRole(role)
				if err != nil || parsed == authority.RoleNode || len(hosts) > 0 {
					return errUsage{cmd.CommandPath(), fmt.Sprintf("--role %s: use viewer, operator or admin, without hosts", role)}
				}
				r.Role = parsed
			}
			cert, key, err := authority.Issue(dir, out, r, time.Now())
			if err != nil {
				return err
			}
			m := made{Cert: cert, Key: key, CA: dir + "/" + authority.CAFile}
			return c.print(m, func(w io.Writer) {
				fmt.Fprintf(w, "made %s and %s, valid for %d days\n", cert, key, days)
				if node {
					fmt.Fprintf(w, "next: copy them and %s to node %s, and name the three in raft.tls (and api.tls)\n", m.CA, r.Name)
				} else {
					fmt.Fprintf(w, "next: sqlring --api https://HOST:8406 --ca %s --cert %s --key %s status\n", m.CA, cert, key)
				}
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dir, "ca-dir", "sqlring-ca", "directory of the authority")
	flags.StringVar(&out, "out", ".", "directory of the new files")
	flags.BoolVar(&node, "node", false, "for a node")
	flags.StringVar(&role, "role", "", "for a caller of the API: viewer, operator or admin")
	flags.StringArrayVar(&hosts, "host", nil, "name or address that the node serves the API at; may be repeated")
	flags.IntVar(&days, "days", 825, "how long it is valid")
	return cmd
}
