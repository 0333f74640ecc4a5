package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSpreadOf(t *testing.T) {
	got := spreadOf([]float64{4, 1, 3, 2})
	if want := (spread{N: 4, Median: 2.5, Q1: 1.75, Q3: 3.25, Min: 1, Max: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := spreadOf(nil); got != (spread{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

// figure is a sample of one cell.
func figure(round int, peer string, rate, cpu float64) sample {
	return sample{Round: round, Case: "ps_text", Clients: 16, Peer: peer, Status: measured, Rate: rate, Proxy: cpu, P50: 1, P99: cpu}
}

// TestRatiosAreWithinRounds: a disturbed round disturbs both, so the ratio stays,
// where a ratio of the medians would not.
func TestRatiosAreWithinRounds(t *testing.T) {
	samples := []sample{
		figure(1, haproxy, 1000, 20), figure(1, sqlring, 900, 22),
		figure(2, haproxy, 500, 40), figure(2, sqlring, 450, 44),
		figure(3, haproxy, 1000, 20), // sqlring's round failed
		{Round: 3, Case: "ps_text", Clients: 16, Peer: sqlring, Status: failed, Note: "gone"},
		figure(4, sqlring, 90, 99), // HAProxy's round is missing
	}
	rows := summarize(samples, []string{sqlring, haproxy})
	if len(rows) != 2 || rows[0].Peer != sqlring {
		t.Fatalf("rows %+v", rows)
	}
	got := rows[0]
	if got.VsHAProxy.CPU.N != 2 || got.VsHAProxy.CPU.Median != 1.1 || got.VsHAProxy.Rate.Median != 0.9 {
		t.Errorf("ratios %+v", got.VsHAProxy)
	}
	if got.Worst != failed || !slices.Equal(got.Notes, []string{"gone"}) {
		t.Errorf("status %q, notes %v: the failed round is not told", got.Worst, got.Notes)
	}
	if rows[1].VsHAProxy.CPU.Median != 1 {
		t.Errorf("HAProxy against itself: %+v", rows[1].VsHAProxy.CPU)
	}
}

func TestNotBuiltHasNoFigures(t *testing.T) {
	samples := []sample{
		{Round: 1, Case: "busy", Clients: 2000, Peer: sqlring, Status: notBuilt, Note: "no pool", Rate: 5},
		{Round: 1, Case: "busy", Clients: 2000, Peer: haproxy, Status: measured, Rate: 10},
	}
	r := summarize(samples, []string{sqlring, haproxy})[0]
	if r.Worst != notBuilt || r.Rate.N != 0 || r.VsHAProxy.Rate.N != 0 {
		t.Errorf("row %+v", r)
	}
	if got := r.values()[0]; got != "-" {
		t.Errorf("the table shows %q", got)
	}
	for _, b := range bars([]row{r}, samples, standard()) {
		if strings.HasPrefix(b.Name, "busy") && (b.Verdict != notMet || b.Got != "not built") {
			t.Errorf("bar %+v", b)
		}
	}
}

func TestBars(t *testing.T) {
	at := func(v float64) spread { return spread{N: 3, Median: v, Q1: v, Q3: v} }
	for name, want := range map[string]struct {
		b       bar
		verdict string
	}{
		"below a ceiling":  {judgeAtMost("x", at(1.05), 1.05, ""), met},
		"above a ceiling":  {judgeAtMost("x", at(1.06), 1.05, ""), notMet},
		"above a floor":    {judgeAtLeast("x", at(1.5), 1.5, ""), met},
		"below a floor":    {judgeAtLeast("x", at(1.49), 1.5, ""), notMet},
		"nothing measured": {judgeAtMost("x", spread{}, 1, ""), notMeasured},
		"nothing, a floor": {judgeAtLeast("x", spread{}, 0, ""), notMeasured},
	} {
		if want.b.Verdict != want.verdict {
			t.Errorf("%s: %+v, want %s", name, want.b, want.verdict)
		}
	}
}

// TestIdleBarNeedsAllClients: a few clients that need little do not show that many
// can be served.
func TestIdleBarNeedsAllClients(t *testing.T) {
	r := row{Case: "idle", Clients: 9000, Peer: sqlring, Worst: partial, Served: 4096, PerClient: spread{N: 1, Median: 100}}
	for _, b := range bars([]row{r}, nil, standard()) {
		if strings.HasPrefix(b.Name, "idle, 9000") && b.Verdict != notMet {
			t.Errorf("bar %+v", b)
		}
	}
}

func TestTally(t *testing.T) {
	var x tally
	x.add(nil, 1, io.EOF)
	x.add(nil, 1, io.ErrClosedPipe)
	s := sample{Status: measured}
	x.fill(&s)
	if s.Status != partial || s.Errors != 2 || s.Served != 0 || !strings.Contains(s.Note, "EOF") {
		t.Errorf("sample %+v", s)
	}
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	markdown(&b, [][]string{{"a", "long title"}, {"≤ 1", "x"}})
	want := "| a   | long title |\n|-----|------------|\n| ≤ 1 | x          |\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestColumnsFitValues: every case has a title for each figure.
func TestColumnsFitValues(t *testing.T) {
	for _, b := range cases(standard()) {
		if titles, figures := len(columns(b.Name, b.Unit)), len(row{Case: b.Name}.values()); titles != figures {
			t.Errorf("%s: %d titles for %d figures", b.Name, titles, figures)
		}
	}
}

// TestReportIsWhole: what is written as JSON is what was measured.
func TestReportIsWhole(t *testing.T) {
	o := standard()
	o.Out = filepath.Join(t.TempDir(), "results", "x.json")
	r := newReport(o)
	r.Samples = []sample{figure(1, haproxy, 1000, 20), figure(1, sqlring, 900, 22)}
	r.Peers = []peerInfo{{sqlring, "v"}, {haproxy, ""}}
	r.finish([]string{"router is not installed"})
	var text bytes.Buffer
	if err := r.write(&text); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(o.Out)
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Samples) != 2 || len(back.Rows) != 2 || back.Rows[0].VsHAProxy.CPU.Median != 1.1 {
		t.Errorf("read back %+v", back)
	}
	for _, want := range []string{"### ps_text, 16 clients", "1.10 [1.10-1.10]", "router is not installed", "NOT MET"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	beside, err := os.ReadFile(filepath.Join(filepath.Dir(o.Out), "x.txt"))
	if err != nil || string(beside) != text.String() {
		t.Errorf("the file beside differs from what was printed: %v", err)
	}
}
