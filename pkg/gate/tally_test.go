package gate

import (
	"testing"
	"time"
)

func TestQueueTimeIsApartFromServerTime(t *testing.T) {
	var all Tallies
	all.Took(7, 2*time.Millisecond, 8)
	all.Took(7, 4*time.Millisecond, 1)
	all.Waited(7, 30*time.Millisecond, false, false)
	all.Waited(7, 50*time.Millisecond, true, false)
	all.Waited(7, 10*time.Millisecond, false, true)
	all.Laned(7, 90*time.Millisecond, false, false)
	all.Laned(7, time.Millisecond, true, false)
	all.Took(9, time.Second, 1)
	want := Tally{
		Digest: 7, Statements: 9, ServerTime: 20 * time.Millisecond, Waits: 3, WaitTime: 90 * time.Millisecond,
		LaneWaits: 2, LaneTime: 91 * time.Millisecond, Longest: 90 * time.Millisecond, Shed: 2, Gone: 1,
	}
	got := all.Most(5)
	if len(got) != 2 || got[0].Digest != 9 || got[1] != want {
		t.Errorf("%+v", got)
	}
	if got[1].QueueTime() != 181*time.Millisecond {
		t.Errorf("queue time %v", got[1].QueueTime())
	}
	if most := all.Most(1); len(most) != 1 || most[0].Digest != 9 {
		t.Errorf("the most: %+v", most)
	}
}

// A digest that has cost much is not lost among many that have cost little.
func TestTalliesAreBounded(t *testing.T) {
	var all Tallies
	all.Took(5, time.Minute, 1)
	for d := range uint64(50 * tallySlots) {
		if d != 5 {
			all.Took(d, time.Microsecond, 1)
		}
	}
	if n := len(all.Most(1 << 20)); n > tallySlots {
		t.Errorf("%d are kept", n)
	}
	if first := all.Most(1)[0]; first.Digest != 5 || first.ServerTime != time.Minute {
		t.Errorf("%+v", first)
	}
}

func TestATallyCostsNoMemory(t *testing.T) {
	var all Tallies
	all.Took(1, time.Millisecond, 1)
	if n := testing.AllocsPerRun(100, func() {
		all.Took(1, time.Millisecond, 8)
		all.Took(77, time.Millisecond, 8)
		all.Waited(77, time.Millisecond, false, false)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCrowdsAreTheLongestQueues(t *testing.T) {
	g := New(Settings{Floor: 1, Ceiling: 1}, 1)
	g.Enter(Write, false)
	for i, account := range []string{"a", "b", "b", "c", "b", "c"} {
		g.Wait(&Waiter{Request: Request{Class: Write, Account: account, Digest: uint64(i)}}, 2)
	}
	got := g.Crowds(2)
	if len(got) != 2 || got[0] != (Crowd{"b", 3}) || got[1] != (Crowd{"c", 2}) {
		t.Errorf("%+v", got)
	}
}
