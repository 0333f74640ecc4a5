package proxy

import (
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// keptStatesOfMySQL are those of keptStates that MySQL has, or has in another way, and what
// only it has.
var keptStatesOfMySQL = []keptState{
	{"transaction", []string{"BEGIN", "INSERT INTO shop.t (v) VALUES (1)"}, "SELECT COUNT(*) FROM shop.t", true, []string{"ROLLBACK"}},
	{"transaction after an error", []string{"BEGIN", "INSERT INTO shop.t (v) VALUES (1)", "SELECT no_such_column"}, "SELECT COUNT(*) FROM shop.t", true, []string{"ROLLBACK"}},
	{"read only transaction", []string{"START TRANSACTION READ ONLY"}, "INSERT INTO shop.t (v) VALUES (1)", true, []string{"COMMIT"}},
	{"consistent snapshot", []string{"START TRANSACTION WITH CONSISTENT SNAPSHOT"}, "SELECT COUNT(*) FROM shop.t", true, []string{"COMMIT"}},
	{"autocommit=0, nothing begun", []string{"SET @@autocommit=0"}, "SELECT @@autocommit", false, nil},
	{"autocommit=0, a table read", []string{"SET autocommit=0", "SELECT v FROM shop.t"}, "SELECT v FROM shop.t", true, []string{"COMMIT"}},
	{"savepoint", []string{"BEGIN", "INSERT INTO shop.t (v) VALUES (1)", "SAVEPOINT a", "INSERT INTO shop.t (v) VALUES (2)", "ROLLBACK TO a"}, "SELECT COUNT(*) FROM shop.t", true, []string{"ROLLBACK"}},
	{"the next transaction's", []string{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"}, "", true, []string{"BEGIN", "COMMIT"}},
	{"isolation of the session", []string{"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"}, "SELECT @@transaction_isolation", false, nil},
	{"a variable", []string{"SET @@group_concat_max_len=77, SESSION max_execution_time=5000"}, "SELECT @@group_concat_max_len, @@max_execution_time", false, nil},
	{"a variable by an expression", []string{"SET sort_buffer_size=@@sort_buffer_size*2"}, "SELECT @@sort_buffer_size", false, nil},
	{"a global variable", []string{"SET PERSIST max_connect_errors=200"}, "SELECT @@global.max_connect_errors", false, nil},
	{"for one statement, by a hint", []string{"SELECT /*+ SET_VAR(group_concat_max_len=99) */ 1"}, "SELECT @@group_concat_max_len", false, nil},
	{"time zone", []string{"SET time_zone='+07:00'"}, "SELECT @@time_zone, FROM_UNIXTIME(0)", false, nil},
	{"character sets", []string{"SET NAMES latin1"}, "SELECT @@character_set_client, @@character_set_results, 'é'", false, nil},
	{"collation", []string{"SET @@collation_connection=latin1_german2_ci"}, "SELECT @@character_set_connection, @@collation_connection, 'ä'='ae'", false, nil},
	{"results as they are", []string{"SET character_set_results=NULL"}, "SELECT @@character_set_results, _latin1 X'E4'", false, nil},
	{"schema", []string{"USE other"}, "SELECT DATABASE()", false, nil},
	{"sql_mode, quotes", []string{"SET @@sql_mode='ANSI_QUOTES'"}, `SELECT COUNT("v") FROM shop.t`, false, nil},
	{"sql_mode, backslashes", []string{"SET sql_mode='NO_BACKSLASH_ESCAPES'"}, `SELECT 'a\\b'`, false, nil},
	{"sql_mode of a routine", []string{"CALL shop.mode()"}, `SELECT 'a\\b', @@sql_mode`, true, nil},
	{"user variable", []string{"SET @a=5"}, "SELECT @a", true, nil},
	{"user variable by SELECT", []string{"SELECT 7 INTO @a"}, "SELECT @a", true, nil},
	{"user variable by the way", []string{"SELECT @a:=9"}, "SELECT @a", true, nil},
	{"user variable of a trigger", []string{"INSERT INTO shop.remembered VALUES (4)"}, "SELECT @f", true, nil},
	{"timestamp", []string{"SET timestamp=1000"}, "SELECT UNIX_TIMESTAMP()", true, nil},
	{"insert_id", []string{"SET insert_id=5000"}, "SELECT @@insert_id", true, nil},
	{"rand_seed", []string{"SET rand_seed1=1, rand_seed2=2"}, "SELECT RAND()", true, nil},
	{"last insert id", []string{"INSERT INTO shop.t (v) VALUES (1)"}, "SELECT LAST_INSERT_ID(), @@identity", false, nil},
	{"last insert id by an expression", []string{"SELECT LAST_INSERT_ID(41)"}, "SELECT LAST_INSERT_ID()", false, nil},
	{"row count", []string{"UPDATE shop.t SET v=v+1"}, "SELECT ROW_COUNT()", false, nil},
	{"found rows", []string{"SELECT SQL_CALC_FOUND_ROWS v FROM shop.t LIMIT 1"}, "SELECT FOUND_ROWS() > 0", false, nil},
	{"warnings", []string{"SELECT CAST('x' AS SIGNED)"}, "SHOW WARNINGS", false, nil},
	{"errors", []string{"SELECT no_such_column"}, "SHOW ERRORS", false, nil},
	{"prepared by text", []string{"PREPARE p FROM 'SELECT 3'"}, "EXECUTE p", true, nil},
	{"temporary table", []string{"CREATE TEMPORARY TABLE shop.tmp (v INT)", "INSERT INTO shop.tmp VALUES (4)"}, "SELECT v FROM shop.tmp", true, nil},
	{"temporary table by SELECT", []string{"CREATE TEMPORARY TABLE shop.tmp AS SELECT 6 v"}, "SELECT v FROM shop.tmp", true, nil},
	{"locked tables", []string{"LOCK TABLES shop.mine WRITE"}, "SELECT v FROM shop.t", true, []string{"UNLOCK TABLES"}},
	{"tables with a read lock", []string{"FLUSH TABLES shop.mine WITH READ LOCK"}, "INSERT INTO shop.mine VALUES (1)", true, []string{"UNLOCK TABLES"}},
	{"backup lock", []string{"LOCK INSTANCE FOR BACKUP"}, "SELECT OBJECT_TYPE FROM performance_schema.metadata_locks WHERE OBJECT_TYPE='BACKUP LOCK'", true, nil},
	{"user lock", []string{"SELECT GET_LOCK('l', 0)"}, "SELECT IS_USED_LOCK('l') = CONNECTION_ID()", true, nil},
	{"locking service", []string{"SELECT service_get_write_locks('s', 'l', 0)"}, "SELECT LOCK_TYPE FROM performance_schema.metadata_locks WHERE OBJECT_TYPE='LOCKING SERVICE'", true, nil},
	{"handler", []string{"HANDLER shop.t OPEN AS h"}, "HANDLER h READ FIRST", true, nil},
	{"procedure", []string{"CALL shop.sets()"}, "SELECT @@group_concat_max_len", true, nil},
	{"function", []string{"SELECT shop.remembers()"}, "SELECT @f", true, nil},
	{"role", []string{"SET ROLE r"}, "SELECT CURRENT_ROLE()", true, nil},
	{"resource group", []string{"SET RESOURCE GROUP g"}, "SELECT resource_group FROM performance_schema.threads WHERE processlist_id=CONNECTION_ID()", true, nil},
	{"profiling", []string{"SET profiling=1", "SELECT 1"}, "SELECT @@profiling", true, nil},
	{"optimizer trace", []string{"SET optimizer_trace='enabled=on'"}, "SELECT @@optimizer_trace", true, nil},
}

// TestMySQLEachStateOfASession is TestRealEachStateOfASession on MySQL.
func TestMySQLEachStateOfASession(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMySQL, Config{MemberLinks: 3, QueueTimeout: 20 * time.Second})
	direct := mysqltest.StartMySQL(t, "auto_increment_offset=3", "auto_increment_increment=16")
	direct.Exec(t, "CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'")
	for _, exec := range []func(testing.TB, string, ...any){f.exec, direct.Exec} {
		exec(t, `GRANT ALL ON *.* TO app@'%'; CREATE ROLE r; GRANT r TO app@'%'; CREATE DATABASE other;
			CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT); CREATE TABLE shop.mine (v INT); CREATE TABLE shop.remembered (v INT)`)
		exec(t, "CREATE PROCEDURE shop.sets() SET group_concat_max_len=88")
		exec(t, "CREATE PROCEDURE shop.mode() SET sql_mode='NO_BACKSLASH_ESCAPES'")
		exec(t, "CREATE FUNCTION shop.remembers() RETURNS INT NO SQL BEGIN SET @f=6; RETURN 1; END")
		exec(t, "CREATE TRIGGER shop.remembering BEFORE INSERT ON shop.remembered FOR EACH ROW SET @f=NEW.v")
		exec(t, "CREATE FUNCTION service_get_write_locks RETURNS INT SONAME 'locking_service.so'")
		exec(t, "CREATE RESOURCE GROUP g TYPE=USER")
		exec(t, "INSERT INTO shop.t VALUES (3, 1), (19, 2)")
	}
	app := person{user: "app", password: appPassword, schema: "shop", change: func(c *mysql.Config) { c.AllowNativePasswords = true }}
	own, through := app.open(t, direct.Addr), f.through(t, app)
	own.SetMaxIdleConns(0)
	through.SetMaxIdleConns(0)
	others := []*actor{open(t, through, 1), open(t, through, 2)}
	for _, kind := range keptStatesOfMySQL {
		t.Run(kind.name, func(t *testing.T) { kind.judge(t, f.Proxy, open(t, through, 0), open(t, own, 0), others) })
	}
}
