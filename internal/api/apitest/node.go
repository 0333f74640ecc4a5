package apitest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Node is a fake node. The zero value is not usable: see NewNode. Its fields may
// be changed inside Edit only, once a server uses it.
type Node struct {
	mu sync.Mutex // guards what follows

	ID      topology.NodeID
	Leading topology.NodeID // who leads; empty: nobody
	State   *topology.Snapshot
	Step    topology.Step
	StepAt  time.Time // default an hour after Began
	Stats   api.ProxyStats
	Refuse  error // what Propose returns instead of applying
	Walk    bool  // each Snapshot moves a running operation on by one step

	Lost map[topology.MemberID]bool              // members that refuse connections
	Has  map[topology.MemberID]topology.Position // what each member has; empty: nothing
	Mark topology.Position                       // what a heal finds acknowledged
	Tail topology.Tail                           // what a rejoin finds; zero: an empty tail

	// Spoil changes the observations of a healthy ring; nil leaves them.
	Spoil func(o *topology.Observation)
	// Strangers are servers that are no members, as they look; empty: nothing is seen.
	Strangers topology.Observations
	// Lag is the lag of every pair; default 3 to 7 ms.
	Lag lagguard.Lag

	Tied   []topology.Tie // what ties schemas together
	Drains bool           // each Snapshot without an operation begins what a drain needs
	// Levels are the lag levels of members; default fresh. Moved are their changes.
	Levels map[topology.MemberID]lagguard.Level
	Moved  []lagguard.Transition
	// Columns are the AUTO_INCREMENT columns of every member.
	Columns []autoinc.Column
	// Counts changes what a member says of how it counts; nil leaves it as meant.
	Counts func(id topology.MemberID, c *api.Counting)
	// Tables changes a member's copy of the table of slots; nil leaves it as meant.
	Tables func(id topology.MemberID, t *topology.SlotTable)

	Costs   []api.DigestAt   // of statements
	Clients []api.Session    // of the proxy
	Endures error            // what EndSession returns instead of ending one
	Told    []api.Hook       // the hooks of the node
	Tested  map[string]error // what each answers to a test; absent: there is none
	// Checks is what is found before a copy; nil: that all is as it has to be.
	Checks []topology.CopyCheck

	Asked []string // every change that was proposed, "by: change: why"
}

// NewNode returns the leading node n1, without a ring.
func NewNode() *Node {
	return &Node{
		ID: "n1", Leading: "n1", State: topology.NewSnapshot(),
		Step:   topology.Step{Kind: topology.StepIdle, Why: "the ring is as it should be"},
		StepAt: Began().Add(time.Hour),
		Stats: api.ProxyStats{
			Listen: "127.0.0.1:3406", Socket: "/run/sqlring/sql.sock", Sessions: 4, Queries: 1234, Refused: map[string]uint64{"login": 2},
			Reads: api.ProxyReads{Spread: 700, Awaited: 20, AwaitedInVain: 3}, Pools: []api.ProxyPool{{Member: "m1", Open: 5, Taken: 3, Queue: 1, Limit: 100}},
		},
		Lag: lagguard.Lag{Known: true, Low: 3 * time.Millisecond, High: 6500 * time.Microsecond},
	}
}

// NewRing returns the leading node n1 of the open ring "demo" with the members
// m1 (owner, slot 1) and m2 (slot 2).
func NewRing() *Node { return NewRingOf(topology.InitRing{}, "m1", "m2") }

// NewRingOf is NewRing with other members, the first being the owner, and with
// the settings of ring.
func NewRingOf(ring topology.InitRing, ids ...topology.MemberID) *Node {
	n := NewNode()
	ring.Name = "demo"
	for i, id := range ids {
		ring.Members = append(ring.Members, topology.NewMember{ID: id, Addr: fmt.Sprintf("127.0.0.1:%d", 13301+i)})
	}
	n.apply(ring, "dba@n1", "")
	for n.walk() {
	}
	return n
}

// Began is when the fake's first command was given; each is a second later.
func Began() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// Edit runs f while nobody reads the node.
func (n *Node) Edit(f func(n *Node)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n)
}

// apply panics on a change that a test got wrong.
func (n *Node) apply(change topology.Change, by, why string) {
	if err := n.propose(change, by, why); err != nil {
		panic(fmt.Sprintf("apitest: %v", err))
	}
}

func (n *Node) propose(change topology.Change, by, why string) error {
	index := n.State.Index + 1
	next, err := topology.Apply(n.State, topology.Command{
		Index: index, At: Began().Add(time.Duration(index) * time.Second), By: by, Why: why, Change: change,
	})
	if err == nil {
		n.State = next
	}
	return err
}

// Ties implements api.Node.
func (n *Node) Ties(context.Context, topology.MemberID) ([]topology.Tie, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.Tied, nil
}

// TestHook implements api.Node.
func (n *Node) TestHook(_ context.Context, name, _ string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	err, ok := n.Tested[name]
	if !ok {
		return api.ErrNoHook
	}
	return err
}

// Name implements api.Node.
func (n *Node) Name() topology.NodeID { return n.ID }

// Snapshot implements api.Node.
func (n *Node) Snapshot() *topology.Snapshot {
	n.mu.Lock()
	defer n.mu.Unlock()
	state := n.State
	if n.Walk {
		n.walk()
	}
	if _, busy := n.State.Running(); n.Drains && !busy {
		n.drain()
		n.begin()
	}
	return state
}

// Observations implements api.Node: all members answer, as they are meant to be.
func (n *Node) Observations() topology.Observations {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all topology.Observations
	for _, m := range n.State.Members {
		o := n.observe(m, time.Now())
		if n.Spoil != nil {
			n.Spoil(&o)
		}
		all = all.With(o)
	}
	return all
}

func healthy(s *topology.Snapshot, m topology.Member, now time.Time) topology.Observation {
	owns := s.Owns(m.ID)
	o := topology.Observation{
		Member: m.ID, Asked: now, At: now, Since: now.Add(-time.Minute), Reach: topology.ReachAnswers,
		Version: topology.ServerVersion{Flavour: topology.FlavourMariaDB, Major: 10, Minor: 11, Patch: 19},
		Boot:    m.Boot, ServerID: m.Identity, Domain: m.Identity, ReadOnly: !owns,
		Layout: autoinc.Layout{Offset: m.Slot, Stride: s.Ring.Stride},
		Settings: topology.Settings{
			LogBin: true, LogReplica: true, RowFormat: true, LogReplicaInFile: true, ReadOnlyInFile: true,
		},
	}
	if up, ok := s.Upstream(m.ID); ok {
		o.Link = topology.Link{Upstream: up.Addr, Receiver: topology.ThreadRunning, Applier: topology.ThreadRunning}
	}
	if owns && m.SemiSync == topology.SemiSyncArmed {
		o.SemiSync = topology.SemiSyncStatus{Enabled: true, On: true, Ackers: 1}
	}
	return o
}

// Lags implements api.Node.
func (n *Node) Lags() []lagguard.Cell {
	n.mu.Lock()
	defer n.mu.Unlock()
	var cells []lagguard.Cell
	for _, origin := range n.State.Members {
		for _, member := range n.State.Members {
			if origin.ID == member.ID {
				continue
			}
			cells = append(cells, lagguard.Cell{Origin: origin.ID, Member: member.ID, Lag: n.lagAt(time.Now())})
		}
	}
	return cells
}

// Leader implements api.Node.
func (n *Node) Leader() (topology.NodeID, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.Leading, n.Leading != ""
}

// LastStep implements api.Node.
func (n *Node) LastStep() (topology.Step, time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Leading != n.ID {
		return topology.Step{}, time.Time{}
	}
	return n.Step, n.StepAt
}

// Propose implements api.Node.
func (n *Node) Propose(_ context.Context, by string, change topology.Change, why string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Asked = append(n.Asked, fmt.Sprintf("%s: %s: %s", by, change, why))
	if n.Refuse != nil {
		return n.Refuse
	}
	return n.propose(change, by, why)
}

// AskCounting implements api.Node: a member that is not lost counts as it is meant.
func (n *Node) AskCounting(_ context.Context, m topology.Member) (api.Counting, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Lost[m.ID] {
		return api.Counting{}, fmt.Errorf("read the auto_increment layout of %s: connection refused", m.ID)
	}
	c := api.Counting{Global: m.Layout(n.State.Ring.Stride), Open: 2}
	if n.Counts != nil {
		n.Counts(m.ID, &c)
	}
	return c, nil
}

// AskSlots implements api.Node: a member that is not lost has the table of the state.
func (n *Node) AskSlots(_ context.Context, m topology.Member) (topology.SlotTable, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Lost[m.ID] {
		return topology.SlotTable{}, fmt.Errorf("read the table of slots of %s: connection refused", m.ID)
	}
	t := n.State.SlotTable()
	if n.Tables != nil {
		n.Tables(m.ID, &t)
	}
	return t, nil
}

// AskColumns implements api.Node.
func (n *Node) AskColumns(_ context.Context, m topology.Member) ([]autoinc.Column, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Lost[m.ID] {
		return nil, fmt.Errorf("read the auto_increment columns of %s: connection refused", m.ID)
	}
	return n.Columns, nil
}

// ProxyStats implements api.Node.
func (n *Node) ProxyStats() api.ProxyStats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.Stats
}
