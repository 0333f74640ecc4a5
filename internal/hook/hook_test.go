package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlring/sqlring/pkg/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logs is a raft log in memory, of a ring that is open.
type logs struct {
	mu      sync.Mutex
	snap    *topology.Snapshot
	changed chan struct{}
	refuse  error // what Propose returns instead
	asked   []topology.Change
}

func newLogs(t *testing.T) *logs {
	t.Helper()
	l := &logs{snap: topology.NewSnapshot(), changed: make(chan struct{})}
	l.do(t, topology.InitRing{Name: "shop", Members: []topology.NewMember{{ID: "m1", Addr: "a:1"}, {ID: "m2", Addr: "b:1"}}})
	l.do(t, topology.OpenOutbox{})
	return l
}

func (l *logs) Snapshot() *topology.Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.snap
}

func (l *logs) Changed(after uint64) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.snap.Index > after {
		done := make(chan struct{})
		close(done)
		return done
	}
	return l.changed
}

func (l *logs) Propose(_ context.Context, c topology.Command) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, c.Change)
	if l.refuse != nil {
		return l.refuse
	}
	c.Index = l.snap.Index + 1
	next, err := topology.Apply(l.snap, c)
	if err == nil {
		l.snap = next
		close(l.changed)
		l.changed = make(chan struct{})
	}
	return err
}

func (l *logs) do(t *testing.T, change topology.Change) {
	t.Helper()
	if err := l.Propose(t.Context(), topology.Command{At: time.Now(), By: "dba@n1", Why: "test", Change: change}); err != nil {
		t.Fatal(err)
	}
}

// lag has a level entered.
func (l *logs) lag(t *testing.T, from, to string, severity topology.Urgency) {
	t.Helper()
	l.do(t, topology.NoteFindings{Findings: []topology.Finding{{
		Topic: topology.TopicLag, Subject: "m2", Member: "m2", From: from, To: to, Severity: severity, Since: time.Now(),
		What: "the lag level of m2 is " + to, Why: "its lag is <4 s> & grows", Remedy: "sqlring lag", Evidence: []string{"behind m1: 4000 ms"},
	}}})
}

// sends is a hook that does what a test says.
type sends struct {
	mu   sync.Mutex
	got  []Message
	does func(ctx context.Context, m Message) error
}

func (s *sends) Send(ctx context.Context, m Message) error {
	s.mu.Lock()
	s.got = append(s.got, m)
	does := s.does
	s.mu.Unlock()
	if does != nil {
		return does(ctx, m)
	}
	return nil
}

func (s *sends) ids() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.got {
		ids = append(ids, m.ID)
	}
	return ids
}

// dispatch runs a dispatcher with those hooks, by name, until the test ends.
func dispatch(t *testing.T, log Log, hooks map[string]*sends, edit func(*Spec)) *Dispatcher {
	t.Helper()
	var cfg Config
	cfg.Node = "n1"
	for name := range hooks {
		spec := Spec{Type: TypeExec, Command: []string{"/bin/true"}, Route: topology.HookRoute{Hook: name, Least: topology.UrgencyWarning}}
		if edit != nil {
			edit(&spec)
		}
		cfg.Hooks = append(cfg.Hooks, spec)
	}
	d, err := New(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range d.workers {
		w.to = hooks[w.spec.Route.Hook]
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = d.Run(ctx) })
	t.Cleanup(func() { cancel(); run.Wait() })
	return d
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func (l *logs) pending() int { return len(l.Snapshot().Outbox.Pending) }

func TestOnlyALeaderSendsAndOnceEach(t *testing.T) {
	l := newLogs(t)
	l.lag(t, "", "warn", topology.UrgencyWarning)
	good := &sends{}
	d := dispatch(t, l, map[string]*sends{"good": good}, nil)
	time.Sleep(50 * time.Millisecond)
	if n := len(good.ids()); n != 0 {
		t.Fatalf("a node that does not lead has sent %d", n)
	}
	lead, depose := context.WithCancel(t.Context())
	d.Begin(lead)
	eventually(t, "all is told and forgotten", func() bool { return l.pending() == 0 })
	l.lag(t, "warn", "drain", topology.UrgencyCritical)
	l.lag(t, "drain", "fresh", topology.UrgencyInfo)
	eventually(t, "all is told and forgotten", func() bool { return l.pending() == 0 })
	if got := good.ids(); len(got) != 3 {
		t.Errorf("sent %v", got)
	}
	if last := good.got[2]; last.Status != topology.PhaseResolved || last.Severity != topology.UrgencyCritical || last.Key != "shop/lag/m2" {
		t.Errorf("the end is %+v", last)
	}
	depose()
	eventually(t, "it heeds that", func() bool { scope, _ := d.leading(); return scope == nil })
	l.lag(t, "", "warn", topology.UrgencyWarning)
	time.Sleep(50 * time.Millisecond)
	if n := len(good.ids()); n != 3 {
		t.Errorf("a leader that was deposed has sent %d", n)
	}
	again, stop := context.WithCancel(t.Context())
	defer stop()
	d.Begin(again)
	eventually(t, "it is told in the next leadership", func() bool { return len(good.ids()) == 4 })
}

// What was sent and could not be noted is sent again by the next leader, with its id; by
// the same one it is only noted again.
func TestWhatWasNotNotedComesAgainWithItsID(t *testing.T) {
	l := newLogs(t)
	l.refuse = errors.New("no quorum")
	l.snapLag(t)
	first, second := &sends{}, &sends{}
	d := dispatch(t, l, map[string]*sends{"tells": first}, nil)
	lead, depose := context.WithCancel(t.Context())
	d.Begin(lead)
	eventually(t, "it is sent", func() bool { return len(first.ids()) == 1 })
	time.Sleep(700 * time.Millisecond) // longer than the pause after a refusal
	if n := len(first.ids()); n != 1 {
		t.Errorf("the same leader has sent it %d times", n)
	}
	depose()
	l.mu.Lock()
	l.refuse = nil
	l.mu.Unlock()
	other := dispatch(t, l, map[string]*sends{"tells": second}, nil)
	next, stop := context.WithCancel(t.Context())
	defer stop()
	other.Begin(next)
	eventually(t, "the next leader sends it", func() bool { return l.pending() == 0 })
	if a, b := first.ids(), second.ids(); len(b) != 1 || a[0] != b[0] {
		t.Errorf("ids %v, then %v", a, b)
	}
}

// snapLag has a level entered while nothing else is taken down.
func (l *logs) snapLag(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	refuse := l.refuse
	l.refuse = nil
	l.mu.Unlock()
	l.lag(t, "", "warn", topology.UrgencyWarning)
	l.mu.Lock()
	l.refuse = refuse
	l.mu.Unlock()
}

// A hook that hangs holds up itself alone, and the end of a leadership not at all.
func TestAHookThatHangsHoldsUpNobody(t *testing.T) {
	l := newLogs(t)
	good := &sends{}
	release := make(chan struct{})
	hung := &sends{does: func(context.Context, Message) error { <-release; return nil }} // it heeds no deadline
	d := dispatch(t, l, map[string]*sends{"good": good, "hung": hung}, func(s *Spec) { s.Timeout = 10 * time.Millisecond })
	t.Cleanup(func() { close(release) }) // before the dispatcher is waited for
	lead, depose := context.WithCancel(t.Context())
	d.Begin(lead)
	levels := []string{"", "warn", "drain"}
	for i := range 50 {
		to := levels[1+i%2]
		from := levels[2-i%2]
		if i == 0 {
			from = ""
		}
		l.lag(t, from, to, topology.UrgencyWarning)
	}
	eventually(t, "the other hook is told all", func() bool { return d.waiting("good") == 0 && len(good.ids()) > 3 })
	if n := len(hung.ids()); n != 1 {
		t.Errorf("the hook that hangs was called %d times", n)
	}
	began := time.Now()
	depose()
	eventually(t, "the leadership ends", func() bool { scope, _ := d.leading(); return scope == nil })
	if took := time.Since(began); took > time.Second {
		t.Errorf("the end of the leadership took %s", took)
	}
}

func (d *Dispatcher) waiting(name string) int {
	for _, s := range d.Statuses() {
		if s.Name == name {
			return s.Waiting
		}
	}
	return -1
}

// A hook that fails is tried again, then given up; that is told, to others.
func TestAHookThatFailsIsGivenUpAndSaid(t *testing.T) {
	l := newLogs(t)
	bad := &sends{does: func(context.Context, Message) error { return errors.New("no route") }}
	d := dispatch(t, l, map[string]*sends{"bad": bad}, func(s *Spec) { s.GiveUp = 2 * time.Second })
	d.Begin(t.Context())
	l.lag(t, "", "warn", topology.UrgencyWarning)
	eventually(t, "it is given up", func() bool { return l.pending() == 0 })
	s := d.Statuses()[0]
	if n := len(bad.ids()); n < 2 || s.Failed != uint64(n) || s.GivenUp != 1 || !s.Failing || s.LastError != "no route" {
		t.Errorf("%d attempts, status %+v", len(bad.ids()), s)
	}
	found := d.Findings()
	if len(found) != 1 || found[0].Topic != topology.TopicHook || found[0].Subject != "bad" {
		t.Fatalf("found %+v", found)
	}
	l.do(t, topology.NoteFindings{Findings: found})
	before := len(bad.ids())
	eventually(t, "nobody is told of it", func() bool { return l.pending() == 0 })
	if n := len(bad.ids()); n != before {
		t.Error("a hook was told of itself")
	}
	bad.mu.Lock()
	bad.does = nil
	bad.mu.Unlock()
	if err := d.Test(t.Context(), "bad", "dba@n1"); err != nil || len(d.Findings()) != 0 {
		t.Errorf("after a test that worked: %v, found %+v", err, d.Findings())
	}
	if err := d.Test(t.Context(), "other", "dba@n1"); !errors.Is(err, ErrUnknown) {
		t.Errorf("a test of no hook: %v", err)
	}
}

// What is refused is not tried again.
func TestWhatIsRefusedIsGivenUpAtOnce(t *testing.T) {
	l := newLogs(t)
	bad := &sends{does: func(context.Context, Message) error { return fmt.Errorf("%w: 400", errRefused) }}
	d := dispatch(t, l, map[string]*sends{"bad": bad}, nil)
	d.Begin(t.Context())
	l.lag(t, "", "warn", topology.UrgencyWarning)
	eventually(t, "it is given up", func() bool { return l.pending() == 0 })
	if n := len(bad.ids()); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

// That nobody leads is told by every node, which needs no raft for it.
func TestNobodyLeadsIsToldWithoutALeader(t *testing.T) {
	l := newLogs(t)
	good, lagOnly := &sends{}, &sends{}
	d := dispatch(t, l, map[string]*sends{"good": good, "lag-only": lagOnly}, func(s *Spec) {
		if s.Route.Hook == "lag-only" {
			m, err := topology.ParseMatch("lag/*")
			if err != nil {
				t.Fatal(err)
			}
			s.Route.Match = []topology.Match{m}
		}
	})
	since := time.Now()
	d.Nobody(since, false)
	eventually(t, "it is told", func() bool { return len(good.ids()) == 1 })
	d.Nobody(since, true)
	eventually(t, "its end is told", func() bool { return len(good.ids()) == 2 })
	a, b := good.got[0], good.got[1]
	if a.Status != topology.PhaseFiring || a.Severity != topology.UrgencyCritical || b.Status != topology.PhaseResolved || a.Key != b.Key || a.ID == b.ID || len(lagOnly.ids()) != 0 {
		t.Errorf("told %+v, then %+v", a, b)
	}
}

func TestSilenceAndRepeat(t *testing.T) {
	l := newLogs(t)
	good := &sends{}
	d := dispatch(t, l, map[string]*sends{"good": good}, func(s *Spec) { s.Route.Repeat = 300 * time.Millisecond })
	d.Begin(t.Context())
	l.do(t, topology.AddSilence{Match: "lag/m2", For: time.Second})
	l.lag(t, "", "warn", topology.UrgencyWarning)
	eventually(t, "it is passed over", func() bool { return l.pending() == 0 })
	if n := len(good.ids()); n != 0 {
		t.Fatalf("%d were sent in spite of the silence", n)
	}
	eventually(t, "it is told after the silence, and again", func() bool { return len(good.ids()) >= 3 })
	seen := map[string]bool{}
	for _, id := range good.ids() {
		if seen[id] || !strings.Contains(id, "-r") {
			t.Errorf("ids %v", good.ids())
		}
		seen[id] = true
	}
	l.do(t, topology.AckNotice{Seq: 1})
	time.Sleep(50 * time.Millisecond)
	n := len(good.ids())
	time.Sleep(700 * time.Millisecond)
	if now := len(good.ids()); now != n {
		t.Errorf("what was acknowledged was told %d times more", now-n)
	}
}

// Nothing that people see has a secret in it.
func TestSecretsAreNotShown(t *testing.T) {
	l := newLogs(t)
	d, err := New(Config{Node: "n1", Hooks: []Spec{
		{Type: TypeSlack, URL: "http://user:TOPSECRET@127.0.0.1:1/services/TOPSECRET?x=TOPSECRET", Route: topology.HookRoute{Hook: "chat"}},
		{Type: TypePagerDuty, URL: "http://127.0.0.1:1/TOPSECRET", Secret: "TOPSECRET", Route: topology.HookRoute{Hook: "pager"}},
	}}, l)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chat", "pager"} {
		if err := d.Test(t.Context(), name, "dba@n1"); err == nil || strings.Contains(err.Error(), "TOPSECRET") {
			t.Errorf("the error of %s: %v", name, err)
		}
	}
	shown, err := json.Marshal(d.Statuses())
	if err != nil || strings.Contains(string(shown), "TOPSECRET") {
		t.Errorf("%v %s", err, shown)
	}
}
