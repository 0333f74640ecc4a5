package mysqld_test

import (
	"testing"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestRetireRemovesWhatSqlringHasPutThere(t *testing.T) {
	up, down := pair(t)
	up.Exec(t, "INSERT INTO shop.t (v) VALUES (1)")
	down.caughtUp(t, up)
	retire := topology.Action{Kind: topology.ActRetire}
	down.refused(t, retire, mysqld.ErrPrecondition) // it follows
	down.do(t, topology.Action{Kind: topology.ActStopReceiver})
	down.do(t, topology.Action{Kind: topology.ActDetach})
	down.Exec(t, "SET GLOBAL read_only=0")
	down.refused(t, retire, mysqld.ErrPrecondition) // it takes writes
	down.do(t, topology.Action{Kind: topology.ActClose})
	before := down.see(t).Binlog
	for range 2 {
		down.do(t, retire)
	}
	o := down.see(t)
	if o.HasRing || !o.ReadOnly || o.Binlog.String() != before.String() {
		t.Errorf("ring %t, read_only %t, binlog %s, before %s", o.HasRing, o.ReadOnly, o.Binlog, before)
	}
	if got := down.Query(t, "SELECT COUNT(*) FROM mysql.user WHERE User='sqlring_repl'"); got != "0" {
		t.Errorf("%s replication accounts are left", got)
	}
	if got := down.Query(t, "SELECT COUNT(*) FROM shop.t"); got != "1" {
		t.Errorf("%s rows are left of 1", got)
	}
}

func TestRunningStatementsOfApplicationsAreCounted(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	n.Exec(t, "SELECT 1") // a connection that is idle now
	if o := n.see(t); o.Apps == 0 || o.Busy != 0 {
		t.Errorf("%d connections, %d at work; want some, and none at work", o.Apps, o.Busy)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = n.DB().ExecContext(t.Context(), "DO SLEEP(2)")
	}()
	n.eventually(t, "says that a statement runs", func(o topology.Observation) bool { return o.Busy > 0 })
	<-done
}
