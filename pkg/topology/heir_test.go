package topology

import (
	"testing"
	"time"
)

// TestWhatIsBeyondIsNotOfTheLostMember: what a member that is out has of the lost one's own is
// no tail; what it has of somebody else who is out is.
func TestWhatIsBeyondIsNotOfTheLostMember(t *testing.T) {
	now := time.Unix(1000, 0)
	lost, out, heir := Member{ID: "m1", Identity: 101}, Member{ID: "m2", Identity: 102}, Member{ID: "m3", Identity: 103}
	h := heal{
		s: &Snapshot{Ring: &Ring{}, Members: []Member{lost, out, heir}}, op: Operation{Mark: position(t, "101-101-44")}, lost: lost, alive: []Member{heir},
		o:   Observations{}.With(Observation{Member: "m3", Reach: ReachAnswers, Asked: now, At: now, Binlog: position(t, "101-101-40,104-104-7")}),
		now: now,
	}
	for has, want := range map[string]string{
		"101-101-45":            "",          // read from the owner, and not known to be acknowledged
		"101-101-45,103-103-9":  "",          // a survivor has all of its own
		"101-101-45,104-104-8":  "104-104-7", // of one that is out: it may have been given up
		"101-101-45,105-105-12": "105-105-0", // nobody else has any of it
	} {
		if got := h.beyond(out, Observation{Binlog: position(t, has)}); got.String() != want {
			t.Errorf("%s: beyond is %q, want %q", has, got, want)
		}
	}
}
