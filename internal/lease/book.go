package lease

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// ErrNotLeader says that the node that was asked does not lead: nothing was given.
var ErrNotLeader = errors.New("this node does not lead")

// State is the replicated state, and raft's word on who leads.
type State interface {
	Snapshot() *topology.Snapshot
	// VerifyLeader returns nil if a majority takes this node for the leader after
	// the call began.
	VerifyLeader(ctx context.Context) error
}

// Book is what a leader has given, and what it has heard. Make it with NewBook. All
// methods are safe for concurrent use.
type Book struct {
	node  topology.NodeID
	state State
	heed  func() // told when a node has said something

	mu     sync.Mutex
	term   uint64 // of this leadership; 0: this node does not lead
	grants map[unitAt]topology.Grant
	heard  map[topology.NodeID]heard
	barred map[topology.NodeID]bool
}

type unitAt struct {
	node topology.NodeID
	unit topology.UnitID
}

type heard struct {
	Request

	at time.Time
}

// NewBook returns the book of a node that does not lead. heed is called whenever
// something was heard; it must not block.
func NewBook(node topology.NodeID, state State, heed func()) *Book {
	b := &Book{node: node, state: state, heed: heed}
	b.Begin(0)
	return b
}

// Begin opens the book of a leadership, empty; 0 closes it.
func (b *Book) Begin(term uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.term = term
	b.grants = map[unitAt]topology.Grant{}
	b.heard = map[topology.NodeID]heard{}
	b.barred = map[topology.NodeID]bool{}
}

// Answer hears what a node says and gives it its leases. The order is the law (S16):
// the majority confirms, then the state is read, then what is given is written down.
func (b *Book) Answer(ctx context.Context, r Request) (Answer, error) {
	term, err := b.hear(r)
	if err != nil {
		return Answer{}, err
	}
	b.heed()
	if err := b.state.VerifyLeader(ctx); err != nil {
		return Answer{}, errors.Join(ErrNotLeader, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.term != term {
		return Answer{}, ErrNotLeader
	}
	answer := Answer{Leader: b.node}
	snap, until := b.state.Snapshot(), time.Now().Add(topology.LeaseTTL)
	known := make([]topology.UnitID, 0, len(r.Writers))
	for _, w := range r.Writers {
		known = append(known, w.Unit)
	}
	for _, w := range r.Writers {
		u, found := snap.Unit(w.Unit)
		if !found || u.Owner == "" || u.Epoch != w.Epoch || b.barred[r.Node] {
			continue
		}
		b.grants[unitAt{r.Node, u.ID}] = topology.Grant{Node: r.Node, Unit: u.ID, Epoch: u.Epoch, Until: until, Known: known}
		answer.Given = append(answer.Given, Given{u.ID, u.Epoch})
	}
	return answer, nil
}

// hear notes what a node says, if it is news.
func (b *Book) hear(r Request) (term uint64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.term == 0 {
		return 0, ErrNotLeader
	}
	last, now := b.heard[r.Node], time.Now()
	late := r.Start < last.Start || r.Start == last.Start && r.Seq <= last.Seq
	if late && now.Sub(last.at) <= topology.LeaseTTL {
		return 0, errors.New("a later word of this node was heard before")
	}
	b.heard[r.Node] = heard{r, now}
	return b.term, nil
}

// Bar gives a node no more leases in this leadership, and returns when the last one
// has ended: then it can be taken out of raft's configuration (S17).
func (b *Book) Bar(node topology.NodeID) (ended time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.term == 0 {
		return time.Time{}, ErrNotLeader
	}
	b.barred[node] = true
	return time.Now().Add(topology.LeaseTTL), nil // an earlier leader may have given one as well
}

// Unbar takes Bar back.
func (b *Book) Unbar(node topology.NodeID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.barred, node)
}

// Extend adds to what this node's eyes see what the other nodes say: who may hold
// leases (those of nodes, this one, and whoever was given one), what their proxies
// know, and what this leadership has given.
func (b *Book) Extend(o topology.Observations, nodes []topology.NodeID) topology.Observations {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.term == 0 || len(o.Nodes) == 0 {
		return o // nobody acts on it; or this node's own proxy is not there yet
	}
	all := slices.Clone(o.Nodes)
	for _, id := range nodes {
		if !b.heard[id].Witness {
			all = append(all, id)
		}
	}
	for _, g := range b.grants {
		all = append(all, g.Node)
		o.Grants = append(o.Grants, g)
	}
	slices.Sort(all)
	o.Nodes = slices.Compact(all)
	o.Writers = slices.Clone(o.Writers)
	for _, id := range o.Nodes {
		h := b.heard[id]
		if id == b.node {
			continue // its own is newer
		}
		for _, see := range h.Seen {
			o.Others = append(o.Others, topology.Sighting{
				Node: id, Member: see.Member, Reach: see.Reach, Boot: see.Boot, At: h.at.Add(-see.Age),
			})
		}
		for _, w := range h.Writers {
			w.Node, w.At = id, h.at
			o.Writers = append(o.Writers, w)
		}
	}
	for id, h := range b.heard {
		if id != b.node {
			o.Places = append(o.Places, topology.Place{Node: id, Site: h.Site, HeardAt: h.at, Hears: h.Hears})
		}
	}
	slices.SortFunc(o.Places, func(a, b topology.Place) int { return cmp.Compare(a.Node, b.Node) })
	slices.SortFunc(o.Writers, func(a, b topology.Writer) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Unit, b.Unit))
	})
	slices.SortFunc(o.Grants, func(a, b topology.Grant) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Unit, b.Unit))
	})
	return o
}

// Heard returns when a node was heard of last, and whether it is a witness; ok is false
// if it was not, in this leadership.
func (b *Book) Heard(node topology.NodeID) (at time.Time, witness, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, ok := b.heard[node]
	return h.at, h.Witness, ok
}

// Knows returns which topology.Law a node has said that it knows; 0: none yet.
func (b *Book) Knows(node topology.NodeID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.heard[node].Law
}

// Gates returns what is told of the gates of those nodes, and whether all of them were heard
// of within fresh: of the others nothing can be said to be over.
func (b *Book) Gates(nodes []topology.NodeID, fresh time.Duration, now time.Time) (found []topology.Finding, all bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all = true
	for _, id := range nodes {
		h, ok := b.heard[id]
		if !ok || now.Sub(h.at) > fresh {
			all = false
		}
		if !ok {
			continue
		}
		for _, w := range h.Gates {
			found = append(found, topology.GateFinding(id, w, h.at))
		}
	}
	return found, all
}

// Lease returns the units that a node holds leases on, with blanks between them.
func (b *Book) Lease(node topology.NodeID, now time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var units []string
	for at, g := range b.grants {
		if at.node == node && now.Before(g.Until) {
			units = append(units, string(g.Unit))
		}
	}
	slices.Sort(units)
	return strings.Join(units, " ")
}
