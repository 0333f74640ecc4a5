package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// TestNoVotersAndContinue is TestNoVoters under isolation continue: all voters are killed and
// stay dead, and writes through an observer's proxy go on. With them back the owner is killed:
// that is named, with what to do, and nobody else gets its units before a person says fence.
func TestNoVotersAndContinue(t *testing.T) {
	n := startNodesApart(t, "voter", "voter", "voter", "observer")
	n.load(t)
	via := n.nodes[3]
	if _, err := via.client.SetIsolation(t.Context(), "continue", "test"); err != nil {
		t.Fatal(err)
	}
	for _, r := range n.nodes {
		eventually(t, 10*time.Second, "it knows that isolation is continue", func() error {
			st, err := r.client.Raft(t.Context())
			if err == nil && st.Isolation != topology.IsolationContinue.String() {
				err = fmt.Errorf("%s: isolation is %s", r.cfg.Node, st.Isolation)
			}
			return err
		})
	}
	s := via.startSteady(t, 2)
	time.Sleep(time.Second)
	for _, p := range n.procs[:3] {
		p.killForGood(t)
	}
	at := time.Now()
	time.Sleep(2*topology.LeaseTTL + time.Second)
	s.end()
	for _, err := range s.errors() {
		t.Error(err)
	}
	pause := s.pause(at.Add(-time.Second))
	if written := s.last().Sub(at); written < 2*topology.LeaseTTL || pause > bar(time.Second) {
		t.Errorf("without a quorum the last write was acknowledged after %s, the longest pause was %s", written, pause)
	}
	t.Logf("FIGURE nodes all three voters dead, continue: writes went on for %d ms, longest pause %d ms", s.last().Sub(at).Milliseconds(), pause.Milliseconds())
	for _, p := range n.procs[:3] {
		p.again(t)
	}
	n.answer(t)
	for _, r := range n.nodes {
		r.untilHealthy(t, 30*time.Second)
	}
	n.ownerWaits(t, via)
	n.same(t)
	s.account(t, n.servers)
}

// ownerWaits kills the owner under isolation continue: it stays the owner until fence is set.
func (n *nodesRig) ownerWaits(t *testing.T, via *rig) {
	t.Helper()
	owner := n.owner(t, via)
	owner.Kill()
	eventually(t, 10*time.Second, "its loss is named, with the command", func() error {
		st, err := via.client.Status(t.Context())
		if err != nil {
			return err
		}
		if st.Step == nil || !strings.Contains(st.Step.Why, "member "+owner.Name+" ") || !strings.Contains(st.Step.Why, "sqlring raft isolation fence") {
			return fmt.Errorf("step %+v, %v", st.Step, st.Reasons)
		}
		return nil
	})
	time.Sleep(3 * time.Second)
	st := via.status(t)
	if st.Units[0].Owner != owner.Name || st.Health == "ok" {
		t.Errorf("nobody has said so, and the owner is %q, health %s", st.Units[0].Owner, st.Health)
	}
	if _, err := via.client.SetIsolation(t.Context(), "fence", "the owner is dead"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 15*time.Second, "it is healed", func() error {
		st, err := via.client.Status(t.Context())
		if err == nil && (len(st.Units) == 0 || st.Units[0].Owner == owner.Name || st.Units[0].Owner == "") {
			err = fmt.Errorf("units %+v, step %+v", st.Units, st.Step)
		}
		return err
	})
	if _, err := via.pool(t, asApp).ExecContext(t.Context(), "INSERT INTO steady.w (node, client, seq) VALUES ('n4', 97, 1)"); err != nil {
		t.Errorf("a write after it: %v", err)
	}
	owner.RestartNow(t)
	for _, r := range n.nodes {
		r.untilHealthy(t, 60*time.Second)
	}
}
