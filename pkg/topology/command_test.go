package topology

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
)

// TestEveryChangeSurvivesTheLog: what is proposed is what is applied.
func TestEveryChangeSurvivesTheLog(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for kind, change := range changeKinds() {
		data, err := EncodeCommand(Command{At: at, By: "dba@n1", Why: "because", Change: change})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		got, err := DecodeCommand(data)
		if err != nil || !reflect.DeepEqual(got.Change, change) || got.By != "dba@n1" || !got.At.Equal(at) {
			t.Errorf("%s: got %+v, %v", kind, got, err)
		}
	}
}

func TestDecodeCommandRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, data := range map[string]string{
		"kind":  `{"kind":"teleport","at":"2026-01-01T00:00:00Z","by":"x","change":{}}`,
		"field": `{"kind":"open_ring","at":"2026-01-01T00:00:00Z","by":"x","change":{"operation":"op1","colour":"red"}}`,
	} {
		if _, err := DecodeCommand([]byte(data)); !errors.Is(err, ErrUnknownCommand) {
			t.Errorf("%s: %v, want ErrUnknownCommand", name, err)
		}
	}
	if _, err := DecodeCommand([]byte("{")); err == nil {
		t.Error("half a command was taken")
	}
}

// TestApplyChangesNothingOnAnError also holds that a refused command leaves the
// published snapshot's bytes alone.
func TestApplyChangesNothingOnAnError(t *testing.T) {
	s, err := Apply(NewSnapshot(), Command{Index: 1, Change: InitRing{Name: "demo", Members: []NewMember{{ID: "m1", Addr: "a:1"}, {ID: "m2", Addr: "b:1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := EncodeSnapshot(s)
	for _, change := range []Change{
		InitRing{Name: "other"},
		OpenRing{Operation: "op1"},
		BeginHeal{Member: "m1"},
		BeginRejoin{Member: "m2"},
		AdvanceOperation{Operation: "op1", From: InitPreflight, To: InitOpen},
		EndHeal{Operation: "op1"},
		CountAgain{Operation: "op1", Member: "m2"},
		nil,
	} {
		if _, err := Apply(s, Command{Index: 2, Change: change}); err == nil {
			t.Errorf("%v was taken", change)
		}
	}
	if after, _ := EncodeSnapshot(s); !bytes.Equal(before, after) {
		t.Fatalf("a refused command changed the state:\n%s\n%s", before, after)
	}
}

func TestSnapshotRoundTrip(t *testing.T) {
	sc := newScenario()
	sc.play(t, "init ring=demo m1 m2 m3\n\nnodes n1\n\nseen m1 m2 m3 empty=yes\n\nrun\n\nwriter n1 epoch=2 holding=no acked=101-101-4\n\nheal m1\n\nrun\n")
	data, err := EncodeSnapshot(sc.snap)
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeSnapshot(data)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := EncodeSnapshot(back)
	if !bytes.Equal(data, again) {
		t.Fatalf("the state changed on its way:\n%s\n%s", data, again)
	}
	if _, err := DecodeSnapshot(bytes.Replace(data, []byte(`"format":1`), []byte(`"format":99`), 1)); err == nil {
		t.Error("a state of a later release was taken")
	}
	if _, err := DecodeSnapshot(bytes.Replace(data, []byte(`"slot":2`), []byte(`"slot":1`), 1)); !errors.Is(err, ErrLaw) {
		t.Errorf("a state with one slot for two members: %v", err)
	}
}
