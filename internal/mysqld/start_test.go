package mysqld_test

import (
	"testing"

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
