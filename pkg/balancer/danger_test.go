package balancer

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// dangersOf returns the dangers of a text, each as "what@value" or "what(table.column)"; those
// whose value is harmless are left out.
func dangersOf(text string, dialect Dialect) string {
	var d Digester
	d.Digest([]byte(text), dialect)
	var found []string
	for _, danger := range MakePlan(&d, dialect).Dangers {
		what := danger.What
		if danger.Value >= 0 {
			v := d.Values()[danger.Value]
			value := text[v.Start:v.End]
			if danger.Hazard == HazardReplication && danger.Harmless(value) {
				continue
			}
			what += "@" + value
		}
		if danger.Table.Name != "" {
			what += "(" + strings.TrimPrefix(danger.Table.Schema+"."+danger.Table.Name+"."+danger.Column, ".") + ")"
		}
		found = append(found, danger.Hazard.String()+" "+what)
	}
	return strings.Join(found, "; ")
}

func TestDangers(t *testing.T) {
	maria, mysql := Dialect{Flavour: topology.FlavourMariaDB, Version: 101100}, Dialect{Flavour: topology.FlavourMySQL, Version: 90700}
	const both, onlyMaria, onlyMySQL = 0, 1, 2
	for _, tt := range []struct {
		by         int
		text, want string
	}{
		{both, "SET sql_log_bin=0", "replication sql_log_bin@0"},
		{both, "SET SESSION sql_log_bin = OFF", "replication sql_log_bin"},
		{both, "SET LOCAL sql_log_bin := 'off'", "replication sql_log_bin@'off'"},
		{both, "SET @@sql_log_bin=0", "replication sql_log_bin@0"},
		{both, "SET @@SESSION.SQL_LOG_BIN= 0", "replication sql_log_bin@0"},
		{both, "set @@local.`sql_log_bin`=false", "replication sql_log_bin"},
		{both, "SET @x=1, sql_mode='', sql_log_bin=0", "replication sql_log_bin@0"},
		{both, "SET sql_log_bin=@old", "replication sql_log_bin"},
		{both, "SET sql_log_bin=1-1", "replication sql_log_bin"},
		{both, "SET sql_log_bin=?", "replication sql_log_bin@?"},
		{both, "SET sql_log_bin=1", ""},
		{both, "SET SESSION sql_log_bin=ON, @@sql_log_bin=DEFAULT, sql_log_bin=TRUE", ""},
		{both, "SET GLOBAL sql_log_bin=0", ""}, // the servers refuse it
		{both, "/*!40000 SET sql_log_bin=0 */", "replication sql_log_bin@0"},
		{both, "SET /*!99999 sql_log_bin=0, */ sql_mode=''", ""},
		{both, "SELECT 1; SET sql_log_bin=0; DELETE FROM t", "replication sql_log_bin@0"},
		{both, "SELECT 'SET sql_log_bin=0' /* SET sql_log_bin=0 */", ""},
		{both, "UPDATE t SET sql_log_bin=0, server_id=5", ""},
		{both, "INSERT INTO t SET server_id=5 ON DUPLICATE KEY UPDATE server_id=6", ""},
		{both, "SELECT @@sql_log_bin, @@server_id", ""},
		{onlyMaria, "SET STATEMENT sql_log_bin=0 FOR DELETE FROM t", "replication sql_log_bin@0"},
		{onlyMaria, "SET STATEMENT max_statement_time=1, sql_log_bin=0 FOR DELETE FROM t", "replication sql_log_bin@0"},
		{onlyMaria, "SET STATEMENT max_statement_time=1 FOR SET sql_log_bin=0", "replication sql_log_bin@0"},
		{onlyMaria, "SET STATEMENT sql_log_bin=1 FOR DELETE FROM t", ""},
		{onlyMaria, "SET /*M! sql_log_bin=0, */ sql_mode=''", "replication sql_log_bin@0"},
		{onlyMaria, "SET gtid_domain_id=7, @@session.server_id=8, gtid_seq_no=9", "replication gtid_domain_id@7; replication server_id@8; replication gtid_seq_no@9"},
		{onlyMaria, "SET skip_replication=1", "replication skip_replication@1"},
		{onlyMaria, "SET skip_replication=0", ""},
		{onlyMaria, "SET GLOBAL gtid_slave_pos='0-1-2'", "replication gtid_slave_pos@'0-1-2'"},
		{onlyMaria, "SET @@GLOBAL.gtid_binlog_state=''", "replication gtid_binlog_state@''"},
		{onlyMaria, "EXECUTE IMMEDIATE 'SET sql_log_bin=0'", "none @'SET sql_log_bin=0'"},
		{onlyMaria, "BEGIN NOT ATOMIC SET sql_log_bin=0; DELETE FROM t; END", "replication sql_log_bin@0"},
		{onlyMaria, "IF 1 THEN SET @@sql_log_bin=0; END IF", "replication sql_log_bin@0"},
		{onlyMySQL, "SET GTID_NEXT='AUTOMATIC'", ""},
		{onlyMySQL, "SET gtid_next=AUTOMATIC, @@session.gtid_next=DEFAULT", ""},
		{onlyMySQL, "SET @@SESSION.GTID_NEXT= 'ANONYMOUS'", "replication gtid_next@'ANONYMOUS'"},
		{onlyMySQL, "SET gtid_next='AUTOMATIC:tag'", "replication gtid_next@'AUTOMATIC:tag'"},
		{onlyMySQL, "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'x:1-9'", "replication gtid_purged"},
		{onlyMySQL, "SET PERSIST server_id=5", "replication server_id@5"},
		{onlyMySQL, "SET @@persist_only.server_id=5", "replication server_id@5"},
		{onlyMySQL, "SET pseudo_replica_mode=1", "replication pseudo_replica_mode@1"},
		{both, "SET pseudo_slave_mode=OFF", ""},
		{both, "SET binlog_format=ROW", ""},
		{both, "SET SESSION binlog_format='STATEMENT'", "replication binlog_format@'STATEMENT'"},
		{both, "BINLOG 'aaa'", "replication BINLOG"},
		{both, "RESET MASTER", "replication RESET MASTER"},
		{both, "/* tidy */ reset  slave ALL", "replication RESET SLAVE"},
		{onlyMySQL, "RESET BINARY LOGS AND GTIDS", "replication RESET BINARY"},
		{onlyMySQL, "RESET REPLICA FOR CHANNEL 'x'", "replication RESET REPLICA"},
		{onlyMySQL, "CHANGE REPLICATION SOURCE TO SOURCE_HOST='x'", "replication CHANGE REPLICATION"},
		{both, "CHANGE MASTER TO MASTER_HOST='x'", "replication CHANGE MASTER"},
		{onlyMaria, "CHANGE MASTER 'other' TO MASTER_HOST='x'", "replication CHANGE MASTER"},
		{onlyMaria, "STOP ALL SLAVES", "replication STOP SLAVES"},
		{both, "START SLAVE", "replication START SLAVE"},
		{both, "SELECT 1; STOP SLAVE", "replication STOP SLAVE"},
		{both, "PURGE BINARY LOGS BEFORE NOW()", "replication PURGE BINARY"},
		{both, "START TRANSACTION", ""},
		{both, "RESET QUERY CACHE", ""},
		{onlyMySQL, "RESET PERSIST", ""},
		{both, "PREPARE p FROM 'SET sql_log_bin=0'", "none @'SET sql_log_bin=0'"},
		{both, "PREPARE p FROM @text", ""},
		{both, "SELECT GET_LOCK('sqlring_hands', 10)", "reserved_locks GET_LOCK@'sqlring_hands'"},
		{both, "SELECT a FROM t WHERE `get_lock` ( /* x */ N'SQLRING_wait_3', ?)", "reserved_locks GET_LOCK@N'SQLRING_wait_3'"},
		{both, "DO get_lock(_utf8'x', 1+1)", "reserved_locks GET_LOCK@'x'"},
		{both, "CREATE PROCEDURE p() BEGIN DO GET_LOCK(\"sqlring_position\", 60); END", "reserved_locks GET_LOCK@\"sqlring_position\""},
		{both, "SELECT GET_LOCK(CONCAT('sqlring_', 'hands'), 1)", ""},
		{both, "SELECT GET_LOCK(@name, 1), GET_LOCK(a.b, 'x'), d.get_lock('sqlring_hands', 1)", "reserved_locks GET_LOCK@name"},
		{both, "SELECT RELEASE_LOCK('sqlring_hands'), IS_FREE_LOCK('sqlring_hands')", ""},
		{both, "XA START 'x'", "xa XA START"},
		{both, "xa begin 'x' JOIN", "xa XA BEGIN"},
		{both, "XA END 'x'; XA PREPARE 'x'", "xa XA END; xa XA PREPARE"},
		{both, "XA RECOVER", ""},
		{both, "XA COMMIT 'x'; XA ROLLBACK 'y'", ""},
		{both, "CREATE PROCEDURE p() SET sql_log_bin=0", "replication sql_log_bin@0"},
		{both, "CREATE PROCEDURE p(a INT) BEGIN IF a THEN SET @@session.sql_log_bin=0; END IF; XA START 'x'; END", "replication sql_log_bin@0; xa XA START"},
		{both, "CREATE PROCEDURE p() BEGIN DECLARE server_id INT; SET server_id=5; UPDATE t SET sql_log_bin=0; END", ""},
		{both, "CREATE PROCEDURE p(IN server_id INT, gtid_next INT) BEGIN SET server_id=5, gtid_next=6; END", ""},
		{both, "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW SET NEW.server_id=5", ""},
		{both, "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW SET pseudo_slave_mode=1", "replication pseudo_slave_mode@1"},
		{both, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SET sql_log_bin=0", "replication sql_log_bin@0"},
		{both, "ALTER TABLE t ADD COLUMN id INT AUTO_INCREMENT PRIMARY KEY", "uneven_ddl ADD … AUTO_INCREMENT(t.)"},
		{both, "ALTER TABLE s.t ADD x INT, ADD id BIGINT NOT NULL AUTO_INCREMENT FIRST, ADD PRIMARY KEY (id)", "uneven_ddl ADD … AUTO_INCREMENT(s.t.)"},
		{both, "ALTER TABLE t ADD (a INT, id INT AUTO_INCREMENT UNIQUE)", "uneven_ddl ADD … AUTO_INCREMENT(t.)"},
		{both, "ALTER TABLE t ADD id SERIAL", "uneven_ddl ADD … AUTO_INCREMENT(t.)"},
		{both, "ALTER TABLE t ADD serial INT, ADD COLUMN a INT AFTER serial", ""},
		{both, "ALTER TABLE t MODIFY COLUMN id INT AUTO_INCREMENT", "uneven_ddl MODIFY … AUTO_INCREMENT(t.id)"},
		{both, "ALTER TABLE t CHANGE a `b` INT AUTO_INCREMENT", "uneven_ddl CHANGE … AUTO_INCREMENT(t.a)"},
		{both, "ALTER TABLE t AUTO_INCREMENT=5", ""},
		{both, "ALTER TABLE t ADD INDEX (a), AUTO_INCREMENT = 5", ""},
		{both, "ALTER TABLE t ADD COLUMN a INT DEFAULT 5, ADD b DATETIME(6) DEFAULT NOW(6)", ""},
		{both, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, u VARCHAR(36) DEFAULT (UUID()))", ""},
		{onlyMaria, "ALTER TABLE t ADD COLUMN u UUID NOT NULL DEFAULT UUID()", "uneven_ddl ADD … DEFAULT UUID()(t.)"},
		{onlyMaria, "ALTER TABLE t ADD r DOUBLE DEFAULT (1 + RAND()), ADD s INT", "uneven_ddl ADD … DEFAULT RAND()(t.)"},
		{onlyMaria, "ALTER TABLE t ADD r VARCHAR(99) DEFAULT (CONCAT(USER(), 'x'))", "uneven_ddl ADD … DEFAULT USER()(t.)"},
		{onlyMaria, "ALTER TABLE t ADD n INT DEFAULT (NEXT VALUE FOR s)", "uneven_ddl ADD … DEFAULT NEXT VALUE(t.)"},
		{onlyMaria, "ALTER TABLE t ADD n INT DEFAULT (@@server_id)", "uneven_ddl ADD … DEFAULT @@…(t.)"},
		{onlyMaria, "ALTER TABLE t ALTER a SET DEFAULT (UUID()), MODIFY b UUID DEFAULT UUID()", ""},
		{onlyMySQL, "ALTER TABLE t ADD COLUMN u VARCHAR(36) DEFAULT (UUID())", ""}, // 1674
	} {
		for by, dialect := range []Dialect{maria, mysql} {
			if tt.by != both && tt.by != by+1 {
				continue
			}
			if got := dangersOf(tt.text, dialect); got != tt.want {
				t.Errorf("%v: %s\n got %q\nwant %q", dialect.Flavour, tt.text, got, tt.want)
			}
		}
	}
}

func TestHazardsAreNamed(t *testing.T) {
	if got := HazardsNamed(nil); got != 0 {
		t.Errorf("none is %b", got)
	}
	all := HazardsNamed(HazardNames())
	for h := HazardXA; h < HazardText; h++ {
		if !all.Has(h) || !slices.Contains(HazardNames(), h.String()) {
			t.Errorf("%d, %s, can not be permitted", h, h)
		}
	}
	if some := HazardsNamed([]string{"uneven_ddl"}); !some.Has(HazardNumbers) || !some.Has(HazardValues) || some.Has(HazardXA) || all.Has(HazardText) || all.Has(HazardNone) {
		t.Errorf("uneven_ddl is %s, all is %s", strconv.FormatUint(uint64(some), 2), strconv.FormatUint(uint64(all), 2))
	}
}

func TestIsReservedLock(t *testing.T) {
	for name, want := range map[string]bool{"sqlring_hands": true, "SQLring_Wait_7": true, "sqlring": false, "shop.sqlring_x": false, "": false} {
		if got := IsReservedLock(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	for _, name := range []string{topology.PositionLock, topology.WaitLock(33)} {
		if !IsReservedLock(name) {
			t.Errorf("%s is anybody's", name)
		}
	}
}

func TestIsOfReplication(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		is, known   bool
	}{
		{"sql_log_bin", "OFF", true, true},
		{"sql_log_bin", "ON", false, true},
		{"gtid_next", "AUTOMATIC", false, true},
		{"server_id", "5", true, true},
		{"sql_mode", "", false, false},
		{"gtid_purged", "", false, false},
	} {
		if is, known := IsOfReplication(tt.name, tt.value); is != tt.is || known != tt.known {
			t.Errorf("%s=%s: %v, %v", tt.name, tt.value, is, known)
		}
	}
}

// What follows a SET sql_mode in a batch is read by the server in that mode: to MariaDB the
// second of these is a read of one column and a DELETE.
func TestBatchesThatChangeTheirOwnReading(t *testing.T) {
	maria := Dialect{Flavour: topology.FlavourMariaDB, Version: 101100}
	for text, known := range map[string]bool{
		"SET time_zone='+00:00'; SELECT a FROM t":                                     true,
		`SET sql_mode='NO_BACKSLASH_ESCAPES'; SELECT '\'; DELETE FROM t; -- ' FROM u`: false,
		"SELECT a FROM t; SET sql_mode=''":                                            true,
	} {
		p := planOf(text, maria)
		if got := p.Statements[1]; got.Complete != known || got.Effects.Has(EffectUnknown) == known {
			t.Errorf("%s: %s", text, tell(p))
		}
	}
}
