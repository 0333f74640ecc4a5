package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/pkg/topology"
)

func (c *cli) raftSnapshot() *cobra.Command {
	return noun("snapshot", "The replicated state as a file: save it, look at it, begin with it", c.snapshotSave(), c.snapshotInspect(), c.snapshotRestore())
}

func (c *cli) snapshotSave() *cobra.Command {
	return &cobra.Command{
		Use: "save FILE", Short: "Write the replicated state to a new file", Args: args(cobra.ExactArgs(1)),
		Long: `Writes what this node knows of the ring's intent: members, slots, owners,
operations, the audit. No data, and no password. It is there without a leader.`,
		RunE: func(cmd *cobra.Command, a []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			saved, err := client.SavedState(cmd.Context())
			if err != nil {
				return err
			}
			data, err := json.Marshal(saved)
			if err != nil {
				return err
			}
			f, err := os.OpenFile(a[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, os.ErrExist) {
				return fmt.Errorf("save the state: %w: name a file that is not there", err)
			}
			if err != nil {
				return fmt.Errorf("save the state: %w", err)
			}
			_, err = f.Write(append(data, '\n'))
			if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
				return fmt.Errorf("save the state: %w", err)
			}
			return c.inspect(a[0])
		},
	}
}

func (c *cli) snapshotInspect() *cobra.Command {
	return &cobra.Command{
		Use: "inspect FILE", Short: "Verify a saved state, and say what is in it", Args: args(cobra.ExactArgs(1)),
		Long: `The file is verified and read here, without asking a node: which node saved it and when, up to
which index of the log, and the ring, members and units that it holds.`,
		Example: `  sqlring raft snapshot inspect ring.state`,
		RunE:    func(_ *cobra.Command, a []string) error { return c.inspect(a[0]) },
	}
}

func (c *cli) inspect(file string) error {
	saved, state, err := app.ReadState(file)
	if err != nil {
		return err
	}
	return c.print(state, func(w io.Writer) {
		fmt.Fprintf(w, "%s: saved by node %s at %s, index %d, format %d\n", file, saved.Node, timeText(saved.Saved), state.Index, state.Format)
		stateText(w, state)
	})
}

func stateText(w io.Writer, s *topology.Snapshot) {
	if s.Ring == nil {
		fmt.Fprintln(w, "there is no ring in it")
		return
	}
	fmt.Fprintf(w, "ring %s, stride %d, durability %s, isolation %s\n\n", s.Ring.Name, s.Ring.Stride, s.Ring.Durability, s.Ring.Isolation)
	rows := [][]string{{"MEMBER", "STATE", "SLOT", "IDENTITY", "ADDRESS"}}
	for _, m := range s.Members {
		rows = append(rows, []string{string(m.ID), m.State.String(), fmt.Sprint(m.Slot), fmt.Sprint(m.Identity), m.Addr})
	}
	table(w, rows)
	for _, u := range s.Units {
		fmt.Fprintf(w, "\nunit %s: owner %s, epoch %d", u.ID, orDash(string(u.Owner)), u.Epoch)
	}
	fmt.Fprintf(w, "\n%d operations, %d events, %d tokens\n", len(s.Operations), len(s.Events), len(s.Tokens))
}

func (c *cli) snapshotRestore() *cobra.Command {
	var config string
	var f wordFlags
	cmd := &cobra.Command{
		Use: "restore FILE --config NODE.yaml", Short: "Begin a new cluster with a saved state, on a stopped node without one", Args: args(cobra.ExactArgs(1)),
		Long: `For when every node has lost its disk. The node of the configuration must be
stopped and have no state; it becomes the only voter, and the others join it on
empty directories. Identities and slots that were given out after the state was
saved are not given out again; members that it does not know are not touched. Who
has done it, when, why and with which file is in the audit.`,
		RunE: func(cmd *cobra.Command, a []string) error {
			cfg, err := app.LoadConfig(config)
			if err != nil {
				return err
			}
			saved, state, err := app.ReadState(a[0])
			if err != nil {
				return err
			}
			log := newLogger(c.err, cfg.Log)
			if _, used, err := app.Remains(cfg, log); err != nil || used {
				return cmp.Or(err, fmt.Errorf("%w in %s: move it away first", app.ErrHasState, cfg.Dir))
			}
			stateText(c.err, state)
			if f.dryRun {
				fmt.Fprintf(c.out, "node %s would begin with this, as the only voter\n\nthis was a dry run: nothing was changed\n", cfg.Node)
				return nil
			}
			if err := c.confirm(cmd.Context(), f.yes, fmt.Sprintf("\nlet node %s begin with this?", cfg.Node)); err != nil {
				return err
			}
			by := beginning(cfg, f.why)
			by.Evidence = append(by.Evidence, fmt.Sprintf("file %s, saved by node %s at %s, index %d, sha256 %s",
				absolute(a[0]), saved.Node, saved.Saved.UTC().Format(time.RFC3339), state.Index, saved.SHA256))
			if err := app.RestoreState(cfg, state, by, log); err != nil {
				return err
			}
			fmt.Fprintf(c.out, "node %s begins with index %d: start it; other nodes join it with empty directories\n", cfg.Node, state.Index)
			return nil
		},
	}
	f.add(cmd)
	return c.stopped(cmd, &config)
}

func (c *cli) raftRecover() *cobra.Command {
	var config string
	var f wordFlags
	cmd := &cobra.Command{
		Use: "recover --config NODE.yaml", Short: "Let a stopped node go on alone, when the majority is gone for good", Args: args(cobra.NoArgs),
		Long: `The stopped node becomes the only voter, with all that is in its log. What only the
others had is lost. THE OTHERS MUST BE DOWN, and must not come back with what they
have: two sides would each think that they decide, and give a unit two owners.
Move their directories away first; they join again, empty. Choose the node whose
log is the longest: sqlring raft peers. Who has done it, when, why and what was
found is in the audit.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.LoadConfig(config)
			if err != nil {
				return err
			}
			log := newLogger(c.err, cfg.Log)
			lines, used, err := app.Remains(cfg, log)
			if err != nil || !used {
				return cmp.Or(err, app.ErrNoState)
			}
			for _, line := range lines {
				fmt.Fprintf(c.err, "node %s: %s\n", cfg.Node, line)
			}
			if f.dryRun {
				fmt.Fprintf(c.out, "node %s would be the only voter\n\nthis was a dry run: nothing was changed\n", cfg.Node)
				return nil
			}
			if err := c.confirm(cmd.Context(), f.yes, fmt.Sprintf("\nare all other nodes down for good, and is node %s to go on alone?", cfg.Node)); err != nil {
				return err
			}
			if err := app.Recover(cfg, beginning(cfg, f.why), log); err != nil {
				return err
			}
			fmt.Fprintf(c.out, "node %s is the only voter now: start it; others join it with empty directories\n", cfg.Node)
			return nil
		},
	}
	f.add(cmd)
	return c.stopped(cmd, &config)
}

// stopped gives a command about a node that is stopped the flag for the node's file.
func (c *cli) stopped(cmd *cobra.Command, config *string) *cobra.Command {
	cmd.Flags().StringVarP(config, "config", "c", "", "the node's file (required)")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// beginning says who changes a node that is stopped, when and why.
func beginning(cfg app.Config, why string) topology.Beginning {
	by := topology.Beginning{At: time.Now(), By: "dba@" + string(cfg.Node), Why: why}
	who, where := "an unknown user", "an unknown host"
	if u, err := user.Current(); err == nil {
		who = fmt.Sprintf("%s (uid %s)", u.Username, u.Uid)
	}
	if as := os.Getenv("SUDO_USER"); as != "" {
		who += ", by sudo of " + as
	}
	if name, err := os.Hostname(); err == nil {
		where = name
	}
	by.Evidence = []string{fmt.Sprintf("typed by %s on %s", who, where)}
	return by
}

// absolute returns where a file is, whatever directory it was named from.
func absolute(file string) string {
	if path, err := filepath.Abs(file); err == nil {
		return path
	}
	return file
}
