package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/authority"
	"github.com/sqlring/sqlring/pkg/topology"
)

// ca is an authority for the nodes of a test.
func ca(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if _, _, err := authority.Create(dir, "test", time.Now()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// nodeConfig is a node on a free loopback port, with a certificate of the authority
// in dir; empty: in clear text.
func nodeConfig(t *testing.T, id topology.NodeID, ca string) Config {
	t.Helper()
	cfg := Config{NodeID: id, Dir: filepath.Join(t.TempDir(), string(id)), Bind: "127.0.0.1:0", Logger: quiet()}
	if ca != "" {
		cert, key, err := authority.Issue(ca, t.TempDir(), authority.Request{Name: string(id), Role: authority.RoleNode, Days: 1}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		cfg.TLS = authority.Files{CA: filepath.Join(ca, authority.CAFile), Cert: cert, Key: key}.NodeTLS()
	}
	return cfg
}

// freePorts returns addresses that were free a moment ago: who is to be joined has
// to be known before it listens.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		s := mustOpen(t, nodeConfig(t, "probe", ""))
		addrs = append(addrs, s.Addr())
		defer mustStop(t, s)
	}
	return addrs
}

func join(t *testing.T, s *Store) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	go func() { done <- s.Join(ctx) }()
	t.Cleanup(cancel)
	return done
}

func mustJoin(t *testing.T, s *Store) {
	t.Helper()
	if err := <-join(t, s); err != nil {
		t.Fatalf("%s joins: %v", s.cfg.NodeID, err)
	}
}

func peersText(s *Store) string {
	var text []string
	for _, p := range s.Peers() {
		text = append(text, fmt.Sprintf("%s voter=%t", p.ID, p.Voter))
	}
	return strings.Join(text, ", ")
}

// Three nodes without a state find each other, over TLS, and begin.
func TestThreeBegin(t *testing.T) {
	authority, addrs := ca(t), freePorts(t, 3)
	var nodes []*Store
	var joins []<-chan error
	for i, addr := range addrs {
		cfg := nodeConfig(t, topology.NodeID(fmt.Sprintf("n%d", i+1)), authority)
		cfg.Bind, cfg.Join, cfg.Expect = addr, addrs, 3
		nodes = append(nodes, mustOpen(t, cfg))
		joins = append(joins, join(t, nodes[i]))
		if i == 1 { // two of three are not enough
			time.Sleep(3 * joinPause)
			if got := peersText(nodes[0]) + peersText(nodes[1]); got != "" {
				t.Fatalf("with two of three there is %s", got)
			}
		}
	}
	for i, done := range joins {
		if err := <-done; err != nil {
			t.Fatalf("n%d: %v", i+1, err)
		}
	}
	var lead *Store
	eventually(t, "a leader", func() bool {
		for _, n := range nodes {
			if n.VerifyLeader(testContext(t)) == nil {
				lead = n
			}
		}
		return lead != nil
	})
	mustPropose(t, lead, script(3)...)
	for _, n := range nodes {
		eventually(t, "all have the state", func() bool { return encoded(t, n.Snapshot()) == encoded(t, lead.Snapshot()) })
		if got, want := peersText(n), "n1 voter=true, n2 voter=true, n3 voter=true"; got != want {
			t.Errorf("%s knows %s, want %s", n.cfg.NodeID, got, want)
		}
		if n.Sole() {
			t.Errorf("%s takes itself for the only one", n.cfg.NodeID)
		}
	}
	lost := nodes[0] // one that loses its disk is not let back in by itself (S18)
	if lost == lead {
		lost = nodes[1]
	}
	mustStop(t, lost)
	cfg := lost.cfg
	cfg.Dir = t.TempDir()
	wiped := mustOpen(t, cfg)
	if err := <-join(t, wiped); !errors.Is(err, ErrPeer) || !strings.Contains(err.Error(), "raft remove "+string(cfg.NodeID)) {
		t.Errorf("a voter without a state joins: %v", err)
	}
	if err := lead.Remove(testContext(t), cfg.NodeID); err != nil {
		t.Fatal(err)
	}
	mustJoin(t, wiped)
}

// A ring of one grows to three voters and an observer, and shrinks to one.
func TestGrowAndShrink(t *testing.T) {
	authority := ca(t)
	cfg := nodeConfig(t, "n1", authority)
	cfg.Bootstrap = true
	first := mustOpen(t, cfg)
	awaitLeader(t, first)
	eventually(t, "a sole node knows that it is one", first.Sole)
	mustPropose(t, first, script(5)...)
	want := encoded(t, first.Snapshot())
	var others []*Store
	for _, id := range []topology.NodeID{"n2", "n3", "n4"} {
		cfg := nodeConfig(t, id, authority)
		cfg.Join, cfg.Observer = []string{first.Addr()}, id == "n4"
		n := mustOpen(t, cfg)
		others = append(others, n)
		mustJoin(t, n)
		if first.Sole() {
			t.Fatal("n1 takes itself for the only one")
		}
		eventually(t, "the newcomer has the state", func() bool { return encoded(t, n.Snapshot()) == want })
	}
	if got := peersText(first); got != "n1 voter=true, n2 voter=true, n3 voter=true, n4 voter=false" {
		t.Errorf("the configuration is %s", got)
	}
	if err := others[0].Remove(testContext(t), "n3"); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a follower removes: %v", err)
	}
	if err := first.Transfer(testContext(t), "n4"); !errors.Is(err, ErrPeer) {
		t.Errorf("an observer is to lead: %v", err)
	}
	if err := first.Transfer(testContext(t), "n2"); err != nil {
		t.Fatal(err)
	}
	lead := others[0]
	eventually(t, "n2 leads", func() bool { return lead.VerifyLeader(testContext(t)) == nil })
	if err := lead.Transfer(testContext(t), ""); err != nil {
		t.Fatal(err)
	}
	if err := first.Remove(testContext(t), "n1"); !errors.Is(err, ErrPeer) && !errors.Is(err, ErrNotLeader) {
		t.Errorf("a leader removes itself: %v", err)
	}
	eventually(t, "n1 leads again", func() bool {
		_ = lead.Transfer(testContext(t), "n1")
		_ = others[1].Transfer(testContext(t), "n1")
		return first.VerifyLeader(testContext(t)) == nil
	})
	for _, id := range []topology.NodeID{"n4", "n3", "n2"} {
		if first.Sole() {
			t.Error("n1 takes itself for the only one, too early")
		}
		if err := first.Remove(testContext(t), id); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "n1 is the only one again", first.Sole)
	mustPropose(t, first, script(6)[5])
}

// A sole node that is given another address, for the sake of others that are to join,
// is known by it from then on.
func TestSoleNodeMoves(t *testing.T) {
	cfg := nodeConfig(t, "n1", ca(t))
	cfg.Bootstrap = true
	s := mustOpen(t, cfg)
	awaitLeader(t, s)
	mustPropose(t, s, script(1)...)
	mustStop(t, s)
	cfg.Advertise = "localhost:17406"
	s = mustOpen(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Lead(ctx, func(ctx context.Context, _ uint64) error { <-ctx.Done(); return nil }) }()
	defer func() { cancel(); <-done }()
	eventually(t, "its new address is in the configuration", func() bool {
		peers := s.Peers()
		return len(peers) == 1 && peers[0].Addr == cfg.Advertise && s.Sole()
	})
}

// A voter that comes without a state has lost its votes (S18).
func TestVoterWithoutAState(t *testing.T) {
	authority := ca(t)
	cfg := nodeConfig(t, "n1", authority)
	cfg.Bootstrap = true
	first := mustOpen(t, cfg)
	awaitLeader(t, first)
	cfg = nodeConfig(t, "n2", authority)
	cfg.Join = []string{first.Addr()}
	second := mustOpen(t, cfg)
	mustJoin(t, second)
	cfg.Bind = second.Addr()
	mustStop(t, second)
	cfg.Dir = t.TempDir()
	wiped := mustOpen(t, cfg)
	eventually(t, "it is told", func() bool { // n1 leads no more: it is alone of two
		_, err := wiped.joinRound(testContext(t))
		return err != nil
	})
	time.Sleep(time.Second)
	if wiped.raft.LastIndex() != 0 || first.VerifyLeader(testContext(t)) == nil {
		t.Errorf("the node without votes was let vote: log up to %d", wiped.raft.LastIndex())
	}
}

// What a certificate of another name may ask for: nothing.
func TestJoinUnderAnotherName(t *testing.T) {
	authority := ca(t)
	cfg := nodeConfig(t, "n1", authority)
	cfg.Bootstrap = true
	first := mustOpen(t, cfg)
	awaitLeader(t, first)
	cfg = nodeConfig(t, "n3", authority)
	cfg.NodeID, cfg.Join = "n2", []string{first.Addr()}
	if err := <-join(t, mustOpen(t, cfg)); !errors.Is(err, ErrPeer) || !strings.Contains(err.Error(), "certificate of n3") {
		t.Errorf("joined as n2 with the certificate of n3: %v", err)
	}
	clear := nodeConfig(t, "n4", "")
	clear.Join = []string{first.Addr()}
	n4 := mustOpen(t, clear)
	if _, err := n4.joinRound(testContext(t)); err == nil {
		t.Error("in clear text it is let in")
	}
	if got := peersText(first); got != "n1 voter=true" {
		t.Errorf("the configuration is %s", got)
	}
}

func TestCalls(t *testing.T) {
	authority := ca(t)
	cfg := nodeConfig(t, "n1", authority)
	cfg.Bootstrap = true
	callee := mustOpen(t, cfg)
	caller := mustOpen(t, nodeConfig(t, "n2", authority))
	if _, err := caller.Call(testContext(t), callee.Addr(), "echo", []byte(`1`)); err == nil {
		t.Error("a node that is starting answers")
	}
	callee.Handle(func(ctx context.Context, from topology.NodeID, kind string, body []byte) ([]byte, error) {
		switch kind {
		case "echo":
			return []byte(fmt.Sprintf(`{"from":%q,"body":%s}`, from, body)), nil
		case "slow":
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, errors.New("no " + kind)
	})
	for range 3 {
		got, err := caller.Call(testContext(t), callee.Addr(), "echo", []byte(`[1]`))
		if err != nil || string(got) != `{"from":"n2","body":[1]}` {
			t.Fatalf("echo: %s, %v", got, err)
		}
	}
	var remote *RemoteError
	if _, err := caller.Call(testContext(t), callee.Addr(), "other", []byte(`1`)); !errors.As(err, &remote) || remote.Text != "no other" {
		t.Errorf("another kind: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := caller.Call(short, callee.Addr(), "slow", []byte(`1`)); err == nil || time.Since(start) > time.Second {
		t.Errorf("slow: %v after %v", err, time.Since(start))
	}
	mustStop(t, callee)
	if _, err := caller.Call(testContext(t), callee.Addr(), "echo", []byte(`1`)); !errors.Is(err, ErrNotReached) {
		t.Errorf("a stopped node: %v", err)
	}
}

// Whoever takes long to answer another node is not waited for any longer than proposals are.
func TestStopEndsWhatIsAnswered(t *testing.T) {
	authority := ca(t)
	cfg := nodeConfig(t, "n1", authority)
	cfg.Bootstrap = true
	callee := mustOpen(t, cfg)
	caller := mustOpen(t, nodeConfig(t, "n2", authority))
	asked := make(chan struct{})
	callee.Handle(func(ctx context.Context, _ topology.NodeID, _ string, _ []byte) ([]byte, error) {
		close(asked)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	answered := make(chan error, 1)
	go func() {
		_, err := caller.Call(testContext(t), callee.Addr(), "slow", []byte(`1`))
		answered <- err
	}()
	<-asked
	began := time.Now()
	mustStop(t, callee)
	if took := time.Since(began); took > drainTimeout+3*time.Second {
		t.Errorf("stopped after %v", took)
	}
	if err := <-answered; err == nil {
		t.Error("it was answered")
	}
}
