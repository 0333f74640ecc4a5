package mysqld

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Fleet keeps one handle per member, made when it is first asked for. Its
// methods are safe for concurrent use.
type Fleet struct {
	cfg Config

	mu      sync.Mutex // guards what follows
	term    uint64
	members map[topology.MemberID]*Member
	retired []*Member // of members that have moved
}

// NewFleet returns a fleet without members, or an error if cfg is not complete.
func NewFleet(cfg Config) (*Fleet, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Fleet{cfg: cfg, members: map[topology.MemberID]*Member{}}, nil
}

// Member returns the handle on m. If m has got another address, it is a new one,
// and the old one is closed with the fleet.
func (f *Fleet) Member(m topology.Member) *Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.members[m.ID]
	if known != nil && known.addr == m.Addr {
		return known
	}
	if known != nil {
		f.retired = append(f.retired, known) // calls of it may be under way
	}
	handle := New(f.cfg, m.ID, m.Addr)
	handle.Lead(f.term)
	f.members[m.ID] = handle
	return handle
}

// Drop ends the connections to m, which is not to be asked any more. It waits for calls
// that are under way.
func (f *Fleet) Drop(m topology.Member) {
	f.mu.Lock()
	known := f.members[m.ID]
	if known == nil || known.addr != m.Addr {
		f.mu.Unlock()
		return
	}
	delete(f.members, m.ID)
	f.mu.Unlock()
	known.Close()
}

// Lead says in which term actions are done from now on: see [Member.Lead].
func (f *Fleet) Lead(term uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.term = term
	for _, m := range f.members {
		m.Lead(term)
	}
}

// Observe asks m what it is: see [Member.Observe].
func (f *Fleet) Observe(ctx context.Context, m topology.Member) topology.Observation {
	return f.Member(m).Observe(ctx)
}

// Beat writes a heartbeat on m, under the identity of m: see [Member.Beat].
func (f *Fleet) Beat(ctx context.Context, m topology.Member, seq uint64) error {
	return f.Member(m).Beat(ctx, m.Identity, seq)
}

// Accounts reads the accounts of m: see [Member.Accounts].
func (f *Fleet) Accounts(ctx context.Context, m topology.Member) ([]topology.Account, error) {
	return f.Member(m).Accounts(ctx)
}

// Ties reads what joins schemas on m: see [Member.Ties].
func (f *Fleet) Ties(ctx context.Context, m topology.Member) ([]topology.Tie, error) {
	return f.Member(m).Ties(ctx)
}

// Execute does one action on m: see [Member.Execute].
func (f *Fleet) Execute(ctx context.Context, m topology.Member, a topology.Action) error {
	return f.Member(m).Execute(ctx, a)
}

// StopCopies ends every copy that runs, and waits for their end: this node does not
// lead any more, or is stopped.
func (f *Fleet) StopCopies() {
	f.mu.Lock()
	all := slices.AppendSeq(slices.Clone(f.retired), maps.Values(f.members))
	f.mu.Unlock() // members are asked meanwhile
	for _, m := range all {
		m.StopCopy()
	}
}

// Close ends all connections. No call may be under way, and none may follow.
func (f *Fleet) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, m := range f.members {
		m.Close()
		delete(f.members, id)
	}
	for _, m := range f.retired {
		m.Close()
	}
	f.retired = nil
}

// Counting asks m by what it gives out ids: see [Member.Counting].
func (f *Fleet) Counting(ctx context.Context, m topology.Member) (Counting, error) {
	return f.Member(m).Counting(ctx)
}

// Columns lists the AUTO_INCREMENT columns of m: see [Member.Columns].
func (f *Fleet) Columns(ctx context.Context, m topology.Member) ([]autoinc.Column, error) {
	return f.Member(m).Columns(ctx)
}
