package mysqld_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestNextLeaderTakesTheHandsAndTheFirstStatementOfTheOldOneFails(t *testing.T) {
	n := world(t, 1)[0]
	n.Lead(1)
	n.do(t, n.prepare())
	next := handle(t, n.Server, config())
	next.Lead(2)
	if err := next.Execute(t.Context(), n.issued(open(9))); err != nil {
		t.Fatal(err)
	}
	// The old one sleeps until now. Its action does not land, neither at once nor
	// when it tries again, and the new one is not disturbed.
	n.refused(t, kind(topology.ActClose), mysqld.ErrHandsLost)
	n.refused(t, kind(topology.ActClose), mysqld.ErrDeposed)
	if o := n.see(t); o.ReadOnly || o.Boot != 9 {
		t.Errorf("read_only %t, boot %d: the old leader's action landed", o.ReadOnly, o.Boot)
	}
	if err := next.Execute(t.Context(), n.issued(open(10))); err != nil {
		t.Errorf("the new leader was disturbed: %v", err)
	}
	n.Lead(3) // it is elected again
	n.do(t, kind(topology.ActClose))
}

func TestSameTermTakesOver(t *testing.T) {
	n := world(t, 1)[0]
	n.Lead(4)
	n.do(t, n.prepare())
	again := handle(t, n.Server, config()) // the same leader's process, started again
	again.Lead(4)
	order := open(1)
	order.Identity = n.identity
	if err := again.Execute(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	n.refused(t, kind(topology.ActClose), mysqld.ErrHandsLost)
}

func TestHandsThatStandInAnEndlessStopAreBusy(t *testing.T) {
	up, down := pair(t)
	release := lockTable(t, down)
	// The applier waits for the table lock, and a hands' connection for the applier.
	up.Exec(t, "INSERT INTO shop.t (v) VALUES (1)")
	mysqltest.Eventually(t, "the applier is stuck", func() error { return stickApplier(t, down) })
	c := holdHands(t, down)
	stopped := make(chan struct{})
	ctx := context.WithoutCancel(t.Context())
	go func() {
		defer close(stopped)
		_, _ = c.ExecContext(ctx, down.words(t, "STOP SLAVE SQL_THREAD"))
	}()
	mysqltest.Eventually(t, "the stop is under way", func() error {
		if down.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info='"+down.words(t, "STOP SLAVE SQL_THREAD")+"'") != "1" {
			return errors.New("not yet")
		}
		return nil
	})
	began := time.Now()
	fresh := handle(t, down.Server, config())
	err := fresh.Execute(t.Context(), topology.Action{Kind: topology.ActStamp, Boot: 3})
	if !errors.Is(err, mysqld.ErrHandsBusy) || time.Since(began) > 4*time.Second {
		t.Errorf("got %v after %v, want ErrHandsBusy", err, time.Since(began))
	}
	if o := down.see(t); o.Boot == 3 {
		t.Error("it acted without the hands")
	}
	release()
	<-stopped
	if err := fresh.Execute(t.Context(), topology.Action{Kind: topology.ActStamp, Boot: 3}); err != nil {
		t.Errorf("with the lock free again: %v", err)
	}
}

// holdHands returns a connection that holds the hands of n, and is not ours.
func holdHands(t *testing.T, n *node) *sql.Conn {
	t.Helper()
	n.Close() // lets go of its own
	c, err := n.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	var got int
	if err := c.QueryRowContext(t.Context(), "SELECT GET_LOCK('sqlring_hands', 1)").Scan(&got); err != nil || got != 1 {
		t.Fatalf("the lock is not free: %d, %v", got, err)
	}
	return c
}

// stickApplier says nil once the applier has something that it cannot apply.
func stickApplier(t *testing.T, n *node) error {
	t.Helper()
	if n.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE user='system user' AND state LIKE 'Waiting for table%'") == "0" {
		return errors.New("it is idle")
	}
	return nil
}

func TestExecuteOfAFrozenServerEndsInTime(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	n.Freeze()
	defer n.Thaw()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := n.Execute(ctx, open(1)); !errors.Is(err, mysqld.ErrUnknownOutcome) {
		t.Errorf("got %v, want ErrUnknownOutcome", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	n.Thaw()
	if o := n.see(t); o.Boot != 0 {
		t.Errorf("boot is %d: nothing was sent but a question", o.Boot)
	}
	n.do(t, open(1))
}

func TestUnknownActionIsAnError(t *testing.T) {
	n := world(t, 1)[0]
	if err := n.Execute(t.Context(), topology.Action{}); err == nil {
		t.Error("the action none was done")
	}
}
