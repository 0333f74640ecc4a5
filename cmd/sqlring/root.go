package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

const defaultAPI = "http://127.0.0.1:8406"

// cli is what all commands share.
type cli struct {
	streams

	target string // --api
	access accessFlags
	format string // --output
}

func newRoot(s streams) *cobra.Command {
	c := &cli{streams: s}
	root := &cobra.Command{
		Use:   "sqlring",
		Short: "One MySQL address for a ring of masters that does not fall",
		Long: `sqlring makes one MySQL server of several MySQL or MariaDB masters that
replicate to each other in a circle.

A node (sqlring serve) is a proxy that applications connect to as if it were
MySQL, and a controller that builds the ring and keeps it. The other commands
talk to a node. Reading works over http on the node's host; changes need its unix
socket, or https with a token or a certificate (sqlring token, sqlring tls):

  sqlring status
  sqlring --api unix:/run/sqlring/api.sock ring init NAME m1=host:port m2=host:port

Exit codes: 0 done, 1 error, 2 the ring is not well (status), 3 refused by a
safety check, or something critical was found (ring check, doctor).`,
		Example: `  sqlring demo                      two masters, a ring and a proxy on this machine
  sqlring config check FILE         check a node's file before it is used
  sqlring serve --config FILE       run a node
  sqlring status --watch            see how the ring is`,
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.ArbitraryArgs, RunE: onlyVerbs,
		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return errUsage{cmd.CommandPath(), flagWords(err)}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&c.target, "api", defaultAPI, "node to talk to: unix:PATH, https://host:port, or http://host:port on loopback (reading)")
	c.access.add(root)
	flags.StringVarP(&c.format, "output", "o", "table", "table, json or yaml")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "see", Title: "See:"}, &cobra.Group{ID: "change", Title: "Change:"})
	addTo(root, "run", c.serveCommand(), c.demoCommand(), c.benchCommand(), c.configCommand(), c.tlsCommand())
	addTo(root, "see", c.statusCommand(), c.masterCommand(), c.unitCommand(), c.lagCommand(), c.autoincCommand(), c.eventCommand(), c.whyCommand(), c.doctorCommand(), c.sessionsCommand(), c.topCommand(), c.explainCommand())
	addTo(root, "change", c.ringCommand(), c.operationCommand(), c.raftCommand(), c.tokenCommand(), c.throttleCommand(), c.killCommand(), c.hookCommand(), c.gateCommand(), c.accountCommand())
	root.AddCommand(c.versionCommand(), c.manualCommand())
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		switch c.format {
		case "table", "json", "yaml":
			return nil
		}
		return errUsage{cmd.CommandPath(), fmt.Sprintf("--output %q is not one of table, json, yaml", c.format)}
	}
	return root
}

func addTo(root *cobra.Command, group string, cmds ...*cobra.Command) {
	for _, cmd := range cmds {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
}

// noun returns a command that only has verbs.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		Args: cobra.ArbitraryArgs, RunE: onlyVerbs,
		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// onlyVerbs helps whoever gave no verb, or one that is not known.
func onlyVerbs(cmd *cobra.Command, a []string) error {
	if len(a) == 0 {
		return cmd.Help()
	}
	what := fmt.Sprintf("%q is not a verb of %s", a[0], cmd.Name())
	if near := cmd.SuggestionsFor(a[0]); len(near) > 0 {
		what += fmt.Sprintf(": did you mean %s?", strings.Join(near, " or "))
	}
	return errUsage{cmd.CommandPath(), what}
}

// args turns cobra's complaint about the number of arguments into ours.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return errUsage{cmd.CommandPath(), countWords(cmd, a, err)}
		}
		return nil
	}
}

// client returns a client of the node that --api names.
func (c *cli) client() (*api.Client, error) {
	access, err := c.access.load()
	if err != nil {
		return nil, err
	}
	return api.NewClientAs(c.target, access)
}

// changing returns how a command begins that changes what st is about.
func changing(st api.Status) string {
	if st.APISocket == "" {
		return "sqlring --api unix:PATH"
	}
	return "sqlring --api unix:" + st.APISocket
}

// changer returns a client over which changes are taken, or an error that says
// how to get one. command is what the user is to type after --api.
func (c *cli) changer(ctx context.Context, command string) (*api.Client, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	if client.Changes() {
		return client, nil
	}
	defer client.Close()
	st, err := client.Status(ctx) // it knows its socket
	if err != nil {
		return nil, err
	}
	if len(c.line) > 0 {
		command = typed(c.line)
	}
	return nil, fmt.Errorf("%s takes no changes: use the node's unix socket, on its host: %s %s",
		c.target, changing(st), command)
}
