package mysqld_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// round is two members that follow each other; both take writes.
func round(t *testing.T) (back, other *node) {
	t.Helper()
	back, other = pair(t)
	back.do(t, follow(other))
	other.Exec(t, "SET GLOBAL read_only=0")
	back.Exec(t, "INSERT INTO shop.t (v) VALUES (1)")
	back.eventually(t, "its own have come round", func(o topology.Observation) bool { return o.Applied.Covers(o.Binlog) })
	return back, other
}

func received(g topology.GTID) func(o topology.Observation) bool {
	return func(o topology.Observation) bool {
		return o.Link.Receiver == topology.ThreadRunning && o.Link.Received.Seq(g.Domain) >= g.Seq
	}
}

func (n *node) last(t *testing.T) topology.GTID {
	t.Helper()
	g, ok := n.see(t).Binlog.Last(n.domain(t))
	if !ok {
		t.Fatalf("%s has written nothing", n.id)
	}
	return g
}

func (n *node) stopsReceiver(t *testing.T) {
	t.Helper()
	for range 2 {
		n.do(t, kind(topology.ActStopReceiver))
	}
	if o := n.see(t); o.Link.Receiver != topology.ThreadStopped {
		t.Errorf("link is %+v", o.Link)
	}
}

// refusesToStop asks for the reason, and that the receiver was left running.
func (n *node) refusesToStop(t *testing.T, why string) {
	t.Helper()
	n.refused(t, kind(topology.ActStopReceiver), mysqld.ErrPrecondition)
	err := n.Execute(t.Context(), kind(topology.ActStopReceiver))
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("got %v, want %q", err, why)
	}
	if o := n.see(t); o.Link.Receiver == topology.ThreadStopped {
		t.Errorf("link is %+v", o.Link)
	}
}

func TestReceiverStopsWhenTheApplierStandsAndNothingIsUnapplied(t *testing.T) {
	back, other := round(t)
	back.Exec(t, "STOP SLAVE SQL_THREAD")
	back.stopsReceiver(t)
	if isMySQL(t) {
		return // its own do not come round: it has them
	}

	back.do(t, follow(other))
	back.caughtUp(t, other)
	back.Exec(t, "STOP SLAVE SQL_THREAD")
	back.Exec(t, "INSERT INTO shop.t (v) VALUES (2)") // comes round, and is not noted as applied
	back.eventually(t, "its own come round", received(back.last(t)))
	back.stopsReceiver(t)
}

func TestReceiverOfARestartedMemberThatSomebodyStarted(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "a MySQL's own transactions do not come round")
	back, other := round(t)
	back.Exec(t, "STOP SLAVE SQL_THREAD")
	back.Exec(t, "INSERT INTO shop.t (v) VALUES (2)")
	own := back.last(t)
	back.eventually(t, "its own come round", received(own))
	back.Kill()
	back.RestartNow(t)
	mysqltest.Eventually(t, "the hands are taken again", func() error { return back.Execute(t.Context(), kind(topology.ActSeize)) })
	back.stopsReceiver(t) // it boots with both threads stopped
	back.Exec(t, "START SLAVE IO_THREAD")
	o := back.eventually(t, "its own come round again", received(own))
	if o.Domain != 0 || o.Applied.Seq(own.Domain) >= own.Seq || len(o.Unapplied()) == 0 {
		t.Fatalf("the case is not what it should be: domain %d, applied %s, unapplied %s", o.Domain, o.Applied, o.Unapplied())
	}
	back.stopsReceiver(t)

	// The same with something of the other one in the relay log.
	other.Exec(t, "INSERT INTO shop.t (v) VALUES (3)")
	back.Exec(t, "START SLAVE IO_THREAD")
	theirs := other.last(t)
	back.eventually(t, "theirs came", received(theirs))
	back.refusesToStop(t, "its applier is stopped with "+theirs.String()+" unapplied, which would be lost")
}

func TestReceiverIsKeptWhenTheApplierFailed(t *testing.T) {
	back, other := round(t)
	other.Exec(t, "CREATE TABLE shop.conflict (id INT PRIMARY KEY)")
	back.caughtUp(t, other)
	back.Exec(t, "SET sql_log_bin=0; DROP TABLE shop.conflict; SET sql_log_bin=1")
	other.Exec(t, "INSERT INTO shop.conflict VALUES (1)")
	back.eventually(t, "its applier fails", func(o topology.Observation) bool { return o.Link.ApplierErrno != 0 })
	back.refusesToStop(t, topology.Position{other.last(t)}.String()+" unapplied")
	// That the upstream is gone changes nothing: the relay log may be the last copy.
	other.Kill()
	back.eventually(t, "it connects", func(o topology.Observation) bool { return o.Link.Receiver == topology.ThreadConnecting })
	back.refusesToStop(t, "unapplied")
}

func TestReceiverOfAThawedMemberWhoseApplierWaits(t *testing.T) {
	back, other := round(t)
	release := lockTable(t, back)
	other.Exec(t, "INSERT INTO shop.t (v) VALUES (3)")
	back.eventually(t, "theirs came", received(other.last(t)))
	back.Freeze()
	time.Sleep(100 * time.Millisecond)
	back.Thaw()
	mysqltest.Eventually(t, "the receiver stops while the applier runs", func() error {
		return back.Execute(context.WithoutCancel(t.Context()), kind(topology.ActStopReceiver))
	})
	if o := back.see(t); o.Link.Applier != topology.ThreadRunning || len(o.Unapplied()) == 0 {
		t.Errorf("link is %+v, unapplied %s", o.Link, o.Unapplied())
	}
	release()
	back.eventually(t, "it drains", func(o topology.Observation) bool { return o.Drained() })
}

// TestLinkIsLeftInTheMidstOfATransaction stops the receiver when half of a transaction has
// come, as it does when the upstream dies: the applier waits for the rest, a MySQL's for a
// minute after STOP too. The link is left all the same, and what was half there is applied
// once it comes anew.
func TestLinkIsLeftInTheMidstOfATransaction(t *testing.T) {
	back, other := round(t)
	other.Exec(t, "CREATE TABLE shop.big (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT)")
	back.caughtUp(t, other)
	for i := range 3 {
		const rows, each = 30, 1 << 20
		other.Exec(t, fmt.Sprintf("INSERT INTO shop.big (v) SELECT REPEAT('x', %d) FROM information_schema.columns LIMIT %d", each, rows))
		if isMySQL(t) {
			for back.Query(t, "SELECT COUNT(*) FROM performance_schema.replication_connection_status WHERE queueing_transaction<>''") == "0" {
				time.Sleep(time.Millisecond)
			}
		}
		back.Exec(t, mysqltest.Words(t, "STOP SLAVE IO_THREAD"))
		half := len(back.see(t).Binlog.Missing(other.see(t).Binlog)) > 0
		began := time.Now()
		back.do(t, topology.Action{Kind: topology.ActDetach})
		back.do(t, follow(other))
		took := time.Since(began)
		t.Logf("round %d: half of it was there: %t; the link was left and taken up in %s", i, half, took)
		if took > 4*time.Second {
			t.Errorf("the link was left and taken up in %s", took)
		}
		mysqltest.Eventually(t, "it is applied", func() error {
			if got := back.Query(t, "SELECT COUNT(*) FROM shop.big"); got != fmt.Sprint((i+1)*rows) {
				return fmt.Errorf("%s rows, not %d", got, (i+1)*rows)
			}
			return nil
		})
	}
}

// TestHandsOfWhoDiedInTheMidstOfAStop: a node dies while its STOP of an applier waits for the
// rest of a transaction, which the server lets it do for a minute, with the hands in its hand.
// The next one has them within seconds, and leaves the link, which it finds with an error.
func TestHandsOfWhoDiedInTheMidstOfAStop(t *testing.T) {
	up, down := mysqlPair(t)
	up.Exec(t, "CREATE TABLE shop.big (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT)")
	down.caughtUp(t, up)
	const rows, tries = 30, 5
	written, stands := 0, false
	for range tries {
		up.Exec(t, fmt.Sprintf("INSERT INTO shop.big (v) SELECT REPEAT('x', %d) FROM information_schema.columns LIMIT %d", 1<<20, rows))
		written += rows
		for down.Query(t, "SELECT COUNT(*) FROM performance_schema.replication_connection_status WHERE queueing_transaction<>''") == "0" {
			time.Sleep(time.Millisecond)
		}
		down.Exec(t, "STOP REPLICA IO_THREAD")
		dead := holdHands(t, down)
		stopped := make(chan struct{})
		ctx := context.WithoutCancel(t.Context())
		go func() {
			defer close(stopped)
			_, _ = dead.ExecContext(ctx, "STOP REPLICA SQL_THREAD")
		}()
		defer func() { <-stopped }()
		select {
		case <-stopped: // all of it had come, or nothing
			_ = dead.Close()
			down.do(t, follow(up))
			down.caughtUp(t, up)
			continue
		case <-time.After(time.Second):
		}
		stands = true
		break
	}
	if !stands {
		t.Fatalf("in %d tries no STOP waited for the rest of a transaction: nothing is shown", tries)
	}
	next := handle(t, down.Server, config())
	next.Lead(2)
	began := time.Now()
	if err := next.Execute(t.Context(), kind(topology.ActSeize)); err != nil {
		t.Fatalf("after %s: %v", time.Since(began), err)
	}
	took := time.Since(began)
	if took > 4*time.Second {
		t.Errorf("the hands were taken after %s", took)
	}
	before := down.see(t).Link
	for _, a := range []topology.Action{kind(topology.ActDetach), down.issued(follow(up))} {
		if err := next.Execute(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("the hands were taken after %s; the link was left with error %d: %s", took, before.ApplierErrno, before.ApplierError)
	mysqltest.Eventually(t, "it is applied", func() error {
		if got := down.Query(t, "SELECT COUNT(*) FROM shop.big"); got != fmt.Sprint(written) {
			return fmt.Errorf("%s rows, not %d", got, written)
		}
		return nil
	})
}
