package api

import (
	"testing"
	"time"
)

// The history is bounded, and an answer that is being written does not change
// under the writer.
func TestHistoryForgetsTheOldest(t *testing.T) {
	var h history
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range historyKept {
		h.add(Sample{At: began.Add(time.Duration(i) * historyEvery)})
	}
	before := h.since(0)
	h.add(Sample{At: began.Add(time.Hour)})
	if len(before.Samples) != historyKept || before.Samples[0].Seq != 1 || before.Samples[historyKept-1].Seq != historyKept {
		t.Errorf("before: %d samples from %d", len(before.Samples), before.Samples[0].Seq)
	}
	after := h.since(0)
	if len(after.Samples) != historyKept || after.Samples[0].Seq != 2 || !after.Started.Equal(began) {
		t.Errorf("after: %d samples from %d, started %s", len(after.Samples), after.Samples[0].Seq, after.Started)
	}
	if tail := h.since(historyKept); len(tail.Samples) != 1 || tail.Samples[0].Seq != historyKept+1 {
		t.Errorf("tail: %+v", tail.Samples)
	}
	if none := h.since(historyKept + 1); none.Samples == nil || len(none.Samples) != 0 {
		t.Errorf("none: %+v", none.Samples)
	}
}
