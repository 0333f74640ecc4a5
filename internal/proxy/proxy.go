package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Views is where the proxy learns how to route.
type Views interface {
	// View returns the present picture of the ring; nil if nothing is known.
	View() *balancer.View
	// ViewChanged returns a channel that is closed at the next change.
	ViewChanged() <-chan struct{}
}

// Accounts is where the proxy learns who may log in.
type Accounts interface {
	// Accounts returns the members' accounts as they were read last. The list
	// is not changed by anybody.
	Accounts() []topology.Account
	// Refresh asks for them to be read again, and returns a channel that is
	// closed when they were.
	Refresh() <-chan struct{}
}

// Proxy serves clients. Make it with New, then Listen, then Run, each once.
type Proxy struct {
	cfg      Config
	views    Views
	accounts Accounts
	log      *slog.Logger
	began    time.Time // of the gates' clock
	count    counters
	buffers  pool

	guard   *guard
	secrets secrets
	crypts  turns // verifications of many rounds that may be under way
	keys    func() (*wire.KeyPair, error)

	codecs    *wire.Codecs
	tls       *tlsFiles        // nil: clients are offered none
	memberTLS *MemberTLSConfig // nil: none

	listeners []net.Listener
	view      atomic.Pointer[balancer.View] // the newest that was taken in
	greetings atomic.Pointer[map[topology.MemberID]greeted]
	lease     lease
	tick      atomic.Uint32 // of the watch: a clock that costs nothing to read
	draining  atomic.Bool
	dissolved atomic.Bool    // there was a ring, and is none: nobody waits for an owner
	drainEnd  atomic.Int64   // when sessions are cut off, unix nanoseconds
	running   sync.WaitGroup // sessions, and what they begin
	stopping  sync.WaitGroup // what the watch begins: it may do so when the last session has just ended

	mu       sync.Mutex
	next     chan struct{} // closed when the next view was taken in
	sessions map[uint32]*session
	lastID   uint32
	census   census
	pools    map[topology.MemberID]*linkPool
	gates    map[topology.MemberID]*memberGate // never taken out

	reader      reader
	commands    sync.Pool                       // of *underway
	waiters     sync.Pool                       // of *linkWaiter
	gateWaiters sync.Pool                       // of *gateWaiter
	limited     atomic.Pointer[limits]          // nil: nobody is held back
	held        heldBacks                       // by those
	defaults    atomic.Pointer[accountDefaults] // nil: there are none
	warm        atomic.Bool                     // keys of some statements are looked at, at some gate
	tables      tables
	hangups     hangups
	tokens      tokens
	reached     reached
	unnamed     unnamed
	load        func(topology.MemberID) int
	askers      sync.Map                               // users of accounts that ask for what the last statement has left
	spoken      atomic.Pointer[topology.ServerVersion] // of the member that was logged in to last
	generation  atomic.Uint64                          // counts changes of accounts that links made before do not have
}

// New returns a proxy that does not listen yet, or what Config.Validate says.
func New(cfg Config, views Views, accounts Accounts) (*Proxy, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("proxy configuration: %w", err)
	}
	cfg = cfg.withDefaults()
	clients, err := cfg.TLS.follow(cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	members, err := cfg.MemberTLS.Follow(cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("proxy: members: %w", err)
	}
	p := &Proxy{
		cfg: cfg, views: views, accounts: accounts, log: cfg.Logger, began: time.Now(),
		guard: newGuard(cfg.Limits), crypts: make(turns, max(1, runtime.GOMAXPROCS(0)/2)), // the rest is for those who are in
		keys: sync.OnceValues(wire.NewKeyPair), census: newCensus(),
		codecs: wire.NewCodecs(inflateLimit), tls: clients, memberTLS: members,
		next: make(chan struct{}), sessions: make(map[uint32]*session), pools: make(map[topology.MemberID]*linkPool),
		gates: make(map[topology.MemberID]*memberGate), lease: lease{since: time.Now()},
	}
	p.load = p.loadOf
	return p, nil
}

// Run serves clients until ctx ends, then lets sessions finish for at most
// Config.DrainTimeout, and returns when the last one has ended. It returns an
// error if a listener fails. Listen must have been called.
func (p *Proxy) Run(ctx context.Context) error {
	if len(p.listeners) == 0 {
		return errors.New("the proxy does not listen")
	}
	p.hangups.open()
	failed := make(chan error, len(p.listeners))
	var accepting sync.WaitGroup
	for _, l := range p.listeners {
		accepting.Go(func() {
			if err := p.accept(l); err != nil {
				failed <- err
			}
		})
	}
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { p.watch(stop) })
	watching.Go(p.hangups.run)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	for _, l := range p.listeners {
		_ = l.Close()
	}
	accepting.Wait()
	p.drain()
	close(stop)
	p.hangups.close()
	watching.Wait()
	p.stopping.Wait()
	p.closePools()
	return err
}

// watch takes in views and looks after sessions whose clients may be gone. It
// goes on while sessions are drained: they still hold leases.
func (p *Proxy) watch(stop <-chan struct{}) {
	ticker := time.NewTicker(p.cfg.WatchInterval)
	defer ticker.Stop()
	var tidiness tidiness
	var sessions []*session
	for {
		changed := p.views.ViewChanged()
		p.takeIn()
		for again := true; again; {
			select {
			case <-stop:
				return
			case <-changed:
				again = false
			case <-ticker.C:
				p.tick.Add(1)
				sessions = p.appendAll(sessions)
				p.lookAfterClients(sessions)
				p.sweepPools()
				p.lookAfterGates()
				p.lookAfterLimits()
				p.takeUpDefaults()
				if tidiness.look(len(sessions), p.count.sessionsTotal.Load(), time.Now()) {
					go debug.FreeOSMemory() // views go on being taken in
				}
				clear(sessions)
				sessions = sessions[:0]
			}
		}
	}
}
