package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// report is what a run has found.
type report struct {
	options
	began, ended memory
	outcomes     []outcome
	panics       int
	refused      []string
}

func (r *report) add(o outcome) {
	r.outcomes = append(r.outcomes, o)
	p := func(list []time.Duration) time.Duration { return percentile(list, 0.99).Round(10 * time.Microsecond) }
	quiet, busy := p(o.quiet.statements), p(o.busy.statements)
	_, _ = fmt.Fprintf(r.Out, "\n%s: %s\n", o.name, o.what)
	_, _ = fmt.Fprintf(r.Out, "  done %d times: %s", o.Done, o.answersText())
	if o.Bytes > 0 {
		_, _ = fmt.Fprintf(r.Out, "; %d KiB", o.Bytes>>10)
	}
	_, _ = fmt.Fprintf(r.Out, "; kept for at most %v\n", o.Longest.Round(time.Millisecond))
	_, _ = fmt.Fprintf(r.Out, "  memory %d KiB, %+d at the peak; members saw %d failed logins\n", o.before.RSS, o.grown, o.denied)
	_, _ = fmt.Fprintf(r.Out, "  neighbours: statements p99 %v without, %v with (%s); logins p99 %v without, %v with; %d failures\n",
		quiet, busy, within(quiet, busy), p(o.quiet.logins), p(o.busy.logins), o.quiet.failed+o.busy.failed)
	for _, b := range o.broken {
		_, _ = fmt.Fprintf(r.Out, "  BROKEN: %s\n", b)
	}
}

// within says how two percentiles compare.
func within(quiet, busy time.Duration) string {
	if quiet == 0 {
		return "nothing to compare"
	}
	ratio := float64(busy) / float64(quiet)
	if ratio <= 1.1 {
		return fmt.Sprintf("×%.2f, within 10 %%", ratio)
	}
	return fmt.Sprintf("×%.2f", ratio)
}

// write ends the report, and says by its error whether a bound was broken.
func (r *report) write(out io.Writer) error {
	broken := r.panics
	for _, o := range r.outcomes {
		broken += len(o.broken)
	}
	_, err := fmt.Fprintf(out, "\npanics %d; memory at first %d KiB, at the end %d KiB; refused: %s\n",
		r.panics, r.began.RSS, r.ended.RSS, strings.Join(r.refused, ", "))
	switch {
	case err != nil:
		return err
	case broken > 0:
		return fmt.Errorf("%w: %d times", errBroken, broken)
	}
	return nil
}
