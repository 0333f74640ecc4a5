package proxy

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Gate is the gate of a member as it is now.
type Gate struct {
	Member topology.MemberID
	At     gate.Instant // when it was looked at
	Idle   int          // places whose transaction waits for its client
	gate.State
	Hot    []gate.HotKey // the most used first
	Crowds []gate.Crowd  // whose statements wait, the longest queues first
}

// Gates returns the members' gates, by member. It is safe for concurrent use.
func (p *Proxy) Gates() []Gate {
	p.mu.Lock()
	gates := make([]*memberGate, 0, len(p.gates))
	for _, g := range p.gates {
		gates = append(gates, g)
	}
	p.mu.Unlock()
	list := make([]Gate, 0, len(gates))
	for _, g := range gates {
		g.mu.Lock()
		list = append(list, Gate{g.id, p.now(), int(g.idle.Load()), g.gate.State(), g.gate.HotKeys(), g.gate.Crowds(shownCrowds)})
		g.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b Gate) int {
		switch {
		case a.Member < b.Member:
			return -1
		case a.Member > b.Member:
			return 1
		}
		return 0
	})
	return list
}

var gateColumns = []string{"member", "mode", "limit", "ceiling", "reads", "writes", "heavy", "admin", "idle", "waiting", "waits", "mean_wait_ms", "expected_ms", "inflation", "shed", "gone", "state", "for_writes"}

// showBursts are the answers that are about gates and lanes.
func (s *session) showBursts(what string) (columns []string, rows [][]string, known bool) {
	if what == "gates" {
		return gateColumns, s.p.showGates(), true
	}
	if what == "hotkeys" {
		return hotColumns, s.p.showHotKeys(), true
	}
	if what == "digests" {
		return digestColumns, s.p.showDigests(), true
	}
	if what == "queues" {
		return []string{"member", "account", "waiting"}, s.p.showQueues(), true
	}
	return nil, nil, false
}

// showGates are the rows of SHOW SQLRING GATES.
func (p *Proxy) showGates() [][]string {
	var rows [][]string
	for _, g := range p.Gates() {
		waiting, shed := 0, uint64(0)
		for _, n := range g.Waiting {
			waiting += n
		}
		for _, n := range g.Counts.Refused {
			shed += n
		}
		mean := 0.0
		if g.Counts.Waits > 0 {
			mean = float64(g.Counts.WaitTime) / float64(g.Counts.Waits) / float64(time.Millisecond)
		}
		rows = append(rows, []string{
			string(g.Member), g.Settings.Mode.String(), strconv.Itoa(g.Limit), strconv.Itoa(g.Settings.Ceiling),
			strconv.Itoa(g.Taken[gate.Read]), strconv.Itoa(g.Taken[gate.Write]), strconv.Itoa(g.Taken[gate.Heavy]), strconv.Itoa(g.Taken[gate.Admin]),
			strconv.Itoa(g.Idle), strconv.Itoa(waiting), strconv.FormatUint(g.Counts.Waits, 10), fmt.Sprintf("%.1f", mean),
			strconv.FormatInt(g.Expected.Milliseconds(), 10), fmt.Sprintf("%.2f", g.Inflation), strconv.FormatUint(shed, 10),
			strconv.FormatUint(g.Counts.Gone, 10), stateOf(g.State), strconv.Itoa(g.Writes),
		})
	}
	return rows
}

// stateOf says in a word how a gate does.
func stateOf(s gate.State) string {
	switch {
	case s.Saturated && s.Braked:
		return "saturated, braked"
	case s.Saturated:
		return "saturated"
	case s.Braked:
		return "braked"
	}
	return "open"
}
