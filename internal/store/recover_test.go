package store

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Two of three nodes are gone for good: the third goes on alone, with all it had, and
// lets others join.
func TestRecover(t *testing.T) {
	authority, addrs := ca(t), freePorts(t, 3)
	var nodes []*Store
	for i, addr := range addrs {
		cfg := nodeConfig(t, topology.NodeID([]string{"n1", "n2", "n3"}[i]), authority)
		cfg.Bind, cfg.Join, cfg.Expect = addr, addrs, 3
		nodes = append(nodes, mustOpen(t, cfg))
		join(t, nodes[i])
	}
	var lead *Store
	eventually(t, "a leader", func() bool {
		for _, n := range nodes {
			if n.raft.State() == raft.Leader {
				lead = n
			}
		}
		return lead != nil
	})
	mustPropose(t, lead, script(5)...)
	want := encoded(t, lead.Snapshot())
	for _, n := range nodes {
		eventually(t, "all have it", func() bool { return encoded(t, n.Snapshot()) == want })
	}
	left := nodes[0]
	if err := Recover(left.cfg); !errors.Is(err, ErrLocked) {
		t.Errorf("recovered while it runs: %v", err)
	}
	for _, n := range nodes {
		mustStop(t, n)
	}
	cfg := left.cfg
	cfg.Join, cfg.Expect = nil, 0
	if err := Recover(cfg); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, cfg)
	awaitLeader(t, again)
	if got := encoded(t, again.Snapshot()); got != want {
		t.Errorf("recovered:\n%s\nwant:\n%s", got, want)
	}
	eventually(t, "it is the only one", again.Sole)
	fresh := nodeConfig(t, "n4", authority)
	fresh.Join = []string{again.Addr()}
	newcomer := mustOpen(t, fresh)
	mustJoin(t, newcomer)
	mustPropose(t, again, script(6)[5])
	empty := nodeConfig(t, "n5", authority)
	if err := os.MkdirAll(empty.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Recover(empty); err == nil || !strings.Contains(err.Error(), "no state to recover") {
		t.Errorf("recovered from nothing: %v", err)
	}
}

// Every node has lost its disk: a saved state is begun with, and no number of it is
// given out again.
func TestRestore(t *testing.T) {
	first := mustOpen(t, soleConfig(t.TempDir()))
	awaitLeader(t, first)
	mustPropose(t, first, script(9)...)
	saved := first.Snapshot()
	if err := Restore(first.cfg, saved); !errors.Is(err, ErrLocked) {
		t.Errorf("restored into a node that runs: %v", err)
	}
	mustStop(t, first)
	if err := Restore(first.cfg, saved); !errors.Is(err, ErrHasState) {
		t.Errorf("restored over a state: %v", err)
	}
	cfg := soleConfig(t.TempDir())
	cfg.Bind = "127.0.0.1:17999" // by which it is known in its configuration; nobody dials it
	if err := Restore(cfg, saved); err != nil {
		t.Fatal(err)
	}
	cfg.Advertise, cfg.Bind = cfg.Bind, "127.0.0.1:0"
	again := mustOpen(t, cfg)
	awaitLeader(t, again)
	got := again.Snapshot()
	if got.NextIdentity <= saved.NextIdentity || got.NextBoot <= saved.NextBoot || len(got.Members) != len(saved.Members) {
		t.Errorf("restored: next identity %d after %d, boot %d after %d, %d members of %d",
			got.NextIdentity, saved.NextIdentity, got.NextBoot, saved.NextBoot, len(got.Members), len(saved.Members))
	}
	index := got.Index
	mustPropose(t, again, script(10)[9])
	if again.Snapshot().Index <= index {
		t.Errorf("index %d after %d", again.Snapshot().Index, index)
	}
}
