package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// journal is the file of a suite's results. A line each; the last of a case holds.
type journal struct {
	path string
	done map[string]record
	file *os.File
}

// openJournal opens the journal of a suite, a new one if the binary has changed.
func openJournal(results, suite, binary string, fresh bool) (*journal, error) {
	if err := os.MkdirAll(results, 0o777); err != nil {
		return nil, err
	}
	j := &journal{path: filepath.Join(results, suite+".jsonl"), done: map[string]record{}}
	header := fmt.Sprintf(`{"binary":%q}`, binary)
	text, err := os.ReadFile(j.path)
	if first, _, _ := bytes.Cut(text, []byte("\n")); fresh || err != nil || string(first) != header {
		if err := os.WriteFile(j.path, []byte(header+"\n"), 0o644); err != nil {
			return nil, err
		}
		text = nil
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var r record
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.Case != "" {
			j.done[r.Case] = r
		}
	}
	j.file, err = os.OpenFile(j.path, os.O_APPEND|os.O_WRONLY, 0o644)
	return j, err
}

// settled reports whether a case need not run again.
func (j *journal) settled(name string) bool {
	r, ok := j.done[name]
	return ok && r.Verdict != differs && r.Verdict != broken
}

func (j *journal) add(r record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	j.done[r.Case] = r
	_, err = j.file.Write(append(line, '\n'))
	return err
}

// summary is what the run has found, as it is written in JSON.
type summary struct {
	Suites      map[string]*suiteSummary `json:"suites"`
	Unexplained int                      `json:"unexplained"`
	Stale       []string                 `json:"stale,omitempty"` // entries that explain nothing
}

type suiteSummary struct {
	Compared    int            `json:"compared"` // equal + explained + differs
	Equal       int            `json:"equal"`
	Explained   int            `json:"explained"`
	Differs     []string       `json:"differs,omitempty"`
	Unsteady    int            `json:"unsteady"`
	NotRunnable int            `json:"not_runnable"`
	Broken      []string       `json:"broken,omitempty"`
	Complete    int            `json:"complete"` // compared ones that ended well directly
	Reasons     map[string]int `json:"reasons,omitempty"`
}

// add counts the records of a suite.
func (s *summary) add(suite string, records map[string]record, known *knownList) {
	t := &suiteSummary{Reasons: map[string]int{}}
	names := make([]string, 0, len(records))
	for name := range records {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r := records[name]
		if r.Verdict == explained { // the list may have changed
			r.Verdict = differs
		}
		known.explain(&r)
		switch r.Verdict {
		case equal:
			t.Equal++
		case explained:
			t.Explained++
		case differs:
			t.Differs = append(t.Differs, name)
		case unsteady:
			t.Unsteady++
		case notRunnable:
			t.NotRunnable++
			t.Reasons[r.Why]++
		case broken:
			t.Broken = append(t.Broken, name)
		}
		if r.Status == "exit 0" && (r.Verdict == equal || r.Verdict == explained || r.Verdict == differs) {
			t.Complete++
		}
	}
	t.Compared = t.Equal + t.Explained + len(t.Differs)
	s.Unexplained += len(t.Differs) + len(t.Broken)
	s.Suites[suite] = t
}

// write writes the summary as JSON into the results and as text to out.
func (s *summary) write(results string, out io.Writer) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(results, "summary.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-22s %9s %9s %9s %9s %9s %9s %9s\n", "suite", "compared", "complete", "equal", "explained", "differ", "unsteady", "not run")
	names := make([]string, 0, len(s.Suites))
	for name := range s.Suites {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t := s.Suites[name]
		fmt.Fprintf(&b, "%-22s %9d %9d %9d %9d %9d %9d %9d\n", name, t.Compared, t.Complete, t.Equal, t.Explained, len(t.Differs), t.Unsteady, t.NotRunnable)
	}
	for _, name := range names {
		for _, c := range s.Suites[name].Differs {
			fmt.Fprintf(&b, "DIFFERS %s %s\n", name, c)
		}
		for _, c := range s.Suites[name].Broken {
			fmt.Fprintf(&b, "BROKEN  %s %s\n", name, c)
		}
	}
	for _, line := range s.Stale {
		fmt.Fprintf(&b, "STALE   %s\n", line)
	}
	if err := os.WriteFile(filepath.Join(results, "summary.txt"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	_, err = io.WriteString(out, b.String())
	return err
}

// fingerprint identifies a binary.
func fingerprint(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// fileName returns a case's name as a file may have it.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' || r == ':' {
			return '_'
		}
		return r
	}, name)
}

// progress says at most every few seconds how far a suite is.
type progress struct {
	total, done int
	said        time.Time
	counts      map[verdict]int
}

func (p *progress) add(o options, suite string, r record) {
	if p.counts == nil {
		p.counts = map[verdict]int{}
	}
	p.done++
	p.counts[r.Verdict]++
	if r.Verdict == differs || r.Verdict == broken {
		o.say("%s: %s %s %s", suite, r.Case, r.Verdict, r.Why)
	}
	if time.Since(p.said) > 5*time.Second || p.done == p.total {
		p.said = time.Now()
		o.say("%s: %d of %d; %d equal, %d differ, %d explained, %d unsteady, %d not runnable", suite, p.done, p.total,
			p.counts[equal], p.counts[differs], p.counts[explained], p.counts[unsteady], p.counts[notRunnable])
	}
}
