package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/app"
)

// stopTimeout bounds how long a node takes to stop.
const stopTimeout = 15 * time.Second

func (c *cli) serveCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run a node until SIGINT or SIGTERM",
		Long: `Runs one node: the proxy that applications connect to, the controller, and the
API. Its file holds facts of this host; check it first with "sqlring config check".
config/sqlring.example.yaml explains every key.

What to type next, on another terminal: sqlring status.`,
		Example: "  sqlring serve --config /etc/sqlring/sqlring.yaml",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.LoadConfig(file)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, newLogger(c.err, cfg.Log))
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "the node's file (required)")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// serve runs a node until ctx ends or a part of it fails, and stops it.
func serve(ctx context.Context, cfg app.Config, logger *slog.Logger) error {
	useCores(cfg.Cores)
	node, err := app.New(cfg, logger)
	if err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return fmt.Errorf("start node %s: %w", cfg.Node, err)
	}
	if err := notify(ctx, "READY=1"); err != nil {
		logger.Warn("service manager was not told that the node is ready", "error", err)
	}
	err = node.Wait(ctx)
	_ = notify(context.WithoutCancel(ctx), "STOPPING=1") // it may have gone first
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return errors.Join(err, node.Stop(sctx))
}

// useCores has Go code run on n cores at once; 0: as the runtime has it, on all that the
// kernel gives it, or GOMAXPROCS in the environment (docs/adr/0061).
func useCores(n int) {
	if n > 0 {
		runtime.GOMAXPROCS(n)
	}
}

// newLogger returns a logger as a node's file asks for.
func newLogger(w io.Writer, cfg app.LogConfig) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo // LoadConfig has refused everything else
	}
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
