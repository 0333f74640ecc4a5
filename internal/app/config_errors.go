package app

import (
	"fmt"
	"slices"
	"strings"
)

// ConfigError is one thing that is wrong with a file. Path is the place in
// words of the file ("members[1].name"), empty for the file as a whole; Line is
// where it stands, or where it would stand.
type ConfigError struct {
	File string
	Line int
	Path string
	What string
}

// Error returns "file:line: path: what".
func (e ConfigError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.What)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Path, e.What)
}

// ConfigErrors is everything that is wrong with a file, by line.
type ConfigErrors []ConfigError

// Error returns one line for each.
func (e ConfigErrors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// errors gives every fault its file and line.
func (p positions) errors(file string, found []fault) ConfigErrors {
	errs := make(ConfigErrors, 0, len(found))
	for _, f := range found {
		line := f.line
		if line == 0 {
			line = p.line(f.path)
		}
		errs = append(errs, ConfigError{File: file, Line: line, Path: f.path, What: f.what})
	}
	slices.SortStableFunc(errs, func(a, b ConfigError) int { return a.Line - b.Line })
	return errs
}

// line returns where path stands, or the nearest of what encloses it, or 1.
func (p positions) line(path string) int {
	for path != "" {
		if line, ok := p[path]; ok {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 1
}

// nearest returns the word that somebody who wrote text may have meant: the one
// with the fewest changes, at most a third of its letters or two; "" for none.
func nearest(text string, words []string) string {
	best, fewest := "", len(text)
	for _, w := range words {
		if n := distance(strings.ToLower(text), w); n < fewest && n <= max(2, len(w)/3) {
			best, fewest = w, n
		}
	}
	return best
}

// distance is the number of letters to be put in, left out or replaced, or
// exchanged with the next one, to come from a to b (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
