package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// report is everything that a run has found; it is what the JSON holds.
type report struct {
	Began      string     `json:"began"`
	Ended      string     `json:"ended"`
	Rounds     int        `json:"rounds"`
	Seconds    int        `json:"seconds"`
	Seed       uint64     `json:"seed"`
	Durability string     `json:"durability"`
	Cores      int        `json:"cores"`
	Machine    string     `json:"machine"`
	Kernel     string     `json:"kernel"`
	LoadBefore string     `json:"load_before"`
	LoadAfter  string     `json:"load_after"`
	Foreign    spread     `json:"foreign_cores"` // over all samples
	Peers      []peerInfo `json:"peers"`
	Notes      []string   `json:"notes"`
	Bars       []bar      `json:"bars"`
	Rows       []row      `json:"rows"`
	Samples    []sample   `json:"samples"`

	options options
}

// peerInfo is who was measured.
type peerInfo struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

func newReport(o options) report {
	return report{
		Began: time.Now().Format(time.DateTime), Rounds: o.Rounds, Seconds: o.Seconds, Seed: o.Seed, Durability: o.Durability,
		Cores: runtime.NumCPU(), Machine: machine(), Kernel: firstLine("/proc/sys/kernel/osrelease"),
		LoadBefore: firstLine("/proc/loadavg"), options: o,
	}
}

// disturbed is how many cores may go to others before a run is marked.
const disturbed = 0.15

// finish makes the rows and bars of the samples. notes are what a reader must know.
func (r *report) finish(notes []string) {
	r.Ended, r.LoadAfter = time.Now().Format(time.DateTime), firstLine("/proc/loadavg")
	var names []string
	for _, p := range r.Peers {
		names = append(names, p.Name)
	}
	r.Rows = summarize(r.Samples, names)
	r.Bars = bars(r.Rows, r.Samples, r.options)
	r.Foreign = spreadOf(collect(r.Samples, func(s sample) float64 { return s.Foreign }))
	r.Notes = append(r.Notes, notes...)
	if r.options.Events > 0 {
		r.Notes = append(r.Notes, "QUICK: this run shows that everything works; its figures say nothing")
	}
	if r.Foreign.Median > disturbed {
		r.Notes = append(r.Notes, fmt.Sprintf("TAKEN UNDER LOAD: other processes had %.2f cores in the median, up to %.2f; load average %s before, %s after",
			r.Foreign.Median, r.Foreign.Max, r.LoadBefore, r.LoadAfter))
	}
}

// write writes the JSON to o.Out, the text beside it, and the text to out.
func (r report) write(out io.Writer) error {
	path := r.options.Out
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return err
	}
	f, err := os.Create(strings.TrimSuffix(path, filepath.Ext(path)) + ".txt")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return r.writeText(io.MultiWriter(f, out))
}

// machine returns the name of the processor.
func machine() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func firstLine(path string) string {
	text, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
