package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sqlring/sqlring/internal/api"
)

// topScreen is what `top` shows: of the time between two looks where it says "per_second".
type topScreen struct {
	At         time.Time   `json:"at"`
	OverMS     int64       `json:"over_ms"` // the time between the looks
	Ring       string      `json:"ring"`
	Node       string      `json:"node"`
	Health     string      `json:"health"`
	Sessions   int         `json:"sessions"`
	NoOwner    int         `json:"waiting_for_owner"`
	Mode       string      `json:"mode"`
	HotKeys    string      `json:"hot_key_mode"`
	Statements float64     `json:"statements_per_second"`
	Errors     float64     `json:"errors_per_second"`
	Gates      []topGate   `json:"gates"`
	Queues     []topQueue  `json:"queues"`
	Keys       []topKey    `json:"hot_keys"`
	Digests    []topDigest `json:"digests"`
}

type topGate struct {
	Member    string  `json:"member"`
	State     string  `json:"state"`
	Limit     int     `json:"limit"`
	Taken     int     `json:"taken"`
	Idle      int     `json:"idle"`
	Waiting   int     `json:"waiting"`
	Expected  int64   `json:"expected_ms"`
	Inflation float64 `json:"inflation"`
	Reads     float64 `json:"reads_per_second"`
	Writes    float64 `json:"writes_per_second"`
	Waits     float64 `json:"waits_per_second"`
	MeanWait  float64 `json:"mean_wait_ms"`
	Shed      float64 `json:"shed_per_second"`
	Gone      float64 `json:"gone_per_second"`
}

type topQueue struct {
	Member  string `json:"member"`
	Account string `json:"account"`
	Waiting int    `json:"waiting"`
}

type topKey struct {
	Member string `json:"member"`
	api.HotKey
	Uses  float64 `json:"uses_per_second"`
	Waits float64 `json:"waits_per_second"`
}

type topDigest struct {
	Member     string  `json:"member"`
	Digest     string  `json:"digest"`
	Text       string  `json:"text"`
	Statements float64 `json:"statements_per_second"`
	Server     float64 `json:"server_ms_per_second"`
	Queue      float64 `json:"queue_ms_per_second"`
	MeanServer float64 `json:"mean_server_ms"`
	MeanQueue  float64 `json:"mean_queue_ms"` // of those that waited
	Shed       float64 `json:"shed_per_second"`
}

// topOf compares two looks; each list has at most so many lines.
func topOf(before, now topLook, lines int) topScreen {
	seconds := max(now.at.Sub(before.at).Seconds(), 0.001)
	rate := func(now, before uint64) float64 {
		if now < before { // the node was started again
			before = 0
		}
		return float64(now-before) / seconds
	}
	s := topScreen{
		At: now.at.UTC(), OverMS: now.at.Sub(before.at).Milliseconds(), Ring: now.status.Ring, Node: now.status.Node, Health: string(now.status.Health),
		Sessions: now.status.Proxy.Sessions, NoOwner: now.status.Proxy.Queued, Mode: now.gates.Settings.Mode, HotKeys: now.gates.Settings.HotKeys,
		Statements: rate(now.status.Proxy.Queries, before.status.Proxy.Queries), Errors: rate(now.status.Proxy.Errors, before.status.Proxy.Errors),
		Gates: []topGate{}, Queues: []topQueue{}, Keys: []topKey{}, Digests: []topDigest{},
	}
	for _, g := range now.gates.Gates {
		was := gateAt(before.gates, g.Member)
		s.Gates = append(s.Gates, gateLine(g, was, rate))
		for _, q := range g.Queues {
			s.Queues = append(s.Queues, topQueue{g.Member, q.Account, q.Waiting})
		}
		for _, h := range g.HotKeys {
			old := keyAt(was, h.Key)
			s.Keys = append(s.Keys, topKey{Member: g.Member, HotKey: h, Uses: rate(h.Uses, old.Uses), Waits: rate(h.Waits, old.Waits)})
		}
	}
	slices.SortStableFunc(s.Queues, func(a, b topQueue) int { return cmp.Compare(b.Waiting, a.Waiting) })
	slices.SortStableFunc(s.Keys, func(a, b topKey) int { return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(b.Uses, a.Uses)) })
	s.Queues, s.Keys = s.Queues[:min(lines, len(s.Queues))], s.Keys[:min(lines, len(s.Keys))]
	s.Digests = digestLines(before, now, seconds, lines)
	return s
}

func gateAt(r api.GateReport, member string) api.Gate {
	for _, g := range r.Gates {
		if g.Member == member {
			return g
		}
	}
	return api.Gate{}
}

func keyAt(g api.Gate, key string) api.HotKey {
	for _, h := range g.HotKeys {
		if h.Key == key {
			return h
		}
	}
	return api.HotKey{}
}

func gateLine(g, was api.Gate, rate func(now, before uint64) float64) topGate {
	sum := func(of map[string]uint64) (n uint64) {
		for _, v := range of {
			n += v
		}
		return n
	}
	t := topGate{
		Member: g.Member, State: g.State, Limit: g.Limit, Idle: g.Idle, Expected: g.ExpectedMS, Inflation: g.Inflation,
		Reads:  rate(g.Granted["read"]+g.Granted["heavy"], was.Granted["read"]+was.Granted["heavy"]),
		Writes: rate(g.Granted["write"], was.Granted["write"]),
		Waits:  rate(g.Waits, was.Waits), Shed: rate(sum(g.Refused), sum(was.Refused)), Gone: rate(g.Gone, was.Gone),
	}
	for _, n := range g.Taken {
		t.Taken += n
	}
	for _, n := range g.Waiting {
		t.Waiting += n
	}
	if g.Waits > was.Waits {
		t.MeanWait = max(0, g.WaitedMS-was.WaitedMS) / float64(g.Waits-was.Waits)
	}
	return t
}

// digestLines are the digests that have taken time between the looks, the most first.
func digestLines(before, now topLook, seconds float64, lines int) []topDigest {
	list := []topDigest{}
	for id, d := range now.digests {
		was := before.digests[id]
		if was.Statements > d.Statements || was.Waits > d.Waits { // it was forgotten in between
			was = api.Digest{}
		}
		statements, waits := d.Statements-was.Statements, d.Waits+d.RowWaits-was.Waits-was.RowWaits
		server, queue := d.ServerMS-was.ServerMS, d.WaitMS+d.RowWaitMS-was.WaitMS-was.RowWaitMS
		if statements+waits == 0 && d.Shed == was.Shed {
			continue
		}
		list = append(list, topDigest{
			Member: d.Member, Digest: d.Digest, Text: d.Text, Statements: float64(statements) / seconds, Server: server / seconds, Queue: queue / seconds,
			MeanServer: server / float64(max(statements, 1)), MeanQueue: queue / float64(max(waits, 1)), Shed: float64(d.Shed-was.Shed) / seconds,
		})
	}
	slices.SortFunc(list, func(a, b topDigest) int {
		return cmp.Or(cmp.Compare(b.Server+b.Queue, a.Server+a.Queue), cmp.Compare(a.Member+a.Digest, b.Member+b.Digest))
	})
	return list[:min(lines, len(list))]
}

// topText writes a screen for people. Lists that are empty are left out.
func topText(w io.Writer, s topScreen) {
	ring := "no ring yet"
	if s.Ring != "" {
		ring = "ring " + s.Ring
	}
	fmt.Fprintf(w, "%s  node %s, %s, %s: %.0f statements/s, %.1f errors/s, %d sessions, %d wait for an owner; gates %s, hot keys %s\n\n",
		s.At.Local().Format(time.TimeOnly), s.Node, ring, s.Health, s.Statements, s.Errors, s.Sessions, s.NoOwner, s.Mode, s.HotKeys)
	if len(s.Gates) == 0 {
		fmt.Fprintln(w, "no statement has passed this node yet")
		return
	}
	rows := [][]string{{"MEMBER", "STATE", "LIMIT", "TAKEN", "IDLE", "WAIT", "EXPECTED", "INFLATION", "READS/S", "WRITES/S", "WAITED/S", "MEAN WAIT", "SHED/S", "GONE/S"}}
	for _, g := range s.Gates {
		rows = append(rows, []string{
			g.Member, g.State, fmt.Sprint(g.Limit), fmt.Sprint(g.Taken), fmt.Sprint(g.Idle), fmt.Sprint(g.Waiting), fmt.Sprintf("%d ms", g.Expected), fmt.Sprintf("%.2f", g.Inflation),
			fmt.Sprintf("%.0f", g.Reads), fmt.Sprintf("%.0f", g.Writes), fmt.Sprintf("%.0f", g.Waits), fmt.Sprintf("%.1f ms", g.MeanWait), fmt.Sprintf("%.1f", g.Shed), fmt.Sprintf("%.1f", g.Gone),
		})
	}
	table(w, rows)
	rows = [][]string{{"QUEUE AT", "ACCOUNT", "WAIT"}}
	for _, q := range s.Queues {
		rows = append(rows, []string{q.Member, q.Account, fmt.Sprint(q.Waiting)})
	}
	listed(w, rows)
	rows = [][]string{{"HOT KEY AT", "KEY", "LANE", "USING", "WAIT", "USES/S", "WAITED/S"}}
	for _, k := range s.Keys {
		lane := "dry run"
		if k.Laned {
			lane = "yes"
		}
		rows = append(rows, []string{k.Member, k.Key, lane, fmt.Sprint(k.Using), fmt.Sprint(k.Waiting), fmt.Sprintf("%.0f", k.Uses), fmt.Sprintf("%.0f", k.Waits)})
	}
	listed(w, rows)
	rows = [][]string{{"STATEMENTS AT", "DIGEST", "A SECOND", "SERVER", "QUEUE", "MEAN SERVER", "MEAN QUEUE", "SHED/S", "TEXT"}}
	for _, d := range s.Digests {
		rows = append(rows, []string{
			d.Member, d.Digest, fmt.Sprintf("%.0f", d.Statements), fmt.Sprintf("%.0f ms/s", d.Server), fmt.Sprintf("%.0f ms/s", d.Queue),
			fmt.Sprintf("%.2f ms", d.MeanServer), fmt.Sprintf("%.1f ms", d.MeanQueue), fmt.Sprintf("%.1f", d.Shed), shorten(orDash(d.Text), 60),
		})
	}
	listed(w, rows)
	fmt.Fprintln(w)
}

// listed writes a table behind an empty line, unless it has its head only.
func listed(w io.Writer, rows [][]string) {
	if len(rows) > 1 {
		fmt.Fprintln(w)
		table(w, rows)
	}
}

// shorten cuts a text to so many characters.
func shorten(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
