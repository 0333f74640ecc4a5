package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// three makes n the node of a ring of m1 (owner), m2 and m3.
func three(n *apitest.Node, ring topology.InitRing) {
	fresh := apitest.NewRingOf(ring, "m1", "m2", "m3")
	n.State, n.Step = fresh.State, fresh.Step
	n.Has = map[topology.MemberID]topology.Position{"m2": position("101-101-100"), "m3": position("101-101-97")}
	n.Mark = position("101-101-100")
}

func position(text string) topology.Position {
	p, err := topology.ParsePosition(text)
	if err != nil {
		panic(err)
	}
	return p
}

// nodeChanges are what the command `node` can do to the fake node.
func nodeChanges() map[string]func(n *apitest.Node) {
	return map[string]func(n *apitest.Node){
		"empty": func(n *apitest.Node) {
			n.State, n.Step = topology.NewSnapshot(), topology.Step{Why: "there is no ring yet"}
		},
		"walks":          func(n *apitest.Node) { n.Walk = true },
		"is-busy":        func(n *apitest.Node) { busyGates(n, 1) },
		"has-clients":    func(n *apitest.Node) { n.Clients = apitest.SomeClients() },
		"keeps-sessions": func(n *apitest.Node) { n.Endures = fmt.Errorf("kill: %w", api.ErrOutcomeUnknown) },
		"commits":        func(n *apitest.Node) { n.Endures = api.ErrCommits },
		"stuck": func(n *apitest.Node) {
			n.Step = topology.Step{Kind: topology.StepStuck, Why: "member m2 is not empty, it has the schema shop: init takes empty servers"}
		},
		"follows":       func(n *apitest.Node) { n.Leading = "n2" },
		"is-alone":      func(n *apitest.Node) { n.Leading = "" },
		"loses-replies": func(n *apitest.Node) { n.Refuse = fmt.Errorf("propose: %w", api.ErrOutcomeUnknown) },
		"loses-m2": func(n *apitest.Node) {
			n.Spoil = func(o *topology.Observation) {
				if o.Member == "m2" {
					*o = topology.Observation{Member: "m2", At: o.At, Reach: topology.ReachRefused, Error: "connection refused"}
				}
			}
		},
		"lags-m2": func(n *apitest.Node) {
			n.Levels = map[topology.MemberID]lagguard.Level{"m2": lagguard.LevelThrottle}
			n.Moved = []lagguard.Transition{{
				At: apitest.Began().Add(9 * time.Second), Member: "m2", From: lagguard.LevelFresh, To: lagguard.LevelThrottle,
				Why: "its lag has been at least 3s for 1s", Evidence: []string{"behind m1: 4000 ms (+100)"},
			}}
		},
		"holds-writes": func(n *apitest.Node) {
			n.Lag = lagguard.Lag{Known: true, Low: 4 * time.Second, High: 4100 * time.Millisecond}
			n.Stats.Gates = []api.GateAt{{Member: "m1", State: gate.State{Writes: 48}}}
		},
		"holds-archive": func(n *apitest.Node) { // the fake's commands are of long ago
			n.State.Throttles = []topology.ThrottleRule{{App: "archive", Ratio: 1, Until: time.Now().Add(time.Hour), By: "dba@n1", Why: "backup"}}
		},
		"holds-data": func(n *apitest.Node) { // the server that is to be added
			n.Checks = []topology.CopyCheck{{Name: "empty", Verdict: topology.CopyRefused, What: "it holds shop", Override: "discard_data"}}
		},
		"tells": func(n *apitest.Node) { // a level was entered, and hooks are told
			told := apitest.NewRing()
			told.OpenOutbox()
			told.EnterLevel("m2", "", "warn", topology.UrgencyWarning)
			n.State = told.Snapshot()
			n.Told = []api.Hook{
				{Name: "pager", Type: "pagerduty", Target: "https://events.pagerduty.com", Severity: "critical", Match: []string{"unit/*", "lag/*"}, RepeatMS: 14400000, Delivered: 7},
				{Name: "page", Type: "exec", Target: "/usr/local/bin/page", Severity: "warning", Match: []string{}, Failing: true, LastError: "exit status 1", Waiting: 1, GivenUp: 2},
			}
			n.Tested = map[string]error{"pager": nil, "page": errors.New("/usr/local/bin/page: exit status 1: it said nothing")}
		},
		"loses-m2-lag": func(n *apitest.Node) {
			n.Levels = map[topology.MemberID]lagguard.Level{"m2": lagguard.LevelUnknown}
		},
		"knows-no-lag": func(n *apitest.Node) { n.Lag.Known = false },

		"has-keys": func(n *apitest.Node) {
			n.Columns = []autoinc.Column{
				{Schema: "shop", Table: "tiny", Column: "a", Type: "tinyint(3) unsigned", Max: 255, Next: 241},
				{Schema: "shop", Table: "orders", Column: "id", Type: "int(11)", Max: 2147483647, Next: 1600000001},
			}
		},
		"miscounts": func(n *apitest.Node) {
			n.Counts = func(id topology.MemberID, c *api.Counting) {
				if id == "m2" {
					c.Sessions = map[uint64]autoinc.Layout{7: {Offset: 2, Stride: 16}, 9: {Offset: 1, Stride: 1}}
				}
			}
		},

		"has-three":   func(n *apitest.Node) { three(n, topology.InitRing{}) },
		"refuses":     func(n *apitest.Node) { three(n, topology.InitRing{Degraded: topology.DegradedRefuse}) },
		"loses-m1":    func(n *apitest.Node) { n.Lose("m1") },
		"drains":      func(n *apitest.Node) { n.BeginHeal("m1", topology.HealDrain) },
		"healed":      func(n *apitest.Node) { n.BeginHeal("m1", "") },
		"ends":        func(n *apitest.Node) { n.Finish() },
		"lacks-some":  func(n *apitest.Node) { n.Mark = position("101-101-103") },
		"restarting":  func(n *apitest.Node) { n.BeginRestart(topology.RestartLink) },
		"finds-m1":    func(n *apitest.Node) { n.Lost = nil },
		"quarantines": func(n *apitest.Node) { quarantine(n) },
		"tied": func(n *apitest.Node) {
			n.Tied = []topology.Tie{{Object: "view shop.total", Home: "shop", Names: []string{"stock"}}, {Object: "procedure wild.p", Home: "wild", Unread: "it executes texts"}}
		},
		"drains-members": func(n *apitest.Node) { n.Drains = true },
		"quiet-lag":      func(n *apitest.Node) { n.Lag.At = time.Now().Add(-time.Minute) },
	}
}

// quarantine lets m1 come back with a tail that may not flow.
func quarantine(n *apitest.Node) {
	n.Tail = topology.Tail{
		Cut: position("101-101-100"), End: position("101-101-102"), Verdict: topology.TailConflict,
		Why: "it updates rows of shop.card", Transactions: 2, File: "/var/lib/sqlring/tails/m1.json",
	}
	n.BeginRejoin("m1", "")
	n.Tail = topology.Tail{}
}

// busyGates has m1 saturated, with a hot key and two digests; what is counted is a multiple.
func busyGates(n *apitest.Node, times uint64) {
	s := gate.State{
		Settings: gate.Settings{}.WithDefaults(), Limit: 16, Inflation: 1.25, Saturated: true, Expected: 40 * time.Millisecond,
		Taken: [gate.Classes]int{3, 13, 0, 0}, Waiting: [gate.Classes]int{200, 612, 0, 0},
		Counts: gate.Counts{Granted: [gate.Classes]uint64{1000 * times, 500 * times, 0, 0}, Waits: 900 * times, WaitTime: time.Duration(times) * 9 * time.Second, Gone: times},
	}
	s.Counts.Refused[gate.TooLong] = 10 * times
	n.Stats.Gates = []api.GateAt{{
		Member: "m1", Idle: 2, State: s, Crowds: []gate.Crowd{{Account: "web", Waiting: 800}, {Account: "batch", Waiting: 12}},
		Hot: []gate.HotKey{{Name: "shop.hot(id)#af63bd4c", Laned: true, Using: 1, Waiting: 37, Uses: 4000 * times, Waits: 3000 * times}},
	}}
	n.Costs = []api.DigestAt{
		{Member: "m1", Text: "UPDATE `shop`.`hot` SET `c` = `c` + ? WHERE `id` = ?", Tally: gate.Tally{Digest: 0xabc, Statements: 500 * times, ServerTime: time.Duration(times) * time.Second, Waits: 500 * times, WaitTime: time.Duration(times) * 8 * time.Second, Shed: 10 * times}},
		{Member: "m1", Text: "SELECT ?", Tally: gate.Tally{Digest: 0xdef, Statements: 8}},
	}
}
