package topology

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// slotsWorld is a ring that is as it should be, and what is seen of it.
func slotsWorld(now time.Time) (*Snapshot, Observations) {
	s := NewSnapshot()
	s.NextIdentity, s.NextBoot = 104, 10
	s.Ring = &Ring{Name: "demo", Stride: 16, Durability: DurabilityAsync}
	for i, id := range []MemberID{"m1", "m2"} {
		s.Members = append(s.Members, Member{ID: id, Addr: string(id) + ":3306", State: MemberActive, Identity: uint32(101 + i), Slot: i + 1, Boot: uint64(i + 1)})
	}
	s.Units = []Unit{{ID: UnitRest, Owner: "m1", Epoch: 1}}
	s.Tombstones = []Tombstone{{Member: "m0", Slot: 3, Stride: 8, Identity: 100, Retired: []uint32{90}, At: now, Unread: true}}
	var o Observations
	for i, m := range s.Members {
		o = o.With(Observation{
			Member: m.ID, Asked: now, At: now, Since: now, Reach: ReachAnswers, Boot: m.Boot, ServerID: m.Identity, Domain: m.Identity,
			ReadOnly: i > 0, Layout: m.Layout(16), HasRing: true, Slots: SlotsSeen{Looked: true},
			Version: ServerVersion{Flavour: FlavourMariaDB, Major: 10, Minor: 11},
			Settings: Settings{
				LogBin: true, LogReplica: true, LogReplicaInFile: true, ReadOnlyInFile: true, RowFormat: true, GTIDStrict: true, IgnoreDuplicates: true,
				StrictDDL: true, NetTimeout: 2, EndlessWait: true, AfterSync: true, AckerEnabled: true,
			},
			SemiSync: SemiSyncStatus{Acking: true},
			Link:     Link{Upstream: s.Members[1-i].Addr, Receiver: ThreadRunning, Applier: ThreadRunning, Since: now},
		})
	}
	return s, o
}

// seenSlots is what a probe reads of a copy.
func seenSlots(t SlotTable) SlotsSeen {
	return SlotsSeen{Looked: true, Sum: t.Sum(), Ring: t.Ring, Stride: t.Stride, Next: t.Next}
}

func edited(o Observations, id MemberID, edit func(*Observation)) Observations {
	seen, _ := o.Of(id)
	edit(&seen)
	return o.With(seen)
}

func TestTheTableOfSlotsFollowsFromTheState(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 123, time.UTC)
	s, _ := slotsWorld(now)
	table := s.SlotTable()
	want := []SlotLine{
		{Member: "m0", Identity: 100, Retired: []uint32{90}, Layout: autoinc.Layout{Offset: 3, Stride: 8}, Left: true, Unread: true, At: now.Truncate(time.Second)},
		{Member: "m1", Identity: 101, Layout: autoinc.Layout{Offset: 1, Stride: 16}},
		{Member: "m2", Identity: 102, Layout: autoinc.Layout{Offset: 2, Stride: 16}},
	}
	if table.Ring != "demo" || table.Stride != 16 || table.Next != 104 || len(table.Slots) != 3 {
		t.Fatalf("%+v", table)
	}
	for i, l := range table.Slots {
		if l.String() != want[i].String() {
			t.Errorf("line %d: %s, want %s", i, l, want[i])
		}
	}
	if empty := NewSnapshot().SlotTable(); empty.Ring != "" || len(empty.Slots) != 0 {
		t.Errorf("without a ring: %+v", empty)
	}
	// Whatever changes is told from what was, and said.
	for name, edit := range map[string]func(*SlotTable){
		"ring":     func(t *SlotTable) { t.Ring = "other" },
		"stride":   func(t *SlotTable) { t.Stride = 8 },
		"next":     func(t *SlotTable) { t.Next++ },
		"member":   func(t *SlotTable) { t.Slots[1].Member = "m9" },
		"identity": func(t *SlotTable) { t.Slots[1].Identity = 7 },
		"retired":  func(t *SlotTable) { t.Slots[0].Retired = []uint32{9, 0} },
		"slot":     func(t *SlotTable) { t.Slots[1].Layout.Offset = 5 },
		"width":    func(t *SlotTable) { t.Slots[1].Layout.Stride = 32 },
		"left":     func(t *SlotTable) { t.Slots[1].Left = true },
		"unread":   func(t *SlotTable) { t.Slots[0].Unread = false },
		"last":     func(t *SlotTable) { t.Slots[0].Last = "100-100-9" },
		"at":       func(t *SlotTable) { t.Slots[0].At = now.Add(time.Hour) },
		"gone":     func(t *SlotTable) { t.Slots = t.Slots[:2] },
	} {
		other := table
		other.Slots = slices.Clone(table.Slots)
		edit(&other)
		if other.Sum() == table.Sum() || len(table.Differences(other)) == 0 {
			t.Errorf("another %s: sums %d and %d, differences %q", name, other.Sum(), table.Sum(), table.Differences(other))
		}
	}
	if again := s.SlotTable(); again.Sum() != table.Sum() || len(table.Differences(again)) != 0 {
		t.Errorf("the same state, and %q", table.Differences(again))
	}
}

// A drained member keeps its unit where nobody else can own one; that may last for ever, and
// keeps no copy from being written.
func TestCopiesAreWrittenBesideADrainedMember(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	s, o := slotsWorld(now)
	s.Members[0].Drained, s.Members[1].Drained = true, true
	step := Next(s, o, now)
	if step.Kind != StepDo || step.Action.Kind != ActSlots || !strings.Contains(step.Why, "besides: m1 is drained, and nobody else can own unit *") {
		t.Errorf("without copies: %s", step)
	}
	all := edited(edited(o, "m1", func(x *Observation) { x.Slots = seenSlots(s.SlotTable()) }), "m2", func(x *Observation) { x.Slots = seenSlots(s.SlotTable()) })
	if step := Next(s, all, now); step.Kind != StepWait || step.Why != "m1 is drained, and nobody else can own unit * now" {
		t.Errorf("with copies: %s", step)
	}
	s.Members[0].Leaving = &Leaving{}
	if step := Next(s, all, now); step.Kind != StepWait || !strings.Contains(step.Why, "to have it stay: sqlring master resume m1") {
		t.Errorf("a member that is to leave: %s", step)
	}
}

// What is waited for beside a drained member may be what nobody else can own its unit for: a
// copy that a person is to order anew.
func TestADrainedMemberHidesNoWordOfAnother(t *testing.T) {
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	s, o := slotsWorld(now)
	s.Members[0].Drained, s.Members[1].Drained = true, true
	const word = "sqlring master reclone m2"
	step := upkeepPlanned(s, o, now, wait("m2 waits for it: %s", word))
	if step.Kind != StepWait || !strings.Contains(step.Why, word) || !strings.HasPrefix(step.Why, "m1 is drained, and nobody else can own unit *") {
		t.Errorf("got %s", step)
	}
}

func TestUpkeepWritesTheCopiesLast(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	s, o := slotsWorld(now)
	step := Next(s, o, now)
	if step.Kind != StepDo || step.Action.Kind != ActSlots || step.Member != "m1" || step.Action.Identity != 101 || step.Action.Slots.Sum() != s.SlotTable().Sum() {
		t.Fatalf("a ring that is as it should be, without copies: %s", step)
	}
	all := edited(edited(o, "m1", func(x *Observation) { x.Slots = seenSlots(s.SlotTable()) }), "m2", func(x *Observation) { x.Slots = seenSlots(s.SlotTable()) })
	if step := Next(s, all, now); step.Kind != StepIdle {
		t.Errorf("with copies on both: %s", step)
	}
	for name, edit := range map[string]func(*Observation){
		"it was not looked for": func(x *Observation) { x.Slots = SlotsSeen{} },
		"of another ring":       func(x *Observation) { x.Slots.Ring, x.Slots.Sum = "other", 5 },
		"of a later state":      func(x *Observation) { x.Slots.Next, x.Slots.Sum = 105, 5 },
		"it could not be, so far": func(x *Observation) {
			x.Slots.Sum, x.Slots.Trouble, x.Slots.TroubleAt = 5, "disk full", now.Add(-29*time.Second)
		},
	} {
		if step := Next(s, edited(all, "m2", edit), now); step.Kind == StepDo {
			t.Errorf("%s: %s", name, step)
		}
	}
	tried := edited(all, "m2", func(x *Observation) {
		x.Slots.Sum, x.Slots.Trouble, x.Slots.TroubleAt = 5, "disk full", now.Add(-31*time.Second)
	})
	if step := Next(s, tried, now); step.Action.Kind != ActSlots || step.Member != "m2" {
		t.Errorf("it is tried again after 30 s: %s", step)
	}
	old := edited(all, "m2", func(x *Observation) { x.Slots.Next, x.Slots.Sum = 103, 5 })
	if step := Next(s, old, now); step.Action.Kind != ActSlots || step.Member != "m2" {
		t.Errorf("a copy of an earlier state: %s", step)
	}
	// Anything else comes before it.
	for name, edit := range map[string]func(*Observation){
		"somebody has opened it": func(x *Observation) { x.ReadOnly = false },
		"its applier stopped":    func(x *Observation) { x.Link.Applier = ThreadStopped },
		"it was restarted":       func(x *Observation) { x.Boot = 0 },
	} {
		if step := Next(s, edited(o, "m2", edit), now); step.Action.Kind == ActSlots {
			t.Errorf("%s: %s", name, step)
		}
	}
	heir := s.clone()
	heir.Units[0] = Unit{ID: UnitRest, Epoch: 2, Heir: "m1"}
	if step := tendSlots(heir, o, now, true); step.Kind != StepIdle {
		t.Errorf("a unit has no owner: %s", step)
	}
}

// What needs a person, or is waited for, is said while the copies are written too; one that
// can not be written does not take the word from it.
func TestACopyHidesNothingThatNeedsAPerson(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	s, o := slotsWorld(now)
	ailing := edited(o, "m2", func(x *Observation) {
		x.Link.Applier, x.Link.ApplierErrno, x.Link.ApplierError, x.Link.Since = ThreadStopped, 1062, "Duplicate entry", now.Add(-time.Minute)
		x.Slots = seenSlots(s.SlotTable())
	})
	written := edited(ailing, "m1", func(x *Observation) { x.Slots = seenSlots(s.SlotTable()) })
	person := Next(s, written, now)
	if person.Kind != StepStuck || !strings.Contains(person.Why, "1062") {
		t.Fatalf("an applier that failed: %s", person)
	}
	if step := Next(s, ailing, now); step.Action.Kind != ActSlots || !strings.Contains(step.Why, person.Why) {
		t.Errorf("m1 lacks its copy: %s", step)
	}
	failed := edited(ailing, "m1", func(x *Observation) { x.Slots.Trouble, x.Slots.TroubleAt = "disk full", now.Add(-time.Hour) })
	if step := Next(s, failed, now); step.Kind != StepStuck || step.Why != person.Why {
		t.Errorf("it can not be written there: %s", step)
	}

	out := s.clone()
	out.Members[1].State, out.Members[1].Why = MemberQuarantined, "its tail"
	alone := edited(o, "m1", func(x *Observation) { x.Link = Link{} })
	if step := Next(out, alone, now); step.Action.Kind != ActSlots || !strings.Contains(step.Why, "in quarantine") {
		t.Errorf("m2 is in quarantine, m1 lacks its copy: %s", step)
	}
	tried := edited(alone, "m1", func(x *Observation) { x.Slots.Trouble, x.Slots.TroubleAt = "disk full", now.Add(-29*time.Second) })
	if step := Next(out, tried, now); step.Kind != StepWait || !strings.Contains(step.Why, "in quarantine") {
		t.Errorf("it could not be written there lately: %s", step)
	}
	if step := Next(out, edited(tried, "m1", func(x *Observation) { x.Slots.TroubleAt = now.Add(-31 * time.Second) }), now); step.Action.Kind != ActSlots {
		t.Errorf("it is tried again after 30 s: %s", step)
	}
}

func TestACopyThatIsNotOursIsToldAndItsServerIsNotTaken(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	s, o := slotsWorld(now)
	told := func(o Observations) (found []Violation) {
		for _, v := range Check(s, o, now) {
			if v.Rule == "slots table" {
				found = append(found, v)
			}
		}
		return found
	}
	if v := told(o); len(v) != 0 {
		t.Errorf("it is only not written yet: %+v", v)
	}
	for want, edit := range map[string]func(*Observation){
		`is of ring "other", with stride 3`:   func(x *Observation) { x.Slots = SlotsSeen{Looked: true, Sum: 5, Ring: "other", Stride: 3, Next: 103} },
		"identities up to 119 were given out": func(x *Observation) { x.Slots = SlotsSeen{Looked: true, Sum: 5, Ring: "demo", Stride: 16, Next: 120} },
		"can not be written: disk full":       func(x *Observation) { x.Slots.Trouble, x.Slots.TroubleAt = "disk full", now },
	} {
		v := told(edited(o, "m2", edit))
		if len(v) != 1 || v[0].Severity != SeverityWarning || v[0].Member != "m2" || !strings.Contains(v[0].What, want) || v[0].Remedy == "" {
			t.Errorf("%s: %+v", want, v)
		}
	}

	// Another ring's nodes look at its members.
	other := NewSnapshot()
	other.Ring = &Ring{Name: "second", Stride: 16}
	other.Members = []Member{{ID: "a", Identity: 101, Slot: 1}, {ID: "b", Identity: 102, Slot: 2}}
	var seen Observations
	for i, m := range other.Members {
		x, _ := o.Of(s.Members[i].ID)
		x.Member, x.Schemas, x.Slots = m.ID, []string{"shop"}, seenSlots(s.SlotTable())
		seen = seen.With(x)
	}
	op := Operation{ID: "op1", Kind: OperationInit, Cursor: InitPreflight}
	first, _ := seen.Of("a")
	for how, step := range map[string]Step{"init": initPreflight(other, op, seen), "init --from": initDataPreflight(other, op, other.Members[0], first)} {
		if step.Kind != StepStuck || !strings.Contains(step.Why, `belongs to a ring: its table of slots is of ring "demo"`) || !strings.Contains(step.Why, "DROP DATABASE sqlring") {
			t.Errorf("%s: %s", how, step)
		}
	}
	adopted := CheckAdoption(other.Members, seen, true)
	if i := slices.IndexFunc(adopted, func(c CopyCheck) bool { return c.Name == "schema" }); i < 0 || !strings.Contains(adopted[i].What, `of the ring "demo", of stride 16`) {
		t.Errorf("adopt: %+v", adopted)
	}
}
