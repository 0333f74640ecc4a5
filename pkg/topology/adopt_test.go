package topology

import (
	"strings"
	"testing"
)

// TestAbortedAdoptionEndsWhatIsHalfTaken: a server that has its new identity already, and
// has not noted what it wrote before, would apply that again if it were just started.
func TestAbortedAdoptionEndsWhatIsHalfTaken(t *testing.T) {
	sc := newScenario()
	for _, command := range []string{
		"circle m1 m2 stride=2 at=21-11-900,22-12-800", "adopt m1 m2 ring=shop stride=16 boots=yes", "advance op=op1 from=preflight to=schema",
		"seen m1 receiver=stopped applier=stopped", "abort op1",
	} {
		if got := sc.command(t, strings.Fields(command)); got != "ok\n" {
			t.Fatalf("%s: %s", command, got)
		}
	}
	half, _ := sc.obs.Of("m1")
	half.ServerID, half.Domain = 101, 101
	sc.obs = sc.obs.With(half)
	if step := Next(sc.snap, sc.obs, sc.now); step.Kind != StepDo || step.Member != "m1" || step.Action.Kind != ActAdopt {
		t.Errorf("next is %s", step)
	}
}
