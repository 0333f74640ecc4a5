package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKnownListReads(t *testing.T) {
	if _, err := readKnown("known-differences.txt"); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ name, line, want string }{
		{"differs", "differs mysqltest* main.kill because the proxy has ids of its own", ""},
		{"mask", "mask dump tools /^Uptime: +\\d+/ because a time", ""},
		{"regexp with spaces and colons", "mask clienttest * /USER\\(\\)    : root/ because of that", ""},
		{"no reason", "differs mysqltest main.kill", "is not KIND"},
		{"empty reason", "differs mysqltest main.kill because  ", "is not KIND"},
		{"mask without pattern", "mask dump tools because a time", "mask needs"},
		{"bad regexp", "mask dump tools /(/ because a time", "missing closing"},
		{"bad pattern", "differs mysqltest main.[ because x", "syntax error"},
		{"unknown kind", "ignore dump tools because x", "is none of"},
		{"trailing words", "differs dump tools more because x", "after the case"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "known.txt")
			if err := os.WriteFile(file, []byte("# comment\n\n"+c.line+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := readKnown(file)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestKnownListExplainsMasksAndGoesStale(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known.txt")
	text := "differs a* one because reason one\nmask a two /^time / because a time\nskip a three because too large\ndiffers a gone because it was so\ndiffers b x because not run\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := readKnown(file)
	if err != nil {
		t.Fatal(err)
	}
	r := record{Suite: "a", Case: "one", Verdict: differs}
	if list.explain(&r); r.Verdict != explained || r.Note != "reason one" {
		t.Errorf("one is %+v, want explained", r)
	}
	r = record{Suite: "a", Case: "other", Verdict: differs}
	if list.explain(&r); r.Verdict != differs {
		t.Errorf("other is %s, want differs", r.Verdict)
	}
	if got := string(list.mask("a", "two", []byte("x\ntime 5\ny"))); got != "x\ny" {
		t.Errorf("masked output is %q", got)
	}
	if got := string(list.mask("a", "one", []byte("time 5"))); got != "time 5" {
		t.Errorf("another case is masked: %q", got)
	}
	if list.find("skip", "a", "three") == "" || list.find("skip", "a", "one") != "" {
		t.Error("skip is found where it is not, or not where it is")
	}
	stale := list.stale(map[string]*suiteSummary{"a": {}})
	if len(stale) != 1 || !strings.Contains(stale[0], "gone") {
		t.Errorf("stale entries are %q, want the one of gone", stale)
	}
}
