package store

import (
	"sync"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestChangedWaitsForTheIndex(t *testing.T) {
	b := newBoard()
	at0, at5, at9 := b.changed(0), b.changed(5), b.changed(9)
	steps := []struct {
		index            uint64
		want0, want5, w9 bool
	}{
		{0, false, false, false}, {5, true, false, false}, {9, true, true, false}, {10, true, true, true},
	}
	for _, step := range steps {
		b.publish(&topology.Snapshot{Index: step.index})
		if isClosed(at0) != step.want0 || isClosed(at5) != step.want5 || isClosed(at9) != step.w9 {
			t.Errorf("index %d: after 0 %v, after 5 %v, after 9 %v", step.index, isClosed(at0), isClosed(at5), isClosed(at9))
		}
	}
	if !isClosed(b.changed(9)) || isClosed(b.changed(10)) {
		t.Error("at index 10: what is after 9 has come, what is after 10 has not")
	}
	if len(b.waiting) != 1 {
		t.Errorf("%d waiting, want 1", len(b.waiting))
	}
}

func TestChangedUnderLoadMissesNothing(t *testing.T) {
	const last = 500
	b := newBoard()
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for seen := uint64(0); seen < last; {
				<-b.changed(seen)
				now := b.latest.Load().Index
				if now <= seen {
					t.Errorf("woken at %d, which was seen", now)
					return
				}
				seen = now
			}
		})
	}
	for i := range uint64(last) {
		b.publish(&topology.Snapshot{Index: i + 1})
	}
	readers.Wait()
}
