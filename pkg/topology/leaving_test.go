package topology

import (
	"slices"
	"testing"
	"time"
)

// leave is what a scenario orders about a member that is to leave.
func (sc *scenario) leave(t *testing.T, verb string, id MemberID, args map[string]string) string {
	t.Helper()
	switch {
	case verb == "forget":
		return sc.apply(ForgetMember{Member: id})
	case args["end"] == "yes":
		return sc.apply(EndMaintenance{Member: id})
	}
	change := LeaveRing{Member: id, Alone: args["alone"] == "yes", Keep: args["keep"] == "yes"}
	if verb == "maintenance" {
		ttl, err := time.ParseDuration(args["ttl"])
		if err != nil {
			t.Fatal(err)
		}
		change.Until = sc.now.Add(ttl)
	}
	return sc.apply(change)
}

// TestRemovalIsOfferedASlotBeside says which slot the next member gets after one has left.
func TestASlotOfOneWhoLeft(t *testing.T) {
	s := &Snapshot{Ring: &Ring{Name: "cards", Stride: 3}, Members: []Member{{ID: "m1", Slot: 1}, {ID: "m2", Slot: 2}}}
	s.Tombstones = []Tombstone{{Member: "m3", Slot: 3, Unread: true}}
	if slot, err := s.FreeSlot(); err == nil {
		t.Errorf("slot %d is given out, its last numbers were not read", slot)
	}
	s.Tombstones[0].Unread = false
	if slot, err := s.FreeSlot(); err != nil || slot != 3 {
		t.Errorf("slot %d, %v; want 3: nobody lacks a number of it", slot, err)
	}
	s.Ring.Stride = 6
	if slot, err := s.FreeSlot(); err != nil || slot != 4 {
		t.Errorf("slot %d, %v; want 4, which nobody had", slot, err)
	}
}

// TestOneThatIsResumedStays: whoever was told to leave and is resumed stays, also where it was
// lost before it had left. Else it comes back, is given a unit, and neither leaves nor stays.
func TestOneThatIsResumedStays(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		state MemberState
		stays bool
	}{{MemberActive, true}, {MemberDown, true}, {MemberReturning, true}, {MemberMaintained, false}} {
		s, _ := ringOfThree(t, now)
		c := *s
		c.Members = slices.Clone(s.Members)
		m := &c.Members[2]
		m.State, m.Drained, m.Leaving = tt.state, true, &Leaving{Until: now.Add(time.Hour), Drained: true}
		after, err := Apply(&c, Command{Index: c.Index + 1, At: now, By: "test", Change: ResumeMember{Member: m.ID}})
		if err != nil {
			t.Fatal(err)
		}
		if got := after.Members[2]; got.Drained || (got.Leaving == nil) != tt.stays || got.Leaving != nil && got.Leaving.Drained {
			t.Errorf("%s: drained %v, leaving %+v", tt.state, got.Drained, got.Leaving)
		}
	}
}
