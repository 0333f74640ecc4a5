package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/controller"
	"github.com/sqlring/sqlring/internal/herald"
	"github.com/sqlring/sqlring/internal/hook"
	"github.com/sqlring/sqlring/internal/lease"
	"github.com/sqlring/sqlring/internal/monitor"
	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/proxy"
	"github.com/sqlring/sqlring/internal/store"
	"github.com/sqlring/sqlring/internal/verify"
)

// App is one node. Make it with New, then Start, then Stop exactly once.
type App struct {
	cfg    Config
	logger *slog.Logger

	store      *store.Store
	fleet      *mysqld.Fleet
	monitor    *monitor.Monitor
	controller *controller.Controller
	book       *lease.Book   // what this node has given while it leads
	holder     *lease.Holder // what its proxy was given
	greeter    *greeter      // which nodes answer it
	proxy      *proxy.Proxy
	api        *api.Server
	verifier   *verify.Verifier // nil on a witness
	hooks      *hook.Dispatcher
	herald     *herald.Herald

	holding atomic.Pointer[lease.Holder] // holder, for parts that begin before it is there

	serving  atomic.Pointer[api.Server]  // api, likewise
	relaying atomic.Pointer[proxy.Proxy] // proxy, likewise

	decided  func(controller.Decision)
	cleanups []cleanup // in the order in which things were made
	failed   chan error
}

// cleanup undoes one thing that Start made.
type cleanup struct {
	name string
	run  func(context.Context) error
}

// New checks the configuration and returns a node that is not started.
func New(cfg Config, logger *slog.Logger) (*App, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &App{cfg: cfg, logger: logger, failed: make(chan error, 1)}, nil
}

// OnDecision has f called after each step that the controller took on this node.
// It is for tests that let the process die between two steps, and must be called
// before Start.
func (a *App) OnDecision(f func(controller.Decision)) { a.decided = f }

// Eyes returns the part that watches the members; nil before Start. It is for tests
// that look at what the proxy routes by.
func (a *App) Eyes() *monitor.Monitor { return a.monitor }

// Start brings the node up: state, eyes, hands, proxy, API. It returns once all
// of them listen. On an error it has stopped again what it had started.
func (a *App) Start(ctx context.Context) error {
	err := a.start(ctx)
	if err == nil {
		return nil
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, a.Stop(sctx))
}

func (a *App) start(ctx context.Context) error {
	for _, step := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"open the replicated state", a.startStore},
		{"reach the members", a.startFleet},
		{"watch the members", a.startMonitor},
		{"hold leases", a.startLeases},
		{"tell what happens", a.startHooks},
		{"lead the ring", a.startController},
		{"serve clients", a.startProxy},
		{"compare the members", a.startVerifier},
		{"serve the API", a.startAPI},
	} {
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	a.logger.Info("node started", "node", string(a.cfg.Node), "proxy", a.ProxyAddr(), "api", a.APIAddr())
	return nil
}

// Wait blocks until ctx ends, and then returns nil, or until a part fails, and
// returns why.
func (a *App) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.failed:
		return err
	}
}

// Stop ends the node: last in, first out. Each part has until ctx ends.
func (a *App) Stop(ctx context.Context) error {
	var errs []error
	for i := len(a.cleanups) - 1; i >= 0; i-- {
		c := a.cleanups[i]
		if err := c.run(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", c.name, err))
		}
	}
	a.cleanups = nil
	return errors.Join(errs...)
}

// onStop registers the clean-up of a thing that exists from now on.
func (a *App) onStop(name string, run func(context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, run})
}

// background runs a part until the node stops, and tells Wait if it fails.
func (a *App) background(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		err := run(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		a.logger.Error("part failed", "part", name, "error", err)
		select {
		case a.failed <- fmt.Errorf("%s: %w", name, err):
		default: // another part failed before
		}
	})
	a.onStop(name, func(ctx context.Context) error {
		cancel()
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("it did not end in time: %w", ctx.Err())
		}
	})
}
