package hook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// ErrUnknown says that this node has no hook of that name. Those of other nodes are in
// their files.
var ErrUnknown = errors.New("this node's file declares no such hook")

// Log is the replicated state, and the way into it.
type Log interface {
	Snapshot() *topology.Snapshot
	// Changed returns a channel that is closed once a snapshot above the index is there.
	Changed(after uint64) <-chan struct{}
	Propose(ctx context.Context, c topology.Command) error
}

// Config says what a dispatcher delivers to.
type Config struct {
	Node   topology.NodeID
	Hooks  []Spec
	Logger *slog.Logger // default: discards
}

// Dispatcher delivers what stands in the outbox while this node leads. Make it with
// New. All its methods are safe for concurrent use.
type Dispatcher struct {
	cfg     Config
	log     Log
	workers []*worker
	routes  []topology.HookRoute

	mu    sync.Mutex
	scope context.Context // of the leadership; nil: this node does not lead
	moved chan struct{}   // closed when scope changes
	tests atomic.Int32    // under way
}

const (
	proposeTimeout = 5 * time.Second
	sweepEvery     = 500 * time.Millisecond
	maxTests       = 4 // at once
)

// New returns a dispatcher that sends nothing before Run.
func New(cfg Config, log Log) (*Dispatcher, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Hooks) > topology.MaxHooks {
		return nil, fmt.Errorf("%d hooks, at most %d are allowed", len(cfg.Hooks), topology.MaxHooks)
	}
	d := &Dispatcher{cfg: cfg, log: log, moved: make(chan struct{})}
	for _, spec := range cfg.Hooks {
		spec = spec.withDefaults()
		to, err := spec.sender()
		if err != nil {
			return nil, err
		}
		d.workers = append(d.workers, &worker{d: d, spec: spec, to: to, alarm: make(chan topology.Message, 1)})
		d.routes = append(d.routes, spec.Route)
	}
	return d, nil
}

// Begin tells that this node leads until scope ends. It returns at once: nothing of a
// leadership waits for a hook.
func (d *Dispatcher) Begin(scope context.Context) {
	d.mu.Lock()
	d.scope = scope
	d.turnLocked()
	d.mu.Unlock()
	context.AfterFunc(scope, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.scope == scope { // else the next leadership has begun
			d.scope = nil
			d.turnLocked()
		}
	})
}

// turnLocked wakes those who wait for a leadership to begin or to end.
func (d *Dispatcher) turnLocked() {
	close(d.moved)
	d.moved = make(chan struct{})
}

// leading returns the scope of this node's leadership, nil if it does not lead, and a
// channel that is closed when that changes.
func (d *Dispatcher) leading() (scope context.Context, moved <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.scope, d.moved
}

// Run delivers until ctx ends, and waits for its workers. A command that can not be
// killed would hold it up: the caller has a deadline.
func (d *Dispatcher) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for _, w := range d.workers {
		workers.Go(func() { w.run(ctx) })
		workers.Go(func() { w.alarms(ctx) })
	}
	workers.Go(func() { d.sweep(ctx) })
	workers.Wait()
	return nil
}

// sweep has raft forget what no hook waits for.
func (d *Dispatcher) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		scope, _ := d.leading()
		if scope == nil {
			continue
		}
		if clear := d.log.Snapshot().Outbox.Unwanted(d.routes); len(clear) > 0 {
			if err := d.mark(scope, topology.MarkTold{Clear: clear}); err != nil && scope.Err() == nil {
				d.cfg.Logger.Debug("what was told is not noted yet", "error", err)
			}
		}
	}
}

func (d *Dispatcher) mark(ctx context.Context, m topology.MarkTold) error {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	return d.log.Propose(ctx, topology.Command{
		At: time.Now(), By: topology.ByController + string(d.cfg.Node), Why: "hooks were told", Change: m,
	})
}

// Test sends a message to a hook of this node that says that it is a test, once. by is
// who asks for it. The error is that of the hook, or ErrUnknown.
func (d *Dispatcher) Test(ctx context.Context, name, by string) error {
	if d.tests.Add(1) > maxTests {
		d.tests.Add(-1)
		return errors.New("too many hooks are tested at once: try again")
	}
	defer d.tests.Add(-1)
	for _, w := range d.workers {
		if w.spec.Route.Hook != name {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, w.spec.Timeout)
		defer cancel()
		m := testMessage(d.ring(), d.cfg.Node, by, time.Now())
		err := w.to.Send(ctx, m)
		w.note(m, err)
		d.cfg.Logger.Info("hook tested", "hook", name, "by", by, "error", err)
		return err
	}
	return fmt.Errorf("%w: %q", ErrUnknown, name)
}

func (d *Dispatcher) ring() string {
	if ring := d.log.Snapshot().Ring; ring != nil {
		return ring.Name
	}
	return "no-ring"
}

// Findings returns the hooks of this node that do not work.
func (d *Dispatcher) Findings() []topology.Finding {
	var found []topology.Finding
	for _, w := range d.workers {
		s := w.status()
		if !s.Failing {
			continue
		}
		found = append(found, topology.Finding{
			Topic: topology.TopicHook, Subject: s.Name, To: "failing", Severity: topology.UrgencyWarning, Since: s.FailingSince,
			What:   fmt.Sprintf("hook %s of node %s does not work: it is not told what happens", s.Name, d.cfg.Node),
			Remedy: fmt.Sprintf("sqlring hook list, then, on %s, sqlring hook test %s", d.cfg.Node, s.Name), Evidence: []string{s.LastError},
		})
	}
	return found
}

// Statuses returns how the hooks of this node are, in the order of its file.
func (d *Dispatcher) Statuses() []Status {
	found := make([]Status, 0, len(d.workers))
	for _, w := range d.workers {
		found = append(found, w.status())
	}
	return found
}
