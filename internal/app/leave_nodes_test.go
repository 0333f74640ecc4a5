package app_test

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestLeaderDiesDuringARemoval has three nodes before a ring of three: the one that leads is
// killed in the midst of the removal of the owner. Another one finishes it, and clients
// through the others notice nothing.
func TestLeaderDiesDuringARemoval(t *testing.T) {
	after := []time.Duration{300 * time.Millisecond}
	if os.Getenv("SQLRING_FAULT_ROUNDS") != "" {
		after = []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond, time.Second}
	}
	for _, d := range after {
		t.Run(d.String(), func(t *testing.T) { playLeaderDies(t, d) })
	}
}

func playLeaderDies(t *testing.T, after time.Duration) {
	n := startNodesBefore(t, mysqltest.StartRing(t, 3), func(*app.Config) {}, "voter", "voter", "voter")
	n.load(t)
	victim := n.leader(t)
	var loads []*steady
	for i, r := range n.nodes {
		if i != victim {
			loads = append(loads, r.startSteady(t, 4))
		}
	}
	time.Sleep(500 * time.Millisecond)
	at := time.Now()
	if _, err := n.nodes[victim].client.Leave(t.Context(), "m1", "remove", api.LeaveRequest{Why: "test"}, false); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	n.procs[victim].signal(t, syscall.SIGKILL)
	living := n.nodes[(victim+1)%3]
	eventually(t, 60*time.Second, "m1 has left", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		st, err := living.client.Status(ctx)
		if err == nil && (len(st.Members) != 2 || st.Operation != nil) {
			err = fmt.Errorf("%d members, operation %v", len(st.Members), st.Operation)
		}
		return err
	})
	took := time.Since(at)
	for _, r := range n.nodes {
		r.untilHealthy(t, 30*time.Second)
	}
	var worst time.Duration
	writes, reads := 0, 0
	for _, s := range loads {
		s.end()
		worst = max(worst, s.pause(at.Add(-time.Second)))
		for _, err := range s.errors() {
			t.Error(err)
		}
		writes, reads = writes+len(s.ends), reads+s.read
	}
	hasLeft(t, n.servers[0], false)
	n.servers = n.servers[1:]
	n.same(t)
	for _, s := range loads {
		s.account(t, n.servers)
	}
	t.Logf("FIGURE leader killed %s after the removal of the owner was ordered: it took %d ms, longest pause of a write %d ms, %d writes and %d reads without an error",
		after, took.Milliseconds(), worst.Milliseconds(), writes, reads)
}
