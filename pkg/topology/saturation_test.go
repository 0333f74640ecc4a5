package topology

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A gate is told to be saturated, then to shed, then to be open again with what became of
// the statements; what is well and was not told is no news.
func TestSaturationIsToldAsItGoes(t *testing.T) {
	s, at := opened(t)
	do := func(change Change) error {
		t.Helper()
		at = at.Add(time.Second)
		next, err := through(s, at, change)
		if err == nil {
			s = next
		}
		return err
	}
	if err := do(OpenOutbox{}); err != nil {
		t.Fatal(err)
	}
	word := GateWord{Member: "m1", Saturated: true, Began: 2 * time.Second, Mode: "shed", Limit: 12, Waiting: 300, Inflation: 1.7, Waited: 40, WaitTime: 8 * time.Second}
	if err := do(NoteFindings{Findings: []Finding{GateFinding("n2", word, at)}}); !errors.Is(err, ErrLaw) {
		t.Errorf("before every node knows of it: %v", err)
	}
	if err := do(RaiseLaw{To: LawOfGates}); err != nil {
		t.Fatal(err)
	}
	if err := do(RaiseLaw{To: LawOfGates}); !errors.Is(err, ErrStale) {
		t.Errorf("%v", err)
	}
	tell := func(w GateWord) (told []Finding) {
		found := []Finding{GateFinding("n2", w, at)}
		told, _ = News(s.Outbox, found, []Topic{TopicGate}, Watched{}, at)
		if len(told) > 0 {
			if err := do(NoteFindings{Findings: told}); err != nil {
				t.Fatal(err)
			}
		}
		return told
	}
	over := word
	over.Saturated, over.Lasted, over.Began = false, 5*time.Second, 20*time.Second
	if told := tell(over); len(told) != 0 {
		t.Errorf("nobody was told that it was saturated: %+v", told)
	}
	tell(word)
	if told := tell(word); len(told) != 0 {
		t.Errorf("it is told once: %+v", told)
	}
	word.Shed = map[string]uint64{"deadline": 3, "queue_full": 0, "waited_too_long": 7}
	tell(word)
	if told := tell(word); len(told) != 0 {
		t.Errorf("it is told once: %+v", told)
	}
	over.Shed, over.Gone = word.Shed, 2
	tell(over)
	var got []string
	for _, n := range s.Outbox.History {
		if n.Topic == TopicGate {
			got = append(got, n.Key()+" "+n.From+"->"+n.To+" "+n.Phase.String()+" "+n.Severity.String())
		}
	}
	want := "gate/m1@n2 ->saturated firing warning; gate/m1@n2 saturated->shedding firing warning; gate/m1@n2 shedding->open resolved info"
	if strings.Join(got, "; ") != want {
		t.Errorf("%s\nwant %s", strings.Join(got, "; "), want)
	}
	last := s.Outbox.History[len(s.Outbox.History)-1]
	if last.Member != "m1" || !strings.Contains(last.What, "within 5s 40 statements waited, 10 got an error instead of a place, the clients of 2 went") {
		t.Errorf("%+v", last)
	}
	if text := strings.Join(last.Evidence, "\n"); !strings.Contains(text, "shed: deadline 3, waited_too_long 7") || !strings.Contains(text, "200ms on average") {
		t.Errorf("%s", text)
	}
	if !last.Since.Equal(at.Add(-time.Second).Add(-15 * time.Second)) {
		t.Errorf("since %v, said at %v", last.Since, at)
	}
}
