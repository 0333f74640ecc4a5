package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

func newMachine() *machine {
	return &machine{board: newBoard(), failure: newFailure(quiet()), committed: func(uint64) {}}
}

func logOf(t *testing.T, index uint64, c topology.Command) *raft.Log {
	t.Helper()
	data, err := topology.EncodeCommand(c)
	if err != nil {
		t.Fatal(err)
	}
	return &raft.Log{Index: index, Term: 1, Data: data}
}

// sink keeps what a snapshot writes.
type sink struct {
	bytes.Buffer
	fail, cancelled, closed bool
}

func (s *sink) ID() string    { return "sink" }
func (s *sink) Cancel() error { s.cancelled = true; return nil }
func (s *sink) Close() error  { s.closed = true; return nil }
func (s *sink) Write(p []byte) (int, error) {
	if s.fail {
		return 0, errors.New("disk full")
	}
	return s.Buffer.Write(p)
}

func persisted(t *testing.T, m *machine) string {
	t.Helper()
	snap, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var out sink
	if err := snap.Persist(&out); err != nil || !out.closed {
		t.Fatalf("persist: %v, closed %v", err, out.closed)
	}
	snap.Release()
	return out.String()
}

func TestMachineRefusesAndGoesOn(t *testing.T) {
	m := newMachine()
	if got := m.Apply(logOf(t, 3, initRing("cards"))); got != nil {
		t.Fatalf("init: %v", got)
	}
	before := encoded(t, m.board.latest.Load())
	err, _ := m.Apply(logOf(t, 4, initRing("other"))).(error)
	if !errors.Is(err, ErrRefused) || !errors.Is(err, topology.ErrLaw) {
		t.Errorf("a second init: %v, want %v and %v", err, ErrRefused, topology.ErrLaw)
	}
	if after := encoded(t, m.board.latest.Load()); after != before {
		t.Errorf("a refused command changed the state:\n%s\n%s", before, after)
	}
	if m.seen != 4 {
		t.Errorf("seen %d, want 4", m.seen)
	}
	if got := m.Apply(logOf(t, 5, command(topology.AbortOperation{Operation: "op1"}))); got != nil {
		t.Errorf("after a refusal: %v", got)
	}
	if s := m.board.latest.Load(); s.Index != 5 || s.Ring != nil {
		t.Errorf("index %d, ring %v", s.Index, s.Ring)
	}
}

func TestMachineStopsAtWhatItCanNotRead(t *testing.T) {
	tests := []struct {
		name, data string
		unknown    bool
	}{
		{"a kind of a later release", `{"kind":"fly_to_the_moon","change":{}}`, true},
		{"a field of a later release", `{"kind":"abort_operation","change":{"operation":"op1","how":"softly"}}`, true},
		{"not a command", `nonsense`, false},
		{"nothing", ``, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine()
			m.Apply(logOf(t, 3, initRing("cards")))
			before := encoded(t, m.board.latest.Load())
			left := false
			m.failure.onSet(func() { left = true })

			err, _ := m.Apply(&raft.Log{Index: 4, Data: []byte(tt.data)}).(error)
			if !errors.Is(err, ErrFailed) || errors.Is(err, topology.ErrUnknownCommand) != tt.unknown {
				t.Errorf("apply: %v", err)
			}
			if !left {
				t.Error("the node stays in raft")
			}
			err, _ = m.Apply(logOf(t, 5, command(topology.AbortOperation{Operation: "op1"}))).(error)
			if !errors.Is(err, ErrFailed) {
				t.Errorf("the next command: %v, want %v", err, ErrFailed)
			}
			if _, err := m.Snapshot(); !errors.Is(err, ErrFailed) {
				t.Errorf("snapshot: %v, want %v: it would drop the entries that were not applied", err, ErrFailed)
			}
			if after := encoded(t, m.board.latest.Load()); after != before {
				t.Errorf("the state moved on:\n%s", after)
			}
		})
	}
}

func TestSnapshotAndRestoreReplacesEverything(t *testing.T) {
	from, to := newMachine(), newMachine()
	for i, c := range script(7) {
		if got := from.Apply(logOf(t, uint64(i)+10, c)); got != nil {
			t.Fatal(got)
		}
	}
	for i, c := range script(40) { // another history, with more in it
		to.Apply(logOf(t, uint64(i)+500, c))
	}
	image := persisted(t, from)
	if err := to.Restore(io.NopCloser(bytes.NewReader([]byte(image)))); err != nil {
		t.Fatal(err)
	}
	if got := persisted(t, to); got != image {
		t.Errorf("restored:\n%s\nwant:\n%s", got, image)
	}
	if a, b := from.board.latest.Load(), to.board.latest.Load(); encoded(t, a) != encoded(t, b) {
		t.Errorf("states differ")
	}
}

func TestRestoreRefusesNonsense(t *testing.T) {
	for _, image := range []string{"", "{", `{"format":999}`, `{"format":1,"wings":2}`, `{"format":1,"members":[{"id":"m1"}]}`} {
		m := newMachine()
		m.Apply(logOf(t, 1, initRing("cards")))
		before := m.board.latest.Load()
		if err := m.Restore(io.NopCloser(bytes.NewReader([]byte(image)))); err == nil {
			t.Errorf("%q was restored", image)
		}
		if m.board.latest.Load() != before || m.failure.err() == nil {
			t.Errorf("%q: the state is replaced, or the store goes on (%v)", image, m.failure.err())
		}
	}
}

func TestPersistCancelsWhatItCanNotWrite(t *testing.T) {
	snap, err := newMachine().Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	out := sink{fail: true}
	if err := snap.Persist(&out); err == nil || !out.cancelled || out.closed {
		t.Errorf("persist: %v, cancelled %v, closed %v", err, out.cancelled, out.closed)
	}
}

// Two machines, one log: one sees all of it, the other one restores a snapshot
// of the first on the way. After each entry both hold the same bytes.
func TestMachinesAreByteEqual(t *testing.T) {
	one, two := newMachine(), newMachine()
	commands := script(60)
	for i := range commands {
		if i%7 == 3 {
			commands[i] = refused()
		}
	}
	for i, c := range commands {
		l := logOf(t, uint64(i)+1, c)
		a, b := one.Apply(l), two.Apply(l)
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("entry %d: %v and %v", l.Index, a, b)
		}
		if i == 30 {
			two = newMachine()
			if err := two.Restore(io.NopCloser(bytes.NewReader([]byte(persisted(t, one))))); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := persisted(t, one), persisted(t, two); a != b {
			t.Fatalf("entry %d:\n%s\n%s", l.Index, a, b)
		}
	}
}

// A node replays its log, then raft hands it the same entries again, snapshot
// included. The state never goes back, and nothing is applied twice.
func TestMachineKnowsWhatItReplayed(t *testing.T) {
	commands := script(12)
	commands[5] = refused() // entry 6
	m, reference := newMachine(), newMachine()
	var snapshotAt4 string
	for i, c := range commands[:8] {
		m.Apply(logOf(t, uint64(i)+1, c))
		reference.Apply(logOf(t, uint64(i)+1, c))
		if i == 3 {
			snapshotAt4 = persisted(t, m)
		}
	}
	m.replayed()
	before := m.board.latest.Load()
	if err := m.Restore(io.NopCloser(bytes.NewReader([]byte(snapshotAt4)))); err != nil {
		t.Fatal(err)
	}
	for i, c := range commands[4:8] {
		if _, err := m.Snapshot(); err == nil {
			t.Errorf("a snapshot was given while raft is at %d and the state at 8", i+4)
		}
		if got := m.Apply(logOf(t, uint64(i)+5, c)); got != nil {
			t.Errorf("entry %d, repeated: %v", i+5, got)
		}
		if m.board.latest.Load() != before {
			t.Fatalf("entry %d was applied twice", i+5)
		}
	}
	for i, c := range commands[8:] {
		m.Apply(logOf(t, uint64(i)+9, c))
		reference.Apply(logOf(t, uint64(i)+9, c))
	}
	if a, b := persisted(t, m), persisted(t, reference); a != b {
		t.Errorf("got:\n%s\nwant:\n%s", a, b)
	}
}

// A leader's snapshot that is ahead of the replay replaces it.
func TestMachineIsSentANewerSnapshot(t *testing.T) {
	leader, m := newMachine(), newMachine()
	for i, c := range script(9) {
		leader.Apply(logOf(t, uint64(i)+1, c))
		if i < 4 {
			m.Apply(logOf(t, uint64(i)+1, c))
		}
	}
	m.replayed()
	image := persisted(t, leader)
	if err := m.Restore(io.NopCloser(bytes.NewReader([]byte(image)))); err != nil {
		t.Fatal(err)
	}
	if got := persisted(t, m); got != image {
		t.Errorf("got:\n%s\nwant:\n%s", got, image)
	}
}
