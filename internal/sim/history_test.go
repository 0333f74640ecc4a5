package sim

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/history"
)

// moving draws worlds whose one unit changes its owner often, with three voters.
func moving(seed uint64) Options {
	o := Draw(seed)
	threeVoters(&o)
	o.Units, o.Moves, o.Record, o.Dissolves, o.Grows, o.Data = 1, true, true, false, 0, false
	o.Every, o.Storm, o.Clients = 300*time.Millisecond, 15*time.Second, 6
	return o
}

// TestEpochsAreLinearizable: the grants of the simulation and the writes that its clients
// were told to be done have an order, by another judge than the laws.
func TestEpochsAreLinearizable(t *testing.T) {
	grants, writes := 0, 0
	for seed := uint64(1); seed <= 20; seed++ {
		r := Run(moving(seed))
		if r.Broken != nil {
			t.Errorf("seed %d: %s", seed, r.Broken)
		}
		grants, writes = grants+len(r.Grants), writes+len(r.Writes)
		if err := history.Check(r.Grants, r.Writes, time.Minute); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d grants, %d writes", grants, writes)
	if grants < 80 || writes < 5000 {
		t.Errorf("%d grants and %d writes prove little", grants, writes)
	}
}

// TestLinearizabilityIsLost: with leases that are not waited for, the same judge finds what
// has no order, while the law that would say it first is deaf.
func TestLinearizabilityIsLost(t *testing.T) {
	for seed := uint64(1); seed <= 200; seed++ {
		o := moving(seed)
		o.Mutation, o.Deaf = Mutation{Name: "lease is not waited for", Seen: leasesOver}, "I5"
		r := Run(o)
		if err := history.Check(r.Grants, r.Writes, time.Minute); errors.Is(err, history.ErrNotLinearizable) {
			t.Logf("seed %d: %v", seed, err)
			return
		}
	}
	t.Error("200 seeds are linearizable")
}
