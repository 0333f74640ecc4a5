package apitest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// Sessions implements api.Node.
func (n *Node) Sessions() []api.Session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.Clients)
}

// Explain implements api.Node: a statement that begins with SELECT goes to the last member,
// any other one to the first.
func (n *Node) Explain(q api.RouteQuery) (api.Route, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	level, err := balancer.ParseConsistency(cmp.Or(q.Consistency, "account"))
	if err != nil {
		return api.Route{}, err
	}
	part := api.RoutePart{Kind: "change", Tables: []string{"shop.t (written)"}, Does: []string{}}
	r := api.Route{
		Statement: q.Statement, Keeps: []string{}, Units: []api.RouteUnit{{Unit: "*", Epoch: 1, Owner: string(n.State.Members[0].ID)}},
		GoesTo: string(n.State.Members[0].ID), Why: "owner: it is not surely a read that leaves nothing behind", Candidates: []api.RouteCandidate{},
	}
	if strings.HasPrefix(q.Statement, "SELECT") {
		part = api.RoutePart{Kind: "read", Tables: []string{"shop.t"}, Does: []string{}}
		r.Spreads, r.Consistency, r.Need, r.Why = true, level.String(), "1-1-7", "a fresh member"
		for _, m := range n.State.Members {
			r.GoesTo = string(m.ID)
			r.Candidates = append(r.Candidates, api.RouteCandidate{Member: string(m.ID), Qualifies: true, Why: "it is fresh: its lag is known"})
		}
	}
	r.Parts = []api.RoutePart{part}
	return r, nil
}

// Pinned implements api.Node. The fake knows of two reasons, and those of its Clients.
func (n *Node) Pinned() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	counts := map[string]int{"an open transaction": 0, "user locks": 0}
	for _, s := range n.Clients {
		for _, why := range s.Keeps {
			counts[why]++
		}
	}
	return counts
}

// EndSession implements api.Node: a session is gone at once, one whose query is ended is
// idle, unless Endures says otherwise.
func (n *Node) EndSession(_ context.Context, id uint32, query bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := slices.IndexFunc(n.Clients, func(s api.Session) bool { return s.ID == id })
	switch {
	case at < 0:
		return api.ErrNoSession
	case n.Endures != nil:
		return n.Endures
	case query:
		n.Clients[at].State, n.Clients[at].Doing = "idle", ""
	default:
		n.Clients = slices.Delete(n.Clients, at, at+1)
	}
	return nil
}

// SomeClients are four sessions, each at something else.
func SomeClients() []api.Session {
	began := time.Now().Add(-time.Hour)
	one := func(id uint32, account, state string, ago time.Duration) api.Session {
		return api.Session{
			ID: id, Account: account, From: "192.0.2.7", Schema: "shop", State: state, Since: time.Now().Add(-ago), ForMS: ago.Milliseconds(),
			Connected: began, Member: "m1", Keeps: []string{}, Consistency: "account",
		}
	}
	idle, runs, waits, login := one(1073741825, "web", "idle", 40*time.Minute), one(1073741826, "web", "runs", 90*time.Second), one(1073741827, "batch", "waits", 2*time.Second), one(1073741828, "", "logs in", 0)
	idle.Keeps, idle.Transaction = []string{"an open transaction", "user locks"}, true
	runs.Doing, runs.Member = "SELECT `a` FROM `t` WHERE `id` = ?", "m2"
	waits.Doing, waits.WaitsFor, waits.Consistency = "UPDATE `t` SET `a` = ?", "an owner of unit * that may be written at", "strong"
	login.Schema, login.Member = "", ""
	return []api.Session{idle, runs, waits, login}
}

// Digests implements api.Node.
func (n *Node) Digests(most int) []api.DigestAt {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.Costs[:min(most, len(n.Costs))])
}
