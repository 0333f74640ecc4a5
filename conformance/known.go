package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
)

// knownList is known-differences.txt: what differs for a reason.
type knownList struct {
	entries []*knownEntry
}

// knownEntry is one line of it.
type knownEntry struct {
	line   int
	kind   string // differs, mask or skip
	suite  string // pattern
	name   string // pattern
	lines  *regexp.Regexp
	reason string
	used   bool
}

// readKnown reads the list. Its lines are
//
//	differs SUITE CASE because REASON
//	mask    SUITE CASE /regexp/ because REASON
//	skip    SUITE CASE because REASON
//
// with patterns of path.Match for SUITE and CASE. mask takes the lines that match
// out of both outputs; skip does not run the case.
func readKnown(file string) (*knownList, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list := &knownList{}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		entry, err := parseKnown(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
		entry.line = i + 1
		list.entries = append(list.entries, entry)
	}
	return list, nil
}

func parseKnown(line string) (*knownEntry, error) {
	head, reason, ok := strings.Cut(line, " because ")
	fields := strings.Fields(head)
	if !ok || strings.TrimSpace(reason) == "" || len(fields) < 3 {
		return nil, fmt.Errorf("%q is not KIND SUITE CASE because REASON", line)
	}
	entry := &knownEntry{kind: fields[0], suite: fields[1], name: fields[2], reason: strings.TrimSpace(reason)}
	for _, pattern := range fields[1:3] {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("%q: %w", pattern, err)
		}
	}
	rest := strings.TrimSpace(head)
	for _, field := range fields[:3] {
		rest = strings.TrimSpace(strings.TrimPrefix(rest, field))
	}
	switch entry.kind {
	case "differs", "skip":
		if rest != "" {
			return nil, fmt.Errorf("%q after the case", rest)
		}
		return entry, nil
	case "mask":
		if len(rest) < 3 || rest[0] != '/' || rest[len(rest)-1] != '/' {
			return nil, fmt.Errorf("mask needs /regexp/, not %q", rest)
		}
		var err error
		entry.lines, err = regexp.Compile(rest[1 : len(rest)-1])
		return entry, err
	}
	return nil, fmt.Errorf("%q is none of differs, mask, skip", entry.kind)
}

func (k *knownEntry) matches(suite, name string) bool {
	a, _ := path.Match(k.suite, suite)
	b, _ := path.Match(k.name, name)
	return a && b
}

// find returns the reason of the first entry of a kind for a case, "" if there is
// none.
func (l *knownList) find(kind, suite, name string) string {
	for _, k := range l.entries {
		if k.kind == kind && k.matches(suite, name) {
			k.used = true
			return k.reason
		}
	}
	return ""
}

// mask takes the lines out of an output that the list says do not count.
func (l *knownList) mask(suite, name string, output []byte) []byte {
	for _, k := range l.entries {
		if k.kind != "mask" || !k.matches(suite, name) {
			continue
		}
		var kept [][]byte
		for _, line := range bytes.Split(output, []byte("\n")) {
			if k.lines.Match(line) {
				k.used = true
				continue
			}
			kept = append(kept, line)
		}
		output = bytes.Join(kept, []byte("\n"))
	}
	return output
}

// explain turns differences that the list has a reason for into explained ones.
func (l *knownList) explain(r *record) {
	if r.Verdict != differs {
		return
	}
	if reason := l.find("differs", r.Suite, r.Case); reason != "" {
		r.Verdict, r.Note = explained, reason
	}
}

// stale returns the entries for suites that were run which explain nothing.
func (l *knownList) stale(ran map[string]*suiteSummary) []string {
	var found []string
	for _, k := range l.entries {
		for suite := range ran {
			if ok, _ := path.Match(k.suite, suite); ok && !k.used && k.kind == "differs" {
				found = append(found, fmt.Sprintf("known-differences.txt:%d %s %s explains nothing any longer", k.line, k.suite, k.name))
				break
			}
		}
	}
	return found
}
