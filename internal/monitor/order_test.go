package monitor

import (
	"sync"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// rising is a state whose epoch rises with every look.
type rising struct {
	mu    sync.Mutex
	epoch uint64
}

func (r *rising) Snapshot() *topology.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
	s := ring()
	s.Units[0].Epoch = r.epoch
	return s
}

func (r *rising) Changed(uint64) <-chan struct{} { return make(chan struct{}) }

// TestViewNeverGoesBackToAnEndedEpoch: many publish at a time; a view with an older
// epoch than one that was seen would give a lease back to the proxy (I5).
func TestViewNeverGoesBackToAnEndedEpoch(t *testing.T) {
	m := New(Config{Node: "n1"}, &rising{}, &servers{})
	var publishing sync.WaitGroup
	for range 8 {
		publishing.Go(func() {
			for range 500 {
				m.publishView()
			}
		})
	}
	var last uint64
	for range 20_000 {
		if view := m.View(); view != nil {
			if epoch := view.Units[0].Epoch; epoch < last {
				t.Fatalf("epoch %d after %d", epoch, last)
			} else {
				last = epoch
			}
		}
	}
	publishing.Wait()
}
