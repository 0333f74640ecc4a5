package balancer_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestSharing is how goroutines share plans: a table of atomic pointers to sets. The
// race detector watches.
func TestSharing(t *testing.T) {
	const goroutines, statements, rounds, size = 4, 50, 200, 64
	dialect := balancer.Dialect{Flavour: topology.FlavourMySQL, Version: 90704}
	var sets [size]atomic.Pointer[balancer.PlanSet]
	var made atomic.Int64
	planOf := func(d *balancer.Digester) *balancer.Plan {
		hash := d.Hash()
		set := &sets[hash%size]
		old := set.Load()
		if p := old.Find(hash, d.Key()); p != nil {
			return p
		}
		made.Add(1)
		p := balancer.MakePlan(d, dialect)
		set.CompareAndSwap(old, old.With(p)) // who loses makes it again
		return p
	}
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			var d balancer.Digester
			for i := range rounds * statements {
				d.Digest(fmt.Appendf(nil, "select c%d from t where id = %d", i%statements, i), dialect)
				p := planOf(&d)
				if want := fmt.Sprintf("SELECT `c%d` FROM `t` WHERE `id` = ?", i%statements); string(p.AppendDigest(nil)) != want {
					t.Errorf("got %s, want %s", p.AppendDigest(nil), want)
					return
				}
			}
		})
	}
	group.Wait()
	if n := made.Load(); n < statements || n > goroutines*rounds*statements/2 {
		t.Errorf("%d plans were made for %d digests", n, statements)
	}
}
