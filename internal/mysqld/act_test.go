package mysqld_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestPrepareMakesAMemberOfAFreshServer(t *testing.T) {
	n := world(t, 1)[0]
	n.Exec(t, "CREATE DATABASE sqlring; CREATE TABLE sqlring.old (id INT)") // of a ring that was
	if isMySQL(t) {
		n.Exec(t, "SET GLOBAL read_only=0, replica_preserve_commit_order=0, replica_exec_mode='IDEMPOTENT', replica_net_timeout=60")
	} else {
		n.Exec(t, "SET GLOBAL read_only=0, gtid_ignore_duplicates=0, slave_parallel_threads=4, slave_net_timeout=60")
	}
	session, err := n.DB().Conn(t.Context()) // an application that is there already
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	for range 2 {
		n.do(t, n.prepare())
	}
	o := n.see(t)
	if !o.ReadOnly || o.ServerID != 101 || o.Domain != n.domain(t) || o.Layout != n.slot || !o.HasRing {
		t.Errorf("read_only %t, identity %d/%d, slot %s, ring %t", o.ReadOnly, o.ServerID, o.Domain, o.Layout, o.HasRing)
	}
	if len(o.Binlog)+len(o.Applied)+len(o.Schemas) != 0 {
		t.Errorf("it is not empty: binlog %q applied %q schemas %q", o.Binlog, o.Applied, o.Schemas)
	}
	v := o.Settings
	if !v.EndlessWait || !v.AfterSync || !v.IgnoreDuplicates || v.ParallelThreads != 0 || v.NetTimeout != 2 || !v.StrictDDL || isMySQL(t) && !v.ReadOnlyInFile {
		t.Errorf("settings are %+v", v)
	}
	if got := n.Query(t, fmt.Sprintf("SELECT @@global.max_binlog_size<=%d", topology.BinlogFileMost)); got != "1" && !isMySQL(t) {
		t.Error("files of the binlog grow longer than a receiver waits while its source reads one")
	}
	if got := n.Query(t, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='sqlring'"); got != "2" {
		t.Errorf("schema sqlring holds %s tables, want the heartbeats and the marks of replays", got)
	}
	if got := n.Query(t, "SELECT COUNT(*) FROM mysql.user WHERE User='sqlring_repl'"); got != "1" {
		t.Errorf("%s replication accounts, want 1", got)
	}
	if err := session.PingContext(t.Context()); err == nil {
		t.Error("a session with the old identity is still there")
	}
}

func TestPrepareRefusesWhatIsNotEmptyOrNotSafe(t *testing.T) {
	n := world(t, 1)[0]
	cases := []struct {
		name   string
		setup  string
		action topology.Action
		undo   string
	}{
		{"foreign schema", "CREATE DATABASE shop", n.prepare(), "DROP DATABASE shop"},
		{"follows somebody", "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1", n.prepare(), "RESET SLAVE ALL"},
		{"no identity", "", topology.Action{Kind: topology.ActPrepare, Layout: n.slot}, ""},
		{"no slot", "", topology.Action{Kind: topology.ActPrepare, Identity: 9}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.setup != "" {
				n.Exec(t, c.setup)
			}
			before := n.see(t)
			n.refused(t, c.action, mysqld.ErrPrecondition)
			if o := n.see(t); o.ServerID != before.ServerID || o.HasRing || o.Binlog.String() != before.Binlog.String() {
				t.Errorf("it was changed: %+v", o)
			}
			if c.undo != "" {
				n.Exec(t, c.undo)
			}
		})
	}
}

func TestPrepareAgainKeepsData(t *testing.T) {
	up, down := pair(t)
	up.Exec(t, "INSERT INTO shop.t (v) VALUES (1)")
	down.caughtUp(t, up)
	// Somebody has changed a slot; the threads run, and must go on.
	down.Exec(t, "SET GLOBAL auto_increment_offset=9")
	if o := down.see(t); o.Layout != (autoinc.Layout{Offset: 9, Stride: 16}) {
		t.Fatalf("slot is %s", o.Layout)
	}
	down.do(t, down.prepare())
	o := down.see(t)
	if o.Layout != down.slot || o.Link.Applier != topology.ThreadRunning || o.Link.Receiver != topology.ThreadRunning {
		t.Errorf("slot %s, link %+v", o.Layout, o.Link)
	}
	if got := down.Query(t, "SELECT COUNT(*) FROM shop.t"); got != "1" {
		t.Errorf("%s rows, want 1", got)
	}
	// A new identity while the threads run would mix two in one stream.
	a := down.prepare()
	a.Identity = 202
	down.refused(t, a, mysqld.ErrPrecondition)
}

func TestRenewedIdentityDoesNotApplyItsOldTransactionsTwice(t *testing.T) {
	up, down := pair(t)
	up.Exec(t, "CREATE TABLE shop.nokey (v INT); INSERT INTO shop.nokey VALUES (1)")
	down.caughtUp(t, up)
	// m1 comes back under a new identity, and pulls from m2 what m2 has of m1.
	a := up.prepare()
	a.Identity, a.Retired, a.Fresh = 301, []uint32{101}, false
	up.do(t, a)
	if o := up.see(t); o.Applied.Seq(up.domain(t)) != o.Binlog.Seq(up.domain(t)) || o.ServerID != 301 {
		t.Errorf("applied %q does not cover its own %q", o.Applied, o.Binlog)
	}
	up.do(t, a)
	up.identity = 301
	up.do(t, follow(down))
	down.Exec(t, "SET GLOBAL read_only=0")
	down.Exec(t, "INSERT INTO shop.nokey VALUES (2)")
	up.caughtUp(t, down)
	if got := up.Query(t, "SELECT GROUP_CONCAT(v ORDER BY v) FROM shop.nokey"); got != "1,2" {
		t.Errorf("rows are %s, want 1,2", got)
	}
}

func TestOpenStampsAndCloseKeepsWritersOut(t *testing.T) {
	n := world(t, 1)[0]
	n.refused(t, open(5), mysqld.ErrPrecondition) // it has no identity
	n.do(t, n.prepare())
	n.refused(t, open(0), mysqld.ErrPrecondition)
	n.do(t, topology.Action{Kind: topology.ActStamp, Boot: 4})
	if o := n.see(t); o.Boot != 4 || !o.ReadOnly {
		t.Errorf("boot %d, read_only %t after stamp", o.Boot, o.ReadOnly)
	}
	for range 2 {
		n.do(t, open(5))
	}
	n.Exec(t, "CREATE DATABASE shop; CREATE USER app IDENTIFIED BY 'x'; GRANT ALL ON shop.* TO app")
	for range 2 {
		n.do(t, kind(topology.ActClose))
	}
	if o := n.see(t); !o.ReadOnly || o.Boot != 5 || !o.Settings.ReadOnlyInFile {
		t.Errorf("read_only %t, boot %d, in file %t after close", o.ReadOnly, o.Boot, o.Settings.ReadOnlyInFile)
	}
	if got := n.see(t).Binlog; got.String() != (topology.Position{n.at(t, 3)}).String() {
		t.Errorf("binlog is at %s: an action was logged", got)
	}
}

func TestExpelEndsApplicationsAlone(t *testing.T) {
	up, down := pair(t)
	if err := up.Beat(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	session, err := up.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	for range 2 {
		up.do(t, kind(topology.ActExpel))
	}
	if err := session.PingContext(t.Context()); err == nil {
		t.Error("the application is still there")
	}
	if err := up.Beat(t.Context(), 2); err != nil {
		t.Errorf("the heartbeat was expelled: %v", err)
	}
	down.caughtUp(t, up)
	if o := down.see(t); o.Link.ReceiverErrno != 0 || o.Link.Receiver != topology.ThreadRunning {
		t.Errorf("the downstream was expelled: %+v", o.Link)
	}
}

func TestFollowStartsWhatStandsStillAndRepoints(t *testing.T) {
	nodes := world(t, 3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	c.refused(t, follow(a), mysqld.ErrPrecondition) // it has no identity
	for _, n := range nodes {
		n.do(t, n.prepare())
	}
	a.do(t, open(1))
	b.do(t, follow(a))
	c.do(t, follow(a))
	a.Exec(t, "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)")
	c.caughtUp(t, a)
	b.caughtUp(t, a)
	c.do(t, follow(a)) // again: nothing to do
	c.refused(t, follow(b), mysqld.ErrPrecondition)
	c.refused(t, kind(topology.ActDetach), mysqld.ErrPrecondition)

	for range 2 {
		c.do(t, kind(topology.ActStopReceiver))
	}
	if o := c.see(t); o.Link.Receiver != topology.ThreadStopped || o.Link.Applier != topology.ThreadRunning || !o.Drained() {
		t.Errorf("after the receiver was stopped: %+v", o.Link)
	}
	c.do(t, follow(a)) // the same upstream: the receiver starts
	c.caughtUp(t, a)
	c.Exec(t, "STOP SLAVE SQL_THREAD")
	c.do(t, follow(a)) // the applier starts
	c.caughtUp(t, a)

	c.do(t, kind(topology.ActStopReceiver))
	c.do(t, follow(b)) // ring of three: a feeds b, b feeds c
	a.Exec(t, "INSERT INTO shop.t VALUES (1)")
	c.caughtUp(t, a)
	if o := c.see(t); o.Link.Upstream != b.Addr {
		t.Errorf("it follows %s, want %s", o.Link.Upstream, b.Addr)
	}
	c.do(t, kind(topology.ActStopReceiver))
	for range 2 {
		c.do(t, kind(topology.ActDetach))
	}
	if o := c.see(t); o.Link.Upstream != "" {
		t.Errorf("it follows %s after detach", o.Link.Upstream)
	}
}

func TestFollowOfADeadUpstreamKeepsTrying(t *testing.T) {
	nodes := world(t, 2)
	up, down := nodes[0], nodes[1]
	up.do(t, up.prepare())
	down.do(t, down.prepare())
	up.Kill()
	down.do(t, follow(up))
	o := down.eventually(t, "an error to show", func(o topology.Observation) bool { return o.Link.ReceiverErrno != 0 })
	if o.Link.Receiver != topology.ThreadConnecting || o.Link.Applier != topology.ThreadRunning || o.Link.ReceiverError == "" {
		t.Errorf("link is %+v", o.Link)
	}
}

func TestStopReceiverOfAFrozenUpstreamIsBounded(t *testing.T) {
	up, down := pair(t)
	up.Freeze()
	defer up.Thaw()
	began := time.Now()
	down.do(t, kind(topology.ActStopReceiver))
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	if o := down.see(t); !o.Drained() {
		t.Errorf("link is %+v", o.Link)
	}
}

func TestFollowReportsAnApplierThatStopsAtOnce(t *testing.T) {
	up, down := pair(t)
	down.Exec(t, "DROP DATABASE shop") // logged on m2 alone; what m1 sends cannot be applied
	up.Exec(t, "INSERT INTO shop.t (v) VALUES (1)")
	down.eventually(t, "the applier stops", func(o topology.Observation) bool { return o.Link.ApplierErrno != 0 })
	err := down.Execute(t.Context(), follow(up))
	if !errors.Is(err, mysqld.ErrNotVerified) {
		// The thread may be seen running before it meets the event again.
		t.Logf("follow: %v", err)
		o := down.eventually(t, "the applier stops again", func(o topology.Observation) bool { return o.Link.ApplierErrno != 0 })
		if o.Link.Applier != topology.ThreadStopped || o.Link.ApplierError == "" {
			t.Errorf("link is %+v", o.Link)
		}
	}
	// Rule 1: with the applier down and something unapplied, the receiver stays.
	down.eventually(t, "received", func(o topology.Observation) bool { return !o.Position().Covers(o.Link.Received) })
	down.refused(t, kind(topology.ActStopReceiver), mysqld.ErrPrecondition)
	received := down.see(t).Link.Received
	some := topology.Action{Kind: topology.ActStopReceiver, Elsewhere: received.Without(received[0].Domain)}
	down.refused(t, some, mysqld.ErrPrecondition) // others hold a part of it
	down.do(t, topology.Action{Kind: topology.ActStopReceiver, Elsewhere: received})
}

func TestAccountsShowHashesAndLocks(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "MySQL's accounts have a test of their own")
	n := world(t, 1)[0]
	n.Exec(t, `CREATE USER plain@'%' IDENTIFIED BY 'one';
		CREATE USER locked@'10.%' IDENTIFIED BY 'two' ACCOUNT LOCK;
		CREATE USER socket@localhost IDENTIFIED VIA unix_socket;
		CREATE USER two_ways@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('three');
		CREATE USER tls@localhost REQUIRE SSL; CREATE USER card@localhost REQUIRE X509;
		CREATE USER picky@localhost REQUIRE CIPHER 'TLS_AES_256_GCM_SHA384' AND ISSUER '/CN=ca' AND SUBJECT '/CN=us';
		CREATE USER open@localhost; CREATE ROLE nobody`)
	list, err := n.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, asks := map[string]string{}, map[string]topology.Require{}
	for _, a := range list {
		got[a.Name()] = fmt.Sprintf("%s %s %t", a.Plugin, a.Hash, a.Locked)
		asks[a.Name()] = a.Require
	}
	for name, want := range requirements() {
		if asks[name] != want {
			t.Errorf("%s: requires %+v, want %+v", name, asks[name], want)
		}
	}
	hash := func(password string) string { return n.Query(t, "SELECT PASSWORD(?)", password) }
	for name, want := range map[string]string{
		"'plain'@'%'":            "mysql_native_password " + hash("one") + " false",
		"'locked'@'10.%'":        "mysql_native_password " + hash("two") + " true",
		"'socket'@'localhost'":   "unix_socket  false",
		"'two_ways'@'localhost'": "mysql_native_password " + hash("three") + " false",
		"'open'@'localhost'":     "mysql_native_password  false",
		"'root'@'127.0.0.1'":     "mysql_native_password " + hash(n.RootPassword) + " false",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	for _, a := range list {
		if a.User == "nobody" {
			t.Error("a role is in the list")
		}
	}
	n.Kill()
	mysqltest.Eventually(t, "accounts of a dead server are an error that names it", func() error {
		if _, err := n.Accounts(context.Background()); err == nil || !strings.Contains(err.Error(), "m1") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
}

func TestFollowSaysWhetherItAcknowledges(t *testing.T) {
	up, down := pair(t)
	if o := up.see(t); o.SemiSync.Ackers != 1 {
		t.Fatalf("%d ackers, want 1", o.SemiSync.Ackers)
	}
	a := follow(up)
	for _, acker := range []bool{false, true} {
		a.Acker = acker
		for range 2 {
			down.do(t, a)
		}
		want := 0
		if acker {
			want = 1
		}
		up.eventually(t, "its ackers are counted", func(o topology.Observation) bool { return o.SemiSync.Ackers == want })
		down.eventually(t, "it is linked again", func(o topology.Observation) bool {
			return o.Settings.AckerEnabled == acker && o.SemiSync.Acking == acker && o.Link.Receiver == topology.ThreadRunning && o.Link.Applier == topology.ThreadRunning
		})
	}
}

func TestLinkThatStandsStillAltogetherMayBeLeft(t *testing.T) {
	up, down := pair(t)
	release := lockTable(t, down)
	up.Exec(t, "INSERT INTO shop.t (v) VALUES (1)")
	down.eventually(t, "received", func(o topology.Observation) bool { return !o.Position().Covers(o.Link.Received) })
	// Somebody else has stopped both: what was received is lost, waiting saves nothing.
	// Of MySQL it is not, and is applied first.
	down.Exec(t, "STOP SLAVE IO_THREAD")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_, _ = down.DB().ExecContext(context.WithoutCancel(t.Context()), down.words(t, "STOP SLAVE SQL_THREAD"))
	}()
	time.Sleep(50 * time.Millisecond)
	release()
	<-stopped
	down.do(t, kind(topology.ActDetach))
	if got := down.Query(t, "SELECT COUNT(*) FROM shop.t"); isMySQL(t) && got != "1" {
		t.Errorf("%s rows, want the one that was received", got)
	}
}

func TestObserveCountsApplications(t *testing.T) {
	up, down := pair(t)
	up.DB().SetMaxIdleConns(0)
	up.eventually(t, "none is left", func(o topology.Observation) bool { return o.Apps == 0 })
	session, err := up.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	if err := session.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o := up.see(t); o.Apps != 1 {
		t.Errorf("%d applications, want 1: not its downstream, not sqlring", o.Apps)
	}
	up.do(t, kind(topology.ActExpel))
	if o := up.see(t); o.Apps != 0 {
		t.Errorf("%d applications after expel", o.Apps)
	}
	_ = down
}
