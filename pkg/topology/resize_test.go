package topology

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// resize begins a resize, or takes it back.
func (sc *scenario) resize(t *testing.T, names []string, args map[string]string) string {
	t.Helper()
	if names[0] == "cancel" {
		return sc.apply(CancelResize{})
	}
	change := BeginResize{To: number(t, names[0])}
	if s := args["grace"]; s != "" {
		change.Grace, _ = time.ParseDuration(s)
	}
	return sc.apply(change)
}

// ringOf2 is a ring of stride 2 whose resize to 4 is at a cursor.
func ringOf2(cursor Cursor, grace time.Duration) *Snapshot {
	s := NewSnapshot()
	s.NextIdentity, s.NextBoot = 200, 10
	s.Ring = &Ring{Name: "demo", Stride: 2, Resize: &Resize{To: 4, Grace: grace}}
	for i, id := range []MemberID{"m1", "m2"} {
		s.Members = append(s.Members, Member{ID: id, Addr: string(id) + ":3306", State: MemberActive, Identity: uint32(101 + i), Slot: i + 1, Boot: uint64(i + 1)})
	}
	s.Units = []Unit{{ID: UnitRest, Owner: "m1", Epoch: 1}}
	s.Operations = []Operation{{ID: "op1", Kind: OperationResize, Cursor: cursor, State: OperationRunning, Grace: grace}}
	return s
}

func resultOf(t *testing.T, s *Snapshot, change Change) *Snapshot {
	t.Helper()
	next, err := Apply(s, Command{Index: s.Index + 1, At: time.Unix(1_700_000_000, 0), By: "test", Change: change})
	if err != nil {
		t.Fatalf("%s: %v", change, err)
	}
	return next
}

func mayNot(t *testing.T, s *Snapshot, change Change, want error) {
	t.Helper()
	if _, err := Apply(s, Command{Index: s.Index + 1, At: time.Unix(1_700_000_000, 0), Change: change}); !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", change, err, want)
	}
}

// No slot above the earlier stride is given away before the end (S39), whatever is asked.
func TestNewSlotsOpenAtTheEnd(t *testing.T) {
	s := ringOf2(ResizeSwitch, time.Second)
	add := BeginAdd{Member: NewMember{ID: "m3", Addr: "m3:3306"}}
	mayNot(t, s, add, autoinc.ErrFull)
	mayNot(t, s, AdvanceOperation{"op1", ResizeMark, ResizeSettle}, ErrStale)
	for _, id := range []MemberID{"m1", "m2"} {
		s = resultOf(t, s, SwitchMember{Operation: "op1", Member: id})
		mayNot(t, s, add, autoinc.ErrFull)
	}
	s = resultOf(t, s, AdvanceOperation{"op1", ResizeSwitch, ResizeSweep})
	if s.Ring.Resize.Switched.IsZero() {
		t.Error("the grace is not counted")
	}
	mayNot(t, s, EndResize{Operation: "op1"}, ErrStale)
	s = resultOf(t, s, AdvanceOperation{"op1", ResizeSweep, ResizeMark})
	mayNot(t, s, AdvanceOperation{"op1", ResizeMark, ResizeSettle}, ErrLaw) // without what the members have
	s = resultOf(t, s, MarkResize{Operation: "op1"})
	mayNot(t, s, add, autoinc.ErrFull)
	s = resultOf(t, s, EndResize{Operation: "op1"})
	if s.Ring.Stride != 4 || s.Ring.Resize != nil || s.Members[0].Stride != 0 || s.Members[0].Layout(4) != (autoinc.Layout{Offset: 1, Stride: 4}) {
		t.Errorf("%+v %+v", s.Ring, s.Members[0])
	}
	s = resultOf(t, s, add)
	if m, _ := s.Member("m3"); m.Slot != 3 {
		t.Errorf("m3 gets slot %d", m.Slot)
	}
	mayNot(t, s, BeginResize{To: 6}, ErrLaw)
}

// A resize ends only with every member at the later stride and in the ring.
func TestAResizeDoesNotEndWithoutSomebody(t *testing.T) {
	s := ringOf2(ResizeSettle, time.Second)
	mayNot(t, s, EndResize{Operation: "op1"}, ErrLaw)
	s = ringOf2(ResizeSwitch, time.Second)
	for _, id := range []MemberID{"m1", "m2"} {
		s = resultOf(t, s, SwitchMember{Operation: "op1", Member: id})
	}
	s.Operations[0].Cursor = ResizeSettle
	s.Members[1].State = MemberDown
	mayNot(t, s, EndResize{Operation: "op1"}, ErrLaw)
	idle := ringOf2(ResizeSwitch, 0)
	idle.Operations, idle.Ring.Resize = nil, nil
	mayNot(t, idle, BeginResize{To: 3}, ErrLaw)
	mayNot(t, idle, BeginResize{To: 4, Grace: 2 * time.Hour}, ErrLaw)
	idle.Members[1].State = MemberHeld
	mayNot(t, idle, BeginResize{To: 4}, ErrStale)
}

// What somebody has written who was forgotten may stand in each part of his class.
func TestTheSlotsOfAnUnreadTombstoneStayClosedAfterAResize(t *testing.T) {
	s := ringOf2(ResizeSwitch, 0)
	s.Operations, s.Ring.Resize = nil, nil
	s.Members[1].State = MemberDown
	s = resultOf(t, s, ForgetMember{Member: "m2"})
	s = resultOf(t, s, BeginResize{To: 4})
	s = resultOf(t, s, SwitchMember{Operation: "op1", Member: "m1"})
	s = resultOf(t, s, AdvanceOperation{"op1", ResizeSwitch, ResizeSweep})
	s = resultOf(t, s, AdvanceOperation{"op1", ResizeSweep, ResizeMark})
	s = resultOf(t, s, MarkResize{Operation: "op1"})
	s = resultOf(t, s, EndResize{Operation: "op1"})
	s = resultOf(t, s, BeginAdd{Member: NewMember{ID: "m3", Addr: "m3:3306"}})
	if m, _ := s.Member("m3"); m.Slot != 3 {
		t.Errorf("m3 gets slot %d, want 3: 2 and 4 are of the class of m2", m.Slot)
	}
	mayNot(t, s, AbortOperation{Operation: "op9"}, ErrStale)
	s.Operations = nil
	mayNot(t, s, BeginAdd{Member: NewMember{ID: "m4", Addr: "m4:3306"}}, autoinc.ErrFull)
}
