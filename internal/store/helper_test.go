package store

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlring/sqlring/pkg/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests; none is expected to need it.
const patience = 10 * time.Second

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// soleConfig is a node that is its own cluster, on a free loopback port.
func soleConfig(dir string) Config {
	return Config{NodeID: "n1", Dir: dir, Bind: "127.0.0.1:0", Bootstrap: true, Logger: quiet()}
}

// mustOpen opens a store and stops it at the end of the test.
func mustOpen(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

func mustStop(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls, since raft tells nobody of most of its changes.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func awaitLeader(t *testing.T, s *Store) {
	t.Helper()
	eventually(t, "this node leads", func() bool { return s.VerifyLeader(testContext(t)) == nil })
}

func command(change topology.Change) topology.Command {
	return topology.Command{
		At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), By: "test@n1", Why: "a test", Change: change,
	}
}

func initRing(name string) topology.Command {
	return command(topology.InitRing{Name: name, Members: []topology.NewMember{
		{ID: "m1", Addr: "127.0.0.1:3301"}, {ID: "m2", Addr: "127.0.0.1:3302"},
	}})
}

// script returns n commands that are all accepted, one after the other, by a new
// state: a ring is declared, and given up again.
func script(n int) []topology.Command {
	out := make([]topology.Command, n)
	for i := range out {
		if i%2 == 0 {
			out[i] = initRing(fmt.Sprintf("ring%d", i))
		} else {
			out[i] = command(topology.AbortOperation{Operation: topology.OperationID(fmt.Sprintf("op%d", i/2+1))})
		}
	}
	return out
}

// refused is a command that no new state accepts.
func refused() topology.Command { return command(topology.AbortOperation{Operation: "op999"}) }

func mustPropose(t *testing.T, s *Store, commands ...topology.Command) {
	t.Helper()
	for _, c := range commands {
		if err := s.Propose(testContext(t), c); err != nil {
			t.Fatalf("propose: %v", err)
		}
	}
}

func encoded(t *testing.T, s *topology.Snapshot) string {
	t.Helper()
	data, err := topology.EncodeSnapshot(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// copyDir copies what a process killed at this moment would leave behind.
// Nothing must be proposed meanwhile.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func readFile(t *testing.T, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compact takes a snapshot and cuts the log down to its last entries.
func compact(t *testing.T, s *Store, keep uint64) {
	t.Helper()
	config := s.raft.ReloadableConfig()
	config.TrailingLogs = keep
	if err := s.raft.ReloadConfig(config); err != nil {
		t.Fatal(err)
	}
	if err := s.raft.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
}
