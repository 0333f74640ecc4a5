package proxy

import (
	"context"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// sessionUnit is the unit whose owner serves a session, all of it for now.
const sessionUnit = topology.UnitRest

// route returns where unit's writes go. If nobody owns it, it waits for an owner,
// at most Config.QueueTimeout, and at most Config.MaxQueued sessions do. What it
// returns as an error is fit for the client.
func (p *Proxy) route(ctx context.Context, unit topology.UnitID) (balancer.Route, *wire.Error) {
	if route, ok := p.views.View().OwnerOf(unit); ok {
		return route, nil
	}
	if int(p.count.queued.Add(1)) > p.cfg.MaxQueued {
		p.count.queued.Add(-1)
		p.count.refuse(RefusedQueue)
		return balancer.Route{}, wire.NewError(wire.NoOwner, "sqlring: too many sessions wait for an owner of unit %s already (%d)", unit, p.cfg.MaxQueued)
	}
	defer p.count.queued.Add(-1)
	p.count.queuedTotal.Add(1)
	timeout := time.NewTimer(p.cfg.QueueTimeout)
	defer timeout.Stop()
	for {
		changed := p.views.ViewChanged()
		route, ok := p.views.View().OwnerOf(unit)
		if ok {
			return route, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return route, wire.NewError(wire.ShutdownInProgress, "sqlring: the session ends")
		case <-timeout.C:
			p.count.refuse(RefusedOwner)
			return route, wire.NewError(wire.NoOwner, "sqlring: %s (unit %s, epoch %d; waited %v)", route.Why, unit, route.Epoch, p.cfg.QueueTimeout)
		}
	}
}
