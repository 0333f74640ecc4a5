package topology

import (
	"slices"
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
