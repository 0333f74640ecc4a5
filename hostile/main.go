package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"strings"
	"syscall"
	"time"
)

// options are what a run is told.
type options struct {
	Binary    string // sqlring
	Attackers string // this program, for the processes that attack; empty: as it runs
	Only      string // patterns of attacks (path.Match), by comma; empty: all
	Rounds    int
	Round     time.Duration // of each attack that has no duration of its own, and of each pause
	Strangers int           // clients that never log in
	Short     bool          // no attack takes longer than a round, and less is at stake
	Out       io.Writer
}

// childFlag is the first argument of a process that attacks.
const childFlag = "-attack"

func main() {
	if len(os.Args) > 1 && os.Args[1] == childFlag {
		os.Exit(child(os.Stdin, os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := options{Out: os.Stdout}
	flag.StringVar(&o.Binary, "bin", "bin/sqlring", "the sqlring to test")
	flag.StringVar(&o.Only, "only", "", "patterns of the attacks to run, by comma")
	flag.IntVar(&o.Rounds, "rounds", 2, "rounds of each attack")
	flag.DurationVar(&o.Round, "round", 3*time.Second, "duration of a round")
	flag.IntVar(&o.Strangers, "strangers", 5000, "clients that never log in")
	flag.Parse()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// errBroken ends a run in which a bound was broken.
var errBroken = errors.New("a bound was broken")

func (o options) wants(name string) bool {
	if o.Only == "" {
		return true
	}
	for _, pattern := range strings.Split(o.Only, ",") {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

// run starts a target and attacks it.
func run(ctx context.Context, o options) error {
	t, err := startTarget(ctx, o.Binary)
	if err != nil {
		return err
	}
	defer t.stop()
	n, err := startNeighbours(ctx, t)
	if err != nil {
		return err
	}
	defer n.stop()
	n.during(ctx, o.Round) // to be warm
	r := report{options: o}
	if r.began, err = t.memory(); err != nil {
		return err
	}
	for _, a := range attacks() {
		if !o.wants(a.name) {
			continue
		}
		outcome, err := a.measure(ctx, o, t, n)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		r.add(outcome)
	}
	n.during(ctx, 2*o.Round)
	if r.ended, err = t.memory(); err != nil {
		return err
	}
	r.panics, r.refused = t.panics(), t.refused(ctx)
	return r.write(o.Out)
}
