package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	before := lead.Snapshot()
	want := encoded(t, before)
	for _, n := range nodes {
		eventually(t, "all have it", func() bool { return encoded(t, n.Snapshot()) == want })
	}
	left := nodes[0]
	if err := Recover(left.cfg, somebody()); !errors.Is(err, ErrLocked) {
		t.Errorf("recovered while it runs: %v", err)
	}
	for _, n := range nodes {
		mustStop(t, n)
	}
	cfg := left.cfg
	cfg.Join, cfg.Expect = nil, 0
	found, err := Examine(cfg)
	if err != nil || !found.Used || len(found.Peers) != 3 || found.Last == 0 {
		t.Fatalf("it has %+v: %v", found, err)
	}
	if err := Recover(cfg, somebody()); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, cfg)
	awaitLeader(t, again)
	got := again.Snapshot()
	if e := told(t, got, "raft recover: node n1 goes on alone, without n2, n3"); e.Index != found.Last+1 || got.Index != e.Index ||
		!strings.Contains(e.What, "n1 (voter, "+addrs[0]+"), n2 (voter, ") || !strings.Contains(e.What, "the log goes from 1 to ") {
		t.Errorf("the log ended at %d, the state stands at %d: %+v", found.Last, got.Index, e)
	}
	without := *got
	without.Events, without.Index = got.Events[:len(got.Events)-1], before.Index
	if got := encoded(t, &without); got != want {
		t.Errorf("recovered:\n%s\nwant:\n%s", got, want)
	}
	eventually(t, "it is the only one", again.Sole)
	fresh := nodeConfig(t, "n4", authority)
	fresh.Join = []string{again.Addr()}
	newcomer := mustOpen(t, fresh)
	mustJoin(t, newcomer)
	mustPropose(t, again, script(6)[5])
	eventually(t, "whoever joins has it in the audit", func() bool { return encoded(t, newcomer.Snapshot()) == encoded(t, again.Snapshot()) })
	told(t, newcomer.Snapshot(), "raft recover: node n1 goes on alone, without n2, n3")
	empty := nodeConfig(t, "n5", authority)
	if err := os.MkdirAll(empty.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Recover(empty, somebody()); !errors.Is(err, ErrNoState) {
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
	if err := Restore(first.cfg, saved, somebody()); !errors.Is(err, ErrLocked) {
		t.Errorf("restored into a node that runs: %v", err)
	}
	mustStop(t, first)
	if err := Restore(first.cfg, saved, somebody()); !errors.Is(err, ErrHasState) {
		t.Errorf("restored over a state: %v", err)
	}
	cfg := soleConfig(t.TempDir())
	cfg.Bind = "127.0.0.1:17999" // by which it is known in its configuration; nobody dials it
	if err := Restore(cfg, saved, somebody()); err != nil {
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
	if e := told(t, got, "raft snapshot restore: node n1 begins with the state of index "); e.Index <= saved.Index || !strings.Contains(e.What, "typed by root") {
		t.Errorf("saved at %d: %+v", saved.Index, e)
	}
	mustPropose(t, again, script(10)[9])
	if again.Snapshot().Index <= index {
		t.Errorf("index %d after %d", again.Snapshot().Index, index)
	}
}

// Who recovers a node has no other way in than the node's disk: whatever is cut short in
// between, there is one state, and what was done stands in it once.
func TestRecoverThatIsCutShort(t *testing.T) {
	cfg := soleConfig(t.TempDir())
	s := mustOpen(t, cfg)
	awaitLeader(t, s)
	mustPropose(t, s, script(5)...)
	mustStop(t, s)
	// The snapshot is written, and the log not emptied.
	kept, err := os.ReadFile(filepath.Join(cfg.Dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := Recover(cfg, somebody()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, logFile), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, cfg)
	awaitLeader(t, again)
	told(t, again.Snapshot(), "raft recover: node n1 goes on alone")
	mustPropose(t, again, script(6)[5])
	told(t, again.Snapshot(), "raft recover: node n1 goes on alone")
}

// What a stopped node has is looked at without a trace.
func TestExamineLeavesNothing(t *testing.T) {
	cfg := soleConfig(t.TempDir())
	if r, err := Examine(cfg); err != nil || r.Used {
		t.Errorf("%+v, %v", r, err)
	}
	if files, err := os.ReadDir(cfg.Dir); err != nil || len(files) > 0 {
		t.Errorf("it left %v: %v", files, err)
	}
}

func somebody() topology.Beginning {
	return topology.Beginning{At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), By: "dba@n1", Why: "two hosts burnt", Evidence: []string{"typed by root"}}
}

// told returns the line of the audit of how a node began, and sees to it that there is one.
func told(t *testing.T, s *topology.Snapshot, what string) topology.Event {
	t.Helper()
	var found []topology.Event
	for _, e := range s.Events {
		if strings.HasPrefix(e.What, what) {
			found = append(found, e)
		}
	}
	by := somebody()
	if len(found) != 1 || found[0].By != by.By || found[0].Why != by.Why || !found[0].At.Equal(by.At) || found[0].Kind != "node" {
		t.Fatalf("told: %+v", found)
	}
	return found[0]
}

// Members remember in which term they were acted on: a cluster that begins anew, or goes on alone,
// acts in a later one than anybody may have led in.
func TestTermsGoOnAbove(t *testing.T) {
	cfg := soleConfig(t.TempDir())
	saved := topology.NewSnapshot()
	saved.Outbox = &topology.Outbox{Term: 700}
	if err := Restore(cfg, saved, somebody()); err != nil {
		t.Fatal(err)
	}
	last := uint64(700)
	for range 2 {
		r, err := Examine(cfg)
		if err != nil || r.Term < last+resumeTerms {
			t.Fatalf("term %d after %d: %v", r.Term, last, err)
		}
		s := mustOpen(t, cfg)
		awaitLeader(t, s)
		if last = s.Stats().Term; last <= r.Term {
			t.Errorf("it leads in term %d after %d", last, r.Term)
		}
		mustStop(t, s)
		if err := Recover(cfg, somebody()); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever restores the same file again, after it was led for a while, begins above that too.
func TestTheSameFileIsRestoredAgain(t *testing.T) {
	saved := topology.NewSnapshot()
	saved.Outbox = &topology.Outbox{Term: 7}
	led := uint64(0)
	for day := range 3 {
		cfg, by := soleConfig(t.TempDir()), somebody()
		by.At = by.At.AddDate(0, 0, day)
		if err := Restore(cfg, saved, by); err != nil {
			t.Fatal(err)
		}
		r, err := Examine(cfg)
		if err != nil || r.Term <= led {
			t.Fatalf("term %d, led was in %d: %v", r.Term, led, err)
		}
		led = r.Term + 1000
	}
	if wrong := later(7, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)); wrong > clockTerms+resumeTerms {
		t.Errorf("by a clock that is wrong: %d", wrong)
	}
	if early := later(7, time.Time{}); early != 7+resumeTerms {
		t.Errorf("by no clock: %d", early)
	}
}
