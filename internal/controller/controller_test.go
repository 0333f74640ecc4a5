package controller

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// world is a scripted ring: a log in memory, members that do at once what they
// are told, and eyes that see them when poked.
type world struct {
	mu      sync.Mutex
	snap    *topology.Snapshot
	obs     topology.Observations
	now     time.Time
	did     []string
	fail    error // of the next Execute
	refuse  error // of the next Propose
	changed chan struct{}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{snap: topology.NewSnapshot(), now: time.Unix(5000, 0), changed: make(chan struct{})}
	w.obs.Nodes = []topology.NodeID{"n1"}
	for _, id := range []topology.MemberID{"m1", "m2"} {
		w.obs = w.obs.With(topology.Observation{
			Member: id, Asked: w.now, At: w.now, Reach: topology.ReachAnswers, ReadOnly: true,
			Version: topology.ServerVersion{Flavour: topology.FlavourMariaDB, Major: 10, Minor: 11}, Layout: autoinc.Layout{Offset: 1, Stride: 1},
			Settings: topology.Settings{LogBin: true, LogReplica: true, LogReplicaInFile: true, RowFormat: true, ReadOnlyInFile: true},
		})
	}
	return w
}

func (w *world) Snapshot() *topology.Snapshot { return w.snap }

func (w *world) Propose(_ context.Context, c topology.Command) error {
	if err := w.refuse; err != nil {
		w.refuse = nil
		return err
	}
	c.Index = w.snap.Index + 1
	next, err := topology.Apply(w.snap, c)
	if err == nil {
		w.snap = next
	}
	return err
}

func (w *world) Execute(ctx context.Context, m topology.Member, a topology.Action) error {
	if _, ok := ctx.Deadline(); !ok {
		return errors.New("an action without a deadline")
	}
	w.did = append(w.did, string(m.ID)+" "+a.Kind.String())
	if err := w.fail; err != nil {
		w.fail = nil
		return err
	}
	seen, _ := w.obs.Of(m.ID)
	switch a.Kind {
	case topology.ActPrepare:
		seen.ServerID, seen.Domain, seen.Layout, seen.HasRing = a.Identity, a.Identity, a.Layout, true
		v := &seen.Settings
		v.GTIDStrict, v.IgnoreDuplicates, v.StrictDDL, v.EndlessWait, v.AfterSync, v.NetTimeout = true, true, true, true, true, 2
	default:
	}
	w.obs = w.obs.With(seen)
	return nil
}

func (w *world) Observations() topology.Observations {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.obs
}

func (w *world) Changed() <-chan struct{} { return w.changed }
func (w *world) Poke(topology.MemberID)   {}

// look probes every member now.
func (w *world) look() {
	w.now = w.now.Add(time.Millisecond)
	for _, m := range w.obs.Members {
		m.Asked, m.At = w.now, w.now
		w.obs = w.obs.With(m)
	}
	w.now = w.now.Add(time.Millisecond)
}

func (w *world) controller() *Controller {
	c := New(Config{Node: "n1", Clock: func() time.Time { return w.now }}, w, w, w)
	c.Begin(w.now)
	return c
}

// seize looks and ticks until c holds the hands of both members.
func (w *world) seize(t *testing.T, c *Controller) {
	t.Helper()
	for range 2 {
		w.look()
		if d := c.Tick(t.Context(), w.now); d.Step.Action.Kind != topology.ActSeize || d.Error != "" {
			t.Fatalf("got %s %s, want the hands", d.Step, d.Error)
		}
	}
}

func (w *world) initRing(t *testing.T) {
	t.Helper()
	err := w.Propose(t.Context(), topology.Command{Change: topology.InitRing{
		Name: "demo", Members: []topology.NewMember{{ID: "m1", Addr: "127.0.0.1:1"}, {ID: "m2", Addr: "127.0.0.1:2"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsDoneBecauseOfWhatWasSeenBeforeLeading(t *testing.T) {
	w := newWorld(t)
	w.initRing(t)
	c := w.controller()
	if d := c.Tick(t.Context(), w.now); d.Step.Kind != topology.StepWait {
		t.Fatalf("acted on what an earlier leader saw: %s", d.Step)
	}
	w.seize(t, c)
	if d := c.Tick(t.Context(), w.now); d.Step.Kind != topology.StepWait {
		t.Fatalf("acted on what was seen before it held the hands: %s", d.Step)
	}
	w.look()
	if d := c.Tick(t.Context(), w.now); d.Step.Kind != topology.StepCommit {
		t.Fatalf("got %s, want the preflight to end", d.Step)
	}
}

func TestAMemberIsLookedAtAgainBeforeItIsActedOnAgain(t *testing.T) {
	w := newWorld(t)
	w.initRing(t)
	c := w.controller()
	w.seize(t, c)
	w.look()
	c.Tick(t.Context(), w.now) // preflight is over
	w.fail = errors.New("the connection broke, perhaps after the statement")
	if d := c.Tick(t.Context(), w.now); d.Error == "" {
		t.Fatalf("a failed action was taken for done: %+v", d)
	}
	if d := c.Tick(t.Context(), w.now); d.Step.Kind != topology.StepWait {
		t.Fatalf("acted again without looking: %s", d.Step)
	}
	w.look()
	c.Tick(t.Context(), w.now)
	w.look()
	c.Tick(t.Context(), w.now)
	if want := []string{"m1 seize", "m2 seize", "m1 prepare", "m1 prepare", "m2 prepare"}; !slices.Equal(w.did, want) {
		t.Fatalf("did %v, want %v", w.did, want)
	}
}

func TestARefusedCommandIsNotAFact(t *testing.T) {
	w := newWorld(t)
	w.initRing(t)
	c := w.controller()
	w.seize(t, c)
	w.look()
	w.refuse = errors.New("the outcome is unknown")
	if d := c.Tick(t.Context(), w.now); d.Error == "" || w.snap.Operations[0].Cursor != topology.InitPreflight {
		t.Fatalf("decision %+v, cursor %s", d, w.snap.Operations[0].Cursor)
	}
	if d := c.Tick(t.Context(), w.now); d.Error != "" || w.snap.Operations[0].Cursor != topology.InitPrepare {
		t.Fatalf("decision %+v, cursor %s", d, w.snap.Operations[0].Cursor)
	}
}

func TestRunEndsWithItsLeadershipAndForgets(t *testing.T) {
	w := newWorld(t)
	w.initRing(t)
	c := New(Config{Node: "n1", Idle: time.Millisecond}, w, w, w)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	deadline := time.Now().Add(5 * time.Second)
	for c.Last().Step.Why == "" && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if c.Last().Step.Kind != topology.StepWait {
		t.Fatalf("last decision: %s", c.Last().Step)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if d := c.Last(); d.Step.Why != "" {
		t.Fatalf("a node that does not lead shows a decision: %s", d.Step)
	}
}

// What the controller has raft take down says what it has seen, once the law has it.
func TestACommandSaysWhatWasSeen(t *testing.T) {
	w := newWorld(t)
	w.initRing(t)
	if err := w.Propose(t.Context(), topology.Command{Change: topology.OpenOutbox{}}); err != nil {
		t.Fatal(err)
	}
	c := w.controller()
	w.seize(t, c)
	w.look()
	if d := c.Tick(t.Context(), w.now); d.Step.Kind != topology.StepCommit {
		t.Fatalf("got %s", d.Step)
	}
	e := w.snap.Events[len(w.snap.Events)-1]
	if e.Kind != "step" || e.By != "controller@n1" || e.Why == "" || len(e.Evidence) != 2 || e.Evidence[0] != "m1 answers (boot token 0), read-only, has nothing" {
		t.Errorf("the audit says %+v", e)
	}
}
