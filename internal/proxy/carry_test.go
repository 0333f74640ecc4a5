package proxy

import (
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// dividedReal is a proxy in front of two real servers that do not replicate: m1 owns "*"
// and north, m2 owns south. Both have both schemas.
type dividedReal struct {
	*real
	m2   *mysqltest.Server
	view balancer.View
}

func startDivided(t *testing.T, cfg Config) *dividedReal {
	t.Helper()
	r := &dividedReal{real: startReal(t, cfg), m2: mysqltest.Start(t)}
	r.m2.Exec(t, "SET GLOBAL read_only=0; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO app@'%'; CREATE DATABASE shop")
	for _, s := range []*mysqltest.Server{r.server, r.m2} {
		s.Exec(t, "CREATE DATABASE north; CREATE DATABASE south; CREATE TABLE north.t (id INT PRIMARY KEY AUTO_INCREMENT, a LONGTEXT); CREATE TABLE south.t LIKE north.t")
	}
	r.view = balancer.View{
		Ring: "test", Members: []balancer.Member{r.member, memberAt("m2", r.m2, 5)},
		Units: []balancer.Unit{{ID: "*", Owner: "m1", Epoch: 3}, {ID: "north", Owner: "m1", Epoch: 3}, {ID: "south", Owner: "m2", Epoch: 4}},
	}
	r.show(t)
	return r
}

func (r *dividedReal) show(t *testing.T) {
	t.Helper()
	view := r.view
	r.world.setView(&view)
	waitFor(t, "the view is taken in", func() bool { return r.Proxy.view.Load() == &view })
}

// What a session has in user variables goes with it to another owner, of the same type and
// value, and nobody else finds it.
func TestRealUserVariablesGoAlong(t *testing.T) {
	r := startDivided(t, Config{})
	c := dialRaw(t, r.Addr())
	if err := c.login("app", appPassword, rawCaps); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"n": "-17", "u": "CAST(18446744073709551615 AS UNSIGNED)", "few": "CAST(3 AS UNSIGNED)", "d": "1/3", "whole": "CAST(5 AS DOUBLE)", "x": "0.1e0+0.2e0",
		"exact": "CAST('12345678901234567890.1234500' AS DECIMAL(40,7))", "ten": "CAST(10 AS DECIMAL)", "nothing": "NULL", "s": "'it''s\\\\ \"a\"/b|c,d'", "empty": "''",
		"greek": "_utf8mb4 X'CEB1F09F9880' COLLATE utf8mb4_bin", "old": "_latin1 X'E4F6' COLLATE latin1_german2_ci", "raw": "X'00FF2700'", "`odd name`": "1",
		"N": "'N'",
	}
	var show []string
	for name, value := range values {
		c.runs(t, "SET @"+name+" = "+value)
		show = append(show, "@"+name, "HEX(@"+name+")", "COLLATION(@"+name+")", "COERCIBILITY(@"+name+")")
	}
	c.runs(t, "SET @long = REPEAT('y', 20000)")
	question := "SELECT CONCAT_WS('~', " + strings.Join(show, ",") + ", MD5(@long))"
	question = strings.ReplaceAll(question, "SELECT CONCAT_WS('~', ", "SELECT CONCAT_WS('~', 'a', ")
	types := "SELECT GROUP_CONCAT(variable_name, ' ', variable_type ORDER BY variable_name) FROM information_schema.user_variables WHERE variable_name <> 'nothing'"
	at := func() string { return c.result(t, "SELECT @@port, @@server_id, @@socket") }
	before, kinds, here := c.result(t, question), c.result(t, types), at()
	c.runs(t, "INSERT INTO south.t (a) VALUES (@s)")
	if there := at(); there == here {
		t.Errorf("still at %s", there)
	}
	if after := c.result(t, question); after != before {
		t.Errorf("values\n%.3000q\nwere\n%.3000q", after, before)
	}
	if after := c.result(t, types); after != kinds {
		t.Errorf("types %s\nwere %s", after, kinds)
	}
	c.runs(t, "INSERT INTO north.t (a) VALUES (@s)")
	if r.server.Query(t, "SELECT a FROM north.t") != "it's\\ \"a\"/b|c,d" || r.m2.Query(t, "SELECT a FROM south.t") != "it's\\ \"a\"/b|c,d" || r.m2.Query(t, "SELECT COUNT(*) FROM north.t") != "0" {
		t.Error("rows are not where they belong")
	}
	waitFor(t, "the pin", func() bool { return len(r.Pins()) == 1 })
	for range 5 {
		other := dialRaw(t, r.Addr())
		if err := other.login("app", appPassword, rawCaps); err != nil {
			t.Fatal(err)
		}
		if got := other.result(t, "SELECT COUNT(*) FROM information_schema.user_variables"); !strings.Contains(got, "0") {
			t.Errorf("another session finds variables: %q", got)
		}
	}
}

// Of what else a session has, nothing is taken for user variables.
func TestRealOnlyUserVariablesGoAlong(t *testing.T) {
	r := startDivided(t, Config{})
	r.server.Exec(t, "CREATE FUNCTION north.f() RETURNS INT READS SQL DATA BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS north.tmp (a INT); RETURN 1; END; CREATE VIEW north.v AS SELECT north.f() a")
	for _, state := range []string{"CREATE TEMPORARY TABLE north.tmp (a INT)", "SELECT @a := a FROM north.v", "SET @a = north.f()", "SELECT GET_LOCK('a', 1)", "SELECT a FROM north.v"} {
		c := dialRaw(t, r.Addr())
		if err := c.login("app", appPassword, rawCaps); err != nil {
			t.Fatal(err)
		}
		c.runs(t, "USE north", "SET @b = 1", state)
		if told := c.refused(t, "INSERT INTO south.t (a) VALUES (1)"); !strings.Contains(told, "keeps it on its connection") {
			t.Errorf("%s: told %q", state, told)
		}
		if got := c.result(t, "SELECT @b"); !strings.Contains(got, "1") {
			t.Errorf("%s: @b is %q", state, got)
		}
		_ = c.conn.Close()
	}
}

// They go along with the unit, too, if its owner changes and the old one still answers.
func TestRealUserVariablesInAMove(t *testing.T) {
	r := startDivided(t, Config{})
	c := dialRaw(t, r.Addr())
	if err := c.login("app", appPassword, rawCaps); err != nil {
		t.Fatal(err)
	}
	c.runs(t, "SET @a = 'kept'", "INSERT INTO south.t (a) VALUES (@a)")
	r.view.Units = []balancer.Unit{{ID: "*", Owner: "m1", Epoch: 3}, {ID: "north", Owner: "m1", Epoch: 3}, {ID: "south", Owner: "m1", Epoch: 6}}
	r.show(t)
	c.runs(t, "INSERT INTO south.t (a) VALUES (@a)")
	if r.server.Query(t, "SELECT a FROM south.t") != "kept" {
		t.Error("the variable was lost")
	}
}

// A dump of two schemas is restored while they have different owners: large rows, long
// INSERTs, triggers, routines, views, each at its owner alone.
func TestToolDumpIntoTwoOwners(t *testing.T) {
	r := startDivided(t, Config{})
	source := mysqltest.Start(t)
	source.Exec(t, "CREATE DATABASE north; CREATE DATABASE south; CREATE USER app@localhost IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO app@localhost")
	for _, schema := range []string{"north", "south"} {
		source.Exec(t, "USE "+schema+"; CREATE TABLE post (id INT PRIMARY KEY AUTO_INCREMENT, at TIMESTAMP NULL, text LONGTEXT, data LONGBLOB, n DECIMAL(10,2), KEY (at));"+
			"CREATE TABLE seen (id INT, FOREIGN KEY (id) REFERENCES post (id)); CREATE VIEW many AS SELECT COUNT(*) FROM post")
		source.Exec(t, "INSERT INTO "+schema+".post (at, text, data, n) SELECT IF(seq % 3, NOW(), NULL), IF(seq % 7, CONCAT('it''s \"', REPEAT('ä; INSERT INTO x VALUES (1);', seq % 90)), NULL), "+
			"IF(seq % 5, UNHEX(REPEAT(SHA2(seq, 512), seq % 70)), NULL), -seq / 7 FROM seq_1_to_3000")
		source.Exec(t, "INSERT INTO "+schema+".post (text, data) VALUES (REPEAT('x', 3000000), UNHEX(REPEAT('27005C0A', 500000)))")
		source.Exec(t, "INSERT INTO "+schema+".seen SELECT id FROM "+schema+".post")
		source.Exec(t, "USE "+schema+"; CREATE TRIGGER stamps BEFORE INSERT ON post FOR EACH ROW SET NEW.text = COALESCE(NEW.text, '"+strings.Repeat("t", 40000)+"')")
		source.Exec(t, "USE "+schema+"; CREATE PROCEDURE fill() BEGIN /* "+strings.Repeat("p ", 30000)+"*/ INSERT INTO post (n) VALUES (1); SELECT '"+strings.Repeat("q", 50000)+"'; END")
	}
	dump := tool(t, "", "mariadb-dump", "--no-defaults", "-uapp", "-p"+appPassword, "-S"+source.Socket,
		"--routines", "--triggers", "--events", "--default-character-set=utf8mb4", "--databases", "north", "south")
	if n := strings.Count(dump, "\n") - strings.Count(dump, "\nINSERT"); len(dump) < 20<<20 || n == 0 {
		t.Fatalf("the dump has %d bytes", len(dump))
	}
	began := r.Stats()
	tool(t, dump, "mariadb", "--no-defaults", "-uapp", "-p"+appPassword, "-S"+r.socket, "--default-character-set=utf8mb4", "--comments", "--max-allowed-packet=64M")
	for schema, at := range map[string]*mysqltest.Server{"north": r.server, "south": r.m2} {
		other := r.m2
		if at == r.m2 {
			other = r.server
		}
		for _, table := range []string{"post", "seen"} {
			sum := "SELECT CONCAT(COUNT(*), ' ', COALESCE(BIT_XOR(CAST(CONV(LEFT(MD5(CONCAT_WS('|', " + map[string]string{"post": "id, at, text, data, n", "seen": "id"}[table] + ")), 16), 16, 10) AS UNSIGNED)), 0)) FROM " + schema + "." + table
			if got, want := at.Query(t, sum), source.Query(t, sum); got != want {
				t.Errorf("%s.%s: %s, want %s", schema, table, got, want)
			}
		}
		if n := other.Query(t, "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'post' AND table_schema = ?", schema); n != "0" {
			t.Errorf("%s was written at the other owner", schema)
		}
		for _, what := range []string{"SELECT MD5(action_statement) FROM information_schema.triggers WHERE trigger_schema = ?", "SELECT MD5(routine_definition) FROM information_schema.routines WHERE routine_schema = ?"} {
			if got, want := at.Query(t, what, schema), source.Query(t, what, schema); got != want || got == "" {
				t.Errorf("%s, %s: %q, want %q", schema, what, got, want)
			}
		}
	}
	if now := r.Stats(); now.Errors != began.Errors {
		t.Errorf("%d errors", now.Errors-began.Errors)
	}
}
