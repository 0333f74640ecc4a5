package lease

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

const (
	renewEvery = topology.LeaseTTL / 3
	askTimeout = topology.LeaseTTL / 8 // of one question: a frozen leader is given up for its heir
	askAgain   = 50 * time.Millisecond // after a question in vain
	forever    = time.Duration(math.MaxInt64)
)

// HolderConfig is what a Holder needs of its node.
type HolderConfig struct {
	Node    topology.NodeID
	Witness bool
	// Sole reports whether this node is the only one, or the ring was told to go on
	// without leases: then they last for ever.
	Sole func() bool
	// Site is where the node stands, and Hears names the nodes that have answered it
	// lately.
	Site  string
	Hears func() []topology.Hearing // nil: none
	// Writers is what this node's proxy says of itself, and Seen what its eyes see.
	Writers func() []topology.Writer
	Seen    func() []Seen
	// Gates is what this node's proxy says of those that are, or were, saturated; nil: nothing.
	Gates func() []topology.GateWord
	// Ask puts a question to the leader.
	Ask    func(context.Context, Request) (Answer, error)
	Logger *slog.Logger
	// Clock runs on while the machine is suspended; default CLOCK_BOOTTIME.
	Clock func() time.Duration
}

// Holder holds the leases of one node's proxy. Make it with NewHolder. All methods
// are safe for concurrent use.
type Holder struct {
	cfg   HolderConfig
	start int64
	held  atomic.Pointer[[]held] // sorted as they came; few
	last  atomic.Pointer[heardAnswer]
	poke  chan struct{} // a renewal is wanted at once

	mu      sync.Mutex
	granted chan struct{} // closed when a lease was given
}

type held struct {
	unit  topology.UnitID
	epoch uint64
	until time.Duration // on Clock
}

type heardAnswer struct {
	Answer

	at time.Time
}

// NewHolder returns a Holder without leases. It asks for none before Run.
func NewHolder(cfg HolderConfig) *Holder {
	if cfg.Clock == nil {
		cfg.Clock = boottime
	}
	if cfg.Hears == nil {
		cfg.Hears = func() []topology.Hearing { return nil }
	}
	h := &Holder{cfg: cfg, start: time.Now().UnixNano(), poke: make(chan struct{}, 1), granted: make(chan struct{})}
	h.held.Store(&[]held{})
	return h
}

// Left returns for how long a write of that epoch may be acknowledged still; 0 if it
// may not.
func (h *Holder) Left(unit topology.UnitID, epoch uint64) time.Duration {
	if h.cfg.Sole() {
		return forever
	}
	for _, l := range *h.held.Load() {
		if l.unit == unit && l.epoch == epoch {
			return max(0, l.until-h.cfg.Clock())
		}
	}
	return 0
}

// Granted returns a channel that is closed at the next lease.
func (h *Holder) Granted() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.granted
}

// Renew has the leader asked, and told, at once. It never blocks.
func (h *Holder) Renew() {
	select {
	case h.poke <- struct{}{}:
	default: // it is about to be
	}
}

// Leader returns what the leader said last of its work, and when it was so; ok is
// false if nothing was heard of it for a while.
func (h *Holder) Leader() (step topology.Step, at time.Time, ok bool) {
	said := h.last.Load()
	if said == nil || time.Since(said.at) > topology.LeaseTTL {
		return topology.Step{}, time.Time{}, false
	}
	return said.Step, said.at.Add(-said.Age), true
}

// Run renews until ctx ends, and returns nil.
func (h *Holder) Run(ctx context.Context) error {
	var seq uint64
	said := ""
	for ctx.Err() == nil {
		seq++
		pause, why := renewEvery, ""
		sent := h.cfg.Clock()
		if err := h.renew(ctx, seq, sent); err != nil {
			pause, why = askAgain, err.Error()
		}
		if why != said && ctx.Err() == nil {
			said = why
			h.cfg.Logger.Debug("lease", "renewed", why == "", "error", why)
		}
		timer := time.NewTimer(pause - min(pause/2, h.cfg.Clock()-sent))
		select {
		case <-ctx.Done():
		case <-h.poke:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

func (h *Holder) renew(ctx context.Context, seq uint64, sent time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var gates []topology.GateWord
	if h.cfg.Gates != nil {
		gates = h.cfg.Gates()
	}
	answer, err := h.cfg.Ask(ctx, Request{
		Law: topology.Law, Gates: gates,
		Node: h.cfg.Node, Start: h.start, Seq: seq, Witness: h.cfg.Witness, Writers: h.cfg.Writers(), Seen: h.cfg.Seen(),
		Site: h.cfg.Site, Hears: h.cfg.Hears(),
	})
	if err != nil {
		return err
	}
	h.last.Store(&heardAnswer{answer, time.Now()})
	var next []held
	for _, g := range answer.Given {
		next = append(next, held{g.Unit, g.Epoch, sent + topology.LeaseTTL})
	}
	for _, old := range *h.held.Load() { // what was not given anew runs out
		again := false
		for _, g := range answer.Given {
			again = again || g.Unit == old.unit
		}
		if !again && old.until > sent {
			next = append(next, old)
		}
	}
	h.held.Store(&next)
	if len(answer.Given) > 0 {
		h.mu.Lock()
		close(h.granted)
		h.granted = make(chan struct{})
		h.mu.Unlock()
	}
	return nil
}
