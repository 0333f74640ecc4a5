package mysqltest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// MySQL is a running MySQL server of a test, alone: it has no upstream, accepts
// writes, and has the account Manager beside root.
type MySQL struct {
	client

	Name   string
	Addr   string // host:port
	Socket string
	Dir    string

	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended and was reaped
	ending ending
}

// StartMySQL returns a MySQL server for this test, which ends with it. options are
// further lines of my.cnf.
func StartMySQL(t testing.TB, options ...string) *MySQL {
	t.Helper()
	program := mysqlBinary(t)
	home, err := os.MkdirTemp("", "sqlring-") // its path is short: see start
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	if err := os.CopyFS(filepath.Join(home, "data"), os.DirFS(mysqlTemplate(t, program))); err != nil {
		t.Fatalf("copy template: %v", err)
	}
	_ = os.Remove(filepath.Join(home, "data", "auto.cnf")) // the server's uuid
	const attempts = 3                                     // somebody else may get the port first
	for attempt := 1; ; attempt++ {
		s, err := launchMySQL(t, program, home, options)
		if err == nil {
			return s
		}
		if attempt == attempts || !strings.Contains(err.Error(), "Bind on TCP/IP port") {
			t.Fatal(err)
		}
	}
}

func launchMySQL(t testing.TB, program, home string, options []string) (*MySQL, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &MySQL{
		Name: "mysql", Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Socket: filepath.Join(home, "s"), Dir: home, ended: make(chan struct{}),
	}
	lines := append([]string{
		"[mysqld]", "datadir=" + filepath.Join(home, "data"), "socket=" + s.Socket, "port=" + strconv.Itoa(port),
		"bind_address=127.0.0.1", "mysqlx=0", "pid_file=" + filepath.Join(home, "pid"), "server_id=1", "tmpdir=" + home,
		"max_allowed_packet=64M", "local_infile=1", "max_connections=500", "skip_name_resolve=1", "secure_file_priv=",
		"innodb_buffer_pool_size=64M", "innodb_buffer_pool_dump_at_shutdown=0", "innodb_buffer_pool_load_at_startup=0",
	}, options...)
	if os.Geteuid() == 0 {
		lines = append(lines, "user=root")
	}
	file := filepath.Join(home, "my.cnf")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	if s.client, err = newClient(s.Name, "", s.Socket); err != nil {
		return nil, err
	}
	logged, err := s.run(t, program, "--defaults-file="+file)
	if err == nil {
		err = s.awaitReady(t, logged)
	}
	if err != nil {
		return nil, errors.Join(err, s.end())
	}
	t.Cleanup(func() {
		s.ending.tell(t, s.Name, s.runs(), logged)
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
	s.Exec(t, "CREATE USER "+Manager+"@'127.0.0.1' IDENTIFIED BY '"+ManagerPassword+"'; GRANT ALL ON *.* TO "+Manager+"@'127.0.0.1' WITH GRANT OPTION")
	return s, nil
}

// run starts the process, behind a shell that ends it if the test's process dies:
// the shell's input, which we hold open, ends then.
func (s *MySQL) run(t testing.TB, program, defaults string) (logged string, err error) {
	logged = filepath.Join(s.Dir, "log")
	log, err := os.Create(logged)
	if err != nil {
		return "", err
	}
	defer func() { _ = log.Close() }()
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), "/bin/sh", "-c",
		`exec 3<&0; "$0" "$1" 3<&- & server=$!; (read -r _ <&3; kill -9 $server) & wait $server`, program, defaults)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if _, err := s.cmd.StdinPipe(); err != nil {
		return "", err
	}
	if err := s.cmd.Start(); err != nil {
		return "", err
	}
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait() // how it ended stands in its log
	}()
	return logged, nil
}

func (s *MySQL) awaitReady(t testing.TB, logged string) error {
	const interval = 20 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for {
		err := s.db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			text, _ := os.ReadFile(logged)
			return fmt.Errorf("MySQL ended at once; its log:\n%.4000s", text)
		case <-ctx.Done():
			return fmt.Errorf("MySQL does not answer (%w): %w", ctx.Err(), err)
		case <-time.After(interval):
		}
	}
}

// Kill ends the server as a crash would. It returns when it is gone.
func (s *MySQL) Kill(t testing.TB) {
	t.Helper()
	s.ending.want(s.runs(), filepath.Join(s.Dir, "log"))
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

// Again starts a server that was killed, on its port and with its data.
func (s *MySQL) Again(t testing.TB) {
	t.Helper()
	s.ended = make(chan struct{})
	logged, err := s.run(t, mysqlBinary(t), "--defaults-file="+filepath.Join(s.Dir, "my.cnf"))
	if err == nil {
		err = s.awaitReady(t, logged)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.ending.again()
}

// runs reports whether the process has not ended.
func (s *MySQL) runs() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// end stops the server the quick way: its directory is thrown away.
func (s *MySQL) end() error { return errors.Join(s.db.Close(), s.stop()) }

func (s *MySQL) stop() error {
	if s.cmd == nil || s.cmd.Process == nil {
		return nil
	}
	group := -s.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGKILL) // the whole group; an error means that it has ended
	select {
	case <-s.ended:
	case <-time.After(startTimeout):
		return errors.New("MySQL did not end by SIGKILL")
	}
	// The server gives its memory back for a while after its shell has gone, and its
	// socket is in use until then.
	for end := time.Now().Add(startTimeout); syscall.Kill(group, 0) == nil && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// mysqlTemplate returns the data directory that MySQL servers are copies of, made
// once per binary.
func mysqlTemplate(t testing.TB, program string) string {
	t.Helper()
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	version, _ := os.ReadFile(filepath.Join(filepath.Dir(program), "..", "VERSION"))
	key := sha256.Sum256(fmt.Appendf(nil, "1 %s %s %d", program, version, info.ModTime().UnixNano()))
	home := templateHome(t)
	dir := filepath.Join(home, fmt.Sprintf("mysql-%x", key[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	draft, err := os.MkdirTemp(home, "mysql-new-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(draft) }()
	args := []string{"--no-defaults", "--initialize-insecure", "--datadir=" + draft, "--innodb-redo-log-capacity=33554432"}
	if os.Geteuid() == 0 {
		args = append(args, "--user=root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		t.Fatalf("initialize MySQL: %v: %s", err, out)
	}
	if err := os.Rename(draft, dir); err != nil {
		if _, made := os.Stat(filepath.Join(dir, "mysql.ibd")); made != nil {
			t.Fatal(err)
		}
	}
	return dir
}
