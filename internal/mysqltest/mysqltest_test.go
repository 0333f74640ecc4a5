package mysqltest

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/demo"
)

func TestMain(m *testing.M) { Main(m) }

func TestStartRingGivesClosedServersOfTheirOwn(t *testing.T) {
	began := time.Now()
	servers := StartRing(t, 2)
	t.Logf("two servers after %v", time.Since(began))
	if servers[0].Addr == servers[1].Addr || servers[0].PID() == servers[1].PID() {
		t.Fatalf("the servers are not two: %s %s", servers[0].Addr, servers[1].Addr)
	}
	for _, s := range servers {
		s.Exec(t, "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (?)", 7)
		if got := s.Query(t, "SELECT id FROM shop.t"); got != "7" {
			t.Errorf("%s: read %q back, want 7", s.Name, got)
		}
		if got := s.Query(t, "SELECT @@read_only"); got != "1" {
			t.Errorf("%s: read_only is %s, want 1", s.Name, got)
		}
	}
	if got := servers[1].Query(t, "SELECT id FROM shop.t WHERE id = 8"); got != "" {
		t.Errorf("no row reads as %q, want nothing", got)
	}
}

func TestRestartedServerKeepsItsDataAndEndsWithTheTest(t *testing.T) {
	binaries(t) // else the inner test would be skipped alone
	var last *Server
	t.Run("inner", func(t *testing.T) {
		last = Start(t, "max_connections=77")
		last.Exec(t, "CREATE DATABASE shop")
		last.Kill()
		last.RestartNow(t)
		if got := last.Query(t, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='shop'"); got != "1" {
			t.Errorf("the schema is gone after a crash")
		}
		if got := last.Query(t, "SELECT @@max_connections"); got != "77" {
			t.Errorf("max_connections is %s, want the test's 77", got)
		}
	})
	if pid := last.PID(); pid != 0 {
		t.Errorf("process %d is left after the test", pid)
	}
}

func TestMySQLStartsDiesAndEndsWithTheTest(t *testing.T) {
	mysqlBinary(t) // else the inner test would be skipped alone
	var last *MySQL
	t.Run("inner", func(t *testing.T) {
		last = StartMySQL(t, "max_connections=77")
		if got := last.Query(t, "SELECT @@version"); !strings.HasPrefix(got, "9.7.") {
			t.Errorf("version %s", got)
		}
		last.Exec(t, "CREATE DATABASE shop")
		last.Kill(t)
		last.Again(t)
		if got := last.Query(t, "SELECT CONCAT(COUNT(*), '/', @@max_connections) FROM information_schema.schemata WHERE schema_name='shop'"); got != "1/77" {
			t.Errorf("after a crash: %s", got)
		}
	})
	select {
	case <-last.ended:
	default:
		t.Error("a process is left after the test")
	}
}

func TestServerListReads(t *testing.T) {
	installed, err := demo.FindBinaries()
	if err != nil {
		missing(t, err.Error())
	}
	cases := []struct {
		name, list string
		want       string // server path, or the start of an error
		noServer   bool
	}{
		{name: "default", list: "", want: installed.Server},
		{name: "named", list: "mysql=/opt/x, mariadb=" + installed.Server, want: installed.Server},
		{name: "none of this flavour", list: "mysql=/opt/x", want: "no MariaDB server", noServer: true},
		{name: "typo", list: "maria=/opt/x", want: EnvServers + `: "maria=/opt/x" is not`},
		{name: "missing file", list: "mariadb=/does/not/exist", want: EnvServers + ": stat /does"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := mariadb(c.list)
			text := got.Server
			if err != nil {
				text = err.Error()
			}
			if !strings.HasPrefix(text, c.want) || errors.Is(err, demo.ErrNoServer) != c.noServer {
				t.Errorf("got %q (%v), want %q", text, err, c.want)
			}
		})
	}
}

func TestChildrenSeesAProcess(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "30")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if left := childrenAfter(0); len(left) != 1 || !strings.Contains(left[0], "sleep 30") {
		t.Errorf("children are %q, want the sleep", left)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if left := childrenAfter(time.Second); len(left) != 0 {
		t.Errorf("children are %q after the end, want none", left)
	}
}
