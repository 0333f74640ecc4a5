package demo_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/demo"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// envOrphan turns the test binary into a process that starts a server and
// waits to be killed: see TestNoServerOutlivesItsStarter.
const envOrphan = "SQLRING_DEMO_TEST_ORPHAN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(envOrphan); dir != "" {
		s, err := demo.StartServer(context.Background(), config(dir))
		fmt.Println(s.PID(), err)
		time.Sleep(time.Minute)
		os.Exit(1)
	}
	mysqltest.Main(m)
}

func config(dir string) demo.ServerConfig {
	return demo.ServerConfig{Name: "m1", Dir: dir, ManagerUser: "sqlring", ManagerPassword: `it's a "secret\`}
}

// start starts a server in dir; it is stopped with the test.
func start(t *testing.T, dir string) *demo.Server {
	t.Helper()
	if _, err := demo.FindBinaries(); err != nil {
		if os.Getenv(mysqltest.EnvRequire) == "1" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED-NO-SERVER: %v", err)
	}
	s, err := demo.StartServer(t.Context(), config(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *demo.Server) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if pid := s.PID(); pid != 0 {
		t.Errorf("process %d is left after Stop", pid)
	}
}

// ask returns the first value of a query by an account over TCP.
func ask(t *testing.T, s *demo.Server, user, password, query string) (value string, err error) {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = user, password, "tcp", s.Addr
	cfg.Logger, cfg.Timeout, cfg.ReadTimeout = &mysql.NopLogger{}, time.Second, 2*time.Second
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	err = db.QueryRowContext(t.Context(), query).Scan(&value)
	return value, err
}

func asRoot(t *testing.T, s *demo.Server, query string) string {
	t.Helper()
	value, err := ask(t, s, s.RootUser, s.RootPassword, query)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func TestFreshServerIsClosedEmptyAndLocked(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "new"))
	want := map[string]string{
		"SELECT CONCAT(@@read_only+0, @@log_slave_updates+0, @@log_bin+0, @@gtid_strict_mode+0, @@gtid_ignore_duplicates+0)": "11111",
		"SELECT CONCAT(@@gtid_binlog_pos, '/', @@gtid_slave_pos, '/', @@gtid_binlog_state)":                                  "//",
		"SELECT @@bind_address": "127.0.0.1",
		"SELECT global_value_origin FROM information_schema.system_variables WHERE variable_name='READ_ONLY'": "CONFIG",
		"SELECT GROUP_CONCAT(User,'@',Host ORDER BY User,Host) FROM mysql.global_priv":                        "mariadb.sys@localhost,root@127.0.0.1,root@localhost,sqlring@127.0.0.1,sqlring@localhost",
	}
	for query, value := range want {
		if got := asRoot(t, s, query); got != value {
			t.Errorf("%s: got %q, want %q", query, got, value)
		}
	}
	if _, err := ask(t, s, "root", "", "SELECT 1"); err == nil {
		t.Error("root gets in without a password")
	}
	if got, err := ask(t, s, "sqlring", config("").ManagerPassword, "SELECT CURRENT_USER()"); got != "sqlring@127.0.0.1" {
		t.Errorf("the manager logs in as %q, %v", got, err)
	}
	files, err := os.ReadDir(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "accounts.sql" {
			t.Error("the file with the passwords is still there")
		}
		if info, _ := f.Info(); info != nil && info.Mode().Type() == 0 && info.Mode()&0o077 != 0 {
			t.Errorf("%s may be read by others: %v", f.Name(), info.Mode())
		}
	}
}

func TestSecondStartKeepsPortDataAndPassword(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	asRoot(t, first, "CREATE DATABASE kept")
	if _, err := demo.StartServer(t.Context(), config(dir)); !errors.Is(err, demo.ErrRuns) {
		t.Errorf("a second server in one directory: %v, want ErrRuns", err)
	}
	stop(t, first)
	second := start(t, dir)
	if second.Addr != first.Addr || second.RootPassword != first.RootPassword {
		t.Errorf("%s became %s, or the password changed", first.Addr, second.Addr)
	}
	if got := asRoot(t, second, "SELECT schema_name FROM information_schema.schemata WHERE schema_name='kept'"); got != "kept" {
		t.Error("the schema of the first start is gone")
	}
}

func TestForeignDirectoryIsRefusedAndNotTouched(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config(dir)
	cfg.Binaries = demo.Binaries{Server: "/bin/false", Install: "/bin/false"}
	if _, err := demo.StartServer(t.Context(), cfg); !errors.Is(err, demo.ErrForeignDir) {
		t.Errorf("got %v, want ErrForeignDir", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("the directory holds %d files now, want its one", len(files))
	}
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	bin, err := demo.FindBinaries()
	if err != nil {
		if os.Getenv(mysqltest.EnvRequire) == "1" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED-NO-SERVER: %v", err)
	}
	cfg := config(t.TempDir())
	cfg.Binaries, cfg.Options = bin, []string{"no_such_option=1"}
	_, err = demo.StartServer(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "no_such_option") {
		t.Errorf("got %v, want the server's own words", err)
	}
}

func TestRestartAfterKillFromAnotherProcess(t *testing.T) {
	s := start(t, t.TempDir())
	pid := s.PID()
	s.Kill()
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one finds it running and does nothing
		if out, err := exec.CommandContext(t.Context(), s.Restart[0], s.Restart[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		mysqltest.Eventually(t, "the server answers", func() error {
			_, err := ask(t, s, s.RootUser, s.RootPassword, "SELECT 1")
			return err
		})
	}
	if again := s.PID(); again == 0 || again == pid {
		t.Errorf("pid %d after the restart of %d", again, pid)
	}
	stop(t, s) // and Stop ends what it did not start
}

func TestStopOfFrozenServer(t *testing.T) {
	s := start(t, t.TempDir())
	s.Freeze()
	if _, err := ask(t, s, s.RootUser, s.RootPassword, "SELECT 1"); err == nil {
		t.Error("a frozen server answers")
	}
	s.Thaw()
	asRoot(t, s, "SELECT 1")
	s.Freeze()
	stop(t, s)
}

func TestStopWhileCommitWaitsForAck(t *testing.T) {
	s := start(t, t.TempDir())
	asRoot(t, s, "CREATE DATABASE shop")
	asRoot(t, s, "SET GLOBAL rpl_semi_sync_master_timeout=4294967295")
	asRoot(t, s, "SET GLOBAL rpl_semi_sync_master_enabled=1")
	answered := make(chan error, 1)
	go func() {
		_, err := ask(t, s, s.RootUser, s.RootPassword, "CREATE TABLE shop.t (id INT)")
		answered <- err
	}()
	mysqltest.Eventually(t, "a commit waits", func() error {
		if n := asRoot(t, s, "SELECT 1 FROM information_schema.global_status WHERE variable_name='Rpl_semi_sync_master_wait_sessions' AND variable_value=1"); n == "" {
			return errors.New("none waits")
		}
		return nil
	})
	began := time.Now()
	stop(t, s)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Stop took %v", took)
	}
	<-answered
}

func TestNoServerOutlivesItsStarter(t *testing.T) {
	start(t, t.TempDir()) // skips without a server
	dir := filepath.Join(t.TempDir(), "orphan")
	starter := exec.CommandContext(t.Context(), os.Args[0])
	starter.Env = append(os.Environ(), envOrphan+"="+dir)
	out, err := starter.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil || pid == 0 {
		t.Fatalf("the starter reports pid %d, %v", pid, err)
	}
	_ = starter.Process.Kill() // no clean-up can run
	_ = starter.Wait()
	mysqltest.Eventually(t, "the orphan is gone", func() error {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty for a zombie
		if syscall.Kill(pid, 0) == nil && len(line) > 0 {
			return fmt.Errorf("process %d still runs", pid)
		}
		return nil
	})
}

// A server that starts clears its tmpdir: shared by two, the temporary tables of
// one vanish under its queries ("Error on delete of '/tmp/#sql-temptable-…'").
func TestServerHasATemporaryDirectoryOfItsOwn(t *testing.T) {
	s := start(t, t.TempDir())
	if got := asRoot(t, s, "SELECT @@tmpdir"); got != filepath.Join(s.Dir, "tmp") {
		t.Errorf("tmpdir is %s, want one of its own", got)
	}
}
