package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// node shows the API what it needs of an App.
type node struct{ app *App }

var _ api.Node = node{}

func (n node) Name() topology.NodeID                { return n.app.cfg.Node }
func (n node) Snapshot() *topology.Snapshot         { return n.app.store.Snapshot() }
func (n node) Changed(after uint64) <-chan struct{} { return n.app.store.Changed(after) }
func (n node) Observations() topology.Observations  { return n.app.observations() }
func (n node) Lags() []lagguard.Cell                { return n.app.monitor.Lags() }

func (n node) Picture() *lagguard.Picture         { return n.app.monitor.Picture() }
func (n node) Transitions() []lagguard.Transition { return n.app.monitor.Transitions() }

func (n node) Leader() (topology.NodeID, bool) {
	id, _ := n.app.store.Leader()
	return id, id != ""
}

func (n node) LastStep() (topology.Step, time.Time) {
	d := n.app.controller.Last()
	if d.At.IsZero() { // it does not lead: what the leader has told
		step, at, _ := n.app.holder.Leader()
		return step, at
	}
	if d.Error != "" { // else an action that fails would look like one under way
		d.Step.Why += "; it failed: " + d.Error
	}
	return d.Step, d.At
}

func (n node) Propose(ctx context.Context, by string, change topology.Change, why string) error {
	return n.app.Propose(ctx, by, change, why)
}

func (n node) Ties(ctx context.Context, id topology.MemberID) ([]topology.Tie, error) {
	m, ok := n.app.store.Snapshot().Member(id)
	if !ok {
		return nil, fmt.Errorf("read what ties schemas: %q is not a member", id)
	}
	return n.app.fleet.Ties(ctx, m)
}

func (n node) CheckCopy(ctx context.Context, q topology.CopyInquiry) []topology.CopyCheck {
	return n.app.fleet.CheckCopy(ctx, q)
}

func (n node) LookAt(ctx context.Context, members []topology.Member) topology.Observations {
	return n.app.fleet.LookAt(ctx, members)
}

func (n node) TryReplay(ctx context.Context, m topology.Member, a topology.Action) (topology.Replay, error) {
	return n.app.fleet.TryReplay(ctx, m, a)
}

func (n node) ProxyStats() api.ProxyStats {
	if n.app.proxy == nil {
		return api.ProxyStats{Refused: map[string]uint64{}}
	}
	s := n.app.proxy.Stats()
	var pools []api.ProxyPool
	for _, p := range n.app.proxy.Pools() {
		pools = append(pools, api.ProxyPool{Member: string(p.Member), Open: p.Links, Taken: p.Taken, Queue: p.Waiting, Limit: p.Limit})
	}
	return api.ProxyStats{
		Gates: n.gates(), Limits: n.limits(),
		Listen: n.app.proxy.Addr(), Socket: n.app.cfg.Proxy.Socket,
		Sessions: s.Sessions, Queued: s.Queued, Queries: s.Queries, Errors: s.Errors, Refused: s.Refused,
		Traffic: api.ProxyTraffic{
			Sessions: s.SessionsTotal, Waited: s.QueuedTotal, ReceivedBytes: s.BytesIn, SentBytes: s.BytesOut,
			Links: s.LinksTotal, LinksLost: s.LinksLost, LinksRefused: s.LinksRefused, LinksCut: s.LinksCut,
			OutcomeUnknown: s.Unknown, Repeated: s.Again, Abandoned: s.HungUp, Slowed: s.Slowed, Faults: s.Faults, Unnamed: s.Unnamed,
		},
		Reads: api.ProxyReads{Spread: s.Spread, Awaited: s.Awaited, AwaitedInVain: s.AwaitedInVain},
		Pools: pools,
	}
}

func (n node) AskCounting(ctx context.Context, m topology.Member) (api.Counting, error) {
	c, err := n.app.fleet.Counting(ctx, m)
	return api.Counting(c), err
}

func (n node) AskSlots(ctx context.Context, m topology.Member) (topology.SlotTable, error) {
	return n.app.fleet.SlotTable(ctx, m)
}

func (n node) AskColumns(ctx context.Context, m topology.Member) ([]autoinc.Column, error) {
	return n.app.fleet.Columns(ctx, m)
}
