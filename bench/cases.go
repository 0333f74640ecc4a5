package main

import (
	"context"
	"errors"
	"slices"
)

// cell is one thing to measure: a case with a number of clients.
type cell struct {
	Case    string
	Clients int
}

// runner measures one peer once, with s.Clients clients, and returns the sample that it has filled.
type runner func(ctx context.Context, w *world, p *peer, s sample) sample

// bcase is a case by its name.
type bcase struct {
	Name    string
	Unit    string // what Rate counts
	Why     string // one line for the table
	Load    *load  // of sysbench; nil: Run is our own
	Run     runner
	Clients []int // its own numbers; nil: those of -clients
}

// cases returns all cases in the order in which a round runs them.
func cases(o options) []bcase {
	return []bcase{
		{Name: "ps_text", Unit: "queries/s", Why: "sysbench point select, text protocol", Load: &load{Script: "oltp_point_select", PSMode: "disable"}},
		{Name: "ps_prep", Unit: "queries/s", Why: "sysbench point select, prepared", Load: &load{Script: "oltp_point_select", PSMode: "auto"}},
		{Name: "ro_text", Unit: "queries/s", Why: "sysbench read-only transactions, text; latency of a transaction", Load: &load{Script: "oltp_read_only", PSMode: "disable"}},
		{Name: "rw_text", Unit: "queries/s", Why: "sysbench read-write transactions, text; latency of a transaction", Load: &load{Script: "oltp_read_write", PSMode: "disable", Writing: true}},
		{Name: "connect", Unit: "connections/s", Why: "connect, log in, one point select, quit", Run: runStorm, Clients: []int{o.Storm}},
		{Name: "big_fast", Unit: "MB/s", Why: "one big result, read as it comes; CPU per MB", Run: runBig, Clients: []int{1}},
		{Name: "big_slow", Unit: "MB/s", Why: "the same, the reader stops on the way", Run: runBigSlow, Clients: []int{1}},
		{Name: "idle", Unit: "clients", Why: "clients that are connected and do nothing; CPU while they do", Run: runIdle, Clients: o.Idle},
		{Name: "busy", Unit: "transactions/s", Why: "busy clients over a pool of 20 connections; CPU per transaction", Run: runBusy, Clients: o.Busy},
	}
}

// plan returns the cells of one round for the cases and numbers that were asked for.
func plan(o options) []cell {
	var cells []cell
	for _, b := range cases(o) {
		if !slices.Contains(o.Cases, b.Name) {
			continue
		}
		numbers := b.Clients
		if numbers == nil {
			numbers = o.Clients
		}
		for _, n := range numbers {
			cells = append(cells, cell{b.Name, n})
		}
	}
	return cells
}

// byName returns a case that plan has named.
func byName(o options, name string) bcase {
	for _, b := range cases(o) {
		if b.Name == name {
			return b
		}
	}
	return bcase{}
}

// links returns how many connections to one member sqlring may have in a case: as many as
// the other peers have.
func (o options) links(name string) int {
	switch {
	case o.Links > 0:
		return o.Links
	case name == "busy":
		return backends
	}
	return max(slices.Max(o.Clients), o.Storm) + spareLinks
}

// spareLinks are for sessions that come before those of the last case have gone.
const spareLinks = 44

// measure runs one cell against one peer.
func (w *world) measure(ctx context.Context, c cell, p *peer, round int) sample {
	b, s := byName(w.o, c.Case), newSample(c, p, round)
	if links := w.o.links(c.Case); p.Name == sqlring && links != w.node.links {
		if err := errors.Join(w.node.configure(links), p.restart(ctx)); err != nil {
			return s.fail(err)
		}
	}
	if b.Load == nil {
		return b.Run(ctx, w, p, s)
	}
	s = w.runSysbench(ctx, *b.Load, p, s)
	if b.Load.Writing {
		if err := w.caughtUp(ctx); err != nil && s.Status == measured {
			s.Status, s.Note = partial, err.Error()
		}
	}
	return s
}

// skips reports why a peer has no part in a cell, "" if it has.
func skips(o options, c cell, p *peer) string {
	switch {
	case c.Case == "idle" && p.Name == direct:
		return "an idle client costs no proxy anything there"
	case c.Case == "busy" && p.Name == direct && c.Clients > backends:
		return "there is no pool without a proxy, and so many threads freeze the server"
	case c.Case == "idle" && p.Name != sqlring && len(o.Idle) > 1 && c.Clients == slices.Max(o.Idle):
		return "the largest number is sqlring's alone: a proxy without a pool needs two files per client"
	}
	return ""
}
