package balancer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// extracts are statements and what is known of them: for each of a batch "verb tables
// [effects] {keys}", a table that is written with !, and "…" if the list of tables may
// lack some. A read that any member may answer is "READ".
var extracts = []struct{ name, text, want string }{
	// Reads.
	{"point select", "SELECT c FROM sbtest1 WHERE id=4711", "READ sbtest1 {id=0}"},
	{"no table", "select 1", "READ"},
	{"dual", "select 1 from dual where 1", "READ"},
	{"brackets", "(select 1) union all (select a from t limit 1)", "READ t"},
	{"nested brackets", "((select a from t))", "READ t"},
	{"joins", "select * from a x join b.c y on x.i = y.i left join d using (i), e as f natural join g", "READ a b.c d e g"},
	{"bracketed joins", "select * from (a join (b, c)) left join d on 1", "READ a b c d"},
	{"odbc's join", "select * from { oj a left join b on 1 }", "READ a b"},
	{"derived tables", "select * from (select * from a) x, lateral (select * from b) y (i, j), c", "READ a b c"},
	{"subqueries", "select (select max(i) from a) from b where i in (select i from c where exists (select 1 from d))", "READ a b c d"},
	{"index hints", "select * from a use index (i), b force index for order by (i, j) ignore key (k), c", "READ a b c"},
	{"two index hints", "select * from a use index (i), use index (j), b", "READ a b"},
	{"partitions", "select * from a partition (p0, p1) as x, b", "READ a b"},
	{"a function that gives rows", "select * from json_table('[]', '$[*]' columns (i int path '$')) as j, a", "READ a"},
	{"FROM that begins no list", "select extract(day from a), trim(leading 'x' from b), substring(c from 1 for 2) from t", "READ t"},
	{"WITH", "with a as (select * from b), c (i) as (select * from a) select * from a, c, d", "READ b d"},
	{"a name of WITH is not known in its own query", "with a as (select * from a) select * from a", "READ a"},
	{"but if recursive", "with recursive a as (select 1 union all select i + 1 from a join b) select * from a", "READ b"},
	{"nor outside", "select * from (with a as (select 1) select * from a) x, a", "READ a"},
	{"nor with a schema", "with a as (select 1) select * from d.a", "READ d.a"},
	{"TABLE", "table a order by i", "READ a"},
	{"VALUES", "values row(1, 2), row(3, 4)", "READ"},
	{"names that are keywords", "select status, name from `select`.`from` where `where` = 1", "READ select.from {where=0}"},
	{"an alias that is a keyword in quotes", "select * from a `where`, b", "READ a b"},
	{"system variables", "select @@version, @@session.sql_mode, @@global.max_connections", "READ"},
	{"functions without effects", "select count(*), max(a), concat(a, 1), coalesce(a, b), if(a, 1, 2), now(), json_extract(a, '$.x'), row_number() over (partition by a order by b) from t", "READ t"},
	{"a read that waits", "select sleep(1)", "READ [waiting]"},
	{"tables that all servers have", "select * from information_schema.tables", "READ information_schema.tables"},
	{"an alias that is a word of MariaDB's", "select * from a returning, b qualify_, c", "READ a b c"},
	{"TABLE behind an operator", "select a from t union all table u", "READ t u"},
	{"SHOW", "show tables from d", "READ …"},
	{"SHOW CREATE", "show create table t", "READ …"},
	{"EXPLAIN", "explain select * from t where id = 1", "READ t {id=0}"},
	{"EXPLAIN in a format", "explain format=json select * from t", "READ t"},
	{"DESCRIBE", "describe d.t", "READ d.t"},
	{"an executable comment", "/*!50001 select */ a from t", "READ t"},
	{"a batch of reads", "select 1; select a from t;", "READ [several statements in one]; READ t [several statements in one]"},

	// What looks like a read and is none.
	{"row locks", "select * from t where id = 1 for update", "read t [row locks] {id=0}"},
	{"shared row locks", "select * from t lock in share mode", "read t [row locks]"},
	{"locks in a subquery", "select * from (select * from t for share skip locked) x", "read t [row locks]"},
	{"into a file", "select * from t into outfile '/tmp/x'", "read t [a file on the server]"},
	{"into a file in the middle", "select a into dumpfile '/tmp/x' from t", "read t [a file on the server]"},
	{"into a variable", "select a into @a from t", "read t [user variables, a user variable that is read]"},
	{"an assignment", "select @a := @a + 1 from t", "read t [user variables, a user variable that is read]"},
	{"a user lock", "select if(get_lock('x', 1), 1, 0)", "read [user locks]"},
	{"its release, deep", "select 1 from t where a = (select release_lock('x'))", "read t [user locks]"},
	{"a stored function", "select f(1)", "read … [a stored routine]"},
	{"one with a schema", "select d.count(1)", "read … [a stored routine]"},
	{"one that is like the server's", "select count (1)", "read … [a stored routine]"},
	{"one in a row", "select f(1), (2)", "read … [a stored routine]"},
	{"the last insert id", "select last_insert_id()", "read [LAST_INSERT_ID()]"},
	{"that sets it", "select last_insert_id(5)", "read [LAST_INSERT_ID(value)]"},
	{"or is a variable", "select @@identity", "read [LAST_INSERT_ID()]"},
	{"FOUND_ROWS", "select found_rows(), row_count()", "read [ROW_COUNT(), FOUND_ROWS()]"},
	{"SQL_CALC_FOUND_ROWS", "select sql_calc_found_rows * from t limit 1", "read t [SQL_CALC_FOUND_ROWS]"},
	{"a sequence", "select next value for s", "read s! [a sequence's next value]"},
	{"a sequence's function", "select nextval(s)", "read … [a sequence's next value]"},
	{"a server's own state", "select @@server_id, load_file('/x')", "read [one member's own state]"},
	{"a connection's number", "select connection_id()", "read [CONNECTION_ID()]"},
	{"all connections", "show full processlist", "read … [connection ids]"},
	{"tables of a server's own state", "select * from information_schema.PROCESSLIST", "read information_schema.PROCESSLIST [one member's own state]"},
	{"and others", "select * from performance_schema.threads, sys.version", "read performance_schema.threads sys.version [one member's own state]"},
	{"warnings", "show warnings limit 1", "read … [the warnings of the last statement]"},
	{"their number", "show count(*) errors", "read … [the warnings of the last statement]"},
	{"status", "show session status like 'x'", "read … [the session's status]"},
	{"replication", "show replica status", "read … [one member's own state]"},
	{"an explained change", "explain update t set a = 1", "change t!"},
	{"a hint that changes the layout", "insert /*+ SET_VAR(auto_increment_offset = 1) */ into t values (1)", "change t! [the auto_increment layout]"},
	{"a lock behind a comment", "select 1 from t for/* */update", "read t [row locks]"},
	{"a lock in an executable comment", "select 1 from t /*!50000 for update */", "read t [row locks]"},
	{"a read with a change behind it", "select 1; delete from t", "READ [several statements in one]; change t! [several statements in one]"},

	// Changes.
	{"INSERT", "insert into d.t (a, b) values (1, now())", "change d.t!"},
	{"INSERT SET", "insert ignore t set a = 1, b = (select max(i) from u)", "change t! u"},
	{"INSERT SELECT", "insert into t (a) select a from u join v", "change t! u v"},
	{"INSERT SELECT in brackets", "insert into t (select a from u)", "change t! u"},
	{"INSERT of two", "insert into t values (1, 2) on duplicate key update a = values(a), b = f(1)", "change t! … [a stored routine]"},
	{"INSERT TABLE", "insert into t (a) table u", "change t! u"},
	{"REPLACE", "replace low_priority into t partition (p0) values (1)", "change t!"},
	{"UPDATE", "update t set a = 1, b = 2 where id = ? and c = 'x'", "change t! {id=2 c=3}"},
	{"UPDATE of several", "update t x join d.u y using (i), v set x.a = y.a where x.id = 1", "change t! d.u! v!"},
	{"UPDATE with a subquery", "update t set a = (select max(i) from u) where id = 1", "change t! u"},
	{"DELETE", "delete from t where id in (5)", "change t! {id=0}"},
	{"DELETE of several", "delete x, y from t x join u y where x.id = 1", "change t! u!"},
	{"DELETE with USING", "delete from x using t x join u using (i)", "change t! u!"},
	{"WITH in front of a change", "with a as (select * from u) update t join a set t.i = a.i", "change u t!"},
	{"LOAD DATA", "load data local infile '/x' into table d.t (a, @b) set c = @b", "change d.t! [user variables, a user variable that is read, LOAD DATA]"},

	// The rest.
	{"CREATE TABLE", "create table if not exists d.t (id int primary key, b int references u (id))", "ddl d.t! u [an implicit commit]"},
	{"CREATE TABLE LIKE", "create table t like u", "ddl t! u [an implicit commit]"},
	{"CREATE TABLE SELECT", "create table t (a int default (f(1))) select * from u", "ddl t! u [an implicit commit]"},
	{"CREATE TABLE with partitions", "create table t (a int) partition by range (a) (partition p values less than (f(1)))", "ddl t! [an implicit commit]"},
	{"CREATE TABLE TABLE", "create table t table u", "ddl t! u [an implicit commit]"},
	{"CREATE VIEW TABLE", "create view v as table u", "ddl v! u [an implicit commit]"},
	{"CREATE TEMPORARY TABLE", "create temporary table t (a int)", "ddl t! [a temporary table, an implicit commit]"},
	{"CREATE VIEW", "create or replace algorithm=merge definer=u@h sql security invoker view v as select * from a where b in (select c from d)", "ddl v! a d [an implicit commit]"},
	{"CREATE INDEX", "create unique index i on d.t (a)", "ddl d.t! [an implicit commit]"},
	{"CREATE DATABASE", "create database if not exists d", "ddl @d … [an implicit commit]"},
	{"CREATE PROCEDURE", "create procedure p() begin select 1; delete from t; end", "ddl … [an implicit commit]"},
	{"nested blocks", "create definer=a@b trigger x before insert on t for each row l: begin if a then begin set @a = case 1 when 2 then 3 end; end; end if; case a when 1 then select 1; end case; " +
		"for i in 1..3 do select i; end for; end l", "ddl t! … [an implicit commit]"},
	{"a statement behind a block", "create procedure p() begin select 1; end; delete from t", "ddl … [a statement of unknown effects, an implicit commit]"},
	{"a block behind a block", "create procedure p() begin select 1; end; begin not atomic delete from t; end", "ddl … [a statement of unknown effects, an implicit commit]"},
	{"no block", "create procedure p() select 1; begin; delete from t; end", "ddl … [a statement of unknown effects, an implicit commit]"},
	{"a body without BEGIN", "create trigger x before insert on t for each row if a then set b = 1; end if", "ddl t! … [a statement of unknown effects, an implicit commit]"},
	{"what follows a routine is not told from it", "create table t (event int); drop table u", "ddl t! u … [a statement of unknown effects, an implicit commit]"},
	{"CREATE TRIGGER", "create trigger x before insert on d.t for each row set new.a = 1", "ddl d.t! … [an implicit commit]"},
	{"CREATE USER", "create user u@h identified by 'x'", "account … [a change of accounts, an implicit commit]"},
	{"ALTER TABLE", "alter table t add column a int, rename column b to c, rename to d.u", "ddl t! d.u! [an implicit commit]"},
	{"DROP TABLE", "drop temporary table if exists a, b.c", "ddl a! b.c! [a temporary table, an implicit commit]"},
	{"RENAME TABLE", "rename table a to b, c to d.e", "ddl a! b! c! d.e! [an implicit commit]"},
	{"TRUNCATE", "truncate t", "ddl t! [an implicit commit]"},
	{"GRANT", "grant select on d.* to u@h", "account … [a change of accounts, an implicit commit]"},
	{"ANALYZE TABLE", "analyze table t", "admin t! [an implicit commit, one member's own state]"},
	{"FLUSH with a lock", "flush tables with read lock", "admin … [a global read lock, an implicit commit, the server itself]"},
	{"BEGIN", "begin", "begin [an open transaction, an implicit commit]"},
	{"START TRANSACTION READ ONLY", "start transaction read only", "begin [an open transaction, a read-only or snapshot transaction, an implicit commit]"},
	{"COMMIT", "commit", "commit"},
	{"COMMIT AND CHAIN", "commit and chain", "commit [an open transaction]"},
	{"COMMIT AND NO CHAIN", "commit and no chain", "commit"},
	{"ROLLBACK TO", "rollback work to savepoint s", "savepoint [a savepoint]"},
	{"XA", "xa start 'x'", "xa … [an XA transaction]"},
	{"SET of variables", "set autocommit = 0, sql_mode = '', @@session.time_zone = '+00:00', local sort_buffer_size = 5", "set [autocommit, a session variable, sql_mode]"},
	{"SET GLOBAL", "set global max_connections = 5, persist x = 6", "set [a global variable]"},
	{"SET NAMES", "set names utf8mb4 collate utf8mb4_bin, character_set_results = null", "set [the character set]"},
	{"SET of a user variable", "set @a = (select max(i) from t), @b = get_lock('x', 1)", "set t [user variables, user locks]"},
	{"SET of what the proxy depends on", "set session_track_gtids = off, auto_increment_offset = 1", "set [variables that the proxy depends on, the auto_increment layout]"},
	{"SET of replication's variables", "set @@session.sql_log_bin = 0, gtid_next = 'automatic'", "set [a variable of replication]"},
	{"SET TRANSACTION", "set transaction isolation level read committed", "set [the next transaction's characteristics]"},
	{"the same as a variable", "set @@transaction_isolation = 'serializable'", "set [the next transaction's characteristics]"},
	{"SET of variables as @@name", "set @@autocommit = 0, @@lock_wait_timeout = 1", "set [autocommit, a session variable]"},
	{"SET of variables with a scope", "set @@local.autocommit = 0, @@global.max_connections = 5", "set [autocommit, a global variable]"},
	{"for the session", "set session transaction isolation level read committed", "set [a session variable]"},
	{"SET ROLE", "set role admin", "set [a role]"},
	{"SET PASSWORD", "set password = 'x'", "account … [a change of accounts, an implicit commit]"},
	{"USE", "use d", "use @d [the default schema]"},
	{"CALL", "call p(1, @a)", "call … [a user variable that is read, a stored routine]"},
	{"DO", "do get_lock('x', 1)", "do [user locks]"},
	{"LOCK TABLES", "lock tables a read, d.b as x low_priority write", "lock a d.b! [LOCK TABLES, an implicit commit]"},
	{"UNLOCK TABLES", "unlock tables", "lock [LOCK TABLES, an implicit commit]"},
	{"HANDLER", "handler t open as h", "handler t … [a HANDLER]"},
	{"PREPARE", "prepare s from 'select 1'", "prepare … [a statement prepared by name]"},
	{"EXECUTE", "execute s using @a", "prepare … [a statement of unknown effects, a user variable that is read, a statement prepared by name]"},
	{"KILL", "kill query 5", "kill [KILL]"},
	{"GET DIAGNOSTICS", "get diagnostics @n = number", "diagnostic … [user variables, a user variable that is read, the warnings of the last statement]"},
	{"nothing", "", ""},
	{"only comments", "/* a */ -- b", ""},
	{"nonsense", "frobnicate t", "unknown … [a statement of unknown effects]"},
	{"an open string", "select 'a", "unknown … [a statement of unknown effects]"},
	{"brackets that do not close", "select (1 from t", "unknown … [a statement of unknown effects]"},
	{"brackets that do not open", "select 1) from t", "unknown t … [a statement of unknown effects]"},
}

// tell writes a plan as the table above does.
func tell(p *Plan) string {
	var all []string
	for _, f := range p.Statements {
		words := []string{f.Verb.String()}
		if f.IsRead() {
			words[0] = "READ"
		}
		for _, t := range f.Tables {
			word := t.Name
			if t.Schema != "" {
				word = t.Schema + "." + word
			}
			if t.Written {
				word += "!"
			}
			words = append(words, word)
		}
		if f.Schema != "" {
			words = append(words, "@"+f.Schema)
		}
		if !f.Complete {
			words = append(words, "…")
		}
		if f.Effects != 0 {
			words = append(words, "["+f.Effects.String()+"]")
		}
		var keys []string
		for _, k := range f.Keys {
			keys = append(keys, fmt.Sprintf("%s=%d", k.Column, k.Value))
		}
		if len(keys) > 0 {
			words = append(words, "{"+strings.Join(keys, " ")+"}")
		}
		all = append(all, strings.Join(words, " "))
	}
	return strings.Join(all, "; ")
}

func planOf(text string, dialect Dialect) *Plan {
	var d Digester
	d.Digest([]byte(text), dialect)
	return MakePlan(&d, dialect)
}

func TestExtract(t *testing.T) {
	for _, c := range extracts {
		t.Run(c.name, func(t *testing.T) {
			if got := tell(planOf(c.text, mysql97)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestExtractOfMariaDB(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"SET STATEMENT is the statement behind it", "set statement max_statement_time = 1 for select * from t", "READ t"},
		{"and what it sets may matter", "set statement sql_log_bin = 0 for delete from t", "change t! [a variable of replication]"},
		{"a table that is called like a word of MySQL's", "select * from lateral, t", "READ lateral t"},
		{"RETURNING behind tables", "delete from t where a = 1 returning b, c", "change t! {a=0}"},
		{"a binlog's event", "binlog 'x'", "unknown … [a statement of unknown effects]"},
		{"a block", "begin not atomic delete from t; end", "unknown … [a statement of unknown effects]"},
		{"a loop", "for i in 1..3 do delete from t; end for", "unknown … [a statement of unknown effects]"},
		{"time travel", "select * from t for system_time as of now(), u", "READ t u"},
		{"a sequence", "select next value for d.s, previous value for d.s", "read d.s! [a sequence's next value, a sequence's last value]"},
		{"what it answers about a statement that it runs", "analyze format=json select * from t", "READ t"},
		{"it runs changes too", "analyze update t set a = 1", "change t!"},
		{"a backup's lock", "backup stage start", "lock … [a backup stage]"},
		{"RETURNING", "insert into t values (1) returning id, f(id)", "change t! … [a stored routine]"},
		{"a function that MySQL does not have", "select json_detailed(a) from t", "READ t"},
		{"one that it does not have itself", "select any_value(a) from t", "read t … [a stored routine]"},
		{"a keyword of MySQL's is a name to it", "select external(1)", "read … [a stored routine]"},
		{"EXECUTE IMMEDIATE", "execute immediate 'delete from t'", "prepare … [a statement of unknown effects, a statement prepared by name]"},
		{"another user", "set session authorization u@h", "set [another user]"},
		{"a package", "create package p as procedure q(); end", "ddl … [a statement of unknown effects, an implicit commit]"},
		{"a variable that is set as @@name", "set @@autocommit = 0, @@`sql_mode` := ''", "set [autocommit, sql_mode, a variable set as @@name]"},
		{"one beside others", "set sort_buffer_size = 5, /*! @@lock_wait_timeout = 1 */", "set [a session variable, a variable set as @@name]"},
		{"one for the next transaction", "set @@tx_isolation = 'serializable'", "set [the next transaction's characteristics]"},
		{"those of the slot do not get there", "set @@auto_increment_increment = 2", "set [the auto_increment layout]"},
		{"some with a scope", "set @@session.autocommit = 0, @@local.lock_wait_timeout = 1, @@global.max_connections = 5", "set [autocommit, a session variable, a global variable]"},
		{"HANDLER", "handler t read first", "handler t … [a HANDLER]"},
		{"a hint is a comment", "select /*+ SET_VAR(auto_increment_offset = 1) */ 1", "READ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tell(planOf(c.text, mariadb)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ condition, want string }{
		{"id = 1", "id=0"},
		{"1 = id", "id=0"},
		{"t.id = 1 and d.t.b = 2", "id=0 b=1"},
		{"id in (1)", "id=0"},
		{"id = 1 && a = 2", "id=0 a=1"},
		{"name = 'x' and t.status = 1", "name=0 status=1"},
		{"id = 1 or a = 2", ""},
		{"id = 1 xor a = 2", ""},
		{"(id = 1)", ""},
		{"not id = 1", ""},
		{"id != 1 and a = 2", "a=1"},
		{"a between 1 and id = 2", ""},
		{"a between 1 and 2 and id = 3", "id=2"},
		{"a = 1 = 1", ""},
		{"a + b = 1", ""},
		{"id not in (1)", ""},
		{"id = 1 and (a = 2 or b = 3)", "id=0"},
		{"id = 1 order by a limit 5", "id=0"},
		{"id = null", "id=0"},
		{"id = (1)", ""},
		{"id = 1 collate utf8mb4_bin", ""},
		{"id = a and b = 2", "b=0"},
		{"id = 1 union select * from t", ""},
		{"id in (select 1)", ""},
	} {
		p := planOf("select * from t where "+c.condition, mysql97)
		var got []string
		for _, k := range p.Statements[0].Keys {
			got = append(got, fmt.Sprintf("%s=%d", k.Column, k.Value))
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.condition, got, c.want)
		}
	}
	if keys := planOf("select * from t a join t b where a.id = 1", mysql97).Statements[0].Keys; keys != nil {
		t.Errorf("one of two tables is no key of both: %v", keys)
	}
}

// TestNoReadIsHidden: what makes a statement no read does so wherever it stands and
// however it is written.
func TestNoReadIsHidden(t *testing.T) {
	frames := []string{
		"select %s from t", "select * from t where %s", "select (select %s) from t", "select * from (select %s) x", "with x as (select %s) select * from x",
		"select 1 union select %s", "(select %s)", "explain select %s", "select case when 1 then %s else 2 end", "select concat('a', (%s))", "select /* c */ 1, -- d\n%s",
		"values row(%s)", "select 1; select %s", "select * from t order by %s", "select * from t group by a having %s", "select * from t join u on %s",
		"select /*!50000 %s */", "show variables where %s",
	}
	effects := []string{
		"get_lock('a', 1)", "GET_LOCK ('a', 1)", "`get_lock`('a', 1)", "release_all_locks()", "f(1)", "d.f(1)", "f()", "`f`(a, 2)", "@a := 1", "last_insert_id(7)",
		"nextval(s)", "next value for s", "row_count()", "found_rows()", "service_get_write_locks('a', 'b', 1)", "max (1)",
	}
	for _, frame := range frames {
		for _, effect := range effects {
			for _, dialect := range []Dialect{mysql97, mariadb, {Flavour: topology.FlavourUnknown}} {
				text := fmt.Sprintf(frame, effect)
				if p := planOf(text, dialect); p.IsRead() {
					t.Errorf("%s is a read on %s: %s", text, dialect.Flavour, tell(p))
				}
			}
		}
	}
}

func TestEffects(t *testing.T) {
	if got, want := len(effectNames), int(effectCount); got != want {
		t.Fatalf("%d names of %d effects", got, want)
	}
	if effectCount > 64 {
		t.Fatal("a set has 64 bits")
	}
	s := EffectsOf(EffectUserLock, EffectSchema, EffectRowLocks)
	if !s.Has(EffectSchema) || s.Has(EffectUnknown) || !s.HasAny(EffectsOf(EffectUserLock)) || s.HasAny(EffectsOf(EffectKill)) {
		t.Errorf("%v", s)
	}
	if got, want := s.String(), "the default schema, user locks, row locks"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := Effects(0).String(), "nothing"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for handling, want := range map[Handling]Effects{HandlePin: EffectsOf(EffectUserLock), HandleReplay: EffectsOf(EffectSchema), HandleFree: EffectsOf(EffectRowLocks), HandleRefuse: 0} {
		if got := s.Handled(handling); got != want {
			t.Errorf("%v: got %v, want %v", handling, got, want)
		}
	}
	var each []Effect
	s.Each(func(e Effect) { each = append(each, e) })
	if !slices.IsSorted(each) || len(each) != 3 {
		t.Errorf("%v", each)
	}
	if EffectUnknown.Handling() != HandlePin || EffectTemporaryTable.Handling() != HandlePin || EffectLayout.Handling() != HandleRefuse {
		t.Error("what is not known, or can not be carried over, pins")
	}
}
