package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
)

func someLook(at time.Time, times uint64) topLook {
	n := float64(times)
	return topLook{
		at:     at,
		status: api.Status{Node: "n1", Ring: "demo", Health: "ok", Proxy: api.ProxyStats{Queries: 5000 * times, Errors: 10 * times}},
		gates: api.GateReport{Gates: []api.Gate{{
			Member: "m1", Granted: map[string]uint64{"read": 900 * times, "heavy": 100 * times, "write": 500 * times}, Waits: 900 * times, WaitedMS: 9000 * n,
			Refused: map[string]uint64{"deadline": 10 * times, "queue_full": 10 * times}, HotKeys: []api.HotKey{{Key: "k", Uses: 400 * times, Waits: 300 * times}},
		}}},
		digests: map[[2]string]api.Digest{
			{"m1", "abc"}: {Member: "m1", Digest: "abc", Statements: 500 * times, ServerMS: 1000 * n, Waits: 400 * times, WaitMS: 7000 * n, RowWaits: 100 * times, RowWaitMS: 1000 * n, Shed: 10 * times},
			{"m1", "def"}: {Member: "m1", Digest: "def", Statements: 8},
		},
	}
}

// What is a second is what has come between the two looks, by the time between them.
func TestTopIsOfTheTimeBetweenTwoLooks(t *testing.T) {
	began := time.Now()
	s := topOf(someLook(began, 1), someLook(began.Add(2*time.Second), 2), 10)
	if s.OverMS != 2000 || s.Statements != 2500 || s.Errors != 5 {
		t.Errorf("%+v", s)
	}
	g := s.Gates[0]
	if g.Reads != 500 || g.Writes != 250 || g.Waits != 450 || g.MeanWait != 10 || g.Shed != 10 {
		t.Errorf("%+v", g)
	}
	if k := s.Keys[0]; k.Uses != 200 || k.Waits != 150 {
		t.Errorf("%+v", k)
	}
	want := topDigest{Member: "m1", Digest: "abc", Statements: 250, Server: 500, Queue: 4000, MeanServer: 2, MeanQueue: 16, Shed: 5}
	if len(s.Digests) != 1 || s.Digests[0] != want {
		t.Errorf("%+v, and those that did nothing are left out", s.Digests)
	}
	var text strings.Builder
	topText(&text, s)
	if !strings.Contains(text.String(), "500 ms/s") || !strings.Contains(text.String(), "4000 ms/s") {
		t.Errorf("the queue apart from the member: %s", text.String())
	}
}

// A node that was started again has counted anew: nothing is negative, or huge.
func TestTopOverARestart(t *testing.T) {
	began := time.Now()
	s := topOf(someLook(began, 9), someLook(began.Add(time.Second), 1), 10)
	if s.Statements != 5000 || s.Gates[0].Writes != 500 || s.Gates[0].MeanWait != 0 || s.Digests[0].Statements != 500 {
		t.Errorf("%+v", s)
	}
}
