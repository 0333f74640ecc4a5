package topology

import (
	"strings"
	"testing"
	"time"
)

// Who holds a lock of the nodes is told, whether the member answers or not, and no longer than
// what is seen is fresh.
func TestWhoHoldsALockIsTold(t *testing.T) {
	now := time.Unix(100, 0)
	s := &Snapshot{Ring: &Ring{Stride: 16}, Members: []Member{{ID: "m1", State: MemberActive, Identity: 101, Slot: 1}}}
	for _, c := range []struct {
		reach Reach
		age   time.Duration
		held  string
		want  bool
	}{
		{ReachAnswers, 0, "connection 17 holds it", true},
		{ReachUnknown, time.Second, "connection 17 holds it", true},
		{ReachAnswers, 3 * time.Second, "connection 17 holds it", false},
		{ReachAnswers, 0, "", false},
	} {
		seen := Observation{Member: "m1", Reach: c.reach, At: now.Add(-c.age), Held: c.held}
		found := RingFindings(s, Observations{}.With(seen), now)
		told := false
		for _, f := range found {
			told = told || f.Subject == "locks/m1" && f.Severity == UrgencyWarning && strings.Contains(f.What, "connection 17") && f.Remedy != ""
		}
		if told != c.want {
			t.Errorf("%+v: told %t: %+v", c, told, found)
		}
	}
}
