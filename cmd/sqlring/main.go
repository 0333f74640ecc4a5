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
	line     []string // the arguments as they were typed; set by run
}

func main() {
	os.Exit(run(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run does what the arguments say until it is done or a signal comes, and
// returns the exit code.
func run(args []string, s streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s.line = args
	root := newRoot(s)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return report(s.err, wordsOf(cmd, err))
}
