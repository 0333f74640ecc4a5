package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/monitor"
	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/proxy"
	"github.com/sqlring/sqlring/internal/store"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

func (a *App) startStore(context.Context) error {
	cfg, err := a.cfg.store()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.cfg.Dir, 0o700); err != nil {
		return err
	}
	cfg.Logger = a.logger.With("part", "store")
	s, err := store.Open(cfg)
	if err != nil {
		return err
	}
	a.store = s
	a.onStop("store", func(context.Context) error { return s.Stop() })
	if !a.cfg.Raft.alone() {
		a.background("join", a.join)
	}
	return nil
}

func (a *App) startFleet(context.Context) error {
	if a.cfg.witness() {
		return nil
	}
	manager, replication, err := a.cfg.secrets()
	if err != nil {
		return err
	}
	tls, err := a.cfg.memberTLS().Follow(a.logger.With("part", "members"))
	if err != nil {
		return err
	}
	f, err := mysqld.NewFleet(mysqld.Config{
		Node:        a.cfg.Node,
		ManagerUser: a.cfg.Manager.User, ManagerPassword: manager,
		ReplicationUser: a.cfg.Replication.User, ReplicationPassword: replication,
		TLS: tls.For, TLSOptional: tls.Optional(),
		TailDir: filepath.Join(a.cfg.Dir, "tails"),
	})
	if err != nil {
		return err
	}
	a.fleet = f
	a.onStop("members", func(context.Context) error { f.Close(); return nil })
	return nil
}

func (a *App) startMonitor(context.Context) error {
	sockets := map[topology.MemberID]string{}
	for _, m := range a.cfg.Members {
		sockets[m.Name] = m.Socket
	}
	a.monitor = monitor.New(monitor.Config{
		Node: a.cfg.Node, Sockets: sockets, Logger: a.logger.With("part", "monitor"),
		Turned: func() {
			if h := a.holding.Load(); h != nil {
				h.Renew() // the leader is told at once
			}
		},
		Gone: func(m topology.Member) { a.fleet.Drop(m) },
	}, a.store, a.fleet)
	if a.cfg.witness() {
		return nil // it looks at no member
	}
	a.background("monitor", a.monitor.Run)
	return nil
}

// startController runs the controller whenever this node leads. The fleet is
// told the term first, so that an action of an earlier one can not land.
func (a *App) startController(context.Context) error {
	a.background("controller", func(ctx context.Context) error {
		return a.store.Lead(ctx, func(ctx context.Context, term uint64) error {
			a.book.Begin(term)
			defer a.book.Begin(0)
			a.holder.Renew()
			if a.cfg.witness() {
				return a.handAway(ctx)
			}
			a.fleet.Lead(term)
			a.hooks.Begin(ctx)
			a.herald.Begin(ctx, term)
			defer a.fleet.StopCopies()
			return a.controller.Run(ctx)
		})
	})
	return nil
}

// handAway hands the leadership to another voter, until one takes it. Meanwhile this
// node gives the leases that stand, and moves nothing.
func (a *App) handAway(ctx context.Context) error {
	for ctx.Err() == nil {
		tctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := a.store.Transfer(tctx, "")
		cancel()
		a.logger.Info("a witness does not lead: it hands the leadership away", "error", err)
		timer := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

func (a *App) startProxy(ctx context.Context) error {
	if a.cfg.witness() {
		return nil
	}
	if tls := a.cfg.Proxy.TLS; tls.Mode != string(proxy.TLSDisabled) && a.cfg.ownCertificate() {
		made, err := proxy.MakeCertificate(tls.Cert, tls.Key)
		if err != nil {
			return err
		}
		if made {
			a.logger.Info("certificate for clients was made; it signs itself", "certificate", tls.Cert)
		}
	}
	manager, _, err := a.cfg.secrets()
	if err != nil {
		return err
	}
	asked := &pressures{app: a}
	p, err := proxy.New(proxy.Config{
		Node: a.cfg.Node, Eyes: proxyEyes{a.monitor, a.holder}, Lease: a.holder,
		Addr: a.cfg.Proxy.Listen, Socket: a.cfg.Proxy.Socket, Logger: a.logger.With("part", "proxy"),
		MaxSessions: a.cfg.Proxy.Limits.Sessions, Limits: a.cfg.limits(), ProxyProtocol: a.cfg.proxyProtocol(), DecoyKey: decoyKey(manager),
		Picture: a.monitor, Site: a.cfg.Site, Consistency: a.cfg.consistency(), MemberLinks: a.cfg.Proxy.MemberLinks, LinkIdle: a.cfg.linkIdle(),
		Gates: func() gate.Settings { return a.store.Snapshot().GateSettings() }, Pressure: asked.at, Room: asked.room, UniqueKeys: a.uniqueKeys,
		Limited:         func() []topology.LimitRule { return a.store.Snapshot().Limits },
		AccountDefaults: func() []topology.AccountDefault { return a.store.Snapshot().Accounts },
		Churn:           a.churn(),
		IgnoreSlot:      a.cfg.Proxy.ClientAutoIncrement == slotIgnore,
		Permits:         balancer.HazardsNamed(a.cfg.Proxy.Permit),
		TLS:             a.cfg.clientTLS(), MemberTLS: a.cfg.memberTLS(), MemberCompression: a.cfg.memberCompression(),
	}, a.monitor, a.monitor)
	if err != nil {
		return err
	}
	if err := makeSocketDir(a.cfg.Proxy.Socket); err != nil {
		return err
	}
	if err := p.Listen(ctx); err != nil {
		return fmt.Errorf("%w: free it, or choose another proxy.listen or proxy.socket (demo: --listen)", err)
	}
	a.proxy = p
	a.relaying.Store(p)
	a.background("proxy", p.Run)
	a.background("pressures", asked.run)
	a.monitor.Report(timed{p, a.isolations, a.leaseless})
	return nil
}

func (a *App) startAPI(context.Context) error {
	cfg := api.Config{
		Listen: a.cfg.API.Listen, Socket: a.cfg.API.Socket, Logger: a.logger.With("part", "api"),
		Cluster: cluster{a}, Peer: peerRole, Checks: checker{a},
	}
	if a.verifier != nil {
		cfg.Verifier = verifying{a.verifier}
	}
	if a.cfg.API.TLS.given() {
		cfg.TLS = a.cfg.API.TLS.files().ServerTLS()
	}
	s := api.New(cfg, node{a})
	if err := makeSocketDir(a.cfg.API.Socket); err != nil {
		return err
	}
	if err := s.Listen(); err != nil {
		return fmt.Errorf("%w (demo: --api)", err)
	}
	a.api = s
	a.serving.Store(s)
	a.background("api", s.Run)
	return nil
}

// makeSocketDir makes the directory of a unix socket if it is missing: those
// below /run are gone after a reboot.
func makeSocketDir(socket string) error {
	if socket == "" {
		return nil
	}
	return os.MkdirAll(filepath.Dir(socket), 0o755)
}

// ProxyAddr returns the host:port that the proxy listens on, "" before Start.
func (a *App) ProxyAddr() string {
	if a.proxy == nil {
		return ""
	}
	return a.proxy.Addr()
}

// APIAddr returns the host:port that the API listens on, "" before Start.
func (a *App) APIAddr() string {
	if a.api == nil {
		return ""
	}
	return a.api.Addr()
}

// Propose commits a change in the name of by, as the API does.
func (a *App) Propose(ctx context.Context, by string, change topology.Change, why string) error {
	err := a.store.Propose(ctx, topology.Command{At: time.Now(), By: by, Why: why, Change: change})
	switch {
	case errors.Is(err, store.ErrNotLeader):
		return fmt.Errorf("%w: %w", api.ErrNotLeader, err)
	case errors.Is(err, store.ErrOutcomeUnknown):
		return fmt.Errorf("%w: %w", api.ErrOutcomeUnknown, err)
	}
	return err
}
