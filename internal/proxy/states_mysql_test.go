package proxy

import (
	"slices"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// keptStatesOfMySQL are what only it has, or has in another way.
var keptStatesOfMySQL = []keptState{
	{"transaction", []string{"BEGIN", "INSERT INTO shop.t (v) VALUES (1)"}, "SELECT COUNT(*) FROM shop.t", true, []string{"ROLLBACK"}},
	{"transaction after an error", []string{"BEGIN", "INSERT INTO shop.t (v) VALUES (1)", "SELECT no_such_column"}, "SELECT COUNT(*) FROM shop.t", true, []string{"ROLLBACK"}},
	{"consistent snapshot", []string{"START TRANSACTION WITH CONSISTENT SNAPSHOT"}, "SELECT COUNT(*) FROM shop.t", true, []string{"COMMIT"}},
	{"autocommit=0, nothing begun", []string{"SET @@autocommit=0"}, "SELECT @@autocommit", false, nil},
	{"autocommit=0, a table read", []string{"SET autocommit=0", "SELECT v FROM shop.t"}, "SELECT v FROM shop.t", true, []string{"COMMIT"}},
	{"isolation of the session", []string{"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"}, "SELECT @@transaction_isolation", false, nil},
	{"a variable", []string{"SET @@group_concat_max_len=77, SESSION max_execution_time=5000"}, "SELECT @@group_concat_max_len, @@max_execution_time", false, nil},
	{"a global variable", []string{"SET PERSIST max_connect_errors=200"}, "SELECT @@global.max_connect_errors", false, nil},
	{"for one statement, by a hint", []string{"SELECT /*+ SET_VAR(group_concat_max_len=99) */ 1"}, "SELECT @@group_concat_max_len", false, nil},
	{"collation", []string{"SET @@collation_connection=latin1_german2_ci"}, "SELECT @@character_set_connection, @@collation_connection, 'ä'='ae'", false, nil},
	{"sql_mode, quotes", []string{"SET @@sql_mode='ANSI_QUOTES'"}, `SELECT COUNT("v") FROM shop.t`, false, nil},
	{"tables with a read lock", []string{"FLUSH TABLES shop.mine WITH READ LOCK"}, "INSERT INTO shop.mine VALUES (1)", true, []string{"UNLOCK TABLES"}},
	{"backup lock", []string{"LOCK INSTANCE FOR BACKUP"}, "SELECT OBJECT_TYPE FROM performance_schema.metadata_locks WHERE OBJECT_TYPE='BACKUP LOCK'", true, []string{"UNLOCK INSTANCE"}},
	{"backup lock, taken twice", []string{"LOCK INSTANCE FOR BACKUP", "LOCK INSTANCE FOR BACKUP", "UNLOCK INSTANCE"}, "SELECT COUNT(*) FROM performance_schema.metadata_locks WHERE OBJECT_TYPE='BACKUP LOCK'", false, nil},
	{"XA", []string{"XA START 'x'", "INSERT INTO shop.t (v) VALUES (1)"}, "SELECT COUNT(*) FROM shop.t", true, nil},
	{"default role", []string{"SET DEFAULT ROLE r TO app@'%'", "SET DEFAULT ROLE NONE TO app@'%'"}, "SELECT CURRENT_ROLE()", false, nil},
	{"locking service", []string{"SELECT service_get_write_locks('s', 'l', 0)"}, "SELECT LOCK_TYPE FROM performance_schema.metadata_locks WHERE OBJECT_TYPE='LOCKING SERVICE'", true, nil},
	{"resource group", []string{"SET RESOURCE GROUP g"}, "SELECT resource_group FROM performance_schema.threads WHERE processlist_id=CONNECTION_ID()", true, nil},
}

// TestMySQLEachStateOfASession is TestRealEachStateOfASession on MySQL.
func TestMySQLEachStateOfASession(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMySQL, Config{MemberLinks: 3, QueueTimeout: 20 * time.Second, Permits: balancer.HazardsNamed(balancer.HazardNames())})
	direct := mysqltest.StartMySQL(t, "auto_increment_offset=3", "auto_increment_increment=16")
	direct.Exec(t, "CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'")
	for _, exec := range []func(testing.TB, string, ...any){f.exec, direct.Exec} {
		exec(t, `GRANT ALL ON *.* TO app@'%'; CREATE ROLE r; GRANT r TO app@'%'; CREATE DATABASE other;
			CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT); CREATE TABLE shop.mine (v INT); CREATE TABLE shop.remembered (v INT)`)
		exec(t, "CREATE PROCEDURE shop.sets() SET group_concat_max_len=88")
		exec(t, "CREATE PROCEDURE shop.mode() SET sql_mode='NO_BACKSLASH_ESCAPES'")
		exec(t, "CREATE FUNCTION shop.remembers() RETURNS INT NO SQL BEGIN SET @f=6; RETURN 1; END")
		exec(t, "CREATE TRIGGER shop.remembering BEFORE INSERT ON shop.remembered FOR EACH ROW SET @f=NEW.v")
		exec(t, "CREATE VIEW shop.looks AS SELECT shop.remembers() AS v")
		exec(t, "CREATE FUNCTION service_get_write_locks RETURNS INT SONAME 'locking_service.so'")
		exec(t, "CREATE RESOURCE GROUP g TYPE=USER")
		exec(t, "INSERT INTO shop.t VALUES (3, 1), (19, 2)")
	}
	app := person{user: "app", password: appPassword, schema: "shop", change: func(c *mysql.Config) { c.AllowNativePasswords = true }}
	own, through := app.open(t, direct.Addr), f.through(t, app)
	judgeStates(t, f.Proxy, through, own, slices.Concat(keptStates, keptStatesOfMySQL))
}
