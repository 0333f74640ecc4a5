package monitor

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Prober asks members. Both calls return within the deadline of ctx.
type Prober interface {
	// Observe never fails: what went wrong is in Reach and Error.
	Observe(ctx context.Context, m topology.Member) topology.Observation
	// Beat writes the heartbeat row of this node on m.
	Beat(ctx context.Context, m topology.Member, seq uint64) error
	// Accounts reads the accounts of m.
	Accounts(ctx context.Context, m topology.Member) ([]topology.Account, error)
}

// Snapshots is where the intent is read from.
type Snapshots interface {
	Snapshot() *topology.Snapshot
	// Changed returns a channel that is closed once a snapshot with an index
	// above after is there.
	Changed(after uint64) <-chan struct{}
}

// Config holds the monitor's intervals. The zero value is completed by New.
type Config struct {
	Node     topology.NodeID
	Probe    time.Duration // between two probes of a member; default 250 ms
	Hurry    time.Duration // the same, while one has just ceased to answer; default 50 ms
	Beat     time.Duration // between two beats on a member; default 500 ms
	Fast     time.Duration // between two probes, and two beats, while a member lags; default 100 ms
	Settle   time.Duration // from a beat to the probe that looks for it; default 10 ms
	Timeout  time.Duration // of a probe and of a beat; default 1 s
	Accounts time.Duration // between two reads of the accounts; default 5 s
	// Sockets are the members that this node reaches by a unix socket.
	Sockets map[topology.MemberID]string
	Logger  *slog.Logger // default: discards
	// Turned is called when a member is seen to answer, or to fail, as it was not
	// before; it must not block. Default: nothing.
	Turned func()
	// Gone is called when a member is not probed any more: it has left, or moved. It may
	// take a while. Default: nothing.
	Gone func(topology.Member)
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.Probe, 250*time.Millisecond)
	set(&c.Hurry, 50*time.Millisecond)
	set(&c.Beat, 500*time.Millisecond)
	set(&c.Fast, 100*time.Millisecond)
	set(&c.Settle, 10*time.Millisecond)
	set(&c.Timeout, time.Second)
	set(&c.Accounts, 5*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Monitor watches the members of the ring. Make it with New. Its readers are
// safe for concurrent use, before, during and after Run.
type Monitor struct {
	cfg       Config
	snapshots Snapshots
	prober    Prober

	accounts accounts

	mu     sync.Mutex // guards what follows
	obs    topology.Observations
	since  map[topology.MemberID]topology.Observation // the first of the present Reach
	tracks map[topology.MemberID]*lagguard.Track
	lags   map[pair]lagguard.Lag
	states map[pair]lagguard.State // origin and member alike: the member itself
	meters map[pair]lagguard.Meter // of the origin's transactions, at the member
	moved  []lagguard.Transition   // oldest first, at most maxTransitions
	fast   bool                    // a member lags
	view   *balancer.View
	proxy  Proxy // nil: none yet
	pokes  map[topology.MemberID]chan struct{}

	reads   atomic.Pointer[balancer.Reads]   // stored under mu
	picture atomic.Pointer[lagguard.Picture] // stored under mu

	seen   broadcast // of obs
	routed broadcast // of view
	read   broadcast // of reads and picture
}

type pair struct{ origin, member topology.MemberID }

// New returns a monitor that has seen nothing.
func New(cfg Config, snapshots Snapshots, prober Prober) *Monitor {
	return &Monitor{
		cfg: cfg.withDefaults(), snapshots: snapshots, prober: prober,
		accounts: newAccounts(),
		since:    map[topology.MemberID]topology.Observation{},
		tracks:   map[topology.MemberID]*lagguard.Track{},
		lags:     map[pair]lagguard.Lag{},
		states:   map[pair]lagguard.State{},
		meters:   map[pair]lagguard.Meter{},
		pokes:    map[topology.MemberID]chan struct{}{},
		seen:     newBroadcast(), routed: newBroadcast(), read: newBroadcast(),
	}
}

// Run watches until ctx ends, and returns nil once every loop has ended. It
// starts a probe loop and a beat loop for each member of the newest snapshot.
func (m *Monitor) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	defer loops.Wait()
	loops.Go(func() { m.watchAccounts(ctx) })
	running := map[string]context.CancelFunc{} // by id@addr
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	for {
		snap := m.snapshots.Snapshot()
		changed := m.snapshots.Changed(snap.Index)
		wanted := map[string]bool{}
		for _, member := range snap.Members {
			key := string(member.ID) + "@" + member.Addr
			wanted[key] = true
			if running[key] != nil {
				continue
			}
			mctx, stop := context.WithCancel(ctx)
			running[key] = stop
			poke := m.admit(member.ID)
			loops.Go(func() {
				m.probeLoop(mctx, member, poke)
				if ctx.Err() == nil && m.cfg.Gone != nil {
					m.cfg.Gone(member)
				}
			})
			loops.Go(func() { m.beatLoop(mctx, member) })
		}
		for key, stop := range running {
			if !wanted[key] {
				stop()
				delete(running, key)
			}
		}
		m.forget(snap)
		m.publishView()
		m.publishLag()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// Observations returns what was seen last of every member, and what is known of
// the writers. It is safe for concurrent use.
func (m *Monitor) Observations() topology.Observations {
	m.mu.Lock()
	seen, proxy := m.obs, m.proxy
	m.mu.Unlock()
	if proxy != nil {
		seen.Nodes, seen.Writers = []topology.NodeID{m.cfg.Node}, proxy.Writers()
	}
	return seen
}

// Changed returns a channel that is closed at the next observation, and when the
// proxy has something new to say of its leases.
func (m *Monitor) Changed() <-chan struct{} { return m.seen.wait() }

// Poke asks for a probe of the member at once. It never blocks.
func (m *Monitor) Poke(id topology.MemberID) {
	m.mu.Lock()
	poke := m.pokes[id]
	m.mu.Unlock()
	select {
	case poke <- struct{}{}:
	default: // one is asked for already, or there is no such member
	}
}

// Lags returns the lag of every pair of members, sorted by origin, then member.
func (m *Monitor) Lags() []lagguard.Cell {
	snap := m.snapshots.Snapshot()
	m.mu.Lock()
	defer m.mu.Unlock()
	var cells []lagguard.Cell
	for _, origin := range sortedIDs(snap) {
		for _, member := range sortedIDs(snap) {
			if origin != member {
				cells = append(cells, lagguard.Cell{Origin: origin, Member: member, Lag: m.lags[pair{origin, member}]})
			}
		}
	}
	return cells
}

func sortedIDs(snap *topology.Snapshot) []topology.MemberID {
	ids := make([]topology.MemberID, 0, len(snap.Members))
	for _, m := range snap.Members {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	return ids
}

func (m *Monitor) admit(id topology.MemberID) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	poke := make(chan struct{}, 1)
	m.pokes[id] = poke
	if m.tracks[id] == nil {
		m.tracks[id] = &lagguard.Track{}
	}
	return poke
}

// forget drops what was seen of members that are not in the ring any more.
func (m *Monitor) forget(snap *topology.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var kept []topology.Observation
	for _, o := range m.obs.Members {
		if _, ok := snap.Member(o.Member); ok {
			kept = append(kept, o)
			continue
		}
		delete(m.since, o.Member)
		delete(m.tracks, o.Member)
		delete(m.pokes, o.Member)
	}
	m.obs.Members = kept
	gone := func(key pair) bool {
		_, origin := snap.Member(key.origin)
		_, member := snap.Member(key.member)
		return !origin || !member
	}
	maps.DeleteFunc(m.lags, func(key pair, _ lagguard.Lag) bool { return gone(key) })
	maps.DeleteFunc(m.meters, func(key pair, _ lagguard.Meter) bool { return gone(key) })
	maps.DeleteFunc(m.states, func(key pair, _ lagguard.State) bool { return gone(key) })
}
