package app

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// pressures is what members have said of how much they have to do, and of how many connections
// they take. The former they are asked only if the ring's settings say from when on that is too
// much.
type pressures struct {
	app *App

	mu   sync.Mutex
	of   map[topology.MemberID]gate.Pressure
	most map[topology.MemberID]int // max_connections

	looked map[topology.MemberID]time.Time // when they said so; of ask alone
}

const (
	pressureEvery = time.Second
	roomEvery     = time.Minute
	roomAgain     = 10 * time.Second // after a member did not say
)

// run asks until ctx ends.
func (p *pressures) run(ctx context.Context) error {
	ticker := time.NewTicker(pressureEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			p.ask(ctx)
		}
	}
}

// look asks the members that have not said lately how many connections they take.
func (p *pressures) look(ctx context.Context) {
	before, now := p.looked, time.Now()
	said, looked := make(map[topology.MemberID]int), make(map[topology.MemberID]time.Time)
	p.each(ctx, func(ctx context.Context, m topology.Member) func() {
		if at, ok := before[m.ID]; ok && now.Sub(at) < roomEvery {
			return func() { looked[m.ID] = at }
		}
		n, err := p.app.fleet.MaxConnections(ctx, m)
		if err != nil {
			return func() { looked[m.ID] = now.Add(roomAgain - roomEvery) } // who is silent holds up the others' pressures
		}
		return func() { said[m.ID], looked[m.ID] = n, now }
	})
	p.looked = looked
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most == nil {
		p.most = make(map[topology.MemberID]int)
	}
	maps.Copy(p.most, said)
}

// each asks every active member at once, and does what ask returns, one after the other.
func (p *pressures) each(ctx context.Context, ask func(context.Context, topology.Member) func()) {
	ctx, cancel := context.WithTimeout(ctx, pressureEvery)
	defer cancel()
	var mu sync.Mutex
	var asked sync.WaitGroup
	for _, m := range p.app.store.Snapshot().Members {
		if m.State != topology.MemberActive {
			continue
		}
		asked.Go(func() {
			note := ask(ctx, m)
			mu.Lock()
			defer mu.Unlock()
			note()
		})
	}
	asked.Wait()
}

// room is this node's share of the connections that a member takes: of four fifths of them, as
// others need some too (docs/pools.md); 0: not known. The nodes are those that had a proxy when an owner was last
// made one; a member that is asked for too many by one that came later says so itself.
func (p *pressures) room(id topology.MemberID) int {
	p.mu.Lock()
	most := p.most[id]
	p.mu.Unlock()
	if most == 0 {
		return 0
	}
	nodes := 1
	for _, u := range p.app.store.Snapshot().Units {
		nodes = max(nodes, len(u.Proxies))
	}
	return max(1, most*4/5/nodes)
}

// ask asks all members at once. One that does not answer in time has said nothing.
func (p *pressures) ask(ctx context.Context) {
	p.look(ctx)
	s := p.app.store.Snapshot().GateSettings()
	said := make(map[topology.MemberID]gate.Pressure)
	if s.RunningThreads > 0 || s.RowLockWaits > 0 {
		p.each(ctx, func(ctx context.Context, m topology.Member) func() {
			got, err := p.app.fleet.Pressure(ctx, m)
			if err != nil {
				return func() {}
			}
			return func() { said[m.ID] = got }
		})
	}
	p.mu.Lock()
	p.of = said
	p.mu.Unlock()
}

// at returns what is known of a member: its own word, and how many writes fewer it is to
// be given because others lag behind it.
func (p *pressures) at(id topology.MemberID) gate.Pressure {
	p.mu.Lock()
	said := p.of[id]
	p.mu.Unlock()
	said.HeldBack = p.app.monitor.Picture().Admission(id).Held
	return said
}

// uniqueKeys reads those of a table of a member.
func (a *App) uniqueKeys(ctx context.Context, id topology.MemberID, schema, table string) ([]balancer.UniqueKey, error) {
	m, ok := a.store.Snapshot().Member(id)
	if !ok {
		return nil, fmt.Errorf("read unique keys: %q is not a member", id)
	}
	return a.fleet.UniqueKeys(ctx, m, schema, table)
}

// gates are those of the proxy, as the API shows them.
func (n node) gates() []api.GateAt {
	var list []api.GateAt
	for _, g := range n.app.proxy.Gates() {
		list = append(list, api.GateAt{Member: g.Member, Idle: g.Idle, State: g.State, Hot: g.Hot, Crowds: g.Crowds})
	}
	return list
}

// limits are what the DBA's rules do at the proxy, as the API shows them.
func (n node) limits() []api.LimitAt {
	var list []api.LimitAt
	for _, l := range n.app.proxy.Limits() {
		list = append(list, api.LimitAt(l))
	}
	return list
}

// Digests implements api.Node.
func (n node) Digests(most int) []api.DigestAt {
	if n.app.proxy == nil {
		return nil
	}
	var list []api.DigestAt
	for _, d := range n.app.proxy.Digests(most) {
		list = append(list, api.DigestAt{Member: d.Member, Text: d.Text, Tally: d.Tally})
	}
	return list
}

// gateWords is what this node tells the leader of its proxy's gates: of those that are, or
// were, saturated.
func (a *App) gateWords() []topology.GateWord {
	p := a.relaying.Load()
	if p == nil {
		return nil
	}
	var words []topology.GateWord
	for _, g := range p.Gates() {
		e := g.Episode
		if e.Began == 0 {
			continue
		}
		w := topology.GateWord{
			Member: g.Member, Saturated: g.Saturated, Began: g.At.Sub(e.Began), Lasted: e.Ended.Sub(e.Began), Mode: g.Settings.Mode.String(),
			Limit: g.Limit, Inflation: g.Inflation, Waited: e.Waits, WaitTime: e.WaitTime, Gone: e.Gone, Shed: map[string]uint64{},
			Waiting: g.LaneWaiting,
		}
		if e.Ended == 0 {
			w.Lasted = w.Began
		}
		for _, n := range g.Waiting {
			w.Waiting += n
		}
		for r := gate.Granted + 1; int(r) < gate.Refusals; r++ {
			if e.Refused[r] > 0 {
				w.Shed[r.String()] = e.Refused[r]
			}
		}
		words = append(words, w)
	}
	return words
}

// gateFindings is what the nodes have told the leader of their gates, and whether that is
// all there is.
func (a *App) gateFindings() (found []topology.Finding, all bool) {
	const fresh = 3 * time.Second
	nodes := []topology.NodeID{a.cfg.Node}
	for _, p := range a.store.Peers() {
		if p.ID != a.cfg.Node {
			nodes = append(nodes, p.ID)
		}
	}
	return a.book.Gates(nodes, fresh, time.Now())
}
