package sim

import (
	"github.com/sqlring/sqlring/pkg/topology"
	"testing"
)

func TestScan(t *testing.T) {
	n := map[string]int{}
	for s := uint64(1); s <= 3000; s++ {
		o := Draw(s)
		if o.Degraded == topology.DegradedRefuse {
			continue
		}
		r := Run(o)
		if r.Broken != nil {
			w := r.Broken.What
			k := r.Broken.Law
			n[k]++
			if n[k] <= 12 {
				t.Logf("seed %d: %s %.300s | %s", s, k, w, "")
			}
		}
	}
	t.Log(n)
}
