package topology

import (
	"testing"
	"time"
)

// A node was cut off after one copy, and hears next that the member is in the ring: of the copy
// that was made anew meanwhile it has heard nothing, and has seen the binlog before and after it.
func TestACopyThatANodeHasNotHeardOf(t *testing.T) {
	at := time.Unix(100, 0)
	state := func(m Member) *Snapshot { m.ID = "m3"; return &Snapshot{Members: []Member{m}} }
	first := state(Member{State: MemberCopying, Copy: &Copying{ID: 7, Done: true}, Copied: 7})
	later := state(Member{State: MemberActive, Copied: 9})
	var seen Observation
	probe := func(knew *Snapshot, binlog string) Past {
		at = at.Add(time.Second)
		o := Observation{Member: "m3", Reach: ReachAnswers, At: at, Boot: 3, ServerID: 103, Domain: 103, Binlog: position(t, binlog)}
		seen = knew.Filled(o.After(seen))
		return seen.Past
	}
	probe(first, "101-101-20,102-102-3")
	probe(first, "101-101-21")
	if past := probe(later, "101-101-22"); !past.Emptied.IsZero() || len(past.Gone) > 0 || !past.Binlog.Covers(position(t, "101-101-22")) {
		t.Errorf("it was copied anew: %+v", past)
	}
	if past := probe(later, "103-103-1"); past.Emptied.IsZero() {
		t.Error("what is emptied after that is not seen")
	}
}

// From the law on that has it, a member says of which copy its data is.
func TestWhichCopyAMembersDataIsOf(t *testing.T) {
	for law, want := range map[int]uint64{LawOfOrders: 0, LawOfCopies: 7} {
		s := &Snapshot{
			Ring: &Ring{}, Outbox: &Outbox{Law: law},
			Members:    []Member{{ID: "m3", State: MemberCopying, Copy: &Copying{ID: 7}}},
			Operations: []Operation{{ID: "op1", Kind: OperationAdd, Member: "m3", Cursor: AddCopy, State: OperationRunning}},
		}
		if err := (Copied{Operation: "op1", ID: 7}).apply(s, Command{}); err != nil {
			t.Fatal(err)
		}
		if got := s.Members[0].Copied; got != want {
			t.Errorf("law %d: its data is of copy %d, want %d", law, got, want)
		}
	}
}
