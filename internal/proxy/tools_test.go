package proxy

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// tool runs a client program, which must be installed, and returns what it
// printed.
func tool(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("SQLRING_REQUIRE_SERVERS") == "1" {
			t.Fatalf("%s is not installed: scripts/install-servers.sh installs it", name)
		}
		t.Skipf("SKIPPED-NO-SERVER: %s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestToolClient(t *testing.T) {
	r := startReal(t, Config{})
	host, port, _ := net.SplitHostPort(r.Addr())
	for _, where := range [][]string{{"--protocol=tcp", "-h" + host, "-P" + port}, {"-S" + r.socket}} {
		args := append([]string{"--no-defaults", "-uapp", "-p" + appPassword, "-N"}, where...)
		got := tool(t, "SELECT DATABASE();\nDELIMITER //\nSELECT 7//\nDELIMITER ;\nSTATUS\n", "mariadb", append(args, "shop")...)
		if !strings.Contains(got, "shop\n7\n") || !strings.Contains(got, "Threads:") {
			t.Errorf("%v: %s", where, got)
		}
	}
}

// A dump through the proxy, and its restore, are not taken for what they are not.
func TestToolDump(t *testing.T) {
	r := startReal(t, Config{})
	r.server.Exec(t, "CREATE DATABASE copy; USE shop; CREATE TABLE posts (id INT PRIMARY KEY AUTO_INCREMENT, text TEXT, data LONGBLOB)")
	db := r.db(t)
	for range 50 {
		run(t, db, "INSERT INTO posts (text, data) VALUES (?, ?)", `it's "SET auto_increment_increment=1;"`, []byte(strings.Repeat("\x00\xff'\\", 5000)))
	}
	args := []string{"--no-defaults", "-uapp", "-p" + appPassword, "-S" + r.socket}
	dump := tool(t, "", "mariadb-dump", append(args, "--single-transaction", "--routines", "--events", "--hex-blob=0", "shop")...)
	if n := strings.Count(dump, "INSERT INTO"); n == 0 {
		t.Fatalf("dump of %d bytes without rows", len(dump))
	}
	tool(t, dump, "mariadb", append(args, "copy")...)
	if sums := r.server.Query(t, "SELECT GROUP_CONCAT(DISTINCT c) FROM (SELECT MD5(GROUP_CONCAT(id, text, MD5(data) ORDER BY id)) c FROM shop.posts UNION ALL SELECT MD5(GROUP_CONCAT(id, text, MD5(data) ORDER BY id)) FROM copy.posts) x"); strings.Contains(sums, ",") || sums == "" {
		t.Errorf("checksums %q", sums)
	}
}

func TestToolSysbench(t *testing.T) {
	r := startReal(t, Config{}, "innodb_flush_log_at_trx_commit=0")
	host, port, _ := net.SplitHostPort(r.Addr())
	for _, mode := range []string{"auto", "disable"} {
		args := []string{
			"oltp_read_write", "--mysql-host=" + host, "--mysql-port=" + port, "--mysql-user=app", "--mysql-password=" + appPassword,
			"--mysql-db=shop", "--tables=2", "--table-size=500", "--threads=8", "--time=2", "--db-ps-mode=" + mode,
		}
		tool(t, "", "sysbench", append(args, "prepare")...)
		out := tool(t, "", "sysbench", append(args, "run")...)
		tool(t, "", "sysbench", append(args, "cleanup")...)
		if !strings.Contains(out, "transactions:") || strings.Contains(out, "FATAL") {
			t.Errorf("%s: %s", mode, out)
		}
		for line := range strings.Lines(out) {
			if strings.Contains(line, "queries:") || strings.Contains(line, "ignored errors") {
				t.Logf("%s: %s", mode, strings.TrimSpace(line))
			}
		}
	}
}

// KILL takes the number that the client was greeted with, and the one that the
// server knows.
func TestRealKill(t *testing.T) {
	r := startReal(t, Config{})
	killer := r.db(t)
	for _, how := range []string{"KILL QUERY %", "KILL %", "KILL CONNECTION @"} {
		t.Run(how, func(t *testing.T) {
			victim := dialRaw(t, r.Addr())
			payload, err := victim.own.Read()
			if err != nil {
				t.Fatal(err)
			}
			greeted := greetingThread(t, payload)
			victim.loginAfter(t, payload, "app", appPassword)
			if err := victim.own.Send([]byte("\x03SELECT SLEEP(30)")); err != nil {
				t.Fatal(err)
			}
			var id string
			waitFor(t, "it sleeps", func() bool {
				id = r.server.Query(t, "SELECT id FROM information_schema.processlist WHERE info='SELECT SLEEP(30)'")
				return id != ""
			})
			statement := strings.NewReplacer("%", greeted, "@", id).Replace(how)
			start := time.Now()
			run(t, killer, statement)
			waitFor(t, "it is killed", func() bool {
				return r.server.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info='SELECT SLEEP(30)'") == "0"
			})
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("killed after %v", took)
			}
		})
	}
	if _, err := killer.ExecContext(t.Context(), "KILL 1073799999"); err == nil {
		t.Error("a session that is not there could be killed")
	}
}

// A routine that changes the slot is noticed by what the server reports.
func TestRealSlotChangedByRoutine(t *testing.T) {
	r := startReal(t, Config{})
	r.server.Exec(t, "CREATE PROCEDURE shop.sneaky() SET auto_increment_increment=1; CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT)")
	conn, err := r.db(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, "CALL sneaky()")
	if _, err := conn.ExecContext(t.Context(), "INSERT INTO t VALUES ()"); err == nil {
		t.Error("the session went on with a slot that is not its member's")
	}
	for _, text := range []string{"SET auto_increment_increment=1", "/*!50000 SET @@session.auto_increment_offset=1 */"} {
		_, err := r.db(t).ExecContext(t.Context(), text)
		if e, ok := err.(*mysql.MySQLError); !ok || e.Number != 1231 {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The client's own subscription to changes survives ours, and the slot is there
// again after a reset of the session.
func TestRealResetKeepsTheSlot(t *testing.T) {
	r := startReal(t, Config{})
	c := dialRaw(t, r.Addr())
	if err := c.login("app", appPassword, rawCaps); err != nil {
		t.Fatal(err)
	}
	c.query("CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT)")
	for range 3 {
		c.response(0x1F, "")
		c.query("INSERT INTO shop.t VALUES ()")
	}
	if got := r.server.Query(t, "SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.t"); got != "3,19,35" {
		t.Errorf("ids %s", got)
	}
}

// A result much larger than the buffers passes with flat memory.
func TestRealLargeResult(t *testing.T) {
	r := startReal(t, Config{})
	r.server.Exec(t, "USE shop; CREATE TABLE big AS SELECT seq id, REPEAT('x', 1000) v FROM seq_1_to_100000")
	c := dialRaw(t, r.Addr())
	if err := c.login("app", appPassword, rawCaps); err != nil {
		t.Fatal(err)
	}
	before := heapAndStacks()
	if err := c.own.Send([]byte("\x03SELECT * FROM shop.big")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	peak, total := int64(0), 0
	for total < 100000*1000 {
		n, err := c.conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if total%(20<<20) < n {
			peak = max(peak, heapAndStacks()-before)
		}
		total += n
	}
	limit := int64(1 << 20)
	if raceDetector {
		limit *= 4
	}
	if peak > limit {
		t.Errorf("memory grew by %d bytes", peak)
	}
	waitFor(t, "all bytes are counted", func() bool { return r.Stats().BytesOut >= 100e6 })
}

// A killed server: what was in flight is told, and the session goes on when the
// server is back.
func TestRealServerDies(t *testing.T) {
	r := startReal(t, Config{})
	r.server.Exec(t, "CREATE TABLE shop.t (id INT PRIMARY KEY)")
	c := dialRaw(t, r.Addr())
	if err := c.login("app", appPassword, rawCaps); err != nil {
		t.Fatal(err)
	}
	c.query("SET time_zone='+03:00'")
	c.query("USE shop")
	c.query("BEGIN")
	c.query("INSERT INTO t VALUES (1)")
	type result struct {
		number int
		state  string
	}
	done := make(chan result, 1)
	go func() {
		n, state := c.query("SELECT SLEEP(30)")
		done <- result{n, state}
	}()
	waitFor(t, "it sleeps", func() bool {
		return r.server.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info='SELECT SLEEP(30)'") == "1"
	})
	r.server.Kill()
	if got := <-done; got.number != 1213 || got.state != "40001" {
		t.Errorf("got %+v", got)
	}
	r.server.RestartNow(t)
	r.server.Exec(t, "SET GLOBAL read_only=0")
	if n, _ := c.query("INSERT INTO t VALUES (2)"); n != 0 {
		t.Errorf("after the restart: %d", n)
	}
	if n, _ := c.query("INSERT INTO t SELECT 3 WHERE @@time_zone='+03:00'"); n != 0 {
		t.Errorf("with the session's variables: %d", n)
	}
	if got := r.server.Query(t, "SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.t"); got != "2,3" {
		t.Errorf("rows %s", got)
	}
}
