package sim

import (
	"slices"
	"testing"
	"time"
)

// A stopped node reads nothing and does nothing; then everything happens at once, and it goes
// on between the two steps where it stood.
func TestStoppedNodeGoesOnWhereItStood(t *testing.T) {
	w := newWorld(Options{Seed: 1, Members: 2, Nodes: 1, Voters: 1, Stops: true})
	w.nemesis.off = false
	n := w.nodes[0]
	n.up = true
	var done []string
	does := func(what string) func() { return func() { done = append(done, what) } }
	n.trap = 2 * time.Second
	n.seam(does("next step"))
	n.after(500*time.Millisecond, does("timer"))
	w.net.send("m1", n.host(), does("message"))
	w.runUntil(1900 * time.Millisecond)
	if len(done) > 0 || !n.stopped || n.fit() || n.overslept() != w.now {
		t.Fatalf("while it is stopped: %v done, stopped %t, fit %t, overslept %s", done, n.stopped, n.fit(), n.overslept())
	}
	w.runUntil(2*time.Second + wakesUp)
	slices.Sort(done)
	if want := []string{"message", "next step", "timer"}; !slices.Equal(done, want) || n.stopped || n.trap != 0 {
		t.Errorf("after it: %v, want %v; stopped %t, trap %s", done, want, n.stopped, n.trap)
	}
	w.nemesis.stop(n, time.Second)
	n.after(time.Millisecond, does("timer of who is killed"))
	w.runUntil(w.now + 10*time.Millisecond)
	n.up = false
	n.goOn() // as crash does: whoever waits for an answer is told, and the clients' pauses go on
	n.up = true
	w.nemesis.stop(n, 5*time.Second)
	w.runUntil(4 * time.Second) // the end of the first stop is no end of this one
	if !n.stopped || slices.Contains(done, "timer of who is killed") {
		t.Errorf("the second stop: stopped %t, done %v", n.stopped, done)
	}
}

// Seeds that were drawn before there were five voters and stops keep the lives that they had.
func TestEarlierSeedsKeepTheirLives(t *testing.T) {
	for seed := uint64(0); seed < laterFrom; seed += 997 {
		if o := Draw(seed); o.Voters > 3 || o.Stops {
			t.Fatalf("seed %d draws what is later: %s", seed, o)
		}
	}
	five, stops, witness := 0, 0, 0
	for seed := uint64(laterFrom); seed < laterFrom+400; seed++ {
		o := Draw(seed)
		if o.Stops {
			stops++
		}
		if o.Voters == 5 {
			five++
			if o.Witness {
				witness++
			}
		}
	}
	if five < 60 || stops < 80 || witness < 20 {
		t.Errorf("of 400 later seeds %d have five voters, %d of them with a witness, %d stop nodes", five, witness, stops)
	}
}
