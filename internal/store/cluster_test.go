package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

// cluster is three voters in this process, joined by raft's in-memory transport.
// The slow profile keeps the leader while other tests load the machine.
type cluster struct {
	t       *testing.T
	profile Profile
	nodes   []*Store
	links   []*raft.InmemTransport
	dirs    []string
}

func newCluster(t *testing.T, profile Profile) *cluster {
	t.Helper()
	c := &cluster{t: t, profile: profile, nodes: make([]*Store, 3), links: make([]*raft.InmemTransport, 3)}
	for range c.nodes {
		c.dirs = append(c.dirs, t.TempDir())
	}
	for i := range c.nodes {
		c.start(i)
	}
	awaitLeader(t, c.nodes[0])
	for i, n := range c.nodes[1:] {
		id := raft.ServerID(fmt.Sprintf("n%d", i+2))
		if err := c.nodes[0].raft.AddVoter(id, n.trans.LocalAddr(), 0, patience).Error(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	id := topology.NodeID(fmt.Sprintf("n%d", i+1))
	_, c.links[i] = raft.NewInmemTransportWithTimeout(raft.ServerAddress(id), 200*time.Millisecond)
	for j, other := range c.links {
		if other != nil {
			c.links[i].Connect(c.links[j].LocalAddr(), other)
			other.Connect(c.links[i].LocalAddr(), c.links[i])
		}
	}
	c.nodes[i] = mustOpen(c.t, Config{
		NodeID: id, Dir: c.dirs[i], Bootstrap: i == 0, Profile: c.profile, Logger: quiet(), Transport: c.links[i],
	})
	// Before it stops: a call to a node that is gone waits for seconds in this
	// transport, in a goroutine that raft does not wait for.
	c.t.Cleanup(func() { c.cut(i) })
}

// cut separates node i from the others, both ways.
func (c *cluster) cut(i int) {
	for j, other := range c.links {
		if j != i && other != nil {
			c.links[i].Disconnect(other.LocalAddr())
			other.Disconnect(c.links[i].LocalAddr())
		}
	}
}

func (c *cluster) mend(i int) {
	for j, other := range c.links {
		if j != i {
			c.links[i].Connect(other.LocalAddr(), other)
			other.Connect(c.links[i].LocalAddr(), c.links[i])
		}
	}
}

// leader returns the index of the node that a majority of the voters confirms.
func (c *cluster) leader(among ...int) int {
	c.t.Helper()
	found := -1
	eventually(c.t, "a leader", func() bool {
		found = slices.IndexFunc(among, func(i int) bool {
			ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
			defer cancel()
			return c.nodes[i].VerifyLeader(ctx) == nil
		})
		return found >= 0
	})
	return among[found]
}

func (c *cluster) wantEqual() {
	c.t.Helper()
	eventually(c.t, "all nodes hold the same bytes", func() bool {
		first := encoded(c.t, c.nodes[0].Snapshot())
		return first == encoded(c.t, c.nodes[1].Snapshot()) && first == encoded(c.t, c.nodes[2].Snapshot())
	})
}

func TestFollowersFollow(t *testing.T) {
	c := newCluster(t, ProfileWAN)
	lead := c.leader(0, 1, 2)
	mustPropose(t, c.nodes[lead], script(9)...)
	if err := c.nodes[lead].Propose(testContext(t), refused()); !errors.Is(err, ErrRefused) {
		t.Errorf("refused by the law: %v", err)
	}
	c.wantEqual()
	for i, n := range c.nodes {
		if i == lead {
			continue
		}
		if err := n.Propose(testContext(t), initRing("x")); !errors.Is(err, ErrNotLeader) {
			t.Errorf("n%d, a follower: %v, want %v", i+1, err, ErrNotLeader)
		}
		if err := n.VerifyLeader(testContext(t)); !errors.Is(err, ErrNotLeader) {
			t.Errorf("n%d, a follower: %v, want %v", i+1, err, ErrNotLeader)
		}
		if id, _ := n.Leader(); id != c.nodes[lead].cfg.NodeID {
			t.Errorf("n%d takes %q for the leader", i+1, id)
		}
	}
}

// scopes runs Lead on every node and watches that no two of a node overlap, and
// that terms rise.
type scopes struct {
	mu    sync.Mutex
	terms []uint64       // in the order of the calls
	in    map[int]uint64 // node -> term it is in
	wait  sync.WaitGroup
	stop  context.CancelFunc
}

func (c *cluster) lead() *scopes {
	ctx, cancel := context.WithCancel(c.t.Context())
	s := &scopes{in: map[int]uint64{}, stop: cancel}
	for i, n := range c.nodes {
		s.wait.Go(func() {
			err := n.Lead(ctx, func(ctx context.Context, term uint64) error { return s.run(c.t, ctx, i, term) })
			if !errors.Is(err, context.Canceled) {
				c.t.Errorf("n%d: lead: %v", i+1, err)
			}
		})
	}
	c.t.Cleanup(func() { cancel(); s.wait.Wait() }) // before the nodes stop
	return s
}

func (s *scopes) run(t *testing.T, ctx context.Context, node int, term uint64) error {
	s.mu.Lock()
	if other, ok := s.in[node]; ok {
		t.Errorf("n%d is called for term %d within term %d", node+1, term, other)
	}
	if slices.Contains(s.terms, term) {
		t.Errorf("term %d was led twice", term)
	}
	s.in[node], s.terms = term, append(s.terms, term)
	s.mu.Unlock()

	<-ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.in, node)
	return ctx.Err()
}

func (s *scopes) node() (node int, term uint64, count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for node, term = range s.in {
		break
	}
	return node, term, len(s.in)
}

func (s *scopes) awaitOne(t *testing.T) (node int, term uint64) {
	t.Helper()
	eventually(t, "one node leads", func() bool {
		var n int
		node, term, n = s.node()
		return n == 1
	})
	return node, term
}

// The leader is cut off: its scope ends, another begins, in a higher term and on
// the state that was acknowledged. What the old leader is asked to do meanwhile
// has no known outcome.
func TestLeaderIsCutOff(t *testing.T) {
	c := newCluster(t, ProfileLAN)
	s := c.lead()
	for round := range 3 {
		old, term := s.awaitOne(t)
		mustPropose(t, c.nodes[old], script(2)[0])
		id := c.nodes[old].Snapshot().Operations[0].ID
		index := c.nodes[old].Snapshot().Index

		c.cut(old)
		err := c.nodes[old].Propose(testContext(t), command(topology.AbortOperation{Operation: id}))
		if !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("round %d: proposed to the leader that is cut off: %v, want %v", round, err, ErrOutcomeUnknown)
		}
		cutAt := time.Now()
		var now int
		eventually(t, "another node leads", func() bool {
			node, next, n := s.node()
			now = node
			return n == 1 && node != old && next > term
		})
		t.Logf("round %d: a new scope %v after the old leader gave up", round, time.Since(cutAt).Round(time.Millisecond))
		if got := c.nodes[now].Snapshot().Index; got < index {
			t.Errorf("round %d: the new leader is at %d, %d was acknowledged", round, got, index)
		}
		mustPropose(t, c.nodes[now], command(topology.AbortOperation{Operation: id}))
		c.mend(old)
		c.wantEqual()
		if got := c.nodes[old].Snapshot(); got.Ring != nil {
			t.Errorf("round %d: the old leader's state is %v", round, got.Ring)
		}
	}
}

// Time runs out before the majority answers: nobody knows.
func TestProposalWithoutMajority(t *testing.T) {
	c := newCluster(t, ProfileWAN)
	lead := c.leader(0, 1, 2)
	for i := range c.nodes {
		c.cut(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := c.nodes[lead].Propose(ctx, initRing("cards")); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("propose: %v, want %v", err, ErrOutcomeUnknown)
	}
	if err := c.nodes[lead].VerifyLeader(testContext(t)); !errors.Is(err, ErrNotLeader) {
		t.Errorf("verify: %v, want %v", err, ErrNotLeader)
	}
	if c.nodes[lead].Snapshot().Ring != nil {
		t.Error("applied without a majority")
	}
}

// A node that restarts while the others are away knows what was committed.
func TestRestartWithoutMajority(t *testing.T) {
	c := newCluster(t, ProfileWAN)
	lead := c.leader(0, 1, 2)
	mustPropose(t, c.nodes[lead], script(5)...)
	c.wantEqual()
	away := (lead + 1) % 3
	want := encoded(t, c.nodes[away].Snapshot())
	for i, n := range c.nodes {
		mustStop(t, n)
		c.cut(i)
	}
	c.start(away)
	if got := encoded(t, c.nodes[away].Snapshot()); got != want {
		t.Errorf("restarted alone:\n%s\nwant:\n%s", got, want)
	}
	if err := c.nodes[away].Propose(testContext(t), refused()); !errors.Is(err, ErrNotLeader) {
		t.Errorf("propose: %v", err)
	}
}

// Stop hands the leadership on: the others do not wait for a timeout.
func TestStopHandsOver(t *testing.T) {
	c := newCluster(t, ProfileWAN) // its timeout is 1 s at least
	old := c.leader(0, 1, 2)
	start := time.Now()
	mustStop(t, c.nodes[old])
	c.leader((old+1)%3, (old+2)%3)
	t.Logf("stopped and led by another after %v", time.Since(start).Round(time.Millisecond))
	if took := time.Since(start); took > 900*time.Millisecond {
		t.Errorf("another node leads after %v", took)
	}
}

// A follower that was away for longer than the log gets a snapshot in its place.
func TestFollowerIsSentASnapshot(t *testing.T) {
	c := newCluster(t, ProfileWAN)
	lead := c.leader(0, 1, 2)
	away := (lead + 1) % 3
	mustPropose(t, c.nodes[lead], script(3)...)
	c.wantEqual()
	mustStop(t, c.nodes[away])
	c.cut(away)
	mustPropose(t, c.nodes[lead], script(20)[3:]...)
	compact(t, c.nodes[lead], 1)
	c.start(away)
	c.wantEqual()
	mustPropose(t, c.nodes[lead], initRing("after"))
	c.wantEqual()
	mustStop(t, c.nodes[away])
	want := encoded(t, c.nodes[away].Snapshot())
	c.start(away)
	if got := encoded(t, c.nodes[away].Snapshot()); got != want {
		t.Errorf("restarted on a snapshot it was sent:\n%s\nwant:\n%s", got, want)
	}
}
