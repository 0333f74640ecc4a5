package mysqld_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// armedAlone returns an armed owner whose acker has gone: its commits wait.
func armedAlone(t *testing.T) (up, down *node) {
	t.Helper()
	up, down = pair(t)
	up.do(t, kind(topology.ActArm))
	down.Kill()
	up.eventually(t, "no acker is left", func(o topology.Observation) bool { return o.SemiSync.Ackers == 0 })
	return up, down
}

// write starts a commit that will wait; its answer comes over the channel.
func (n *node) write(t *testing.T) <-chan error {
	t.Helper()
	answer := make(chan error, 1)
	ctx := t.Context()
	go func() {
		_, err := n.DB().ExecContext(ctx, "INSERT INTO shop.t (v) VALUES (1)")
		answer <- err
	}()
	n.eventually(t, "a commit waits", func(o topology.Observation) bool { return o.SemiSync.Waiting > 0 })
	return answer
}

func TestArmNeedsAnAcker(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	n.refused(t, kind(topology.ActArm), mysqld.ErrPrecondition)
	if o := n.see(t); o.SemiSync.Enabled {
		t.Error("it was armed")
	}
}

func TestArmedOwnerIsAcknowledged(t *testing.T) {
	up, down := pair(t)
	for range 2 {
		up.do(t, kind(topology.ActArm))
	}
	o := up.see(t)
	if !o.SemiSync.Enabled || !o.SemiSync.On || o.SemiSync.Ackers != 1 {
		t.Errorf("semi-sync is %+v", o.SemiSync)
	}
	if d := down.see(t); !d.SemiSync.Acking {
		t.Errorf("the acker's side is %+v", d.SemiSync)
	}
	up.Exec(t, "INSERT INTO shop.t (v) VALUES (1)")
	if o := up.see(t); o.SemiSync.Waiting != 0 {
		t.Errorf("%d commits wait", o.SemiSync.Waiting)
	}
	for range 2 {
		up.do(t, kind(topology.ActDisarm))
	}
	if o := up.see(t); o.SemiSync.Enabled || o.SemiSync.On {
		t.Errorf("semi-sync is %+v after disarm", o.SemiSync)
	}
}

func TestArmedWithoutAckerAnswersProbesAndHangsBeats(t *testing.T) {
	up, _ := armedAlone(t)
	began := time.Now()
	err := up.Beat(t.Context(), 10)
	if !errors.Is(err, mysqld.ErrUnknownOutcome) {
		t.Errorf("a heartbeat that waits: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	// The server still commits it. No second one is sent after it, and none of
	// many calls leaves a session behind.
	for range 5 {
		if err := up.Beat(t.Context(), 11); !errors.Is(err, mysqld.ErrBeatWaits) {
			t.Errorf("a heartbeat behind it: %v", err)
		}
	}
	if got := up.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO sqlring.heartbeat%'"); got != "1" {
		t.Errorf("%s heartbeats wait in the server, want 1", got)
	}
	if o := up.see(t); !o.SemiSync.On || o.SemiSync.Waiting == 0 {
		t.Errorf("semi-sync is %+v", o.SemiSync)
	}
	up.do(t, kind(topology.ActDisarm))
	mysqltest.Eventually(t, "heartbeats go on", func() error { return up.Beat(t.Context(), 12) })
}

func TestCloseBehindACommitThatWaitsIsBlockedAndDoesNotStick(t *testing.T) {
	up, _ := armedAlone(t)
	answer := up.write(t)
	began := time.Now()
	up.refused(t, kind(topology.ActClose), mysqld.ErrBlocked)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if o := up.see(t); o.ReadOnly {
		t.Error("it is read-only after all")
	}
	up.do(t, kind(topology.ActDisarm))
	if err := <-answer; err != nil {
		t.Errorf("the waiting commit got %v", err)
	}
	up.do(t, kind(topology.ActClose))
}

func TestDisarmWorksWhenTheHandsAreStuck(t *testing.T) {
	up, _ := armedAlone(t)
	// Somebody's hands stand in a logged write that waits: KILL does not end it
	// while it waits in the group behind another one.
	answer := up.write(t)
	stuck := holdHands(t, up)
	behind := make(chan error, 1)
	ctx := t.Context()
	go func() {
		_, err := stuck.ExecContext(ctx, "INSERT INTO shop.t (v) VALUES (2)")
		behind <- err
	}()
	mysqltest.Eventually(t, "two commits are in the group", func() error {
		if n := up.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO shop.t%'"); n != "2" {
			return errors.New(n)
		}
		return nil
	})
	up.refused(t, kind(topology.ActClose), mysqld.ErrHandsBusy)
	up.do(t, kind(topology.ActDisarm))
	if err := <-answer; err != nil {
		t.Errorf("the first commit got %v", err)
	}
	<-behind // killed or answered
	up.do(t, kind(topology.ActClose))
}
