package sim

import (
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// continuing has isolation set to continue again and again.
func continuing(o *Options) {
	threeVoters(o)
	o.Continues, o.Every = true, 300*time.Millisecond
}

// everyLeaseEnds has what each proxy says be taken for the word that its leases end by
// themselves.
func everyLeaseEnds(_ *World, o topology.Observations) topology.Observations {
	said := append([]topology.Writer(nil), o.Writers...)
	for i := range said {
		said[i].Timed = true
	}
	o.Writers = said
	return o
}

// Seeds that were drawn before isolation was a matter keep the lives that they had.
func TestEarlierSeedsKnowNoContinue(t *testing.T) {
	for seed := uint64(laterFrom); seed < isolationFrom; seed += 997 {
		if o := Draw(seed); o.Continues {
			t.Fatalf("seed %d draws what is later: %s", seed, o)
		}
	}
	continues := 0
	for seed := uint64(isolationFrom); seed < isolationFrom+400; seed++ {
		if Draw(seed).Continues {
			continues++
		}
	}
	if continues < 80 {
		t.Errorf("of 400 later seeds %d set isolation to continue", continues)
	}
}
