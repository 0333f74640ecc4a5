package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// pairActs are further steps, for sessions whose reads are answered by another member.
var pairActs = []act{
	{text: "SET @@sql_mode='ANSI_QUOTES'"},
	{text: "SET @@group_concat_max_len=20%d"},
	{text: "SET @@time_zone='+1%d:00', SESSION sort_buffer_size=100000"},
	{text: "SELECT v, FROM_UNIXTIME(0), 'a\\\\b', @@sql_mode FROM shop.t%d ORDER BY id LIMIT 2"},
	{text: "SELECT v FROM mine ORDER BY id LIMIT 3"},
	{text: "INSERT INTO mine (v) VALUES (%d)"},
	{text: "UPDATE mine SET v=v+1 WHERE id > ?", args: []any{1}, reused: true},
	{text: "SELECT COUNT(*), SUM(v) FROM mine WHERE v > ?", args: []any{-1}, reused: true},
	{text: "INSERT INTO shop.t%d (id, v) VALUES (1, 1), (1, 2)"},
	{text: "SELECT (SELECT 1 UNION SELECT 2) FROM shop.t%d"},
	{text: "SELECT shop.writes(%d)"},
	{text: "CALL shop.fails(%d)"},
	{text: "SELECT COUNT(*) FROM shop.log WHERE n=%d"},
	{text: "SAVEPOINT a"},
	{text: "ROLLBACK TO a"},
	{text: "START TRANSACTION READ ONLY"},
	{text: "SET SESSION TRANSACTION READ ONLY"},
	{text: "SET SESSION TRANSACTION READ WRITE"},
	{text: "CREATE TABLE IF NOT EXISTS shop.t%d (id INT)"},
	{text: "CREATE TABLE shop.t%d (id INT)"},
	{text: "SELECT @@in_transaction"},
	{text: "SELECT v FROM shop.t%d ORDER BY id LIMIT 1 FOR UPDATE"},
	{text: "SET NAMES gbk"},
	{text: "SET character_set_results=NULL"},
	{text: "SET character_set_results=utf8mb4"},
	{text: "SHOW ERRORS"},
	{text: "SELECT a FROM shop.view%d ORDER BY a LIMIT 2"},
	{text: "EXPLAIN SELECT 1"},
	{text: "ROLLBACK"},
	{text: "COMMIT"},
	{text: "SELECT SQL_CALC_FOUND_ROWS v FROM mine LIMIT 1"},
	{text: "SELECT FOUND_ROWS()"},
}

// TestRealSessionsOverTwoMembers: sessions that share few links, and whose reads another member
// answers, see what each would see on a connection of its own.
func TestRealSessionsOverTwoMembers(t *testing.T) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) { overTwoMembers(t, flavour) })
	}
}

func overTwoMembers(t *testing.T, flavour topology.Flavour) {
	const sessions = 8
	p := startReplicated(t, flavour, Config{MemberLinks: sessions, QueueTimeout: 20 * time.Second})
	var addr string
	prepare := func(exec func(t testing.TB, s string, a ...any)) {
		exec(t, "CREATE ROLE r; GRANT r TO app@'%'; CREATE TABLE shop.log (n INT)")
		exec(t, "CREATE PROCEDURE shop.sets() SET time_zone='+05:00'")
		exec(t, "SET GLOBAL log_bin_trust_function_creators=1")
		exec(t, "CREATE FUNCTION shop.writes(a INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO shop.log (n) VALUES (a); RETURN a; END")
		exec(t, "CREATE PROCEDURE shop.fails(a INT) BEGIN INSERT INTO shop.log (n) VALUES (a); SIGNAL SQLSTATE '45000'; END")
		for n := range sessions * 2 {
			exec(t, fmt.Sprintf("CREATE DATABASE s%d; CREATE TABLE shop.t%d (id INT AUTO_INCREMENT PRIMARY KEY, v INT); CREATE TABLE s%d.mine (id INT AUTO_INCREMENT PRIMARY KEY, v INT); CREATE VIEW shop.view%d AS SELECT v a FROM shop.t%d", n, n, n, n, n))
		}
	}
	p.m2.exec(t, "SET GLOBAL log_bin_trust_function_creators=1")
	prepare(p.exec)
	if flavour == topology.FlavourMySQL {
		d := mysqltest.StartMySQL(t, "auto_increment_offset=3", "auto_increment_increment=16", "gtid_mode=ON", "enforce_gtid_consistency=ON")
		d.Exec(t, "CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO app@'%'")
		prepare(d.Exec)
		addr = d.Addr
	} else {
		d := mysqltest.Start(t)
		d.Exec(t, "SET GLOBAL read_only=0, auto_increment_offset=3, auto_increment_increment=16; CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO app@'%'")
		prepare(d.Exec)
		addr = d.Addr
	}
	p.catchesUp(t)
	through := p.through(t, person{user: "app", password: appPassword, schema: "shop"})
	own := person{user: "app", password: appPassword, schema: "shop"}.open(t, addr)
	through.SetMaxIdleConns(0)
	own.SetMaxIdleConns(0)
	rounds, length := 2, 50
	if testing.Short() {
		rounds = 1
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	all := append(append([]act{}, acts...), pairActs...)
	for round := range rounds {
		var done sync.WaitGroup
		for n := range sessions * 2 {
			free := n >= sessions-2
			done.Go(func() {
				random := rand.New(rand.NewPCG(seed+uint64(round), uint64(n)))
				a, b := open(t, through, n), open(t, own, n)
				defer a.conn.Close()
				defer b.conn.Close()
				var history []string
				begin := act{text: "SELECT v FROM shop.t%d LIMIT 2"}
				_, _ = a.does(t, begin), b.does(t, begin)
				for range length {
					st := all[random.IntN(len(all))]
					if strings.Contains(st.text, "mine") && random.IntN(3) == 0 {
						st = act{text: "USE s%d"}
					}
					if free && (!leavesNothing(st.text) || strings.Contains(st.text, "shop.writes") || strings.Contains(st.text, "READ ONLY")) {
						continue
					}
					history = append(history, st.text)
					got, want := a.does(t, st), b.does(t, st)
					if strings.Contains(got, "was given to another session") {
						return
					}
					if got != want {
						t.Errorf("session %d, after %q:\n got %s\nwant %s", n, history, got, want)
						return
					}
				}
			})
		}
		done.Wait()
	}
	if s := p.Stats(); s.Spread == 0 || s.LinksTotal > 200*uint64(rounds) {
		t.Errorf("%d reads at the other member, %d links: the test is about shared ones, and such reads", s.Spread, s.LinksTotal)
	}
}
