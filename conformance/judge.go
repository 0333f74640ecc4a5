package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// verdict is what a comparison has found.
type verdict string

// The verdicts, as they stand in journals and summaries.
const (
	equal       verdict = "equal"        // the same, to the byte
	differs     verdict = "differs"      // what has to be explained
	explained   verdict = "explained"    // a difference that known-differences.txt has a reason for
	unsteady    verdict = "unsteady"     // two direct runs differ in more than lines that can be masked
	notRunnable verdict = "not runnable" // it needs what an external server does not give
	broken      verdict = "broken"       // the harness could not run it
)

// record is the result of one case.
type record struct {
	Suite   string  `json:"suite"`
	Case    string  `json:"case"`
	Verdict verdict `json:"verdict"`
	Why     string  `json:"why,omitempty"`
	Status  string  `json:"status,omitempty"` // how it ended directly
	Ended   string  `json:"ended,omitempty"`  // the last that it said of itself
	Seconds float64 `json:"seconds,omitempty"`
	Note    string  `json:"note,omitempty"`
}

// client runs one case against an endpoint.
type client func(ctx context.Context, e endpoint) (outcome, error)

// clean makes the endpoints ready for a case.
type clean func(ctx context.Context) error

// judge runs a case directly and through the proxy, at the same time, and
// compares. If they differ, both run again, one after the other, to tell what
// differs anyway.
func (b *bench) judge(ctx context.Context, name string, prepare clean, run client) (record, error) {
	r := record{Suite: b.suite, Case: name}
	directs, proxies := make([][]byte, 0, 2), make([][]byte, 0, 2)
	var said []byte // by the proxy's client, of itself
	for round := range 2 {
		if err := prepare(ctx); err != nil {
			return r, err
		}
		d, p, err := b.both(ctx, run, round == 0)
		if err != nil {
			return r, err
		}
		if r.Status == "" {
			r.Status, r.Ended = d.Status, lastLine(b.world.Direct.neutral(d.Errors))
		}
		if d.Status == skipped && p.Status == skipped {
			r.Verdict, r.Why = notRunnable, "skips itself"
			return r, nil
		}
		said = p.Errors
		directs = append(directs, b.normal(name, d))
		proxies = append(proxies, b.normal(name, p))
		if bytes.Equal(directs[round], proxies[round]) {
			r.Verdict = equal
			if err := b.keepOutput(name, directs[round]); err != nil {
				return r, err
			}
			if round > 0 {
				r.Note = "equal in the second run"
			}
			return r, nil
		}
	}
	r.Verdict, r.Why = compare(directs, proxies)
	if r.Verdict == differs {
		r.Why = b.keepDiff(ctx, name, [3][]byte{directs[1], proxies[1], said})
	}
	return r, nil
}

// both runs a client on both endpoints.
func (b *bench) both(ctx context.Context, run client, together bool) (d, p outcome, err error) {
	if !together {
		if d, err = run(ctx, b.world.Direct); err != nil {
			return d, p, err
		}
		p, err = run(ctx, b.world.Proxy)
		return d, p, err
	}
	done := make(chan error, 1)
	go func() {
		var err error
		d, err = run(ctx, b.world.Direct)
		done <- err
	}()
	p, err = run(ctx, b.world.Proxy)
	if other := <-done; err == nil {
		err = other
	}
	return d, p, err
}

// skipped is how a program ends that found out by itself that it can not run here.
const skipped = "exit 62"

// lastLine returns the last line of a text that says something, cut to a length
// that a journal can bear.
func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	line := text[bytes.LastIndexByte(text, '\n')+1:]
	return string(line[:min(len(line), 200)])
}

// normal is what counts of an outcome.
func (b *bench) normal(name string, o outcome) []byte {
	// Both endpoints' names are replaced: a port may be a number that a test prints.
	text := b.world.Direct.neutral(b.world.Proxy.neutral(o.Output))
	text = append(text, "\nended: "+o.Status+"\n"...)
	return b.known.mask(b.suite, name, text)
}

// compare judges two runs of each endpoint. Lines that differ between the direct
// runs are left out, if the runs have as many lines.
func compare(directs, proxies [][]byte) (verdict, string) {
	for _, d := range directs {
		for _, p := range proxies {
			if bytes.Equal(d, p) {
				return equal, "" // it varies, and the proxy's variant is one of the server's
			}
		}
	}
	if bytes.Equal(directs[0], directs[1]) {
		return differs, ""
	}
	a, b := bytes.Split(directs[0], []byte("\n")), bytes.Split(directs[1], []byte("\n"))
	for _, p := range proxies {
		c := bytes.Split(p, []byte("\n"))
		if len(a) != len(b) || len(a) != len(c) {
			continue
		}
		same := true
		for i := range a {
			same = same && (!bytes.Equal(a[i], b[i]) || bytes.Equal(a[i], c[i]))
		}
		if same {
			return equal, ""
		}
	}
	if len(a) != len(b) {
		return unsteady, fmt.Sprintf("direct runs have %d and %d lines", len(a), len(b))
	}
	return differs, ""
}

// keepDiff writes the two outputs, what the proxy's client said of itself, and the
// difference among the results, and returns the name of the file with that.
func (b *bench) keepDiff(ctx context.Context, name string, texts [3][]byte) string {
	dir := filepath.Join(b.o.Results, b.suite, "diff")
	base := filepath.Join(dir, fileName(name))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err.Error()
	}
	for i, suffix := range []string{".direct", ".proxy", ".stderr"} {
		if err := os.WriteFile(base+suffix, texts[i], 0o644); err != nil {
			return err.Error()
		}
	}
	diff, _ := exec.CommandContext(ctx, "diff", "-a", "-U3", base+".direct", base+".proxy").Output() // 1 means that they differ
	if err := os.WriteFile(base+".diff", diff, 0o644); err != nil {
		return err.Error()
	}
	return base + ".diff"
}

// keepOutput keeps what both have printed, for who wants to see that it is worth
// comparing. That of mysqltest is in its result files.
func (b *bench) keepOutput(name string, output []byte) error {
	if strings.HasPrefix(b.suite, "mysqltest") {
		return nil
	}
	dir := filepath.Join(b.o.Results, b.suite, "equal")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, fileName(name)), output, 0o644)
}
