package main

import (
	"fmt"
)

// bar is what sqlring wants to reach, and what it has.
type bar struct {
	Name    string `json:"name"`
	Want    string `json:"want"`
	Got     string `json:"got"`
	Verdict string `json:"verdict"` // met, not met, or not measured
}

const (
	met         = "met"
	notMet      = "NOT MET"
	notMeasured = "not measured"
)

// judgeAtMost and judgeAtLeast make a bar of a median.
func judgeAtMost(name string, s spread, limit float64, unit string) bar {
	return judge(bar{Name: name, Want: fmt.Sprintf("≤ %.4g%s", limit, unit)}, s, unit, s.Median <= limit)
}

func judgeAtLeast(name string, s spread, limit float64, unit string) bar {
	return judge(bar{Name: name, Want: fmt.Sprintf("≥ %.4g%s", limit, unit)}, s, unit, s.Median >= limit)
}

func judge(b bar, s spread, unit string, ok bool) bar {
	switch {
	case s.N == 0:
		b.Got, b.Verdict = "-", notMeasured
		return b
	case ok:
		b.Verdict = met
	default:
		b.Verdict = notMet
	}
	b.Got = fmt.Sprintf("%.3g%s [%.3g-%.3g]", s.Median, unit, s.Q1, s.Q3)
	return b
}

// bars judges what was measured of sqlring.
func bars(rows []row, samples []sample, o options) []bar {
	find := func(name string, clients int) row {
		for _, r := range rows {
			if r.Case == name && r.Clients == clients && r.Peer == sqlring && r.Worst != failed {
				return r
			}
		}
		return row{}
	}
	var all []bar
	for _, name := range []string{"ps_text", "ps_prep"} {
		for _, n := range []int{16, 64} {
			all = append(all, judgeAtMost(fmt.Sprintf("%s %d clients: CPU per query / HAProxy's", name, n), find(name, n).VsHAProxy.CPU, 1.05, ""))
		}
		r := find(name, 256)
		all = append(all,
			judgeAtMost(name+" 256 clients: CPU per query / HAProxy's", r.VsHAProxy.CPU, 1.10, ""),
			judgeAtMost(name+" 256 clients: p99 / HAProxy's", r.VsHAProxy.P99, 1.5, ""))
	}
	for _, n := range []int{16, 64} {
		all = append(all, judgeAtMost(fmt.Sprintf("rw_text %d clients: CPU per query / HAProxy's", n), find("rw_text", n).VsHAProxy.CPU, 0.90, ""))
	}
	fast, slow := find("big_fast", 1), find("big_slow", 1)
	all = append(all,
		judgeAtMost("ps_text 1 client: p50 / HAProxy's", find("ps_text", 1).VsHAProxy.P50, 1.15, ""),
		judgeAtLeast("connect: connections/s / HAProxy's", find("connect", o.Storm).VsHAProxy.Rate, 1.5, ""),
		judgeAtLeast("100 MB result: MB/s / HAProxy's", fast.VsHAProxy.Rate, 0.80, ""),
		judgeAtMost("100 MB result: growth", fast.Growth, 1024, " KiB"),
		judgeAtMost("100 MB result, slow reader: growth", slow.Growth, 1024, " KiB"))
	for _, n := range o.Idle {
		r := find("idle", n)
		b := judgeAtMost(fmt.Sprintf("idle, %d clients: memory of each", n), r.PerClient, 8192, " B")
		if r.Worst == partial {
			b.Got, b.Verdict = fmt.Sprintf("%s, but only %d clients", b.Got, r.Served), notMet
		}
		all = append(all, b)
	}
	return append(all, busyBars(find, samples, o)...)
}

// busyBars compare the many clients over a pool with as few as the pool has.
func busyBars(find func(string, int) row, samples []sample, o options) []bar {
	few, many := o.Busy[0], o.Busy[len(o.Busy)-1]
	name := fmt.Sprintf("busy, %d clients over %d connections: ", many, backends)
	r := find("busy", many)
	if r.Worst == notBuilt {
		return []bar{{Name: name + "throughput, p99, errors", Want: "≥ 0.95, ≤ 1000 ms, 0", Got: "not built", Verdict: notMet}}
	}
	few20 := of(samples, cell{"busy", few}, sqlring)
	against := spreadOf(divide(of(samples, cell{"busy", many}, sqlring), few20, func(s sample) float64 { return s.Rate }))
	errors := spread{N: r.Rate.N, Median: float64(r.Errors), Q1: float64(r.Errors), Q3: float64(r.Errors)}
	return []bar{
		judgeAtLeast(name+fmt.Sprintf("throughput / that of %d", few), against, 0.95, ""),
		judgeAtMost(name+"p99", r.P99, 1000, " ms"),
		judgeAtMost(name+"errors", errors, 0, ""),
	}
}
