package mysqld_test

import (
	"fmt"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// overwrite starts an UPDATE of the one row; its answer comes over the channel.
func (n *node) overwrite(t *testing.T, v int) <-chan error {
	t.Helper()
	answer := make(chan error, 1)
	ctx := t.Context()
	go func() {
		_, err := n.DB().ExecContext(ctx, fmt.Sprintf("UPDATE shop.t SET v=%d WHERE id=1", v))
		answer <- err
	}()
	return answer
}

// Who overwrites a row holds it until the commit is visible, the wait for an acknowledgement
// included: so no two writes to one row stand in the binlog and wait, and they become visible
// in its order, whichever connection is ended first. The simulation's servers have that
// from here.
func TestARowIsHeldWhileItsCommitWaits(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "it is of this one that the simulation has a model")
	up, down := pair(t)
	up.Exec(t, "INSERT INTO shop.t (id, v) VALUES (1, 0)")
	down.caughtUp(t, up)
	up.do(t, kind(topology.ActArm))
	down.Kill()
	up.eventually(t, "no acker is left", func(o topology.Observation) bool { return o.SemiSync.Ackers == 0 })
	has := up.see(t).Binlog.Seq(up.domain(t))
	stands := func(v string, written uint64) {
		t.Helper()
		if got := up.Query(t, "SELECT v FROM shop.t"); got != v {
			t.Errorf("v is %s, want %s", got, v)
		}
		if got, want := up.Query(t, "SELECT @@gtid_binlog_pos"), up.at(t, has+written).String(); got != want {
			t.Errorf("the binlog stands at %s, want %s", got, want)
		}
	}

	first := up.overwrite(t, 1)
	up.eventually(t, "the first commit waits", func(o topology.Observation) bool { return o.SemiSync.Waiting > 0 })
	second := up.overwrite(t, 2)
	mysqltest.Eventually(t, "the second one waits for the row", func() error { // innodb_trx is a cache that a poll keeps old
		if got := up.Query(t, "SELECT variable_value FROM information_schema.global_status WHERE variable_name='Innodb_row_lock_current_waits'"); got != "1" {
			return fmt.Errorf("%s statements wait for a row", got)
		}
		return nil
	})
	stands("0", 1)

	up.Exec(t, "KILL CONNECTION "+up.Query(t, "SELECT id FROM information_schema.processlist WHERE info LIKE 'UPDATE shop.t SET v=1 %'"))
	<-first // that its connection is lost
	up.eventually(t, "the second one is in the binlog after it", func(o topology.Observation) bool { return o.Binlog.Seq(o.Domain) == has+2 })
	stands("1", 2)

	up.do(t, kind(topology.ActDisarm))
	if err := <-second; err != nil {
		t.Error(err)
	}
	stands("2", 2)
}
