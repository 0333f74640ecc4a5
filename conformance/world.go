package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sqlring/sqlring/internal/demo"
)

// world is what runs: two masters with a node in front, and a server alone.
type world struct {
	Direct, Proxy endpoint

	o       options
	dir     string
	plain   *demo.Server
	members []*demo.Server
	node    *exec.Cmd
	held    io.WriteCloser // while it is open, the node may live
	ended   chan struct{}  // closed when the node has ended
	api     string         // socket of the node's API
	base    map[string]*state
}

const (
	managerUser     = "sqlring"
	managerPassword = "conformance-manager"
	password        = "conformance-root" // of root, until the server is set up
)

// startWorld starts everything in a new directory.
func startWorld(ctx context.Context, o options) (_ *world, err error) {
	dir, err := os.MkdirTemp(o.Work, "sqlring-conf-")
	if err != nil {
		return nil, err
	}
	w := &world{o: o, dir: dir, base: map[string]*state{}}
	defer func() {
		if err != nil {
			w.stop()
		}
	}()
	for _, e := range []*endpoint{&w.Direct, &w.Proxy} {
		e.Name, e.Dir = "direct", filepath.Join(dir, "d")
		if e == &w.Proxy {
			e.Name, e.Dir = "proxy", filepath.Join(dir, "p")
		}
		if err := e.makeDirectories(o.MysqlTest); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, step := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"start the servers", w.startServers},
		{"start the node", w.startNode},
		{"make the ring", w.makeRing},
		{"set up the endpoints", w.setUp},
		{"see connections churn", w.seeChurn},
	} {
		if err := step.run(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return w, nil
}

// makeDirectories makes the endpoint's directory as the suites expect it.
func (e *endpoint) makeDirectories(mysqlTest string) error {
	for _, sub := range []string{"tmp", "log", "run"} {
		if err := os.MkdirAll(filepath.Join(e.Dir, sub), 0o777); err != nil {
			return err
		}
	}
	e.Socket = filepath.Join(e.Dir, "s")
	return os.Symlink(filepath.Join(mysqlTest, "std_data"), filepath.Join(e.Dir, "std_data"))
}

// serverOptions are what mysqltest files expect of a server, for all of ours. The
// lines that make it a member of a ring are demo's.
func serverOptions(vardir, mysqlTest string) []string {
	keys := filepath.Join(mysqlTest, "std_data")
	return []string{
		"ssl_ca=" + keys + "/cacert.pem", "ssl_cert=" + keys + "/server-cert.pem", "ssl_key=" + keys + "/server-key.pem",
		"character_set_server=latin1", "secure_file_priv=" + vardir, "log_bin_trust_function_creators=1",
		"key_buffer_size=1M", "sort_buffer_size=256K", "max_heap_table_size=1M", "connect_timeout=60",
		"default_storage_engine=MyISAM", "use_stat_tables=preferably", "histogram_type=json_hb",
		"binlog_direct_non_transactional_updates=1", "max_allowed_packet=16M", "plugin_maturity=unknown",
		"sync_binlog=0", "innodb_flush_log_at_trx_commit=2", "innodb_fast_shutdown=2",
		"report_port=3306",
		// A long run writes many gigabytes of binlog.
		"max_binlog_size=64M",
	}
}

// startServers starts the members m1 and m2 of the ring and the server alone.
func (w *world) startServers(ctx context.Context) error {
	bin, err := demo.FindBinaries()
	if err != nil {
		return err
	}
	template := filepath.Join(w.dir, "template")
	if err := demo.InstallDataDir(ctx, bin, template); err != nil {
		return err
	}
	// What the suites expect of the time zone, here and in clients alike.
	if err := os.Setenv("TZ", "GMT-3"); err != nil {
		return err
	}
	servers := make([]*demo.Server, 3)
	group, gctx := errgroup.WithContext(ctx)
	for i, dir := range []string{w.Direct.Dir, w.Proxy.Dir, w.Proxy.Dir} {
		data := filepath.Join(dir, fmt.Sprintf("mysqld.%d", 1+i/2))
		group.Go(func() (err error) {
			servers[i], err = demo.StartServer(gctx, demo.ServerConfig{
				Name: fmt.Sprintf("m%d", max(1, i)), Dir: data, Binaries: bin, Template: template, RootPassword: password,
				ManagerUser: managerUser, ManagerPassword: managerPassword, Options: serverOptions(dir, w.o.MysqlTest),
			})
			return err
		})
	}
	err = group.Wait()
	for i, s := range servers {
		if s != nil && i == 0 {
			w.plain = s
		} else if s != nil {
			w.members = append(w.members, s)
		}
	}
	if err != nil {
		return err
	}
	w.Direct.DataDir = filepath.Join(w.plain.Dir, "data")
	w.Proxy.DataDir = filepath.Join(w.members[0].Dir, "data")
	_, port, _ := net.SplitHostPort(w.plain.Addr)
	if w.Direct.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	return os.Symlink(w.plain.Socket, w.Direct.Socket)
}

const nodeConfig = `node: n1
dir: @DIR@
proxy:
  listen: 127.0.0.1:@PORT@
  socket: @SOCKET@
  link_idle: 300ms # tests count the server's sessions
  permit: [xa, replication, uneven_ddl] # refused by default: a file that is refused in its midst compares nothing behind
api:
  listen: none
  socket: @DIR@/api.sock
raft:
  listen: 127.0.0.1:@RAFT@
  profile: lan
manager:
  user: @MANAGER@
  password_file: @DIR@/manager.password
members:
  - name: m1
    socket: @M1@
  - name: m2
    socket: @M2@
log:
  level: info
  format: text
`

// startNode starts `sqlring serve` as an operator would. It reaches the members by
// their sockets, so that they see its clients as a server sees local ones.
func (w *world) startNode(ctx context.Context) error {
	dir := filepath.Join(w.dir, "n1")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	w.Proxy.Port, w.api = ports[0], filepath.Join(dir, "api.sock")
	text := strings.NewReplacer("@DIR@", dir, "@PORT@", strconv.Itoa(ports[0]), "@RAFT@", strconv.Itoa(ports[1]),
		"@SOCKET@", w.Proxy.Socket, "@MANAGER@", managerUser,
		"@M1@", w.members[0].Socket, "@M2@", w.members[1].Socket).Replace(nodeConfig)
	config := filepath.Join(dir, "sqlring.yaml")
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o600),
		os.WriteFile(filepath.Join(dir, "manager.password"), []byte(managerPassword+"\n"), 0o600)); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "sqlring.log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	w.node = exec.CommandContext(context.WithoutCancel(ctx), w.o.Binary, "serve", "--config", config)
	w.node.Stdout, w.node.Stderr, w.node.Env = log, log, w.o.environment()
	w.node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := w.node.Start(); err != nil {
		w.node = nil
		return err
	}
	if w.held, err = killWhenWeEnd(w.node.Process.Pid); err != nil {
		return err
	}
	w.ended = make(chan struct{})
	go func() {
		defer close(w.ended)
		_ = w.node.Wait() // how it ended stands in its log
	}()
	return nil
}

// killWhenWeEnd starts a process that kills another one when we are gone. It ends
// harmlessly once a line is written to the returned pipe.
func killWhenWeEnd(pid int) (io.WriteCloser, error) {
	watcher := exec.Command("/bin/sh", "-c", "read -r _ || kill -9 $0", strconv.Itoa(pid)) //nolint:noctx // it ends with the pipe
	pipe, err := watcher.StdinPipe()
	if err != nil {
		return nil, err
	}
	watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := watcher.Start(); err != nil {
		return nil, err
	}
	go func() { _ = watcher.Wait() }()
	return pipe, nil
}

// freePorts returns loopback ports of five digits that nobody listens on, below
// the range of outgoing connections.
func freePorts(n int) ([]int, error) {
	var ports []int
	for port := 10000 + os.Getpid()%9000; port < 20000 && len(ports) < n; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = l.Close()
		ports = append(ports, port)
	}
	if len(ports) < n {
		return nil, errors.New("no free ports")
	}
	return ports, nil
}

// makeRing orders the ring by the command line, and waits until it is open.
func (w *world) makeRing(ctx context.Context) error {
	var last outcome
	for {
		o, err := w.sqlring(ctx, "ring", "init", "conformance", "m1="+w.members[0].Addr, "m2="+w.members[1].Addr,
			"--yes", "--why", "conformance", "--timeout", "60s")
		if err != nil {
			return err
		}
		if o.Status == "exit 0" {
			return nil
		}
		last = o
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", ctx.Err(), last.Output)
		case <-w.ended:
			return fmt.Errorf("the node has ended: %s", w.nodeLog())
		case <-time.After(200 * time.Millisecond): // it does not lead yet
		}
	}
}

// sqlring runs a command of the binary under test against the node.
func (w *world) sqlring(ctx context.Context, args ...string) (outcome, error) {
	return program{Args: append([]string{w.o.Binary, "--api", "unix:" + w.api}, args...), Timeout: adminTimeout}.run(ctx)
}

func (w *world) nodeLog() string {
	text, _ := os.ReadFile(filepath.Join(w.dir, "n1", "sqlring.log"))
	return string(text[max(0, len(text)-4096):])
}

// stop ends all processes and removes the directory; the node's log is kept among
// the results.
func (w *world) stop() {
	if w.node != nil {
		_ = w.node.Process.Signal(syscall.SIGTERM)
		select {
		case <-w.ended:
		case <-time.After(8 * time.Second):
			_ = w.node.Process.Kill()
			<-w.ended
		}
		if w.held != nil {
			_, _ = io.WriteString(w.held, "\n") // its pid may be another's from now on
			_ = w.held.Close()
		}
		if text, err := os.ReadFile(filepath.Join(w.dir, "n1", "sqlring.log")); err == nil {
			_ = os.WriteFile(filepath.Join(w.o.Results, "node.log"), text, 0o644)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	for _, s := range append([]*demo.Server{w.plain}, w.members...) {
		if s == nil {
			continue
		}
		s.Kill() // nothing in them is kept
		if err := s.Stop(ctx); err != nil {
			w.o.say("stop %s: %v", s.Name, err)
		}
	}
	_ = os.RemoveAll(w.dir)
}
