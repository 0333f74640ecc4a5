package herald

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// world is a log in memory and eyes that see what a test says.
type world struct {
	mu      sync.Mutex
	snap    *topology.Snapshot
	leader  topology.NodeID
	others  []Other
	found   []topology.Finding
	step    topology.Step
	refuse  error
	changes []topology.Change
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{snap: topology.NewSnapshot(), leader: "n1", others: []Other{{Node: "n2", Voter: true, Law: topology.Law}, {Node: "n3", Voter: true, Law: topology.Law}}}
	w.do(t, topology.InitRing{Name: "shop", Members: []topology.NewMember{{ID: "m1", Addr: "a:1"}, {ID: "m2", Addr: "b:1"}}})
	return w
}

func (w *world) do(t *testing.T, change topology.Change) {
	t.Helper()
	if err := w.Propose(t.Context(), topology.Command{At: time.Now(), By: "dba@n1", Change: change}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) Snapshot() *topology.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snap
}

func (w *world) Propose(_ context.Context, c topology.Command) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	c.Index = w.snap.Index + 1
	next, err := topology.Apply(w.snap, c)
	if err == nil {
		w.snap, w.changes = next, append(w.changes, c.Change)
	}
	return err
}

func (w *world) Leader() (topology.NodeID, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leader, ""
}

func (w *world) Observations() topology.Observations { return topology.Observations{} }

func (w *world) Step() (topology.Step, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.step, w.step.Why != ""
}

func (w *world) Others() []Other {
	w.mu.Lock()
	defer w.mu.Unlock()
	others := slices.Clone(w.others)
	for i := range others {
		if others[i].Heard.IsZero() && others[i].Law > 0 {
			others[i].Heard = time.Now()
		}
	}
	return others
}

func (w *world) Findings() ([]topology.Finding, []topology.Topic) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.found), []topology.Topic{topology.TopicLag, topology.TopicHook}
}

func (w *world) edit(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// told lists what was taken down of those topics, as "lag/m2 ->warn".
func (w *world) told(topics ...topology.Topic) (lines []string) {
	if o := w.Snapshot().Outbox; o != nil {
		for _, n := range o.History {
			if slices.Contains(topics, n.Topic) {
				lines = append(lines, n.Key()+" "+n.From+"->"+n.To)
			}
		}
	}
	return lines
}

// run runs a herald in a bubble of time until the test is over.
func run(t *testing.T, w *world, cfg Config, test func(h *Herald)) {
	t.Helper()
	h := New(cfg, w, w)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { _ = h.Run(ctx) })
	test(h)
	cancel()
	wait.Wait()
}

func warn() topology.Finding {
	return topology.Finding{Topic: topology.TopicLag, Subject: "m2", Member: "m2", To: "warn", Severity: topology.UrgencyWarning, What: "m2 lags"}
}

func TestTheOutboxIsOpenedOnceEveryNodeKnowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.others[1].Law = 0 // of the release before
		run(t, w, Config{Node: "n1"}, func(h *Herald) {
			h.Begin(t.Context(), 3)
			time.Sleep(10 * time.Second)
			if w.Snapshot().Outbox != nil {
				t.Fatal("it was opened though a node would not know it")
			}
			w.edit(func() { w.others[1].Law = topology.Law })
			time.Sleep(time.Second)
			if got := w.told(topology.TopicRaft); len(got) != 1 || got[0] != "raft/leader ->n1" {
				t.Errorf("told %v", got)
			}
		})
	})
}

// A topic that a node does not know yet is held back until it does, all others are told.
func TestATopicIsToldOnceEveryNodeKnowsItsLaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.others[1].Law = topology.LawOfOutbox
		w.found = []topology.Finding{warn(), topology.GateFinding("n2", topology.GateWord{Member: "m1", Saturated: true}, time.Now())}
		run(t, w, Config{Node: "n1"}, func(h *Herald) {
			h.Begin(t.Context(), 3)
			time.Sleep(10 * time.Second)
			if got := w.told(topology.TopicLag, topology.TopicGate); !slices.Equal(got, []string{"lag/m2 ->warn"}) {
				t.Errorf("told %v", got)
			}
			w.edit(func() { w.others[1].Law = topology.Law })
			time.Sleep(time.Second)
			w.edit(func() { w.others[1].Law = 0 }) // it is lost: what was known once is known
			w.edit(func() {
				w.found[1] = topology.GateFinding("n2", topology.GateWord{Member: "m1", Saturated: true, Shed: map[string]uint64{"deadline": 1}}, time.Now())
			})
			time.Sleep(time.Second)
			if got := w.told(topology.TopicGate); !slices.Equal(got, []string{"gate/m1@n2 ->saturated", "gate/m1@n2 saturated->shedding"}) {
				t.Errorf("told %v", got)
			}
		})
	})
}

func TestNewsAreTakenDownOnceByTheLeaderAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.do(t, topology.OpenOutbox{})
		run(t, w, Config{Node: "n1"}, func(h *Herald) {
			w.edit(func() { w.found = []topology.Finding{warn()} })
			time.Sleep(5 * time.Second)
			if got := w.told(topology.TopicLag); len(got) != 0 {
				t.Fatalf("a node that does not lead told %v", got)
			}
			scope, depose := context.WithCancel(t.Context())
			h.Begin(scope, 3)
			time.Sleep(5 * time.Second)
			depose()
			other := New(Config{Node: "n2"}, w, w)
			other.tell(t.Context(), &reign{scope: t.Context(), term: 4, began: time.Now()}, time.Now())
			other.tell(t.Context(), &reign{scope: t.Context(), term: 4, began: time.Now()}, time.Now())
			w.edit(func() { w.found = nil })
			time.Sleep(5 * time.Second)
			if got := w.told(topology.TopicLag); !slices.Equal(got, []string{"lag/m2 ->warn"}) {
				t.Errorf("told %v", got)
			}
			if got := w.told(topology.TopicRaft); !slices.Equal(got, []string{"raft/leader ->n1", "raft/leader n1->n2"}) {
				t.Errorf("told %v", got)
			}
			h.Begin(t.Context(), 5)
			time.Sleep(5 * time.Second)
			if got := w.told(topology.TopicLag); !slices.Equal(got, []string{"lag/m2 ->warn", "lag/m2 warn->over"}) {
				t.Errorf("told %v", got)
			}
		})
	})
}

// What can not be taken down now is taken down later.
func TestWhatIsRefusedIsProposedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.do(t, topology.OpenOutbox{})
		w.edit(func() { w.found, w.refuse = []topology.Finding{warn()}, errors.New("busy") })
		run(t, w, Config{Node: "n1"}, func(h *Herald) {
			h.Begin(t.Context(), 3)
			time.Sleep(2 * time.Second)
			w.edit(func() { w.refuse = nil })
			time.Sleep(time.Second)
			if got := w.told(topology.TopicLag, topology.TopicRaft); len(got) != 2 {
				t.Errorf("told %v", got)
			}
		})
	})
}

func TestANodeThatIsNotHeardOfIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.do(t, topology.OpenOutbox{})
		run(t, w, Config{Node: "n1"}, func(h *Herald) {
			h.Begin(t.Context(), 3)
			time.Sleep(5 * time.Second)
			if got := w.told(topology.TopicNode); len(got) != 0 {
				t.Fatalf("told %v", got)
			}
			w.edit(func() { w.others[1].Heard = time.Now() }) // never again
			time.Sleep(10 * time.Second)
			w.edit(func() { w.others[1].Heard = time.Time{} })
			time.Sleep(5 * time.Second)
			if got := w.told(topology.TopicNode); !slices.Equal(got, []string{"node/n3 ->lost", "node/n3 lost->over"}) {
				t.Errorf("told %v", got)
			}
		})
	})
}

func TestAControllerThatIsStuckIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.do(t, topology.OpenOutbox{})
		w.edit(func() { w.step = topology.Step{Kind: topology.StepStuck, Why: "m1 is missing"} })
		run(t, w, Config{Node: "n1"}, func(h *Herald) {
			h.Begin(t.Context(), 3)
			time.Sleep(6 * time.Second)
			w.edit(func() { w.step = topology.Step{Kind: topology.StepIdle, Why: "well"} })
			time.Sleep(6 * time.Second)
			if got := w.told(topology.TopicOperation); !slices.Equal(got, []string{"operation/op1 ->stuck", "operation/op1 stuck->over"}) {
				t.Errorf("told %v", got)
			}
		})
	})
}

// That nobody leads can not be taken down by raft: each node says it by itself.
func TestNobodyLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.do(t, topology.OpenOutbox{})
		var said []Alarm
		alarm := func(a Alarm) { w.edit(func() { said = append(said, a) }) }
		sofar := func() (list []Alarm) {
			w.edit(func() { list = slices.Clone(said) })
			return list
		}
		run(t, w, Config{Node: "n1", Alarm: alarm}, func(h *Herald) {
			time.Sleep(time.Second)
			w.edit(func() { w.leader = "" })
			time.Sleep(4 * time.Second)
			if said := sofar(); len(said) != 0 {
				t.Errorf("an election was said: %+v", said)
			}
			time.Sleep(10 * time.Second)
			w.edit(func() { w.leader = "n1" })
			h.Begin(t.Context(), 3)
			time.Sleep(5 * time.Second)
			if said := sofar(); len(said) != 2 || said[0].Over || !said[1].Over {
				t.Fatalf("said %+v", said)
			}
			n := w.Snapshot().Outbox.History
			if i := slices.IndexFunc(n, func(n topology.Notice) bool { return n.Topic == topology.TopicRaft }); i < 0 || !strings.Contains(strings.Join(n[i].Evidence, " "), "knew of no leader for 14") {
				t.Errorf("the new leader tells %+v", n)
			}
		})
	})
}
