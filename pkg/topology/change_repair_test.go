package topology

import (
	"errors"
	"testing"
	"time"
)

func TestARepairStandsInTheAudit(t *testing.T) {
	s := NewSnapshot()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	do := func(change Change) error {
		next, err := Apply(s, Command{Index: s.Index + 1, At: at, By: "dba@n1", Why: "restored by hand", Change: change})
		if err == nil {
			s = next
		}
		return err
	}
	if err := do(NoteRepair{Rows: 1}); !errors.Is(err, ErrLaw) {
		t.Errorf("without a ring: %v", err)
	}
	init := InitRing{Name: "demo", Members: []NewMember{{ID: "m1", Addr: "10.0.0.1:3306"}, {ID: "m2", Addr: "10.0.0.2:3306"}}}
	if err := do(init); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []NoteRepair{{From: "m9", Rows: 1}, {From: "m1"}} {
		if err := do(wrong); !errors.Is(err, ErrLaw) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	rows := make([]string, 30)
	if err := do(NoteRepair{From: "m2", Node: "n1", Rows: 30, Evidence: rows}); err != nil {
		t.Fatal(err)
	}
	e := s.Events[len(s.Events)-1]
	if e.Kind != "repair" || e.By != "dba@n1" || e.Why != "restored by hand" || e.What != "node n1 makes 30 rows what they are on m2" || len(e.Evidence) != maxRepairEvidence {
		t.Errorf("%+v", e)
	}
	encoded, err := EncodeCommand(Command{At: at, Change: NoteRepair{From: "m2", Node: "n1", Rows: 3}})
	if err != nil {
		t.Fatal(err)
	}
	if back, err := DecodeCommand(encoded); err != nil || back.Change.String() != "node n1 makes 3 rows what they are on m2" {
		t.Errorf("%+v, %v", back, err)
	}
}
