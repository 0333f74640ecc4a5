package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if err == nil {
		_, err = run(ctx, o, os.Stdout)
	}
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// errNoSysbench is returned where sysbench is missing.
var errNoSysbench = errors.New("sysbench is not installed; scripts/install-bench.sh installs it")

// run measures everything that o asks for and writes the report. If ctx ends, what
// was measured until then is written.
func run(ctx context.Context, o options, out io.Writer) (_ report, err error) {
	if _, err := exec.LookPath("sysbench"); err != nil {
		return report{}, errNoSysbench
	}
	r := newReport(o)
	w, err := startWorld(ctx, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	for _, p := range w.peers {
		r.Peers = append(r.Peers, peerInfo{p.Name, p.Version})
	}
	draw := rand.New(rand.NewPCG(o.Seed, 0)) //nolint:gosec // an order, not a secret
	for round := 1; round <= o.Rounds; round++ {
		for _, c := range plan(o) {
			samples, err := w.cell(ctx, c, round, draw)
			if errors.Is(err, errMoved) && w.renewals < maxRenewals {
				w.notes = append(w.notes, fmt.Sprintf("round %d, %s, %s: %v; measured again with new servers", round, c.Case, clientsWord(c.Clients), err))
				if w, err = w.renew(ctx); err == nil {
					samples, err = w.cell(ctx, c, round, draw)
				}
			}
			if err != nil {
				return r, errors.Join(err, r.keep(w.notes, out))
			}
			r.Samples = append(r.Samples, samples...)
		}
	}
	return r, r.keep(w.notes, out)
}

// keep writes what was measured, if anything was.
func (r *report) keep(notes []string, out io.Writer) error {
	if len(r.Samples) == 0 {
		return nil
	}
	r.finish(notes)
	return r.write(out)
}

// maxRenewals is how often a run starts its servers anew.
const maxRenewals = 5

// renew stops everything and starts it again. The world that it returns is to be
// stopped even if there is an error.
func (w *world) renew(ctx context.Context) (*world, error) {
	w.o.say("the ring has moved: new servers")
	if err := w.stop(); err != nil {
		return w, err
	}
	next, err := startWorld(ctx, w.o)
	if err != nil {
		return w, err
	}
	next.renewals = w.renewals + 1
	for _, note := range w.notes {
		if !slices.Contains(next.notes, note) {
			next.notes = append(next.notes, note)
		}
	}
	return next, nil
}

// cell measures every peer once in one cell, in an order of its own. The samples
// count only if the ring stands as it was made; if not, the error is errMoved.
func (w *world) cell(ctx context.Context, c cell, round int, draw *rand.Rand) ([]sample, error) {
	var samples []sample
	order := slices.Clone(w.peers)
	draw.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, p := range order {
		if skips(w.o, c, p) != "" {
			continue
		}
		s := w.measure(ctx, c, p, round)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx) // it was cut short
		}
		samples = append(samples, s)
		w.o.say("round %d/%d %s %d %-8s %9.0f/s p99 %8.2f ms, proxy %6.1f us, foreign %.2f %s %.200s",
			round, w.o.Rounds, c.Case, c.Clients, p.Name, s.Rate, s.P99, s.Proxy, s.Foreign, s.Status, s.Note)
	}
	return samples, w.owns(ctx)
}
