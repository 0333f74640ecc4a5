package topology

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// told is a log that is applied, one second after the other.
type told struct {
	*Snapshot

	t  *testing.T
	at time.Time
}

func (s *told) do(change Change, evidence ...string) {
	s.t.Helper()
	if err := s.try(change, evidence...); err != nil {
		s.t.Fatalf("%s: %v", change, err)
	}
}

func (s *told) try(change Change, evidence ...string) error {
	s.at = s.at.Add(time.Second)
	c := Command{Index: s.Index + 1, At: s.at, By: "controller@n1", Why: "so it is", Change: change, Evidence: evidence}
	data, err := EncodeCommand(c)
	if err != nil {
		s.t.Fatal(err)
	}
	if c, err = DecodeCommand(data); err != nil {
		s.t.Fatal(err)
	}
	c.Index = s.Index + 1
	look := s.Outbox == nil || len(s.Outbox.History) < 20 // else it takes long
	var before []byte
	if look {
		before, _ = EncodeSnapshot(s.Snapshot)
	}
	next, err := Apply(s.Snapshot, c)
	if look {
		if after, _ := EncodeSnapshot(s.Snapshot); !bytes.Equal(before, after) {
			s.t.Fatalf("%s changed the state that it was applied to", change)
		}
	}
	if err == nil {
		s.Snapshot = next
	}
	return err
}

// openRing is a ring of three that is open, m1 the owner.
func openRing(t *testing.T) *told {
	t.Helper()
	s := &told{NewSnapshot(), t, noon}
	s.do(InitRing{Name: "shop", Members: []NewMember{{ID: "m1", Addr: "a:1"}, {ID: "m2", Addr: "b:1"}, {ID: "m3", Addr: "c:1"}}})
	for _, at := range []Cursor{InitPrepare, InitLink, InitVerify, InitOpen} {
		op, _ := s.Running()
		s.do(AdvanceOperation{Operation: op.ID, From: op.Cursor, To: at})
	}
	s.do(OpenRing{Operation: "op1", SemiSync: SemiSyncArmed})
	return s
}

func (s *told) keys() (keys []string) {
	for _, n := range s.Outbox.History {
		keys = append(keys, fmt.Sprintf("%s %s->%s %s", n.Key(), n.From, n.To, n.Phase))
	}
	return keys
}

// Until it is opened the state is, byte for byte, that of the release before.
func TestAClosedOutboxChangesNothing(t *testing.T) {
	s := openRing(t)
	s.do(BeginHeal{Member: "m1", Evidence: []string{"refused"}}, "not of the earlier release")
	data, err := EncodeSnapshot(s.Snapshot)
	if err != nil || strings.Contains(string(data), "outbox") || strings.Contains(string(data), "earlier release") {
		t.Fatalf("%v %s", err, data)
	}
	if err := s.try(AckNotice{1}); !errors.Is(err, ErrStale) {
		t.Errorf("acknowledged in no outbox: %v", err)
	}
	for _, e := range s.Events {
		if e.Kind == "step" {
			t.Errorf("a line that the earlier release does not write: %+v", e)
		}
	}
}

// A state that the release before has stored goes on, with the outbox opened in it.
func TestTheOutboxOpensInAStateOfThePreviousRelease(t *testing.T) {
	files, err := filepath.Glob("../../testdata/release-0/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no states: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		old, err := DecodeSnapshot(data)
		if err != nil {
			t.Fatal(err)
		}
		s := &told{old, t, time.Now()}
		s.do(OpenOutbox{})
		out := 0
		for _, m := range s.Members {
			if isOut(m) {
				out++
			}
		}
		stands := slices.DeleteFunc(slices.Clone(s.Outbox.Standing), func(st Standing) bool { return st.Notice.Topic != TopicMember })
		if len(stands) != out {
			t.Errorf("%s: %d members are out, %d stand", file, out, len(stands))
		}
		s.do(NoteLeader{Node: "n1", Term: 9})
		if err := s.try(OpenOutbox{}); !errors.Is(err, ErrStale) {
			t.Errorf("opened twice: %v", err)
		}
	}
}

// A state that was saved goes on in another raft: its events have other numbers, and who
// leads there is told.
func TestTheOutboxOfASavedStateGoesOn(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	s.do(NoteLeader{Node: "n1", Term: 400})
	last := s.Outbox.History[0]
	s.Snapshot = Resume(s.Snapshot)
	s.do(NoteLeader{Node: "n1", Term: 2})
	if n := s.Outbox.History[1]; n.Seq < last.Seq+resumeAbove || n.To != "n1" {
		t.Errorf("told is %+v", n)
	}
}

func TestAHealIsToldAsItIsCommitted(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	s.do(BeginHeal{Member: "m1", Evidence: []string{"connection refused"}})
	want := []string{
		"member/m1 active->down firing", "semi-sync/m1 armed->off told", "unit/* m1->nobody told", "operation/op2 ->running told",
	}
	if got := s.keys(); !slices.Equal(got, want) {
		t.Fatalf("told %v\nwant %v", got, want)
	}
	n := s.Outbox.History[0]
	if n.Severity != UrgencyWarning || n.Why == "" || n.By != "controller@n1" || !slices.Equal(n.Evidence, []string{"connection refused"}) || n.Remedy == "" {
		t.Errorf("the notice is %+v", n)
	}
	if len(s.Outbox.Pending) != len(want) {
		t.Errorf("%d are pending", len(s.Outbox.Pending))
	}
	if _, stands := s.Outbox.Stands("member/m1"); !stands {
		t.Error("a member that is out does not stand")
	}
}

// Each change has a line in the audit: who, when, why, by what.
func TestEachChangeIsInTheAudit(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	s.do(BeginHeal{Member: "m1"})
	for _, change := range []Change{
		RecordMark{Operation: "op2"}, AdvanceOperation{Operation: "op2", From: HealFreeze, To: HealDrain},
	} {
		s.do(change, "m2: answers")
		e := s.Events[len(s.Events)-1]
		if e.Index != s.Index || e.By == "" || e.Why == "" || e.At.IsZero() || !slices.Equal(e.Evidence, []string{"m2: answers"}) {
			t.Errorf("after %s the audit ends with %+v", change, e)
		}
	}
}

func lagging(level, from string, severity Urgency) NoteFindings {
	return NoteFindings{Findings: []Finding{{
		Topic: TopicLag, Subject: "m2", Member: "m2", From: from, To: level, Severity: severity, Since: noon, What: "m2 lags",
	}}}
}

// A transition is told once, whoever else has seen it.
func TestWhatStandsIsNotToldTwice(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	s.do(lagging("warn", "", UrgencyWarning))
	if err := s.try(lagging("warn", "", UrgencyWarning)); !errors.Is(err, ErrStale) {
		t.Errorf("the leader after it told it again: %v", err)
	}
	s.do(lagging("drain", "warn", UrgencyCritical))
	s.do(lagging("fresh", "drain", UrgencyInfo))
	if err := s.try(lagging("fresh", "", UrgencyInfo)); !errors.Is(err, ErrStale) {
		t.Errorf("what never stood was resolved: %v", err)
	}
	want := []string{"lag/m2 ->warn firing", "lag/m2 warn->drain firing", "lag/m2 drain->fresh resolved"}
	if got := s.keys(); !slices.Equal(got, want) {
		t.Errorf("told %v\nwant %v", got, want)
	}
	if last := s.Outbox.History[2]; last.Was != UrgencyCritical || last.Began != 1 {
		t.Errorf("the end is %+v", last)
	}
	if err := s.try(NoteFindings{Findings: []Finding{{Topic: TopicMember, Subject: "m1", To: "down", Severity: UrgencyWarning}}}); !errors.Is(err, ErrLaw) {
		t.Errorf("what raft decides was observed: %v", err)
	}
}

// A full outbox drops the oldest of the least urgent, counts it, and keeps the rest.
func TestAFullOutboxDropsTheLeastUrgent(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	s.do(lagging("drain", "", UrgencyCritical))
	for i := range MaxPending + 20 {
		s.at = s.at.Add(5 * time.Minute) // else they are suppressed
		s.do(NoteLeader{Node: "n1", Term: uint64(i + 1)})
	}
	o := s.Outbox
	if len(o.Pending) != MaxPending || o.Pending[0].Notice.Topic != TopicLag || o.Dropped != [3]uint64{21, 0, 0} || o.DroppedAt.IsZero() {
		t.Errorf("%d pending, the first is %s, dropped %v", len(o.Pending), o.Pending[0].Notice.Key(), o.Dropped)
	}
	if f, ok := FullOutbox(o, s.at); !ok || f.To != "full" {
		t.Error("it is not told that the outbox was full")
	}
	if _, ok := FullOutbox(o, s.at.Add(time.Hour)); ok {
		t.Error("it is told for ever that the outbox was full")
	}
	for i := range 2 * MaxNotices {
		s.at = s.at.Add(5 * time.Minute)
		s.do(NoteLeader{Node: "n2", Term: uint64(10_000 + i)})
	}
	if n := len(s.Outbox.History); n != MaxNotices {
		t.Errorf("%d notices are remembered", n)
	}
	for i := range 100 {
		s.do(NoteLeader{Node: "n3", Term: uint64(100_000 + i)})
	}
	if s.Outbox.Suppressed < 90 || s.Outbox.Leader != "n3" {
		t.Errorf("%d of a hundred elections within two minutes were not told", s.Outbox.Suppressed)
	}
	data, err := EncodeSnapshot(s.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeSnapshot(data)
	if err != nil {
		t.Fatal(err)
	}
	if back, _ := EncodeSnapshot(again); !bytes.Equal(back, data) {
		t.Error("the state does not come back as it was stored")
	}
}

func TestDueTellsOnceThenRepeatsThenResolves(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	route := HookRoute{Hook: "pager", Least: UrgencyWarning, Repeat: time.Hour}
	s.do(NoteLeader{Node: "n1", Term: 1}) // info: not for this hook
	s.do(lagging("warn", "", UrgencyWarning))
	first, _, ok := s.Outbox.Due(route, s.at)
	if !ok || first.Phase != PhaseFiring || first.Notice.Topic != TopicLag || first.Repeats != 0 {
		t.Fatalf("due is %+v", first)
	}
	if again, _, _ := s.Outbox.Due(route, s.at); again.ID != first.ID {
		t.Errorf("a second delivery has id %s, the first %s", again.ID, first.ID)
	}
	if got := s.Outbox.Unwanted([]HookRoute{route}); !slices.Equal(got, []uint64{1}) {
		t.Errorf("unwanted are %v", got)
	}
	s.do(MarkTold{Told: []Told{{Hook: "pager", Seq: first.Notice.Seq}}, Clear: []uint64{1}})
	if got := s.Outbox.Unwanted([]HookRoute{route}); !slices.Equal(got, []uint64{2}) {
		t.Errorf("unwanted are %v", got)
	}
	if m, later, ok := s.Outbox.Due(route, s.at); ok || !later.Equal(s.at.Add(time.Hour)) {
		t.Fatalf("due again at once, or at %s: %+v", later, m)
	}
	repeat, _, ok := s.Outbox.Due(route, s.at.Add(time.Hour))
	if !ok || repeat.Repeats != 1 || repeat.ID != first.ID+"-r1" {
		t.Fatalf("an hour later due is %+v", repeat)
	}
	s.do(AckNotice{Seq: 2})
	if _, _, ok := s.Outbox.Due(route, s.at.Add(2*time.Hour)); ok {
		t.Error("what was acknowledged is told again")
	}
	s.do(lagging("fresh", "warn", UrgencyInfo))
	if m, _, ok := s.Outbox.Due(route, s.at); !ok || m.Phase != PhaseResolved {
		t.Errorf("due is %+v", m)
	}
	if m, _, ok := s.Outbox.Due(HookRoute{Hook: "pager", Least: UrgencyWarning, Unresolved: true}, s.at); ok && m.Phase == PhaseResolved {
		t.Error("a hook that asks for no ends is told one")
	}
}

// What becomes too little urgent for a hook is over for it.
func TestLessUrgentIsResolvedForAHookOfTheUrgent(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	s.do(lagging("drain", "", UrgencyCritical))
	s.do(MarkTold{Told: []Told{{Hook: "pager", Seq: 1}}})
	s.do(lagging("warn", "drain", UrgencyWarning))
	m, _, ok := s.Outbox.Due(HookRoute{Hook: "pager", Least: UrgencyCritical}, s.at)
	if !ok || m.Phase != PhaseResolved || m.Notice.Seq != 2 {
		t.Errorf("due is %+v", m)
	}
}

func TestASilenceEndsAndWhatStandsIsToldThen(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	route := HookRoute{Hook: "pager", Least: UrgencyWarning}
	s.do(AddSilence{Match: "lag/m2", For: time.Hour})
	until := s.Outbox.Silences[0].Until
	s.do(lagging("warn", "", UrgencyWarning))
	m, _, ok := s.Outbox.Due(route, s.at)
	if !ok || !m.Quiet {
		t.Fatalf("due is %+v", m)
	}
	s.do(MarkTold{Told: []Told{{Hook: "pager", Seq: 1, Silenced: true}}})
	if _, later, ok := s.Outbox.Due(route, s.at); ok || !later.Equal(until) {
		t.Errorf("due now, or at %s, the silence lasts until %s", later, until)
	}
	if m, _, ok := s.Outbox.Due(route, until); !ok || m.Quiet || m.Repeats != 1 {
		t.Errorf("after it due is %+v", m)
	}
	s.do(EndSilence{ID: "s1"})
	if m, _, ok := s.Outbox.Due(route, s.at); !ok || m.Quiet {
		t.Errorf("when it was taken away due is %+v", m)
	}
	if err := s.try(EndSilence{ID: "s1"}); !errors.Is(err, ErrStale) {
		t.Errorf("a silence that is gone was ended: %v", err)
	}
	for range MaxSilences {
		s.do(AddSilence{Match: "*", For: time.Hour})
	}
	if err := s.try(AddSilence{Match: "*", For: time.Hour}); !errors.Is(err, ErrLaw) {
		t.Errorf("a silence too many: %v", err)
	}
}

func TestMatch(t *testing.T) {
	n := Notice{Topic: TopicRing, Subject: "slot/m2", Member: "m2", Severity: UrgencyWarning}
	for text, want := range map[string]bool{
		"*": true, "m2": true, "m1": false, "ring": true, "ring/*": true, "ring/slot/*": true, "lag/*": false, "*/m2": true,
		"topic=ring,member=m2": true, "topic=ring,member=m1": false, "severity=warning": true, "severity=critical": false, "slot/m2": false, "r*g": true,
	} {
		m, err := ParseMatch(text)
		if err != nil || m.Matches(n) != want {
			t.Errorf("%s: %v, %v", text, m.Matches(n), err)
		}
	}
	for _, text := range []string{"", "what=x", "topic=lagg", "severity=high", "m1,,m2", strings.Repeat("x", 300)} {
		if _, err := ParseMatch(text); !errors.Is(err, ErrMatch) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// see holds what the leader finds against what stands, and commits what is news.
func (s *told) see(w *Watched, found ...Finding) (news int) {
	s.t.Helper()
	noted, next := News(s.Outbox, found, []Topic{TopicLag, TopicRing}, *w, s.at)
	*w = next
	if len(noted) > 0 {
		s.do(NoteFindings{Findings: noted})
	} else {
		s.at = s.at.Add(time.Second)
	}
	return len(noted)
}

func TestNewsHoldsAndEnds(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	f := Finding{Topic: TopicRing, Subject: "slot/m2", To: "broken", Severity: UrgencyWarning, What: "w", Hold: 3 * time.Second}
	var w Watched
	for i, want := range []int{0, 0, 0, 1, 0} {
		if got := s.see(&w, f); got != want {
			t.Fatalf("look %d: %d news, want %d", i, got, want)
		}
	}
	if noted, _ := News(s.Outbox, nil, nil, w, s.at.Add(time.Hour)); len(noted) != 0 {
		t.Errorf("what was not looked at is over: %+v", noted)
	}
	for i, want := range []int{0, 1, 0} {
		if got := s.see(&w); got != want {
			t.Fatalf("after it, look %d: %d news, want %d", i, got, want)
		}
	}
	if last := s.Outbox.History[len(s.Outbox.History)-1]; last.Phase != PhaseResolved {
		t.Errorf("the end is %+v", last)
	}
}

// A member that is let in again and again, and fails each time, is no storm either.
func TestAMemberThatReturnsInVainIsNoStorm(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	s.do(BeginHeal{Member: "m1"})
	s.do(RecordMark{Operation: "op2"})
	s.do(AdvanceOperation{Operation: "op2", From: HealFreeze, To: HealDrain})
	s.do(ChooseHeir{Operation: "op2", From: HealDrain, Heir: "m2"})
	s.do(AdvanceOperation{Operation: "op2", From: HealWire, To: HealOpen})
	s.do(EndHeal{Operation: "op2", SemiSync: SemiSyncArmed})
	for range 100 {
		s.do(BeginRejoin{Member: "m1"})
		op, _ := s.Running()
		s.do(AbortOperation{Operation: op.ID})
	}
	if n := len(s.Outbox.History); n > 40 || s.Outbox.Suppressed < 300 {
		t.Errorf("%d notices, %d suppressed: %v", n, s.Outbox.Suppressed, s.keys())
	}
	if st, _ := s.Outbox.Stands("member/m1"); st.Notice.To != s.Members[0].State.String() {
		t.Errorf("it stands as %s, and is %s", st.Notice.To, s.Members[0].State)
	}
}

// What flaps is told a few times, and then only once it was calm.
func TestFlappingIsNoStorm(t *testing.T) {
	s := openRing(t)
	s.do(OpenOutbox{})
	f := Finding{Topic: TopicLag, Subject: "m2", To: "warn", Severity: UrgencyWarning, What: "w"}
	var w Watched
	for range 100 { // five seconds of it, five without: a quarter of an hour
		for range 5 {
			s.see(&w, f)
		}
		for range 5 {
			s.see(&w)
		}
	}
	if n := len(s.Outbox.History); n > 8 {
		t.Errorf("%d notices of what flaps: %v", n, s.keys())
	}
	if _, stands := s.Outbox.Stands("lag/m2"); !stands {
		t.Error("it is told to be over while it flaps")
	}
	for range 301 {
		s.see(&w)
	}
	if _, stands := s.Outbox.Stands("lag/m2"); stands {
		t.Error("it is over for five minutes and stands")
	}
}
