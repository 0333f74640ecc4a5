package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/demo"
)

func (c *cli) demoCommand() *cobra.Command {
	o := demo.Options{Out: c.out, Interactive: interactive(c.out), StartNode: startDemoNode}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Two masters, a ring, a proxy and a light load on this machine",
		Long: `Starts local MariaDB servers in empty directories, makes a ring of them, puts a
node in front, runs a light load, and shows how it is doing. Ctrl-C stops all that
it started, and nothing else.

If no MariaDB server is installed, the distribution's packages are installed; no
service of the system is started or touched.`,
		Example: "  sqlring demo\n  sqlring demo --masters 3 --load 200\n  sqlring demo --load 0 --ready-file /tmp/demo.json",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Masters, "masters", 2, "how many servers: 2 or 3")
	flags.StringVar(&o.Dir, "dir", "", "empty or missing directory to work in; it is kept (default: a temporary one, removed)")
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:3406", "where the proxy listens")
	flags.StringVar(&o.API, "api", "127.0.0.1:8406", "where the API listens, host:port")
	flags.IntVar(&o.LoadQPS, "load", 50, "queries per second of the load; 0: none")
	flags.StringVar(&o.ReadyFile, "ready-file", "", "write what was started here, as JSON, once it is ready")
	return cmd
}

// startDemoNode starts a node that logs into the directory of its file.
func startDemoNode(ctx context.Context, config string) (demo.Node, error) {
	cfg, err := app.LoadConfig(config)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(filepath.Dir(config), "sqlring.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of the node: %w", err)
	}
	useCores(cfg.Cores)
	node, err := app.New(cfg, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		return nil, closeAfter(log, err)
	}
	if err := node.Start(ctx); err != nil {
		return nil, closeAfter(log, err)
	}
	return loggingNode{node, log}, nil
}

func closeAfter(log io.Closer, err error) error {
	_ = log.Close() // the first error says what is wrong
	return err
}

// loggingNode closes the log of a node once it is stopped.
type loggingNode struct {
	*app.App
	log io.Closer
}

// Stop stops the node, then closes its log.
func (n loggingNode) Stop(ctx context.Context) error {
	return closeAfter(n.log, n.App.Stop(ctx))
}
