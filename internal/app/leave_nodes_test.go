package app_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestLeaderDiesDuringARemoval has three nodes before a ring of three: the one that leads is
// killed after a step of the removal of the owner. Another one finishes it, and clients
// through the others notice nothing.
func TestLeaderDiesDuringARemoval(t *testing.T) {
	steps := []int{4, 7} // among those of the move of its unit, while writes of it wait
	if os.Getenv("SQLRING_FAULT_ROUNDS") != "" {
		steps = nil
		for n := 1; n <= removeSteps; n++ {
			steps = append(steps, n)
		}
	}
	for _, n := range steps {
		t.Run(fmt.Sprintf("after step %d", n), func(t *testing.T) { playLeaderDies(t, n) })
	}
}

func playLeaderDies(t *testing.T, step int) {
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
	if err := os.WriteFile(filepath.Join(n.nodes[victim].cfg.Dir, dieFile), []byte(strconv.Itoa(step)), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	if _, err := n.nodes[victim].client.Leave(t.Context(), "m1", "remove", api.LeaveRequest{Why: "test"}, false); err != nil {
		t.Fatal(err)
	}
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
	if n.procs[victim].deaths() != 1 {
		t.Errorf("the leader died %d times: the removal has fewer than %d steps", n.procs[victim].deaths(), step)
	}
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
	t.Logf("FIGURE leader killed after step %d of the removal of the owner: it took %d ms, longest pause of a write %d ms, %d writes and %d reads without an error",
		step, took.Milliseconds(), worst.Milliseconds(), writes, reads)
	if worst > time.Second {
		t.Errorf("a write waited %s", worst)
	}
}
