package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/topology"
)

func (c *cli) raftCommand() *cobra.Command {
	return noun("raft", "The nodes: who leads, who votes, what is kept",
		c.raftPeers(), c.raftTransfer(), c.raftRemove(), c.raftIsolation(), c.raftSnapshot(), c.raftRecover())
}

func (c *cli) raftPeers() *cobra.Command {
	return &cobra.Command{
		Use: "peers", Short: "The nodes of raft's configuration", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			r, err := client.Raft(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(r, func(w io.Writer) { raftText(w, r) })
		},
	}
}

func raftText(w io.Writer, r api.Raft) {
	rows := [][]string{{"NODE", "PART", "LEADS", "HEARD", "LEASE", "ADDRESS"}}
	for _, p := range r.Peers {
		heard := "-"
		if p.HeardMS != nil {
			heard = fmt.Sprintf("%d ms ago", *p.HeardMS)
		}
		rows = append(rows, []string{p.Name, p.Part, yesNo(&p.Leader), heard, orDash(p.Unit), p.Addr})
	}
	if len(r.Peers) > 0 {
		table(w, rows)
	} else {
		fmt.Fprintf(w, "node %s has no state yet: it waits for those of raft.join, until raft.bootstrap_expect voters are there, or one lets it in\n", r.Node)
	}
	fmt.Fprintf(w, "\nnode %s is %s in term %d; log %d to %d, committed %d, applied %d, %d KiB; isolation %s\n",
		r.Node, r.Role, r.Term, r.FirstIndex, r.LastIndex, r.Committed, r.Applied, r.LogBytes>>10, r.Isolation)
	if r.Leader != r.Node && r.Leader != "" {
		fmt.Fprintf(w, "who was heard, and the leases, are known to the leader: ask %s\n", r.Leader)
	}
	if r.Error != "" {
		fmt.Fprintf(w, "node %s has left raft: %s\n", r.Node, r.Error)
	}
}

// raftChange is a change of raft itself: what it does is said, checked, and asked about.
type raftChange struct {
	command  string
	plan     string
	question string
	check    func(context.Context, *api.Client) error
	run      func(context.Context, *api.Client) (api.Raft, error)
}

func (c *cli) changeRaft(ctx context.Context, f wordFlags, change raftChange) error {
	client, err := c.changer(ctx, change.command)
	if err != nil {
		return err
	}
	defer client.Close()
	before, err := client.Raft(ctx)
	if err != nil {
		return err
	}
	if err := change.check(ctx, client); err != nil {
		return err
	}
	if f.dryRun {
		return c.print(before, func(w io.Writer) {
			raftText(w, before)
			fmt.Fprintf(w, "\nplan: %s\n\nthis was a dry run: nothing was changed\n", change.plan)
		})
	}
	raftText(c.err, before)
	fmt.Fprintf(c.err, "\nplan: %s\n", change.plan)
	if err := c.confirm(ctx, f.yes, "\n"+change.question); err != nil {
		return err
	}
	after, err := change.run(ctx, client)
	if err != nil {
		return err
	}
	return c.print(after, func(w io.Writer) { raftText(w, after) })
}

func (c *cli) raftTransfer() *cobra.Command {
	var f wordFlags
	cmd := &cobra.Command{
		Use: "transfer [NODE]", Short: "Hand the leadership to another voter", Args: args(cobra.MaximumNArgs(1)),
		Long: `Hands the leadership to NODE, or to the voter that is most up to date. Reads and
writes go on; what the controller was doing, the next leader takes up.`,
		Example: "  sqlring --api unix:/run/sqlring/api.sock raft transfer n2",
		RunE: func(cmd *cobra.Command, a []string) error {
			to, whom, question := "", "the voter that is most up to date", "hand the leadership over?"
			if len(a) == 1 {
				to, whom, question = a[0], a[0], "let "+a[0]+" lead?"
			}
			return c.changeRaft(cmd.Context(), f, raftChange{
				"raft transfer", "hand the leadership to " + whom + "; reads and writes go on", question,
				func(ctx context.Context, client *api.Client) error { return client.CheckTransfer(ctx, to) },
				func(ctx context.Context, client *api.Client) (api.Raft, error) {
					return client.Transfer(ctx, to, f.why)
				},
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (c *cli) raftRemove() *cobra.Command {
	var f wordFlags
	cmd := &cobra.Command{
		Use: "remove NODE", Short: "Take a node out: it has no vote and no leases any more", Args: args(cobra.ExactArgs(1)),
		Long: `Takes NODE out of raft's configuration, two seconds later: by then its proxy holds
no lease. Its clients can read from then on, and not write. A node that has lost
its disk is removed before it joins anew, for it has lost its votes.`,
		Example: "  sqlring --api unix:/run/sqlring/api.sock raft remove n3",
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.changeRaft(cmd.Context(), f, raftChange{
				"raft remove", "give " + a[0] + " no lease any more, wait until its last one has ended (2 s), and take it out of raft's configuration", "take " + a[0] + " out?",
				func(ctx context.Context, client *api.Client) error { return client.CheckRemoveNode(ctx, a[0]) },
				func(ctx context.Context, client *api.Client) (api.Raft, error) {
					return client.RemoveNode(ctx, a[0], f.why)
				},
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (c *cli) raftIsolation() *cobra.Command {
	var f wordFlags
	cmd := &cobra.Command{
		Use: "isolation fence|continue", Short: "What a node does that hears of no leader", Args: args(cobra.ExactArgs(1)),
		Long: `fence (the default): reads go on, and writes stop when the lease has ended, after
two seconds at most: another side may take over. continue: writes go on to the
owner that was known last, and in return nothing is moved by itself any more: a
lost owner waits for a person, who sets fence again.`,
		Example: "  sqlring --api unix:/run/sqlring/api.sock raft isolation continue",
		RunE: func(cmd *cobra.Command, a []string) error {
			plans := map[string]string{
				topology.IsolationFence.String():    "a node that hears of no leader stops writing when its lease has ended; lost owners are taken over by themselves, once every node has said that it obeys",
				topology.IsolationContinue.String(): "a node that hears of no leader writes on, and nothing is moved by itself any more: a lost owner waits for a person",
			}
			plan, known := plans[a[0]]
			if !known {
				return errUsage{"sqlring raft isolation", fmt.Sprintf("%q: use fence or continue", a[0])}
			}
			return c.changeRaft(cmd.Context(), f, raftChange{
				"raft isolation", plan, "set isolation to " + a[0] + "?",
				func(ctx context.Context, client *api.Client) error { return client.CheckIsolation(ctx, a[0]) },
				func(ctx context.Context, client *api.Client) (api.Raft, error) {
					return client.SetIsolation(ctx, a[0], f.why)
				},
			})
		},
	}
	f.add(cmd)
	return cmd
}
