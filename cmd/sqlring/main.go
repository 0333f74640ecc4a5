package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// streams are the three files of a process.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run does what the arguments say until it is done or a signal comes, and
// returns the exit code.
func run(args []string, s streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := newRoot(s)
	root.SetArgs(args)
	return report(s.err, root.ExecuteContext(ctx))
}
