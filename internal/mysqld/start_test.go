package mysqld_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestStartedServerKnowsWhatItWroteUnderAnotherIdentity: a server of a circle wrote under the
// identity that an adoption gave it, and was killed before that came round. Its file's ids are
// others, and it is not strict, as hardly a circle that was built by hand is: it would have its
// rows twice, in a table without a key even without an error (S96).
func TestStartedServerKnowsWhatItWroteUnderAnotherIdentity(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "a MySQL passes over what it has executed, whoever wrote it")
	back, other := round(t)
	back.Exec(t, "CREATE TABLE shop.log (v INT)")
	back.caughtUp(t, other)
	other.caughtUp(t, back)
	back.Exec(t, "STOP SLAVE SQL_THREAD")
	back.Exec(t, "INSERT INTO shop.log VALUES (1)")
	own := back.last(t)
	back.eventually(t, "its own come round", received(own))
	back.Kill()
	back.RestartNow(t)
	back.Exec(t, "SET GLOBAL gtid_strict_mode=0")
	mysqltest.Eventually(t, "the hands are taken again", func() error { return back.Execute(t.Context(), kind(topology.ActSeize)) })
	if o := back.see(t); o.ServerID == own.Server || o.Applied.Seq(own.Domain) >= own.Seq {
		t.Fatalf("the case is not what it should be: server_id %d, applied %s, own %s", o.ServerID, o.Applied, own)
	}

	back.do(t, kind(topology.ActStart))
	other.Exec(t, "INSERT INTO shop.log VALUES (2)")
	back.caughtUp(t, other)
	if got := back.Query(t, "SELECT GROUP_CONCAT(v ORDER BY v) FROM shop.log"); got != "1,2" {
		t.Errorf("its rows are %s", got)
	}
	if got := back.Query(t, "SELECT @@global.gtid_strict_mode"); got != "0" {
		t.Errorf("gtid_strict_mode is %s, and was 0", got)
	}
}

// TestRestartedServerWhoseFileHasEqualIdsIsNotPrepared: the config file of a member gives one
// number for server_id and gtid_domain_id, as an identity is, and another one than was issued
// (S99). A node that has not seen the restart writes nothing there, and starts nothing: a
// heartbeat of the file's identity would come round as 1950, and what the member wrote before
// is not known there for its own.
func TestRestartedServerWhoseFileHasEqualIdsIsNotPrepared(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "a MySQL carries a mark of its own, and no domain")
	back, other := round(t)
	if err := back.Beat(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	back.InFile(t, "server_id=11", "gtid_domain_id=11")
	back.Kill()
	back.RestartNow(t)
	mysqltest.Eventually(t, "the hands are taken again", func() error { return back.Execute(t.Context(), kind(topology.ActSeize)) })
	before := back.see(t)
	if before.ServerID != 11 || before.Domain != 11 || before.Link.Upstream != other.Addr {
		t.Fatalf("the case is not what it should be: server_id %d, gtid_domain_id %d, link %+v", before.ServerID, before.Domain, before.Link)
	}
	mysqltest.Eventually(t, "the heartbeat is refused", func() error { // the connection of before has to be found broken
		if err := back.Beat(t.Context(), 2); !errors.Is(err, mysqld.ErrNoIdentity) || !strings.Contains(err.Error(), "issued to it: 101") {
			return errors.Join(errors.New("want ErrNoIdentity"), err)
		}
		return nil
	})
	for _, a := range []topology.Action{
		follow(other), open(8), kind(topology.ActArm),
		{Kind: topology.ActSlot, Layout: before.Layout},
	} {
		err := back.Execute(t.Context(), a)
		if !errors.Is(err, mysqld.ErrPrecondition) || !strings.Contains(err.Error(), "issued to it, 101: its server_id is 11, its gtid_domain_id 11") {
			t.Errorf("%s: %v", a, err)
		}
	}
	if o := back.see(t); o.Binlog.String() != before.Binlog.String() || o.Link.Receiver != topology.ThreadStopped || o.Link.Applier != topology.ThreadStopped || !o.ReadOnly {
		t.Errorf("binlog %s, before %s; link %+v, read_only %t", o.Binlog, before.Binlog, o.Link, o.ReadOnly)
	}

	a := back.prepare()
	a.Fresh = false
	back.do(t, a)
	back.do(t, follow(other))
	if err := back.Beat(t.Context(), 3); err != nil {
		t.Error(err)
	}
	other.caughtUp(t, back)
}
