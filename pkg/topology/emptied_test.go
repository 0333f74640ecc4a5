package topology

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestABinlogNeverHasLessThanItHad(t *testing.T) {
	at := time.Unix(100, 0)
	answer := func(boot uint64, binlog string) Observation {
		at = at.Add(250 * time.Millisecond)
		return Observation{Member: "m3", Reach: ReachAnswers, At: at, Boot: boot, ServerID: 103, Domain: 103, Binlog: position(t, binlog)}
	}
	for _, tt := range []struct {
		name   string
		probes []Observation
		want   bool
	}{
		{"it grows", []Observation{answer(3, "101-101-9,103-103-2"), answer(3, "101-101-9,103-103-3"), answer(3, "101-101-10,102-102-1,103-103-3")}, false},
		{"fewer of its own", []Observation{answer(3, "101-101-9,103-103-2"), answer(3, "101-101-10,103-103-1")}, true},
		{"as many of its own again, but nothing of another source", []Observation{answer(3, "101-101-9,102-102-4,103-103-2"), answer(3, "101-101-10,103-103-3")}, true},
		{"and all of it again in the next probe", []Observation{answer(3, "101-101-9,102-102-4,103-103-2"), answer(3, "101-101-10,103-103-3"), answer(3, "101-101-12,102-102-5,103-103-4")}, true},
		{"silent meanwhile", []Observation{answer(3, "101-101-9,103-103-2"), {Member: "m3", Reach: ReachSilent}, answer(3, "103-103-3")}, true},
		{"fewer of another source: it has been passed over by hand", []Observation{answer(3, "101-101-9,103-103-2"), answer(3, "101-101-8,103-103-2")}, false},
		{"another process", []Observation{answer(3, "101-101-9,103-103-2"), answer(4, "101-101-9,103-103-1")}, false},
		{"nobody's process", []Observation{answer(0, "101-101-9,103-103-2"), answer(0, "")}, false},
	} {
		var seen Observation
		for _, o := range tt.probes {
			seen = o.After(seen)
		}
		if got := !seen.Past.Emptied.IsZero(); got != tt.want {
			t.Errorf("%s: emptied %t, want %t", tt.name, got, tt.want)
		}
	}
	const uuidC = "cccccccc-0000-0000-0000-00000000000c"
	mysql := Observation{Member: "m3", Reach: ReachAnswers, At: at, Boot: 3, ServerID: 103, Domain: SourceDomain(uuidB), Binlog: position(t, uuidA+":1-9,"+uuidB+":1-2")}
	for gap, want := range map[string]bool{uuidA + ":1-9": true, uuidA + ":6-7": false, uuidC + ":1-2": false, "": false} {
		lacks := Observation{Member: "m3", Reach: ReachUnknown, At: at.Add(time.Second), Boot: 3, ServerID: 103, Domain: mysql.Domain, Gap: gap}
		seen := lacks.After(mysql.After(Observation{}))
		if got := !seen.Past.Emptied.IsZero(); got != want {
			t.Errorf("a MySQL that lacks %q: emptied %t, want %t", gap, got, want)
		}
		s := &Snapshot{Members: []Member{{ID: "m1", State: MemberActive, Identity: 101, Boot: 1, Source: uuidA}, {ID: "m3", State: MemberActive, Identity: 103, Boot: 3, Source: uuidB}}}
		o := Observations{}.With(seen).With(Observation{Member: "m1", Reach: ReachAnswers, Asked: at, At: at, Boot: 1, Past: Past{Boot: 1}})
		if got := judge(s, s.Members[1], o, lacks.At); got.lost != want {
			t.Errorf("a MySQL that lacks %q: %+v", gap, got)
		}
	}
	var twice Observation // a domain of nobody is deleted first
	for _, binlog := range []string{"99-99-5,101-101-9,103-103-2", "101-101-9,103-103-2", "101-101-11,103-103-3", "103-103-4"} {
		twice = answer(3, binlog).After(twice)
	}
	if got := twice.Past; len(got.Gone) != 2 || got.Gone[0] != 99 || got.Gone[1] != 101 || !got.Emptied.Equal(twice.At) {
		t.Errorf("emptied after a domain was deleted: %+v", got)
	}
	renewed := answer(3, "101-101-9,103-103-2")
	next := answer(3, "101-101-9")
	next.ServerID, next.Domain = 104, 104
	if o := next.After(renewed.After(Observation{})); !o.Past.Emptied.IsZero() || o.Past.ServerID != 104 {
		t.Errorf("under another identity its past is %+v", o.Past)
	}
}

// TestABinlogThatWasEmptiedIsALoss: whoever has given out its own numbers again before a
// probe came is lost by what it had itself. What a MySQL's acker has, and it does not count
// yet, is no proof.
func TestABinlogThatWasEmptiedIsALoss(t *testing.T) {
	now := time.Unix(100, 0)
	maria := []Member{{ID: "m1", State: MemberActive, Identity: 101, Boot: 1}, {ID: "m3", State: MemberActive, Identity: 103, Boot: 3}}
	mysql := []Member{{ID: "m1", State: MemberActive, Identity: 101, Boot: 1, Source: uuidA}, {ID: "m3", State: MemberActive, Identity: 103, Boot: 3, Source: uuidB}}
	emptied := func(since, when time.Duration) (p, other Past) {
		return Past{Boot: 3, ServerID: 103, Since: now.Add(-time.Hour), Binlog: position(t, "101-101-9,103-103-2"), Emptied: now.Add(-when), Gone: []uint32{103}}, Past{Boot: 1, ServerID: 101, Since: now.Add(-since)}
	}
	for _, tt := range []struct {
		name         string
		members      []Member
		own, theirs  string
		past, others Past
		want         string // in the evidence; "": it is not lost
	}{
		{name: "all is there", members: maria, own: "103-103-7", theirs: "103-103-7"},
		{name: "the other one has more of it", members: maria, own: "103-103-1", theirs: "103-103-7", want: "m1 had them up to 7 before"},
		{name: "the acker of a MySQL has what that still commits", members: mysql, own: uuidB + ":1-6", theirs: uuidB + ":1-7"},
		{name: "a MySQL had more itself", members: mysql, own: uuidB + ":1-9", theirs: uuidB + ":1-7", want: "and less at"},
		{name: "it has as much again", members: maria, own: "103-103-9", theirs: "103-103-7", want: "m3 had 101-101-9,103-103-2 in its binlog, and less at"},
		{name: "the other one was added after that", members: maria, own: "103-103-9", theirs: "103-103-7"},
		{name: "a domain of nobody was deleted", members: maria, own: "103-103-9", theirs: "103-103-7"},
		{name: "what was seen is of an earlier process", members: maria, own: "103-103-9", theirs: "103-103-7"},
	} {
		switch {
		case strings.Contains(tt.want, "and less at"):
			tt.past, tt.others = emptied(time.Minute, time.Second)
			if tt.members[1].Source != "" {
				tt.past.Gone, tt.past.Binlog = []uint32{SourceDomain(uuidB)}, position(t, uuidB+":1-12")
			}
		case strings.Contains(tt.name, "added after"):
			tt.past, tt.others = emptied(time.Second, time.Minute)
		case strings.Contains(tt.name, "domain of nobody"):
			tt.past, tt.others = emptied(time.Minute, time.Second)
			tt.past.Gone, tt.past.Binlog = []uint32{99}, position(t, "99-99-5,101-101-9,103-103-2")
		case strings.Contains(tt.name, "earlier process"):
			tt.past, tt.others = emptied(time.Minute, time.Second)
			tt.past.Boot = 2
		}
		s := &Snapshot{Members: tt.members}
		m := tt.members[1]
		seen := Observation{Member: "m3", Reach: ReachAnswers, Asked: now, At: now, Boot: 3, ServerID: 103, Domain: m.Domain(), Binlog: position(t, tt.own), Past: tt.past}
		o := Observations{}.With(seen).With(Observation{Member: "m1", Reach: ReachAnswers, Asked: now.Add(-2 * time.Millisecond), At: now.Add(-time.Millisecond), Boot: 1, Applied: position(t, tt.theirs), Past: tt.others})
		got := judge(s, m, o, now)
		if got.lost != (tt.want != "") || !strings.Contains(strings.Join(got.evidence, "; "), tt.want) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// TestNobodyReadsFromAnEmptiedBinlog: a lost member that answers is read from, unless its
// binlog was emptied.
func TestNobodyReadsFromAnEmptiedBinlog(t *testing.T) {
	now := time.Unix(100, 0)
	lost, heir := Member{ID: "m2", Addr: "m2:3306", State: MemberDown, Identity: 102, Boot: 2}, Member{ID: "m1", Addr: "m1:3306", State: MemberActive, Identity: 101, Boot: 1}
	for _, emptied := range []bool{false, true} {
		back := Observation{Member: "m2", Reach: ReachAnswers, Asked: now, At: now, Boot: 2, ServerID: 102, Domain: 102, Binlog: position(t, "102-102-9")}
		if emptied {
			back.Past = Past{Boot: 2, ServerID: 102, Binlog: position(t, "102-102-8"), Emptied: now, Gone: []uint32{102}}
		}
		o := Observations{}.With(back).With(Observation{Member: "m1", Reach: ReachAnswers, Asked: now, At: now, Boot: 1, Applied: position(t, "102-102-8"), Past: Past{Boot: 1}})
		h := heal{s: &Snapshot{Ring: &Ring{}, Members: []Member{heir, lost}}, lost: lost, alive: []Member{heir}, o: o, now: now}
		if step, fed := h.feed(); fed != emptied {
			t.Errorf("emptied %t: nothing is left to read %t: %s", emptied, fed, step)
		}
	}
}

// TestWhatWasFoundOfABinlogOutlivesItsLeader: what raft notes is judged by, and by whoever leads;
// what a release before does not know is not noted.
func TestWhatWasFoundOfABinlogOutlivesItsLeader(t *testing.T) {
	s, at := opened(t)
	s.Operations, s.Units = nil, []Unit{{ID: UnitRest, Owner: "m1", Epoch: 1}}
	for i := range s.Members {
		s.Members[i].State = MemberActive
	}
	do := func(change Change) error {
		next, err := Apply(s, Command{Index: s.Index + 1, At: at, By: ByController + "n1", Change: change})
		if err == nil {
			s = next
		}
		return err
	}
	note := func(id MemberID) NoteEmptied {
		m, _ := s.Member(id)
		return NoteEmptied{Member: id, Boot: m.Boot, Found: "it had more"}
	}
	seen := func(past bool) (o Observations) {
		for _, m := range s.Members {
			x := Observation{Member: m.ID, Reach: ReachAnswers, Asked: at, At: at, Boot: m.Boot, ServerID: m.Identity, Domain: m.Identity, ReadOnly: true}
			x.Past = Past{Boot: m.Boot, ServerID: m.Identity, Since: at.Add(-time.Hour)}
			if m.ID == "m2" && past {
				x.Past.Emptied, x.Past.Gone = at.Add(-time.Second), []uint32{m.Identity}
			}
			o = o.With(x)
		}
		return o
	}
	if err := do(note("m2")); !errors.Is(err, ErrLaw) {
		t.Errorf("before every node knows of it: %v", err)
	}
	if step := Next(s, seen(true), at); step.Kind == StepCommit && step.Change.String() == note("m2").String() {
		t.Errorf("before every node knows of it: %s", step)
	}
	for _, law := range []Change{OpenOutbox{}, RaiseLaw{To: Law}} {
		if err := do(law); err != nil {
			t.Fatal(err)
		}
	}
	stale := note("m2")
	stale.Boot++
	if err := do(stale); !errors.Is(err, ErrStale) {
		t.Errorf("of another process: %v", err)
	}
	m2, _ := s.Member("m2")
	if judge(s, m2, seen(false), at).lost {
		t.Error("nobody has seen anything")
	}
	if step := Next(s, seen(true), at); step.Kind != StepCommit || step.Change.String() != note("m2").String() {
		t.Fatalf("it is noted before anything else: %s", step)
	}
	if err := do(note("m2")); err != nil {
		t.Fatal(err)
	}
	if err := do(note("m2")); !errors.Is(err, ErrStale) {
		t.Errorf("twice: %v", err)
	}
	m2, _ = s.Member("m2")
	if got := judge(s, m2, seen(false), at); !got.lost || !strings.Contains(strings.Join(got.evidence, ""), "it had more") {
		t.Errorf("a leader that has seen nothing: %+v", got)
	}
	if alone := (Observations{Members: seen(false).Members[1:2]}); judge(s, m2, alone, at).lost {
		t.Error("nobody else answers")
	}
	if err := do(BeginHeal{Member: "m2", Evidence: []string{"it had more"}}); err != nil {
		t.Fatal(err)
	}
	if m2, _ = s.Member("m2"); m2.Emptied == "" || mayBeEmptied(s, m2) {
		t.Errorf("out: %+v", m2)
	}
	op, _ := s.Running()
	if err := do(CountAgain{Operation: op.ID, Member: "m2"}); !errors.Is(err, ErrLaw) {
		t.Errorf("counted again: %v", err)
	}
}

// TestWhatATailSaysOfAnEmptiedBinlogIsPassedOver: a deposed leader's word that nothing is above
// the cut comes late, and whatever was meant by the person who let the tail flow.
func TestWhatATailSaysOfAnEmptiedBinlogIsPassedOver(t *testing.T) {
	for _, flow := range []bool{false, true} {
		s := &Snapshot{Outbox: &Outbox{Law: Law}, Members: []Member{{ID: "m2", State: MemberReturning, Boot: 2, Identity: 102}}}
		s.Operations = []Operation{{ID: "op1", Kind: OperationRejoin, Member: "m2", Cursor: RejoinJudge, Same: true, LetFlow: flow}}
		if err := (NoteEmptied{Member: "m2", Boot: 2, Found: "it had more"}).apply(s, Command{}); err != nil {
			t.Fatal(err)
		}
		if err := (JudgeTail{Operation: "op1", Tail: Tail{Verdict: TailEmpty}}).apply(s, Command{}); err != nil {
			t.Fatal(err)
		}
		if m := s.Members[0]; m.State != MemberQuarantined || !strings.Contains(m.Why, "sqlring master reclone m2") {
			t.Errorf("let_flow %t: %s: %s", flow, m.State, m.Why)
		}
	}
}

// TestACopyThatIsMadeTwiceIsNoEmptiedBinlog: each attempt of a copy empties the binlog of a process
// that runs on. What was seen of it before it is complete is no proof.
func TestACopyThatIsMadeTwiceIsNoEmptiedBinlog(t *testing.T) {
	at := time.Unix(100, 0)
	copying := &Snapshot{Members: []Member{{ID: "m3", State: MemberCopying, Copy: &Copying{ID: 7}}}}
	complete := &Snapshot{Members: []Member{{ID: "m3", State: MemberCopying, Copy: &Copying{ID: 7, Done: true}}}}
	active := &Snapshot{Members: []Member{{ID: "m3", State: MemberActive}}}
	var seen Observation
	began := at.Add(time.Second)
	for _, probe := range []struct {
		knows  *Snapshot
		binlog string
	}{
		{copying, "101-101-9,103-103-4"}, {copying, ""}, {copying, "101-101-20"}, {complete, "101-101-20"}, {copying, "101-101-22"}, {copying, ""}, {copying, "101-101-30"}, {complete, "101-101-30"}, {active, "101-101-31,103-103-1"},
	} {
		at = at.Add(time.Second)
		o := Observation{Member: "m3", Reach: ReachAnswers, At: at, Boot: 3, ServerID: 103, Domain: 103, Binlog: position(t, probe.binlog)}
		if seen = probe.knows.Filled(o.After(seen)); !seen.Past.Emptied.IsZero() || len(seen.Past.Gone) > 0 {
			t.Fatalf("%q: %+v", probe.binlog, seen.Past)
		}
	}
	if !seen.Past.Since.Equal(began) {
		t.Errorf("its process was seen first at %s: %+v", began, seen.Past)
	}
	o := Observation{Member: "m3", Reach: ReachAnswers, At: at.Add(time.Second), Boot: 3, ServerID: 103, Domain: 103, Binlog: position(t, "103-103-2")}
	if seen = active.Filled(o.After(seen)); seen.Past.Emptied.IsZero() {
		t.Error("what is emptied after that is not seen")
	}
}

// TestANewLeaderSaysWhatIsToBeTypedAtAMySQLWithAGap: it has not seen that the binlog was emptied;
// raft has it so.
func TestANewLeaderSaysWhatIsToBeTypedAtAMySQLWithAGap(t *testing.T) {
	gap := Observation{Member: "m2", Reach: ReachUnknown, Boot: 2, Gap: uuidA + ":1-9"}
	if got := refill(Member{ID: "m2"}, gap); got != "" {
		t.Errorf("nobody knows why: %s", got)
	}
	if got := refill(Member{ID: "m2", Emptied: "it had more"}, gap); !strings.Contains(got, "sqlring master reclone m2") {
		t.Errorf("it is told %q", got)
	}
	now := time.Unix(100, 0)
	gap.At, gap.Asked, gap.ServerID, gap.Domain = now, now, 102, SourceDomain(uuidB)
	s := &Snapshot{Ring: &Ring{}, Outbox: &Outbox{Law: Law}, Members: []Member{{ID: "m1", State: MemberActive, Identity: 101, Boot: 1, Source: uuidA}, {ID: "m2", State: MemberActive, Identity: 102, Boot: 2, Source: uuidB}}}
	gap.Past = Past{Boot: 2, ServerID: 102, Emptied: now.Add(-time.Second), Gone: []uint32{SourceDomain(uuidA)}}
	o := Observations{}.With(gap).With(Observation{Member: "m1", Reach: ReachAnswers, Asked: now, At: now, Boot: 1, Past: Past{Boot: 1}})
	if step, found := noteEmptied(s, o, now); !found || step.Change.(NoteEmptied).Member != "m2" {
		t.Errorf("a gap at the beginning is noted: %s", step)
	}
}

// TestAHealDoesNotWaitForWhatTheLostMemberCanNotSend: its binlog was emptied, which nobody knows,
// and it was restarted: it refuses who asks it for more than others have.
func TestAHealDoesNotWaitForWhatTheLostMemberCanNotSend(t *testing.T) {
	now := time.Unix(100, 0)
	lost, heir := Member{ID: "m2", Addr: "m2:3306", State: MemberDown, Identity: 102, Boot: 2}, Member{ID: "m1", Addr: "m1:3306", State: MemberActive, Identity: 101, Boot: 1}
	for errno, want := range map[int]bool{0: false, 1045: false, 1236: true} {
		back := Observation{Member: "m2", Reach: ReachAnswers, Asked: now, At: now, Boot: 7, ServerID: 1, Binlog: position(t, "102-102-9"), ReadOnly: true}
		reads := Observation{Member: "m1", Reach: ReachAnswers, Asked: now, At: now, Boot: 1, Applied: position(t, "102-102-8")}
		reads.Link = Link{Upstream: "m2:3306", Receiver: ThreadStopped, ReceiverErrno: errno}
		h := heal{s: &Snapshot{Ring: &Ring{}, Members: []Member{heir, lost}}, lost: lost, alive: []Member{heir}, o: Observations{}.With(back).With(reads), now: now}
		if step, fed := h.feed(); fed != want {
			t.Errorf("error %d: nothing is left to read %t: %s", errno, fed, step)
		}
	}
}

// TestThePlaceBeforeACopyIsNoProof: a copy may empty the binlog behind the last probe before it is
// complete, of a process whose commits stood in a later file.
func TestThePlaceBeforeACopyIsNoProof(t *testing.T) {
	at := time.Unix(100, 0)
	copying := &Snapshot{Members: []Member{{ID: "m3", State: MemberCopying, Copy: &Copying{ID: 7}}}}
	complete := &Snapshot{Members: []Member{{ID: "m3", State: MemberCopying, Copy: &Copying{ID: 7, Done: true}}}}
	active := &Snapshot{Members: []Member{{ID: "m3", State: MemberActive}}}
	var seen Observation
	probe := func(knows *Snapshot, binlog string, place BinlogPlace) Past {
		at = at.Add(time.Second)
		o := Observation{Member: "m3", Reach: ReachAnswers, At: at, Boot: 3, ServerID: 103, Domain: 103, Binlog: position(t, binlog), BinlogAt: place}
		seen = knows.Filled(o.After(seen))
		return seen.Past
	}
	probe(copying, "101-101-9", BinlogPlace{2, 342})
	probe(complete, "101-101-20", BinlogPlace{1, 355})
	if past := probe(active, "101-101-22", BinlogPlace{1, 900}); !past.Emptied.IsZero() || past.At != (BinlogPlace{1, 900}) {
		t.Errorf("a copy was no hand's work: %+v", past)
	}
	if past := probe(active, "101-101-23", BinlogPlace{1, 355}); past.Emptied.IsZero() {
		t.Error("what is emptied after that is not seen")
	}
}

// By the next probe all sources may have written on: the place in the binlog tells.
func TestABinlogThatBeginsAnew(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	seen := func(seq uint64, file uint32, offset uint64) Observation {
		return Observation{Reach: ReachAnswers, At: at.Add(time.Duration(seq) * time.Second), Boot: 3, ServerID: 101, Domain: 101, Binlog: Position{{Domain: 101, Server: 101, Seq: seq}}, BinlogAt: BinlogPlace{file, offset}}
	}
	var p Past
	for _, o := range []Observation{seen(1, 7, 900), seen(2, 7, 900), seen(3, 8, 400), seen(4, 0, 0), seen(5, 8, 500)} {
		if p = p.with(o); !p.Emptied.IsZero() {
			t.Fatalf("%+v after %+v", p, o)
		}
	}
	if p = p.with(seen(6, 1, 700)); !p.Emptied.Equal(at.Add(6*time.Second)) || len(p.Gone) != 1 || p.Gone[0] != 101 {
		t.Errorf("%+v", p)
	}
	if p = p.with(seen(7, 1, 800)); !p.Emptied.Equal(at.Add(6 * time.Second)) {
		t.Errorf("it is emptied once: %+v", p)
	}
}

// TestAnEmptiedMySQLThatStillAcknowledgesIsOneThingToBeDone: it follows the owner until what is
// told was typed there, so the owner has two ackers. Told by turns, that hid the way out.
func TestAnEmptiedMySQLThatStillAcknowledgesIsOneThingToBeDone(t *testing.T) {
	now := time.Unix(100, 0)
	owner := Member{ID: "m1", Addr: "m1:3306", State: MemberActive, Identity: 101, Boot: 1, Source: uuidA, SemiSync: SemiSyncDegraded}
	out := Member{ID: "m2", Addr: "m2:3306", State: MemberDown, Identity: 102, Boot: 2, Emptied: "it had more"}
	acker := Member{ID: "m3", Addr: "m3:3306", State: MemberActive, Identity: 103, Boot: 3}
	s := &Snapshot{Ring: &Ring{}, Members: []Member{owner, out, acker}}
	rules := Settings{GTIDStrict: true, IgnoreDuplicates: true, StrictDDL: true}
	down := Observation{
		Member: "m3", Reach: ReachAnswers, Asked: now, At: now, Boot: 3, ServerID: 103, Domain: 103, Settings: rules,
		Link: Link{Upstream: "m1:3306", Receiver: ThreadRunning, Applier: ThreadRunning}, SemiSync: SemiSyncStatus{Acking: true},
	}
	seen := Observation{
		Member: "m1", Reach: ReachAnswers, Asked: now.Add(time.Second), At: now.Add(time.Second), Boot: 1,
		SemiSync: SemiSyncStatus{Enabled: true, On: true, Ackers: 2, Replicas: []uint32{102, 103}},
	}
	gap := Observation{Member: "m2", Reach: ReachUnknown, At: now, Asked: now, Boot: 2, ServerID: 102, Gap: uuidA + ":1-9"}
	o := Observations{}.With(down).With(seen).With(gap)
	if step, ok := armed(s, owner, o); ok || step.Kind != StepWait || !strings.Contains(step.Why, "member m2: its binlog was emptied by hand: STOP REPLICA") {
		t.Errorf("%s", step)
	}
	s.Members[1].Emptied = "" // somebody else's acker, then
	if step, ok := armed(s, owner, o); ok || step.Kind != StepStuck {
		t.Errorf("%s", step)
	}
}
