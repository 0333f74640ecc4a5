package main

import (
	"math"
	"slices"
)

// spread is what several rounds have given. N 0: nothing.
type spread struct {
	N      int     `json:"n"`
	Median float64 `json:"median"`
	Q1     float64 `json:"q1"`
	Q3     float64 `json:"q3"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf sorts values.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	slices.Sort(values)
	at := func(q float64) float64 { // linear between neighbours
		x := q * float64(len(values)-1)
		low := int(math.Floor(x))
		high := min(low+1, len(values)-1)
		return values[low] + (x-float64(low))*(values[high]-values[low])
	}
	return spread{len(values), at(0.5), at(0.25), at(0.75), values[0], values[len(values)-1]}
}

// ratios compare a peer with another one, round by round.
type ratios struct {
	CPU  spread `json:"proxy_cpu"`
	Rate spread `json:"rate"`
	P50  spread `json:"p50"`
	P99  spread `json:"p99"`
}

// row is what became of one peer in one cell.
type row struct {
	Case    string   `json:"case"`
	Clients int      `json:"clients"`
	Peer    string   `json:"peer"`
	Worst   status   `json:"status"`
	Notes   []string `json:"notes,omitempty"` // each once
	Errors  int      `json:"errors"`
	Served  int      `json:"served"` // fewest of a round

	Rate      spread `json:"rate"`
	P50       spread `json:"p50_ms"`
	P95       spread `json:"p95_ms"`
	P99       spread `json:"p99_ms"`
	Proxy     spread `json:"proxy_cpu_us"`
	ProxyUser spread `json:"proxy_user_cpu_us"`
	Server    spread `json:"server_cpu_us"`
	Client    spread `json:"client_cpu_us"`
	RSS       spread `json:"rss_kib"`
	Growth    spread `json:"growth_kib"`
	PerClient spread `json:"per_client_bytes"`
	AtRest    spread `json:"at_rest_cpu_us"`
	Foreign   spread `json:"foreign_cores"`

	VsHAProxy ratios `json:"vs_haproxy"`
	VsDirect  ratios `json:"vs_direct"`
}

// counts reports whether a sample has figures.
func (s sample) counts() bool { return s.Status == measured || s.Status == partial }

// summarize makes a row of each cell and peer, in the order in which they first
// appear; within a cell in that of peers.
func summarize(samples []sample, peers []string) []row {
	var rows []row
	var seen []cell
	for _, s := range samples {
		c := cell{s.Case, s.Clients}
		if slices.Contains(seen, c) {
			continue
		}
		seen = append(seen, c)
		for _, peer := range peers {
			if own := of(samples, c, peer); len(own) > 0 {
				rows = append(rows, rowOf(own, of(samples, c, haproxy), of(samples, c, direct)))
			}
		}
	}
	return rows
}

// of returns the samples of one peer in one cell.
func of(samples []sample, c cell, peer string) []sample {
	var found []sample
	for _, s := range samples {
		if s.Case == c.Case && s.Clients == c.Clients && s.Peer == peer {
			found = append(found, s)
		}
	}
	return found
}

func rowOf(own, anchor, bare []sample) row {
	r := row{Case: own[0].Case, Clients: own[0].Clients, Peer: own[0].Peer, Worst: measured, Served: own[0].Served}
	for _, s := range own {
		if s.Status != measured && r.Worst != failed {
			r.Worst = s.Status
		}
		if s.Note != "" && !slices.Contains(r.Notes, s.Note) {
			r.Notes = append(r.Notes, s.Note)
		}
		r.Errors += s.Errors
		r.Served = min(r.Served, s.Served)
	}
	get := func(f func(sample) float64) spread { return spreadOf(collect(own, f)) }
	r.Rate = get(func(s sample) float64 { return s.Rate })
	r.P50, r.P95 = get(func(s sample) float64 { return s.P50 }), get(func(s sample) float64 { return s.P95 })
	r.P99 = get(func(s sample) float64 { return s.P99 })
	r.Proxy, r.ProxyUser = get(func(s sample) float64 { return s.Proxy }), get(func(s sample) float64 { return s.ProxyUser })
	r.Server, r.Client = get(func(s sample) float64 { return s.Server }), get(func(s sample) float64 { return s.Client })
	r.RSS, r.Growth = get(func(s sample) float64 { return float64(s.RSS) }), get(func(s sample) float64 { return float64(s.Growth) })
	r.PerClient, r.Foreign = get(func(s sample) float64 { return s.PerClient }), get(func(s sample) float64 { return s.Foreign })
	r.AtRest = get(func(s sample) float64 { return s.AtRest })
	r.VsHAProxy, r.VsDirect = compare(own, anchor), compare(own, bare)
	return r
}

// collect returns a figure of all samples that have figures.
func collect(samples []sample, f func(sample) float64) []float64 {
	var values []float64
	for _, s := range samples {
		if s.counts() {
			values = append(values, f(s))
		}
	}
	return values
}

// compare divides a peer's figures by another's of the same round. A round that
// lacks one of the two, or in which the divisor is 0, does not count.
func compare(own, other []sample) ratios {
	return ratios{
		CPU:  spreadOf(divide(own, other, func(s sample) float64 { return s.Proxy })),
		Rate: spreadOf(divide(own, other, func(s sample) float64 { return s.Rate })),
		P50:  spreadOf(divide(own, other, func(s sample) float64 { return s.P50 })),
		P99:  spreadOf(divide(own, other, func(s sample) float64 { return s.P99 })),
	}
}

func divide(own, other []sample, f func(sample) float64) []float64 {
	var values []float64
	for _, a := range own {
		for _, b := range other {
			if a.Round == b.Round && a.counts() && b.counts() && f(a) > 0 && f(b) > 0 {
				values = append(values, f(a)/f(b))
			}
		}
	}
	return values
}
