package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

func TestSoleVoterLeadsAtOnce(t *testing.T) {
	cfg := soleConfig(t.TempDir())
	cfg.Profile = ProfileWAN // its election timeout alone is 1 s at least
	start := time.Now()
	s := mustOpen(t, cfg)
	awaitLeader(t, s)
	took := time.Since(start)
	t.Logf("leads after %v", took)
	if limit := 900 * time.Millisecond; took > limit {
		t.Errorf("led after %v, want less than %v", took, limit)
	}
	if id, addr := s.Leader(); id != "n1" || addr != s.Addr() || addr == "" {
		t.Errorf("leader %q at %q, want n1 at %q", id, addr, s.Addr())
	}
}

func TestProposeShowsItsEffect(t *testing.T) {
	s := mustOpen(t, soleConfig(t.TempDir()))
	awaitLeader(t, s)
	changed := s.Changed(s.Snapshot().Index)
	mustPropose(t, s, initRing("cards"))
	snap := s.Snapshot()
	if snap.Ring == nil || snap.Ring.Name != "cards" || snap.Index == 0 {
		t.Fatalf("ring %v at index %d", snap.Ring, snap.Index)
	}
	if !isClosed(changed) {
		t.Error("the change was not announced")
	}
	err := s.Propose(testContext(t), initRing("other"))
	if !errors.Is(err, ErrRefused) || !errors.Is(err, topology.ErrLaw) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("a second ring: %v, want %v", err, ErrRefused)
	}
	if s.Snapshot() != snap {
		t.Error("a refused command published a state")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Propose(ended, refused()); !errors.Is(err, context.Canceled) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("proposed with an ended context: %v", err)
	}
	if err := s.Propose(testContext(t), topology.Command{}); err == nil || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("an empty command: %v", err)
	}
	large := initRing(strings.Repeat("x", maxCommand))
	if err := s.Propose(testContext(t), large); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("a command of 1 MiB: %v", err)
	}
	st := s.Stats()
	if st.Role != "leader" || st.Leader != "n1" || st.StateIndex != snap.Index || st.Committed < snap.Index || st.LogBytes == 0 || st.Error != "" {
		t.Errorf("stats %+v", st)
	}
}

func TestRestartKeepsTheState(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, soleConfig(dir))
	awaitLeader(t, s)
	var term uint64
	for _, c := range script(5) {
		mustPropose(t, s, c)
		want := encoded(t, s.Snapshot())
		term = s.Stats().Term
		mustStop(t, s)

		s = mustOpen(t, soleConfig(dir))
		if got := encoded(t, s.Snapshot()); got != want { // before there is a leader
			t.Fatalf("right after the restart:\n%s\nwant:\n%s", got, want)
		}
		awaitLeader(t, s)
		if got := encoded(t, s.Snapshot()); got != want {
			t.Fatalf("as a leader:\n%s\nwant:\n%s", got, want)
		}
		if now := s.Stats().Term; now <= term {
			t.Fatalf("term %d after %d", now, term)
		}
	}
}

// What is answered is on disk: a copy of the directory of a running node holds it.
func TestKilledNodeKeepsWhatItAnswered(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, soleConfig(dir))
	awaitLeader(t, s)
	for _, c := range script(6) {
		mustPropose(t, s, c)
		want := encoded(t, s.Snapshot())
		copied := mustOpen(t, soleConfig(copyDir(t, dir)))
		awaitLeader(t, copied)
		eventually(t, "the copy has it", func() bool { return encoded(t, copied.Snapshot()) == want })
		mustStop(t, copied)
	}
}

// A node that was killed knows at once, without a leader, which isolation it has acted on: what it
// has said of its leases rests on that.
func TestKilledNodeKnowsItsIsolation(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, soleConfig(dir))
	awaitLeader(t, s)
	mustPropose(t, s, initRing("cards"))
	for _, to := range []topology.Isolation{topology.IsolationContinue, topology.IsolationFence} {
		mustPropose(t, s, command(topology.SetIsolation{To: to}))
		copied := mustOpen(t, soleConfig(copyDir(t, dir)))
		if got := copied.Snapshot(); got.Ring == nil || got.Ring.Isolation != to {
			t.Errorf("it begins with %+v, want isolation %s", got.Ring, to)
		}
		mustStop(t, copied)
	}
}

func TestSnapshotTakesTheLogsPlace(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, soleConfig(dir))
	awaitLeader(t, s)
	mustPropose(t, s, script(21)...)
	compact(t, s, 3)
	if first := s.Stats().FirstIndex; first < 10 {
		t.Fatalf("the log begins at %d: it was not cut", first)
	}
	mustPropose(t, s, script(22)[21])
	want := encoded(t, s.Snapshot())
	mustStop(t, s)

	s = mustOpen(t, soleConfig(dir))
	if got := encoded(t, s.Snapshot()); got != want {
		t.Errorf("restarted:\n%s\nwant:\n%s", got, want)
	}
	awaitLeader(t, s)
	mustPropose(t, s, initRing("next"))
	want = encoded(t, s.Snapshot())
	mustStop(t, s)

	t.Run("a snapshot is lost", func(t *testing.T) {
		lost := copyDir(t, dir)
		if err := os.RemoveAll(filepath.Join(lost, snapshotDir)); err != nil {
			t.Fatal(err)
		}
		wantOpenError(t, soleConfig(lost), ErrDamaged)
		_, err := Open(soleConfig(lost))
		for _, way := range []string{"sqlring raft remove n1 on another", "move " + lost + " away", "sqlring raft snapshot restore SAVED", "docs/nodes.md"} {
			if !strings.Contains(err.Error(), way) {
				t.Errorf("it names no %q: %v", way, err)
			}
		}
		if _, err := Examine(soleConfig(lost)); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "sqlring raft snapshot restore SAVED") {
			t.Errorf("looked at: %v", err)
		}
	})
	t.Run("a snapshot's name is another's", func(t *testing.T) {
		broken := copyDir(t, dir)
		found, err := filepath.Glob(filepath.Join(broken, snapshotDir, "*"))
		if err != nil || len(found) != 1 {
			t.Fatalf("found %v, %v", found, err)
		}
		if err := os.Rename(found[0], filepath.Join(broken, snapshotDir, "2-99-1")); err != nil {
			t.Fatal(err)
		}
		wantOpenError(t, soleConfig(broken), ErrDamaged)
	})
	t.Run("the log is lost", func(t *testing.T) {
		lost := copyDir(t, dir)
		if err := os.Remove(filepath.Join(lost, logFile)); err != nil {
			t.Fatal(err)
		}
		wantOpenError(t, soleConfig(lost), ErrDamaged)
	})
	for _, file := range []string{"state.bin", "meta.json"} {
		t.Run("bytes of "+file+" are broken", func(t *testing.T) { breakSnapshot(t, copyDir(t, dir), file, want) })
	}
}

// breakSnapshot breaks single bytes of a snapshot's file: the node refuses to
// start, or starts with the state it had.
func breakSnapshot(t *testing.T, dir, file, want string) {
	found, err := filepath.Glob(filepath.Join(dir, snapshotDir, "*", file))
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	whole := readFile(t, found[0])
	for at := 0; at < len(whole); at += 11 {
		data := append([]byte(nil), whole...)
		data[at] ^= 1
		if err := os.WriteFile(found[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(soleConfig(dir))
		if err == nil && encoded(t, s.Snapshot()) != want {
			t.Errorf("byte %d was broken, unnoticed", at)
		}
		if err == nil {
			mustStop(t, s)
		} else if !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d was broken: %v", at, err)
		}
	}
}

// The process ended between installing a snapshot and emptying the log.
func TestLogBehindTheSnapshotIsDropped(t *testing.T) {
	disk, _ := newLog(t)
	mustStore(t, disk, 1, 5)
	dir := t.TempDir()
	files, err := raft.NewFileSnapshotStoreWithLogger(dir, retainSnapshots, newRaftLogger(quiet()))
	if err != nil {
		t.Fatal(err)
	}
	snaps := sealedSnapshots{files}
	out, err := snaps.Create(raft.SnapshotVersionMax, 50, 3, raft.Configuration{}, 1, noTransport{})
	if err != nil {
		t.Fatal(err)
	}
	if err := (frozen{topology.NewSnapshot()}).Persist(out); err != nil {
		t.Fatal(err)
	}
	if err := joinSnapshots(dir, snaps, disk); err != nil {
		t.Fatal(err)
	}
	wantRange(t, disk, 0, 0)
	mustStore(t, disk, 51, 51)
	if err := joinSnapshots(dir, snaps, disk); err != nil {
		t.Errorf("log and snapshot touch: %v", err)
	}
	if err := disk.DeleteRange(51, 51); err != nil {
		t.Fatal(err)
	}
	mustStore(t, disk, 52, 52)
	if err := joinSnapshots(dir, snaps, disk); !errors.Is(err, ErrDamaged) {
		t.Errorf("entry 51 is nowhere: %v, want %v", err, ErrDamaged)
	}
}

func wantOpenError(t *testing.T, cfg Config, want error) {
	t.Helper()
	s, err := Open(cfg)
	if err == nil {
		mustStop(t, s)
	}
	if !errors.Is(err, want) {
		t.Errorf("open: %v, want %v", err, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	mustStop(t, mustOpen(t, soleConfig(dir)))
	t.Run("another node's directory", func(t *testing.T) {
		cfg := soleConfig(dir)
		cfg.NodeID = "n2"
		wantOpenError(t, cfg, ErrForeign)
	})
	t.Run("a damaged log", func(t *testing.T) {
		broken := copyDir(t, dir)
		path := filepath.Join(broken, logFile)
		if err := os.WriteFile(path, readFile(t, path)[:pageSize+100], 0o600); err != nil {
			t.Fatal(err)
		}
		wantOpenError(t, soleConfig(broken), ErrDamaged)
	})
	t.Run("an address in use", func(t *testing.T) {
		s := mustOpen(t, soleConfig(t.TempDir()))
		cfg := soleConfig(t.TempDir())
		cfg.Bind = s.Addr()
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), cfg.Bind) {
			t.Errorf("open: %v", err)
		}
	})
	t.Run("a bad config", func(t *testing.T) {
		if _, err := Open(Config{}); err == nil {
			t.Error("an empty config was accepted")
		}
	})
}

func TestDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, soleConfig(dir))
	start := time.Now()
	wantOpenError(t, soleConfig(dir), ErrLocked)
	if took := time.Since(start); took < lockWait || took > lockWait+2*time.Second {
		t.Errorf("refused after %v, want %v", took, lockWait)
	}
	mustStop(t, s)
	mustOpen(t, soleConfig(dir))
}

// A node that has not been bootstrapped waits to be called; with Bootstrap it
// starts a cluster, unless it has a state.
func TestBootstrapLater(t *testing.T) {
	dir := t.TempDir()
	cfg := soleConfig(dir)
	cfg.Bootstrap = false
	s := mustOpen(t, cfg)
	if err := s.Propose(testContext(t), initRing("cards")); !errors.Is(err, ErrNotLeader) {
		t.Errorf("propose: %v, want %v", err, ErrNotLeader)
	}
	if err := s.VerifyLeader(testContext(t)); !errors.Is(err, ErrNotLeader) {
		t.Errorf("verify: %v, want %v", err, ErrNotLeader)
	}
	mustStop(t, s)
	s = mustOpen(t, soleConfig(dir))
	awaitLeader(t, s)
	mustPropose(t, s, initRing("cards"))
	mustStop(t, s)
	s = mustOpen(t, soleConfig(dir))
	awaitLeader(t, s)
	if s.Snapshot().Ring == nil {
		t.Error("bootstrapping twice lost the state")
	}
}

// A crash while the first log was written leaves a draft, and no node.
func TestUnfinishedCreationIsDoneAgain(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, logFile+".new"), []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	awaitLeader(t, mustOpen(t, soleConfig(dir)))
}

func TestStoppedStore(t *testing.T) {
	s := mustOpen(t, soleConfig(t.TempDir()))
	awaitLeader(t, s)
	mustPropose(t, s, initRing("cards"))
	start := time.Now()
	mustStop(t, s)
	if took := time.Since(start); took > time.Second {
		t.Errorf("an idle sole node took %v to stop", took)
	}
	mustStop(t, s)
	if s.Snapshot().Ring == nil {
		t.Error("the snapshot is gone")
	}
	for name, err := range map[string]error{
		"propose": s.Propose(testContext(t), refused()),
		"verify":  s.VerifyLeader(testContext(t)),
		"lead":    s.Lead(testContext(t), func(context.Context, uint64) error { return nil }),
	} {
		if !errors.Is(err, ErrStopped) {
			t.Errorf("%s: %v, want %v", name, err, ErrStopped)
		}
	}
	if st := s.Stats(); st.Role != "shutdown" {
		t.Errorf("role %s", st.Role)
	}
}
