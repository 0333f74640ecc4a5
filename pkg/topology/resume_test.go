package topology

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// What is done to a stopped node stands in what it begins with, at an index of its own, with its
// evidence as soon as the audit has any.
func TestBegun(t *testing.T) {
	by := Beginning{At: time.Unix(7, 0), By: "dba@n1", Why: "all disks burnt", What: "raft recover: n1", Evidence: []string{"typed by root", "the log goes from 1 to 9"}}
	for _, c := range []struct {
		outbox   *Outbox
		what     string
		evidence []string
	}{
		{nil, "raft recover: n1; typed by root; the log goes from 1 to 9", nil},
		{&Outbox{}, "raft recover: n1", by.Evidence},
	} {
		s := NewSnapshot()
		s.Index, s.Outbox = 9, c.outbox
		got := s.Begun(by, 10)
		want := Event{Index: 10, At: by.At.UTC(), By: by.By, Kind: "node", What: c.what, Why: by.Why}
		if len(got.Events) != 1 || got.Index != 10 || s.Index != 9 || len(s.Events) != 0 {
			t.Fatalf("%+v of %+v", got, s)
		}
		e := got.Events[0]
		if !slices.Equal(e.Evidence, c.evidence) {
			t.Errorf("evidence %q, want %q", e.Evidence, c.evidence)
		}
		if e.Index != want.Index || e.By != want.By || e.Kind != want.Kind || e.What != want.What || e.Why != want.Why || !e.At.Equal(want.At) {
			t.Errorf("%+v, want %+v", e, want)
		}
	}
}

// Who owns a unit by a state that was restored gets it once it has all that each other member
// has, read when that took no writes any more; no loss in between is taken for one of a member
// whose commits were received, or that owned nothing.
func TestOwnerOfARestoredState(t *testing.T) {
	saved := openRing(t).Snapshot
	s := Resume(saved)
	was, is := saved.Units[0], s.Units[0]
	if is.Owner != "" || is.Heir != was.Owner || !is.Restored || is.Epoch <= was.Epoch+resumeAbove || saved.Units[0].Restored {
		t.Fatalf("the unit is %+v, it was %+v", is, was)
	}
	if given := is.given("m1", nil, time.Unix(9, 0)); given.Restored {
		t.Error("granted, and still not proven")
	}
	heir, _ := s.Member(was.Owner)
	now := time.Unix(1000, 0)
	look := func(pos string, readOnly bool, before time.Duration, id MemberID) Observation {
		m, _ := s.Member(id)
		return Observation{Member: id, Reach: ReachAnswers, Asked: now.Add(-before), At: now.Add(-before + time.Millisecond), Boot: m.Boot, ReadOnly: readOnly, Applied: position(t, pos)}
	}
	mine := func(pos string) Observation { return look(pos, true, 100*time.Millisecond, heir.ID) }
	for _, c := range []struct {
		name  string
		mine  Observation
		other Observation
		want  string // of what it waits for; "": proven
	}{
		{"the other is open", mine("102-102-9"), look("102-102-9", false, time.Second, "m2"), "it is closed first"},
		{"it lacks what the other has", mine("102-102-8"), look("102-102-9", true, time.Second, "m2"), "the state was restored: m1 catches up with m2"},
		{"it was read before", mine("102-102-9"), look("102-102-9", true, 50*time.Millisecond, "m2"), "was read before that of m2"},
		{"the other is not known", mine("102-102-9"), Observation{Member: "m2"}, "m2 does not answer"},
		{"the other is silent, and not known to be lost", mine("102-102-9"), Observation{Member: "m2", Reach: ReachSilent, Since: now.Add(-1200 * time.Millisecond), Asked: now.Add(-time.Second), At: now.Add(-50 * time.Millisecond)}, "the state was restored: member m2 does not answer"},
		{"it has all", mine("102-102-9"), look("102-102-9", true, time.Second, "m2"), ""},
	} {
		step, proven := provenHeir(s, heir, Observations{Members: []Observation{c.mine, c.other, look("102-102-9", true, time.Second, "m3")}}, now)
		if proven != (c.want == "") || !strings.Contains(step.Why, c.want) {
			t.Errorf("%s: proven %t: %s", c.name, proven, step.Why)
		}
	}
	if s.withheld(is, "m2") {
		t.Error("what was acknowledged is taken to be with whom the saved state names")
	}
	lost, err := Apply(s, Command{Index: s.Index + 1, At: now, By: "controller@n1", Change: BeginHeal{Member: heir.ID}})
	if err != nil {
		t.Fatal(err)
	}
	if op, _ := lost.Running(); op.Armed || !lost.unproven() {
		t.Errorf("whether its commits were received is taken from the saved state: %+v", op)
	}
}

// What a saved state has under way gives way as to a loss, so that the units are seen to.
func TestOperationOfARestoredStateGivesWay(t *testing.T) {
	s := openRing(t)
	s.do(BeginMove{Unit: "*", To: "m2"})
	restored := Resume(s.Snapshot)
	if op, running := restored.Running(); running || restored.Units[0].Draining || restored.Units[0].Heir != "m1" {
		t.Errorf("%+v runs, the unit is %+v", op, restored.Units[0])
	}
}

// What a saved heal has found, and been told, is not so any more: the member that it is about
// may have been back, and owned, since.
func TestHealOfARestoredStateBeginsAnew(t *testing.T) {
	r := openRing(t)
	r.do(BeginHeal{Member: "m1", Evidence: []string{"gone"}})
	op := &r.Snapshot.Operations[len(r.Snapshot.Operations)-1]
	op.Cursor, op.Armed, op.AcceptLoss, op.Without, op.Heir, op.Former, op.Counted, op.Mark =
		HealWire, true, true, []MemberID{"m2"}, "m3", "m1", []MemberID{"m3"}, position(t, "101-101-4")
	again, running := Resume(r.Snapshot).Running()
	if !running || again.Kind != OperationHeal || again.Cursor != HealLeases || again.Armed || again.AcceptLoss || again.Without != nil || again.Heir != "" || again.Former != "" ||
		again.Counted != nil || again.Mark != nil {
		t.Errorf("%+v", again)
	}
}
