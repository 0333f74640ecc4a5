package store

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// A later release wrote a command that this one does not know.
func TestUnknownCommandStopsTheNode(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, soleConfig(dir))
	awaitLeader(t, s)
	mustPropose(t, s, initRing("cards"))
	want := encoded(t, s.Snapshot())
	_ = s.raft.Apply([]byte(`{"kind":"fly_to_the_moon","change":{}}`), time.Second) // answered or dropped on the way out

	wantFailed := func(s *Store) {
		t.Helper()
		select {
		case <-s.Failed():
		case <-time.After(patience):
			t.Fatal("the node goes on")
		}
		err := s.Propose(testContext(t), command(topology.AbortOperation{Operation: "op1"}))
		if !errors.Is(err, ErrFailed) || !errors.Is(err, topology.ErrUnknownCommand) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("propose: %v, want %v: %v", err, ErrFailed, topology.ErrUnknownCommand)
		}
		if err := s.VerifyLeader(testContext(t)); !errors.Is(err, ErrFailed) {
			t.Errorf("verify: %v, want %v", err, ErrFailed)
		}
		if got := encoded(t, s.Snapshot()); got != want {
			t.Errorf("the state is\n%s\nwant\n%s", got, want)
		}
		eventually(t, "raft is left", func() bool { return s.Stats().Role == "shutdown" })
		if id, _ := s.Leader(); id != "" || s.Stats().Error == "" {
			t.Errorf("leader %q, stats %+v", id, s.Stats())
		}
		mustStop(t, s)
	}
	wantFailed(s)
	wantFailed(mustOpen(t, soleConfig(dir))) // the entry still stands there, and is not skipped
}

// The disk goes away under a running node. raft would panic.
func TestDiskThatIsGoneStopsTheNode(t *testing.T) {
	s := mustOpen(t, soleConfig(t.TempDir()))
	awaitLeader(t, s)
	mustPropose(t, s, initRing("cards"))
	if err := s.disk.close(); err != nil {
		t.Fatal(err)
	}
	err := s.Propose(testContext(t), command(topology.AbortOperation{Operation: "op1"}))
	if !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("propose: %v, want %v", err, ErrOutcomeUnknown)
	}
	select { // it steps down, stands again, and can not store its new term
	case <-s.Failed():
	case <-time.After(patience):
		t.Fatal("the node goes on")
	}
	if err := s.Propose(testContext(t), refused()); !errors.Is(err, ErrFailed) {
		t.Errorf("propose: %v, want %v", err, ErrFailed)
	}
	if s.Snapshot().Ring == nil {
		t.Error("the state is gone")
	}
}
