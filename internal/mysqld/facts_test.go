package mysqld_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// facts reads everything of servers that are meant to be members, the first the owner.
func facts(t *testing.T, nodes ...*node) ringcheck.Facts {
	t.Helper()
	f := ringcheck.Facts{
		At: time.Now(), Ring: "demo", Stride: 16, Manager: mysqltest.Manager, Replication: "sqlring_repl",
		Owners: map[topology.UnitID]topology.MemberID{"*": nodes[0].id}, Nodes: 1, MemberLinks: 100, LinkIdle: time.Minute,
	}
	for i, n := range nodes {
		m := n.Facts(t.Context(), ringcheck.Parts())
		m.Intent = &topology.Member{ID: n.id, State: topology.MemberActive, Identity: n.identity, Slot: n.slot.Offset}
		if i > 0 {
			m.Upstream = nodes[i-1].Addr
		}
		f.Members = append(f.Members, m)
	}
	return f
}

// found lists "check member: object: what" of all that is worse than a notice.
func found(r ringcheck.Report, least ringcheck.Severity) []string {
	var list []string
	for _, f := range r.Findings {
		if f.Severity >= least {
			list = append(list, f.Check+" "+f.Member+" "+f.Object+": "+f.Found)
		}
	}
	return list
}

func wantFound(t *testing.T, list []string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(list, func(have string) bool { return strings.HasPrefix(have, w) }) {
			t.Errorf("it does not find %q in:\n%s", w, strings.Join(list, "\n"))
		}
	}
}

func TestChecksFindNothingOnServersThatAreWell(t *testing.T) {
	up, down := pair(t)
	r := ringcheck.Run(ringcheck.Catalog(), facts(t, up, down))
	for _, u := range r.Unknown {
		t.Errorf("%s of %s: %s", u.Check, u.Member, u.Why)
	}
	if list := found(r, ringcheck.Warning); len(list) > 0 {
		t.Errorf("found:\n%s", strings.Join(list, "\n"))
	}
}

// TestChecksFindWhatIsWrong makes two servers wrong in every way that can be had without
// another server, and looks whether each is found where it is.
func TestChecksFindWhatIsWrong(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "TestChecksOfAMySQLServer does it in MySQL's words")
	up, down := pair(t)
	for _, statement := range []string{
		"SET SESSION sql_log_bin=0",
		"SET GLOBAL sync_binlog=0, innodb_flush_log_at_trx_commit=2, binlog_format='MIXED', binlog_row_image='MINIMAL', gtid_strict_mode=0",
		"SET GLOBAL slave_exec_mode='IDEMPOTENT', slave_ddl_exec_mode='IDEMPOTENT', slave_type_conversions='ALL_LOSSY', slave_net_timeout=60",
		"SET GLOBAL binlog_checksum='NONE', binlog_expire_logs_seconds=600, sql_mode='', foreign_key_checks=0, wait_timeout=20, time_zone='+03:00'",
		"SET GLOBAL character_set_server='latin1', max_allowed_packet=1048576, slave_max_allowed_packet=1048576, init_connect='SET @a=1', read_only=0",
		"SET GLOBAL auto_increment_offset=7, max_connections=100, rpl_semi_sync_master_wait_point='AFTER_COMMIT'",
		"CREATE USER app@'10.9.%' IDENTIFIED BY 'x'", "GRANT ALL ON *.* TO app@'10.9.%'", "CREATE USER ''@'10.9.%'",
		"CREATE ROLE boss", "GRANT SUPER, READ ONLY ADMIN ON *.* TO boss", "CREATE USER clerk@'%' IDENTIFIED BY 'y'", "GRANT boss TO clerk@'%'", "CREATE USER nobody@'10.8.%'",
		"REVOKE REPLICATION SLAVE ON *.* FROM sqlring_repl@'%'",
		"CREATE DATABASE wrong", "CREATE TABLE wrong.plain (a INT)", "CREATE TABLE wrong.old (a INT PRIMARY KEY) ENGINE=MyISAM",
		"CREATE TABLE wrong.gone (a INT PRIMARY KEY) ENGINE=MEMORY", "CREATE TABLE wrong.twice (a INT PRIMARY KEY, b INT UNIQUE)",
		"CREATE SEQUENCE wrong.numbers INCREMENT 1", "ALTER TABLE shop.t ADD COLUMN w INT",
		"CREATE DEFINER='nobody'@'%' VIEW wrong.v AS SELECT id FROM shop.t",
		"CREATE EVENT wrong.e ON SCHEDULE EVERY 1 DAY STARTS NOW() + INTERVAL 1 DAY DO DELETE FROM shop.t",
		"STOP SLAVE", "SET GLOBAL replicate_ignore_db='blog'", "CHANGE MASTER TO MASTER_DELAY=30, MASTER_USE_GTID=no", "START SLAVE IO_THREAD",
		"XA START 'x'", "INSERT INTO wrong.twice VALUES (1, 1)", "XA END 'x'", "XA PREPARE 'x'",
	} {
		down.Exec(t, statement)
	}
	up.Exec(t, "SET SESSION sql_log_bin=0; CREATE TABLE shop.full (id TINYINT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=120; CREATE DATABASE blog; CREATE VIEW blog.v AS SELECT id FROM shop.t")
	up.Exec(t, "SET SESSION sql_log_bin=0; CREATE TRIGGER shop.hides BEFORE INSERT ON shop.t FOR EACH ROW SET @@time_zone='+01:00'; CREATE FUNCTION shop.locks() RETURNS INT NO SQL RETURN GET_LOCK('a', 0)")
	r := ringcheck.Run(ringcheck.Catalog(), facts(t, up, down))
	down.Exec(t, "XA ROLLBACK 'x'")
	list := found(r, ringcheck.Notice)
	wantFound(t, list,
		"binlog-sync m2", "flush-at-commit m2", "binlog-format m2", "binlog-row-image m2", "gtid-strict m2", "apply-strict m2", "apply-ddl-strict m2",
		"apply-conversions m2", "net-timeout m2", "binlog-checksum m2", "binlog-retention m2", "sql-mode-strict m2", "sql-mode m2", "foreign-keys-checked m2",
		"idle-connections m2", "time-zone m2", "charset m2", "max-packet m2", "init-connect m2", "open-as-meant m2", "autoinc-layout m2", "connections m2",
		"semi-sync-point m2", "bypass-read-only m2 'app'@'10.9.%'", "bypass-read-only m2 'clerk'@'%': it has SUPER, READ_ONLY ADMIN", "proxy-grants m2 'app'@'10.9.%'",
		"account-anonymous m2", "account-empty-password m2", "accounts-equal m2 'app'", "replication-grants m2", "primary-keys m2 wrong.plain", "engines m2 wrong.old: its engine is MyISAM",
		"memory-tables m2 wrong.gone", "unique-keys m2 wrong.twice: unique: b (b)", "sequences m2 wrong.numbers: its increment is 1",
		"tables-equal m2 shop.t: its columns", "tables-equal m2 wrong.plain: it is not on m1", "tables-equal m2 shop.full: it is not there",
		"definers m2 view wrong.v", "events m2 event wrong.e: it is enabled here", "ties m1 view blog.v: view blog.v names shop", "untold-state m1 trigger shop.hides: its text has SET @@time_zone", "untold-state m1 function shop.locks: its text has GET_LOCK", "filters m2 replicate_ignore_db", "link-delay m2", "link-by-gtid m2",
		"link-runs m2 applier", `prepared-xa m2 xid "x"`, "autoinc-headroom m1 shop.full.id",
	)
	if t.Failed() {
		for _, u := range r.Unknown {
			t.Logf("%s of %s: %s", u.Check, u.Member, u.Why)
		}
	}
}

// TestChecksOfAServerThatDoesNotAnswer: nothing is fine, and nothing hangs.
func TestChecksOfAServerThatDoesNotAnswer(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	m := mysqld.New(config(), "m1", "127.0.0.1:1")
	defer m.Close()
	got := m.Facts(t.Context(), ringcheck.Parts())
	for _, part := range ringcheck.Parts() {
		if !strings.Contains(got.Unread[part], "connection refused") {
			t.Errorf("%s: %q", part, got.Unread[part])
		}
	}
}

// TestChecksOfAnAccountThatSeesLittle: a privilege that the manager lacks makes its part
// unknown, and is named.
func TestChecksOfAnAccountThatSeesLittle(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "TestChecksOfAMySQLServer does it in MySQL's words")
	n := world(t, 1)[0]
	n.Exec(t, "SET SESSION sql_log_bin=0; REVOKE TRIGGER, SLAVE MONITOR, REPLICATION MASTER ADMIN, SUPER ON *.* FROM "+managerAccount(t, n))
	got := n.Facts(t.Context(), ringcheck.Parts())
	for _, part := range []ringcheck.Part{ringcheck.PartObjects, ringcheck.PartTies, ringcheck.PartReplication} {
		if got.Unread[part] == "" {
			t.Errorf("%s counts as read", part)
		}
	}
	r := ringcheck.Run(ringcheck.Catalog(), ringcheck.Facts{Manager: mysqltest.Manager, Members: []ringcheck.Member{got}})
	wantFound(t, found(r, ringcheck.Critical), "manager-grants m1 "+managerAccount(t, n)+": it lacks REPLICATION MASTER ADMIN, SLAVE MONITOR, SUPER, TRIGGER")
}

// managerAccount returns the account that the manager logs in by.
func managerAccount(t *testing.T, n *node) string {
	t.Helper()
	return n.Query(t, "SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) FROM mysql.global_priv WHERE User=? LIMIT 1", mysqltest.Manager)
}

// TestChecksOfAMySQLServer makes a MySQL server wrong.
func TestChecksOfAMySQLServer(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	s := mysqltest.StartMySQL(t, "relay_log_recovery=1", "replica_net_timeout=60")
	for _, statement := range []string{
		"SET GLOBAL sync_binlog=0", "SET GLOBAL innodb_flush_log_at_trx_commit=0", "SET GLOBAL replica_exec_mode='IDEMPOTENT'", "SET GLOBAL sql_mode=''",
		"SET GLOBAL binlog_error_action='IGNORE_ERROR'", "SET GLOBAL binlog_row_image='MINIMAL'", "SET PERSIST_ONLY skip_replica_start=ON",
		"CREATE USER app@'10.9.%' IDENTIFIED BY 'x'", "GRANT ALL ON *.* TO app@'10.9.%'",
		"CREATE ROLE boss", "GRANT CONNECTION_ADMIN ON *.* TO boss", "CREATE USER clerk@'%' IDENTIFIED BY 'y'", "GRANT boss TO clerk@'%'",
		"CREATE DATABASE wrong", "CREATE TABLE wrong.plain (a INT)", "CREATE TABLE wrong.old (a INT PRIMARY KEY) ENGINE=MyISAM",
		"CREATE TABLE wrong.full (id TINYINT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=125", "CREATE DEFINER='nobody'@'%' VIEW wrong.v AS SELECT a FROM wrong.old",
		"CREATE TRIGGER wrong.t1 BEFORE INSERT ON wrong.old FOR EACH ROW SET NEW.a=0",
		"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1, SOURCE_USER='root', SOURCE_DELAY=5",
		"CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB=(blog)",
	} {
		s.Exec(t, statement)
	}
	m := mysqld.New(config(), "m1", s.Addr)
	defer m.Close()
	got := m.Facts(t.Context(), ringcheck.Parts())
	for part, why := range got.Unread {
		t.Errorf("%s: %s", part, why)
	}
	got.Intent = &topology.Member{ID: "m1", State: topology.MemberActive, Identity: 101, Slot: 1}
	f := ringcheck.Facts{At: time.Now(), Stride: 16, Manager: mysqltest.Manager, Members: []ringcheck.Member{got}}
	r := ringcheck.Run(ringcheck.Catalog(), f)
	list := found(r, ringcheck.Notice)
	wantFound(t, list,
		"binlog-sync m1", "flush-at-commit m1", "apply-strict m1 replica_exec_mode", "sql-mode-strict m1", "binlog-error m1", "binlog-row-image m1",
		"relay-log-recovery m1", "net-timeout m1 replica_net_timeout", "boots-closed m1 super_read_only", "server-id m1", "autoinc-layout m1",
		"bypass-read-only m1 'app'@'10.9.%'", "bypass-read-only m1 'clerk'@'%': it has CONNECTION_ADMIN", "primary-keys m1 wrong.plain", "engines m1 wrong.old",
		"autoinc-headroom m1 wrong.full.id", "definers m1 view wrong.v", "triggers m1 trigger wrong.t1", "link-delay m1", "link-by-gtid m1", "link-account m1", "filters m1 replicate_ignore_db",
	)
	for _, not := range []string{"boots-unlinked", "gtid-mode", "binlog-on", "binlog-of-applied"} {
		if slices.ContainsFunc(list, func(have string) bool { return strings.HasPrefix(have, not+" ") }) {
			t.Errorf("%s is well on this server, and it was found", not)
		}
	}
}
