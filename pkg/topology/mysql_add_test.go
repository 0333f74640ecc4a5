package topology

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestMySQLThatIsFilledGivesNoNumberOutAgain is the law S37: before what a server holds
// is given up, every other member says whether it has transactions of it.
func TestMySQLThatIsFilledGivesNoNumberOutAgain(t *testing.T) {
	now := time.Unix(100, 0)
	at := func(id MemberID, uuid, has string, reach Reach) Observation {
		o := Observation{Member: id, Reach: reach, At: now, Asked: now, Since: now, Applied: position(t, has), Binlog: position(t, has), Version: ServerVersion{Flavour: FlavourMySQL}}
		o.Settings.ServerUUID = uuid
		return o
	}
	const uuidC = "cccccccc-0000-0000-0000-00000000000c"
	for _, tt := range []struct {
		name   string
		m      Member // which is filled
		third  Observation
		buried Position
		want   string // beginning of the step
		regain string
	}{
		{name: "a new server", m: Member{Copy: &Copying{}}, third: at("m3", uuidB, uuidA+":1-5", ReachAnswers), want: "commit note " + uuidC},
		{name: "a new server, and one does not answer", m: Member{Copy: &Copying{}}, third: at("m3", uuidB, "", ReachRefused), want: "commit note " + uuidC},
		{name: "filled anew", m: Member{Source: uuidC, Copy: &Copying{Again: true}}, third: at("m3", uuidB, uuidC+":1-7", ReachAnswers), want: "commit note " + uuidC, regain: uuidC + ":1-7"},
		{name: "it is noted", m: Member{Source: uuidC, Copy: &Copying{Again: true}, Regain: position(t, uuidC+":1-7")}, third: at("m3", uuidB, uuidC+":1-7", ReachAnswers)},
		{name: "filled anew, and one does not answer", m: Member{Source: uuidC, Copy: &Copying{Again: true}}, third: at("m3", uuidB, "", ReachRefused), want: "wait: m3 can not be asked"},
		{name: "it had left", m: Member{Copy: &Copying{Discard: true}}, third: at("m3", uuidB, "", ReachAnswers), buried: position(t, uuidC+":1-9"), want: "commit note " + uuidC, regain: uuidC + ":1-9"},
		{name: "it had left, and one does not answer", m: Member{Copy: &Copying{Discard: true}}, third: at("m3", uuidB, "", ReachRefused), buried: position(t, uuidC+":1-9"), want: "wait: m3 can not be asked"},
		{name: "a copy of a member", m: Member{Copy: &Copying{}}, third: at("m3", uuidC, "", ReachAnswers), want: "stuck: members m3 and m2 have the server_uuid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := tt.m
			m.ID, m.Addr, m.State = "m2", "b:1", MemberCopying
			third := Member{ID: "m3", Addr: "c:1", State: MemberActive, Source: tt.third.Settings.ServerUUID}
			s := &Snapshot{Members: []Member{{ID: "m1", Addr: "a:1", State: MemberActive, Source: uuidA}, m, third}}
			if tt.buried != nil {
				s.Tombstones = []Tombstone{{Member: "m2", Last: tt.buried}}
			}
			op := Operation{ID: "op7", Kind: OperationAdd, Member: "m2", Cursor: AddPreflight, State: OperationRunning}
			s.Operations = []Operation{op}
			seen := at("m2", uuidC, uuidC+":1-12", ReachAnswers) // which is given up
			o := Observations{}.With(at("m1", uuidA, uuidA+":1-5", ReachAnswers)).With(seen).With(tt.third)
			step, ok := adding{s: s, op: op, m: m, seen: seen, o: o, now: now}.addSource()
			if ok != (tt.want == "") {
				t.Fatalf("%s: %t", step, ok)
			}
			if !ok && !strings.HasPrefix(step.String(), tt.want) {
				t.Fatalf("%q does not begin with %q", step, tt.want)
			}
			if note, is := step.Change.(NoteSource); is {
				if err := note.apply(s, Command{}); err != nil {
					t.Fatal(err)
				}
				if got := s.Members[1]; got.Source != uuidC || got.Regain.String() != tt.regain {
					t.Errorf("source %s, to be regained %q, want %q", got.Source, got.Regain, tt.regain)
				}
			}
		})
	}
	s := &Snapshot{
		Members:    []Member{{ID: "m1", State: MemberActive, Source: uuidA}, {ID: "m2", State: MemberCopying, Copy: &Copying{}}},
		Operations: []Operation{{ID: "op7", Kind: OperationAdd, Member: "m2", Cursor: AddPreflight, State: OperationRunning}},
	}
	if err := (NoteSource{Operation: "op7", Member: "m1", Source: uuidC}).apply(s, Command{}); !errors.Is(err, ErrStale) {
		t.Errorf("of a member that is in the ring: %v", err)
	}
}
