package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childFlag { // we are one of our own attackers
		os.Exit(child(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// Every attack, once and small: nothing panics, nobody is left waiting, memory has its
// bound, and the neighbours are served.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	if _, err := exec.LookPath("mariadbd"); err != nil {
		if os.Getenv("SQLRING_REQUIRE_SERVERS") != "" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED-NO-SERVER: %v", err)
	}
	o := options{Binary: filepath.Join(t.TempDir(), "sqlring"), Rounds: 1, Round: 700 * time.Millisecond, Strangers: 300, Short: true}
	if raceDetector { // it is the node that is to be looked at: who attacks would be too slow to do any harm
		build(t, o.Binary, "-race", "../cmd/sqlring")
		o.Attackers = filepath.Join(t.TempDir(), "hostile")
		build(t, o.Attackers, ".")
	} else {
		build(t, o.Binary, "../cmd/sqlring")
	}
	var out bytes.Buffer
	o.Out = &out
	err := run(t.Context(), o)
	t.Log(out.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attacks() {
		if !strings.Contains(out.String(), "\n"+a.name+": ") {
			t.Errorf("%s was not run", a.name)
		}
	}
}

func build(t *testing.T, binary string, args ...string) {
	t.Helper()
	args = append([]string{"build", "-o", binary}, args...)
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// A bound that is broken is found: a run that can not fail says nothing.
func TestJudge(t *testing.T) {
	const s = time.Second
	good := outcome{
		attack: attack{memoryKiB: 100, wait: s, slower: s, unnoticed: true},
		tally:  tally{Done: 1, Answers: map[string]int{"closed": 1}, Longest: s}, grown: 100,
		quiet: noticed{logins: []time.Duration{s}}, busy: noticed{logins: []time.Duration{2 * s}},
	}
	for _, tt := range []struct {
		name   string
		change func(*outcome)
		want   string // "": nothing
	}{
		{"good", func(*outcome) {}, ""},
		{"memory", func(o *outcome) { o.grown = 101 }, "memory grew by 101 KiB"},
		{"kept", func(o *outcome) { o.Longest = s + 1 }, "kept for"},
		{"left", func(o *outcome) { o.Answers = map[string]int{"waiting": 2} }, "2 were left waiting"},
		{"left as it should be", func(o *outcome) { o.Answers, o.unanswered = map[string]int{"waiting": 2}, true }, ""},
		{"at the member", func(o *outcome) { o.denied = 3 }, "seen 3 failed logins"},
		{"slower", func(o *outcome) { o.busy.logins = []time.Duration{2*s + 1} }, "logins take"},
		{"failures", func(o *outcome) { o.busy.failed = 1 }, "failed 1 times"},
		{"nothing done", func(o *outcome) { o.Done = 0 }, "nothing was done"},
	} {
		o := good
		tt.change(&o)
		o.judge()
		if got := strings.Join(o.broken, "; "); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	list := make([]time.Duration, 200)
	for i := range list {
		list[len(list)-1-i] = time.Duration(i + 1)
	}
	for of, want := range map[float64]time.Duration{0: 1, 0.5: 101, 0.99: 199, 1: 200} {
		if got := percentile(list, of); got != want {
			t.Errorf("%v: %d, want %d", of, got, want)
		}
	}
	if got := percentile(nil, 0.99); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
