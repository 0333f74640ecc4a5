package oracle

import (
	"bufio"
	"os"
	"regexp"
	"strings"
	"testing"
)

// explanation is a line of testdata/explained.txt: whose disagreement it is, about
// what, which statements it is about, and why the balancer is right.
type explanation struct {
	line    string
	what    string
	pattern *regexp.Regexp
	used    bool
}

type explained []*explanation

// explanations returns those for one oracle. A line is "oracle what /pattern/ reason".
func explanations(t *testing.T, oracle string) explained {
	t.Helper()
	f, err := os.Open("testdata/explained.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var found explained
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		who, rest, _ := strings.Cut(line, " ")
		what, rest, _ := strings.Cut(rest, " ")
		parts := strings.SplitN(rest, "/", 3)
		if len(parts) != 3 || strings.TrimSpace(parts[2]) == "" {
			t.Fatalf("testdata/explained.txt: %q is not: oracle what /pattern/ reason", line)
		}
		if who == oracle {
			found = append(found, &explanation{line: line, what: what, pattern: regexp.MustCompile("(?is)" + parts[1])})
		}
	}
	return found
}

// covers reports whether a disagreement about a statement is explained.
func (e explained) covers(what, statement string) bool {
	for _, x := range e {
		if x.what == what && x.pattern.MatchString(statement) {
			x.used = true
			return true
		}
	}
	return false
}

// unused fails the test for explanations that explained nothing.
func (e explained) unused(t *testing.T) {
	t.Helper()
	for _, x := range e {
		if !x.used {
			t.Errorf("testdata/explained.txt: nothing needs this line any more: %s", x.line)
		}
	}
}
