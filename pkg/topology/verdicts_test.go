package topology

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// ringOfThree returns an open ring of m1 (owner), m2 and m3, each with the
// process that was admitted, and a look at it in which all is well.
func ringOfThree(t *testing.T, now time.Time) (*Snapshot, Observations) {
	t.Helper()
	s := NewSnapshot()
	apply := func(change Change) {
		next, err := Apply(s, Command{Index: s.Index + 1, At: now, By: "test", Change: change})
		if err != nil {
			t.Fatal(err)
		}
		s = next
	}
	apply(InitRing{Name: "demo", Members: []NewMember{{ID: "m1", Addr: "a:1"}, {ID: "m2", Addr: "a:2"}, {ID: "m3", Addr: "a:3"}}})
	steps := initCursors()
	for i := 1; i < len(steps); i++ {
		apply(AdvanceOperation{Operation: "op1", From: steps[i-1], To: steps[i]})
	}
	apply(OpenRing{Operation: "op1", SemiSync: SemiSyncArmed})
	var o Observations
	for _, m := range s.Members {
		up, _ := s.Upstream(m.ID)
		o = o.With(Observation{
			Member: m.ID, Asked: now, At: now, Since: now.Add(-time.Minute), Reach: ReachAnswers, Boot: m.Boot,
			Link: Link{Upstream: up.Addr, Receiver: ThreadRunning, Applier: ThreadRunning},
		})
	}
	return s, o
}

// change returns o with the observation of one member edited.
func change(o Observations, id MemberID, edit func(seen *Observation)) Observations {
	seen, _ := o.Of(id)
	edit(&seen)
	return o.With(seen)
}

func refused(now time.Time) func(seen *Observation) {
	return func(seen *Observation) {
		*seen = Observation{Member: seen.Member, At: now, Since: now.Add(-time.Second), Reach: ReachRefused, Error: "connection refused"}
	}
}

func broken(seen *Observation) { seen.Link.Receiver, seen.Link.Lost = ThreadConnecting, true }

func TestVerdicts(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, well := ringOfThree(t, now)
	gone := change(change(well, "m1", refused(now)), "m2", broken)
	restarted := change(well, "m1", func(seen *Observation) { seen.Boot = 0 })
	out, err := Apply(s, Command{Index: s.Index + 1, At: now, Change: BeginHeal{Member: "m1"}})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Apply(s, Command{Index: s.Index + 1, At: now, Change: BeginRestart{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		s        *Snapshot
		o        Observations
		lost     bool // of m1
		why      string
		evidence string
	}{
		{"well", s, well, false, "member m1 answers", "m2, which pulls from it: receiver running"},
		{"lost", s, gone, true, "member m1 refuses connections", "m2, which pulls from it, has lost it"},
		{"neighbour still receives", s, change(well, "m1", refused(now)), false, "but m2 still receives from it", "refused (connection refused)"},
		{"another process", s, restarted, true, "member m1 was restarted", "boot token 0"},
		{"out already", out, gone, false, "member m1 is down", "refused (connection refused)"},
		{"all restarted", again, well, false, "op2 brings it up again", "m1 answers (boot token 1)"},
		{"nothing known", s, Observations{}, false, "member m1 does not answer: not probed yet", "not probed yet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Verdicts(tt.s, tt.o, now)
			if len(got) != 3 || got[0].Member != "m1" {
				t.Fatalf("verdicts %+v, want one for each of three members", got)
			}
			m1 := got[0]
			if m1.Lost != tt.lost || !strings.Contains(m1.Why, tt.why) || !strings.Contains(strings.Join(m1.Evidence, "\n"), tt.evidence) {
				t.Errorf("%+v, want lost %t, %q, %q", m1, tt.lost, tt.why, tt.evidence)
			}
			if tt.s == s { // the same judgement as the one that acts
				_, heals := Next(tt.s, tt.o, now).Change.(BeginHeal)
				if heals != tt.lost {
					t.Errorf("Next heals: %t, the verdict is lost: %t", heals, tt.lost)
				}
			}
		})
	}
}

// Who inherits, what it lacks, and what the DBA's word would give up: as the plan
// itself counts.
func TestSurvivors(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, o := ringOfThree(t, now)
	s, err := Apply(s, Command{Index: s.Index + 1, At: now, Change: BeginHeal{Member: "m1"}})
	if err != nil {
		t.Fatal(err)
	}
	has := func(seq uint64) func(seen *Observation) {
		return func(seen *Observation) { seen.Applied = Position{{Domain: 101, Server: 101, Seq: seq}} }
	}
	o = change(change(change(o, "m1", refused(now)), "m2", has(98)), "m3", has(100))
	op, _ := s.Running()
	op.Mark = Position{{Domain: 101, Server: 101, Seq: 103}}

	got := Survivors(s, op, o, now)
	if len(got) != 2 || got[0].Member != "m2" || got[1].Member != "m3" {
		t.Fatalf("survivors %+v, want m2 and m3", got)
	}
	if got[0].Heir || !got[1].Heir || got[1].Lacks != 3 || got[1].Missing.String() != "101-101-103" || got[0].Lacks != 5 {
		t.Errorf("survivors %+v: m3 has most, and lacks 3", got)
	}

	o = change(o, "m3", func(seen *Observation) { seen.Boot = 0 }) // restarted
	if got := Survivors(s, op, o, now); len(got) != 1 || got[0].Member != "m2" || !got[0].Heir {
		t.Errorf("survivors %+v, want m2 alone: m3 is another process", got)
	}
	op.AcceptLoss = true
	if got := Survivors(s, op, o, now); len(got) != 2 || !got[1].Heir {
		t.Errorf("survivors %+v: with the word m3 counts again, and has most", got)
	}
	op.Heir = "m2"
	if got := Survivors(s, op, o, now); !got[0].Heir || got[1].Heir {
		t.Errorf("survivors %+v: who was chosen stays the heir", got)
	}
	if got := Survivors(s, op, Observations{}, now); len(got) != 0 {
		t.Errorf("survivors %+v of nothing known", got)
	}
	if got := Survivors(s, Operation{Kind: OperationRejoin, Member: "m1"}, o, now); got != nil {
		t.Errorf("survivors %+v of a rejoin", got)
	}
}

// unlinked is a member that nobody receives from or that receives from nobody.
func unlinked(seen *Observation) { seen.Link = Link{} }

// TestUrgent: what an action is given up for.
func TestUrgent(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, o := ringOfThree(t, now)
	for _, tt := range []struct {
		name   string
		silent MemberID // refuses connections
		acting MemberID
		kind   ActionKind
		op     Change // that is under way
		want   bool
	}{
		{name: "nobody is lost", acting: "m1"},
		{name: "the one that is acted on", acting: "m2", silent: "m2", want: true},
		{name: "another one", acting: "m2", silent: "m1", want: true},
		{name: "another one, while the hands that its heal needs are taken", acting: "m2", kind: ActSeize, silent: "m1"},
		{name: "the one whose hands are taken", acting: "m2", kind: ActSeize, silent: "m2", want: true},
		{name: "another one in a rejoin", acting: "m3", silent: "m1", op: BeginRejoin{Member: "m3"}, want: true},
		{name: "another one in a heal, which counts for itself", acting: "m2", silent: "m1", op: BeginHeal{Member: "m3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, o := s, o
			if _, rejoins := tt.op.(BeginRejoin); rejoins {
				c := *s
				c.Members = slices.Clone(s.Members)
				c.Members[2].State = MemberDown
				s = &c
			}
			if tt.op != nil {
				next, err := Apply(s, Command{Index: s.Index + 1, At: now, Change: tt.op})
				if err != nil {
					t.Fatal(err)
				}
				s = next
			}
			if tt.silent != "" {
				o = change(o, tt.silent, refused(now))
				o = change(change(o, "m1", unlinked), "m2", unlinked)
			}
			if why, got := Urgent(s, tt.acting, tt.kind, o, now); got != tt.want || got != (why != "") {
				t.Errorf("got %v %q", got, why)
			}
		})
	}
}

// TestARejoinJudgesWhatWasSeenSinceItBegan: a member that was written to, or copied anew,
// in the moment before its rejoin began is not judged by what it had before that.
func TestARejoinJudgesWhatWasSeenSinceItBegan(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, o := ringOfThree(t, now)
	c := *s
	c.Members = slices.Clone(s.Members)
	c.Members[2].State = MemberDown
	began := now.Add(time.Second)
	s, err := Apply(&c, Command{Index: s.Index + 1, At: began, Change: BeginRejoin{Member: "m3"}})
	if err != nil {
		t.Fatal(err)
	}
	op, _ := s.Running()
	m, _ := s.Member("m3")
	o = change(o, "m1", unlinked) // nobody follows m3
	for _, tt := range []struct {
		name       string
		asked, now time.Time
		waits      bool
	}{
		{"asked before", began.Add(-time.Millisecond), began.Add(time.Millisecond), true},
		{"asked since", began, began.Add(time.Millisecond), false},
		{"by a clock that is behind", began.Add(-time.Minute), began.Add(-59 * time.Second), false},
	} {
		seen := change(o, "m3", func(x *Observation) { x.Asked, x.At = tt.asked, tt.now })
		saw, _ := seen.Of("m3")
		step := rejoinJudge(s, op, m, saw, s.Members[:2], seen, tt.now)
		if got := step.Kind == StepWait && slices.Contains(step.Probe, "m3") && strings.Contains(step.Why, "before this began"); got != tt.waits {
			t.Errorf("%s: %s", tt.name, step)
		}
	}
}

// TestARejoinJudgesWhoseApplierBroke: what was written on a member that is out may stop its
// applier. It is judged nevertheless, once the ring has what it received; not before.
func TestARejoinJudgesWhoseApplierBroke(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, o := ringOfThree(t, now)
	c := *s
	c.Members = slices.Clone(s.Members)
	c.Members[2].State = MemberDown
	s, err := Apply(&c, Command{Index: s.Index + 1, At: now.Add(-time.Second), Change: BeginRejoin{Member: "m3"}})
	if err != nil {
		t.Fatal(err)
	}
	op, _ := s.Running()
	m, _ := s.Member("m3")
	m1, _ := s.Member("m1")
	theirs := func(seq uint64) Position {
		return Position{}.With(GTID{Domain: m1.Domain(), Server: m1.Identity, Seq: seq})
	}
	o = change(change(o, "m1", unlinked), "m1", func(x *Observation) { x.Binlog = theirs(5) })
	received := func(seq, own uint64) Observations {
		return change(o, "m3", func(x *Observation) {
			x.ReadOnly = true
			x.Link = Link{Upstream: "b:2", Receiver: ThreadRunning, Applier: ThreadStopped, ApplierErrno: 1062, Received: theirs(seq)}
			if own > 0 {
				x.Binlog = x.Binlog.With(GTID{Domain: m.Domain(), Server: m.Identity, Seq: own})
			}
		})
	}
	for _, tt := range []struct {
		name string
		seen Observations
		want string
	}{
		{"the ring has what it received", received(5, 9), "do stop receiver on m3: its applier stopped at what only it holds"},
		{"the ring lacks some", received(6, 9), "stuck: member m3: its applier stopped with error 1062"},
		{"it holds nothing of its own", received(5, 0), "stuck: member m3: its applier stopped with error 1062"},
	} {
		saw, _ := tt.seen.Of("m3")
		step := rejoinJudge(s, op, m, saw, s.Members[:2], tt.seen, now)
		if !strings.HasPrefix(step.String(), tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, step, tt.want)
		}
	}
}
