package app_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// killForGood kills the process -9, and no supervisor starts it again.
func (p *nodeProcess) killForGood(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	p.over = true
	err := p.cmd.Process.Signal(syscall.SIGKILL)
	p.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
}

// again starts a process that was killed for good.
func (p *nodeProcess) again(t *testing.T) {
	t.Helper()
	p.ended.Wait()
	p.mu.Lock()
	p.over = false
	p.mu.Unlock()
	p.start(t, 0)
}

// TestNoVoters: all three voters, each in a network namespace of its own, are killed, and stay dead. Through a proxy that lives, an
// observer's, reads go on without an error, and no write is acknowledged once its lease has
// ended; when the voters are back it goes on where it was, and nothing is lost.
func TestNoVoters(t *testing.T) {
	n := startNodesApart(t, "voter", "voter", "voter", "observer")
	n.load(t)
	via := n.nodes[3]
	s := via.startSteady(t, 2)
	time.Sleep(time.Second)
	s.end()
	for _, err := range s.errors() {
		t.Error(err)
	}
	db := via.pool(t, asApp)
	for _, p := range n.procs[:3] {
		p.killForGood(t)
	}
	at := time.Now()
	last, seq, reads := at, 0, 0
	for time.Since(at) < 5*time.Second {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := db.ExecContext(ctx, "INSERT INTO steady.w (node, client, seq) VALUES ('n4', 99, ?)", seq); err == nil {
			last = time.Now()
			s.acks = append(s.acks, [2]int{99, seq})
		}
		cancel()
		seq++
		var count int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM steady.w").Scan(&count); err != nil {
			t.Errorf("a read after %s: %v", time.Since(at), err)
		}
		reads++
		time.Sleep(10 * time.Millisecond)
	}
	if took := last.Sub(at); took > topology.LeaseTTL {
		t.Errorf("the last write was acknowledged after %s, the lease is %s", took, topology.LeaseTTL)
	}
	t.Logf("FIGURE nodes all three voters dead: %d reads went on, the last write was acknowledged after %d ms", reads, last.Sub(at).Milliseconds())
	if len(s.acks) == 0 || last.Equal(at) {
		t.Error("nothing was written: nothing is shown")
	}
	for _, p := range n.procs[:3] {
		p.again(t)
	}
	n.answer(t)
	eventually(t, 20*time.Second, "writes go on", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := db.ExecContext(ctx, "INSERT INTO steady.w (node, client, seq) VALUES ('n4', 98, 1)")
		return err
	})
	for _, r := range n.nodes {
		r.untilHealthy(t, 30*time.Second)
	}
	n.same(t)
	s.account(t, n.servers)
}
