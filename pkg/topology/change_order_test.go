package topology

import (
	"errors"
	"testing"
	"time"
)

// An order about the nodes stands in the audit with who and why, changes nothing else, and
// is taken only once every node knows such notes.
func TestNoteOrder(t *testing.T) {
	s, err := Apply(NewSnapshot(), Command{Index: 1, Change: InitRing{Name: "demo", Members: []NewMember{{ID: "m1", Addr: "a:1"}, {ID: "m2", Addr: "b:1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	do := func(change Change) error {
		next, err := Apply(s, Command{Index: s.Index + 1, At: at, By: "ann@n1", Why: "its host is given back", Change: change})
		if err == nil {
			s = next
		}
		return err
	}
	remove := NoteOrder{Order: OrderRemove, Node: "n3"}
	if err := do(remove); !errors.Is(err, ErrLaw) {
		t.Errorf("before every node knows of it: %v", err)
	}
	for _, law := range []Change{OpenOutbox{}, RaiseLaw{To: LawOfEmptied}} {
		if err := do(law); err != nil {
			t.Fatal(err)
		}
	}
	if err := do(remove); !errors.Is(err, ErrLaw) {
		t.Errorf("by an earlier law: %v", err)
	}
	if err := do(RaiseLaw{To: LawOfOrders}); err != nil {
		t.Fatal(err)
	}
	for change, want := range map[NoteOrder]string{
		remove:                             "order: take node n3 out",
		{Order: OrderAdmit, Node: "n4"}:    "order: let node n4 in",
		{Order: OrderVote, Node: "n4"}:     "order: let node n4 vote",
		{Order: OrderTransfer, Node: "n2"}: "order: let node n2 lead",
		{Order: OrderTransfer}:             "order: hand the leadership over",
	} {
		if err := do(change); err != nil {
			t.Errorf("%+v: %v", change, err)
			continue
		}
		e := s.Events[len(s.Events)-1]
		if e.What != want || e.Kind != "node" || e.By != "ann@n1" || e.Why != "its host is given back" || !e.At.Equal(at) {
			t.Errorf("%+v is noted as %+v", change, e)
		}
	}
	for _, change := range []NoteOrder{{}, {Order: "dance", Node: "n1"}, {Order: OrderRemove}, {Order: OrderAdmit}, {Order: OrderRemove, Node: "N 1"}} {
		if err := do(change); !errors.Is(err, ErrLaw) {
			t.Errorf("%+v: %v", change, err)
		}
	}
}
