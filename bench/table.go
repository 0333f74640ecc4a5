package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// writeText writes the report for people. It is Markdown, for docs/performance.md.
func (r report) writeText(w io.Writer) error {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("sqlring bench, %s", r.Began)
	say("%d rounds of %d s; %s; %d cores; %s", r.Rounds, r.Seconds, r.Machine, r.Cores, r.Kernel)
	for _, p := range r.Peers {
		say("%-8s %s", p.Name, p.Version)
	}
	for _, note := range r.Notes {
		say("NOTE: %s", note)
	}
	last := cell{}
	var lines [][]string
	for _, x := range r.Rows {
		if c := (cell{x.Case, x.Clients}); c != last {
			markdown(&b, lines)
			last = c
			info := byName(r.options, x.Case)
			say("\n### %s, %s (%s)\n", x.Case, clientsWord(x.Clients), info.Why)
			lines = [][]string{append([]string{"peer"}, columns(x.Case, info.Unit)...)}
		}
		lines = append(lines, append([]string{x.Peer}, x.values()...))
	}
	markdown(&b, lines)
	b.WriteString(r.problems())
	say("\n### bars (sqlring, medians of ratios within rounds [quartiles])\n")
	lines = [][]string{{"verdict", "bar", "wanted", "reached"}}
	for _, x := range r.Bars {
		lines = append(lines, []string{x.Verdict, x.Name, x.Want, x.Got})
	}
	markdown(&b, lines)
	_, err := io.WriteString(w, b.String())
	return err
}

// markdown writes a table whose first line are the titles, all columns aligned.
func markdown(b *strings.Builder, lines [][]string) {
	if len(lines) == 0 {
		return
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, word := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(word))
		}
	}
	for n, line := range lines {
		for i, word := range line {
			fmt.Fprintf(b, "| %s%s ", word, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(word)))
		}
		b.WriteString("|\n")
		for i := 0; n == 0 && i < len(widths); i++ {
			b.WriteString("|" + strings.Repeat("-", widths[i]+2))
		}
		if n == 0 {
			b.WriteString("|\n")
		}
	}
}

func clientsWord(n int) string {
	if n == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", n)
}

// columns are the titles of a case's figures, in the order of values.
func columns(name, unit string) []string {
	switch name {
	case "big_fast", "big_slow":
		return []string{unit, "/haproxy", "CPU us/MB", "/haproxy", "growth KiB", "RSS KiB", "foreign"}
	case "idle":
		return []string{unit, "bytes each", "RSS KiB", "CPU us/s", "CPU us/s before", "foreign"}
	case "busy":
		return []string{unit, "/haproxy", "p50 ms", "p99 ms", "CPU us", "served", "errors", "foreign"}
	}
	return []string{
		unit, "/haproxy", "/direct", "p50 ms", "p95", "p99", "p99/haproxy",
		"CPU us (min-max)", "user", "CPU/haproxy", "server us", "client us", "RSS KiB", "foreign",
	}
}

// values are a row's figures; "-" where there is none.
func (x row) values() []string {
	cores := num(x.Foreign, "%.2f")
	switch x.Case {
	case "big_fast", "big_slow":
		return []string{num(x.Rate, "%.0f"), num(x.VsHAProxy.Rate, "%.2f"), num(x.Proxy, "%.0f"), quartiles(x.VsHAProxy.CPU), num(x.Growth, "%.0f"), num(x.RSS, "%.0f"), cores}
	case "idle":
		return []string{num(x.Rate, "%.0f"), num(x.PerClient, "%.0f"), num(x.RSS, "%.0f"), num(x.Proxy, "%.0f"), num(x.AtRest, "%.0f"), cores}
	case "busy":
		return []string{num(x.Rate, "%.0f"), num(x.VsHAProxy.Rate, "%.2f"), num(x.P50, "%.1f"), num(x.P99, "%.1f"), num(x.Proxy, "%.0f"), fmt.Sprint(x.Served), fmt.Sprint(x.Errors), cores}
	}
	cpu := "-"
	if x.Proxy.N > 0 && x.Proxy.Max > 0 {
		cpu = fmt.Sprintf("%.1f (%.1f-%.1f)", x.Proxy.Median, x.Proxy.Min, x.Proxy.Max)
	}
	return []string{
		num(x.Rate, "%.0f"), quartiles(x.VsHAProxy.Rate), num(x.VsDirect.Rate, "%.2f"),
		num(x.P50, "%.2f"), num(x.P95, "%.2f"), num(x.P99, "%.2f"), num(x.VsHAProxy.P99, "%.2f"),
		cpu, num(x.ProxyUser, "%.1f"), quartiles(x.VsHAProxy.CPU), num(x.Server, "%.1f"), num(x.Client, "%.1f"), num(x.RSS, "%.0f"), cores,
	}
}

func num(s spread, format string) string {
	if s.N == 0 {
		return "-"
	}
	return fmt.Sprintf(format, s.Median)
}

func quartiles(s spread) string {
	if s.N == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f [%.2f-%.2f]", s.Median, s.Q1, s.Q3)
}

// problems lists what is not simply measured.
func (r report) problems() string {
	var b strings.Builder
	for _, x := range r.Rows {
		for _, note := range x.Notes {
			fmt.Fprintf(&b, "%s: %s, %s, %s: %s\n", strings.ToUpper(string(x.Worst)), x.Peer, x.Case, clientsWord(x.Clients), note)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n### what did not go as asked\n\n" + b.String()
}
