package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/internal/controller"
	"github.com/sqlring/sqlring/internal/lease"
	"github.com/sqlring/sqlring/internal/monitor"
	"github.com/sqlring/sqlring/internal/proxy"
	"github.com/sqlring/sqlring/internal/store"
	"github.com/sqlring/sqlring/pkg/topology"
)

// What nodes ask each other.
const kindLease = "lease" // lease.Request → lease.Answer

// join has this node find the ring. That it can not is no reason to end a node whose
// proxy may be serving: it is said, loudly, and status shows it.
func (a *App) join(ctx context.Context) error {
	err := a.store.Join(ctx)
	switch {
	case err == nil:
		a.logger.Info("joined the other nodes", "role", a.cfg.Raft.Role)
	case errors.Is(err, store.ErrPeer):
		a.logger.Error("this node can not join the others", "error", err)
	case ctx.Err() == nil && !errors.Is(err, store.ErrStopped):
		return err
	}
	return nil
}

// startLeases has this node's proxy hold leases, and this node give them while it
// leads. The first answer comes when there is a leader.
func (a *App) startLeases(context.Context) error {
	a.book = lease.NewBook(a.cfg.Node, a.store, a.monitor.LeasesChanged)
	a.controller = controller.New(controller.Config{
		Node: a.cfg.Node, Logger: a.logger.With("part", "controller"), Decided: a.decided,
	}, a.store, a.fleet, eyes{a.monitor, a})
	a.greeter = newGreeter(a)
	a.holder = lease.NewHolder(lease.HolderConfig{
		Node: a.cfg.Node, Witness: a.cfg.witness(), Logger: a.logger.With("part", "lease"),
		Sole: a.leaseless, Ask: a.askLeader,
		Writers: func() []topology.Writer { return a.monitor.Observations().Writers },
		Seen:    func() []lease.Seen { return seenBy(a.monitor, time.Now()) },
		Gates:   a.gateWords,
		Site:    a.cfg.Site, Hears: func() []topology.Hearing { return a.greeter.hears(time.Now()) },
	})
	a.holding.Store(a.holder)
	a.store.Handle(a.answer)
	a.background("leases", a.holder.Run)
	a.background("greetings", a.greeter.run)
	return nil
}

// isolations is how often isolation was changed, as far as this node has heard.
func (a *App) isolations() uint64 {
	if ring := a.store.Snapshot().Ring; ring != nil {
		return ring.Isolations
	}
	return 0
}

// leaseless reports whether this node's proxy goes on without a lease: there is no other
// node, or the ring was told to.
func (a *App) leaseless() bool {
	if a.store.Sole() {
		return true
	}
	ring := a.store.Snapshot().Ring
	return ring != nil && ring.Isolation == topology.IsolationContinue
}

// seenBy returns what this node's eyes see, by age.
func seenBy(m *monitor.Monitor, now time.Time) []lease.Seen {
	var seen []lease.Seen
	for _, o := range m.Observations().Members {
		seen = append(seen, lease.Seen{Member: o.Member, Reach: o.Reach, Boot: o.Boot, Age: now.Sub(o.At)})
	}
	return seen
}

// askLeader puts a question to whichever node leads, which may be this one.
func (a *App) askLeader(ctx context.Context, r lease.Request) (lease.Answer, error) {
	leader, addr := a.store.Leader()
	switch leader {
	case "":
		return lease.Answer{}, errors.New("no node leads")
	case a.cfg.Node:
		return a.give(ctx, r)
	}
	body, err := json.Marshal(r)
	if err != nil {
		return lease.Answer{}, err
	}
	if body, err = a.store.Call(ctx, addr, kindLease, body); err != nil {
		return lease.Answer{}, err
	}
	var answer lease.Answer
	err = json.Unmarshal(body, &answer)
	return answer, err
}

// give answers a node that asks for leases, and tells it what the leader does.
func (a *App) give(ctx context.Context, r lease.Request) (lease.Answer, error) {
	answer, err := a.book.Answer(ctx, r)
	if d := a.controller.Last(); err == nil && !d.At.IsZero() {
		answer.Step, answer.Age = d.Step, time.Since(d.At)
	}
	return answer, err
}

// answer answers what another node asks.
func (a *App) answer(ctx context.Context, from topology.NodeID, kind string, body []byte) ([]byte, error) {
	switch kind {
	case kindLease:
		var r lease.Request
		if err := json.Unmarshal(body, &r); err != nil {
			return nil, err
		}
		if from != "" && from != r.Node {
			return nil, fmt.Errorf("node %s asks in the name of %s", from, r.Node)
		}
		answer, err := a.give(ctx, r)
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer)
	case kindAPI:
		return a.answerAPI(ctx, body)
	case kindHello:
		return json.Marshal(topology.Hearing{Node: a.cfg.Node, Site: a.cfg.Site})
	}
	return nil, fmt.Errorf("node %s does not know what %q is: it is of an earlier release", a.cfg.Node, kind)
}

// eyes are this node's eyes, and what the other nodes have told the leader.
type eyes struct {
	*monitor.Monitor

	app *App
}

// Observations implements controller.Eyes.
func (e eyes) Observations() topology.Observations { return e.app.observations() }

// observations is what this node sees, and, if it leads, what the others have told it.
func (a *App) observations() topology.Observations {
	var others []topology.NodeID
	for _, p := range a.store.Peers() {
		others = append(others, p.ID)
	}
	seen := a.monitor.Observations()
	seen.Site, seen.Hears = a.cfg.Site, a.greeter.hears(time.Now())
	return a.book.Extend(seen, others)
}

// proxyEyes passes on what the proxy notices: to the monitor, and to the leader.
type proxyEyes struct {
	*monitor.Monitor

	holder *lease.Holder
}

// LeasesChanged implements proxy.Eyes.
func (e proxyEyes) LeasesChanged() {
	e.Monitor.LeasesChanged()
	e.holder.Renew()
}

// timed is the proxy, with its word on whether its leases end by themselves, and which change
// of isolation it has heard of. That is looked at first, then the former: if it changes
// meanwhile, the more careful answer is given.
type timed struct {
	*proxy.Proxy

	isolations func() uint64
	leaseless  func() bool
}

// Writers implements monitor.Proxy.
func (t timed) Writers() []topology.Writer {
	heard := t.isolations()
	ends := !t.leaseless()
	writers := t.Proxy.Writers()
	for i := range writers {
		writers[i].Timed, writers[i].Isolations = ends, heard
	}
	return writers
}
