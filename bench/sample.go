package main

import "time"

// status is what became of one measurement. The zero value is measured.
type status string

const (
	measured status = "ok"
	partial  status = "partial"   // measured, but not all of what was asked for; see Note
	notBuilt status = "not built" // the peer lacks what the case is about
	failed   status = "error"
)

// sample is one measurement of one peer. Figures that a case does not have are 0.
type sample struct {
	Round   int    `json:"round"` // from 1
	Case    string `json:"case"`
	Clients int    `json:"clients"`
	Peer    string `json:"peer"`
	Status  status `json:"status"`
	Note    string `json:"note,omitempty"` // why it is not ok, or what to know

	Rate float64 `json:"rate"` // per second: queries, connections, MB or transactions
	P50  float64 `json:"p50_ms"`
	P95  float64 `json:"p95_ms"`
	P99  float64 `json:"p99_ms"`
	// CPU time per unit of Rate, in microseconds. Proxy is all of the proxy's
	// process, ProxyUser its part outside of the kernel.
	Proxy     float64 `json:"proxy_cpu_us"`
	ProxyUser float64 `json:"proxy_user_cpu_us"`
	Server    float64 `json:"server_cpu_us"`
	Client    float64 `json:"client_cpu_us"`

	RSS       int64   `json:"rss_kib"`          // of the proxy, at the end
	Growth    int64   `json:"growth_kib"`       // of the proxy's peak over its size before
	PerClient float64 `json:"per_client_bytes"` // of the proxy; idle clients only
	AtRest    float64 `json:"at_rest_cpu_us"`   // proxy CPU per second before anybody was connected; idle clients only
	Backends  int     `json:"backends"`         // connections at the server; busy clients only
	Served    int     `json:"served"`           // clients that got an answer; busy clients only
	Errors    int     `json:"errors"`           // that clients saw
	Foreign   float64 `json:"foreign_cores"`    // CPU that went to processes not ours, in cores
	Busy      float64 `json:"busy_cores"`       // CPU of the whole machine, in cores
	Window    float64 `json:"window_seconds"`   // how long it was counted
	At        string  `json:"at"`               // when it began
}

// newSample begins a measurement.
func newSample(c cell, p *peer, round int) sample {
	return sample{Round: round, Case: c.Case, Clients: c.Clients, Peer: p.Name, Status: measured, At: time.Now().Format(time.TimeOnly)}
}

// fail ends a measurement that did not work.
func (s sample) fail(err error) sample {
	s.Status, s.Note = failed, err.Error()
	return s
}

// count fills in what the meter saw while units were done by the peer.
func (s *sample) count(u usage, units float64) {
	s.Window, s.Foreign, s.Busy = u.Seconds, u.Foreign, u.Busy
	if units <= 0 {
		return
	}
	micros := func(t cpuTime) float64 { return float64(t.total().Microseconds()) / units }
	s.Proxy, s.Server, s.Client = micros(u.Proxy), micros(u.Server), micros(u.Client)
	s.ProxyUser = float64(u.Proxy.User.Microseconds()) / units
}
