package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sqlring/sqlring/internal/demo"
)

// world is what runs: the ring's servers, and the peers in front of the owner.
type world struct {
	o       options
	dir     string
	starter *starter
	owner   *demo.Server                // m1: everybody's statements go here
	second  *demo.Server                // m2: follows, and is followed
	servers struct{ owner, second int } // process ids: to look one up takes milliseconds
	node    *node
	peers   []*peer
	notes   []string // what is missing, and why

	renewals int // how often new servers were needed
}

const (
	managerUser     = "sqlring"
	managerPassword = "bench-manager"
	rootPassword    = "bench-root"
	benchUser       = "bench"
	benchPassword   = "bench-password"
	benchSchema     = "sbtest"

	startTimeout = 5 * time.Minute
	stopTimeout  = 30 * time.Second
)

// startWorld starts everything in a new directory, and fills the tables.
func startWorld(ctx context.Context, o options) (_ *world, err error) {
	dir, err := os.MkdirTemp(o.Work, "sqlring-bench-")
	if err != nil {
		return nil, err
	}
	w := &world{o: o, dir: dir, starter: newStarter()}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.stop())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, step := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"start the servers", w.startServers},
		{"start the node", w.startNode},
		{"make the ring", w.makeRing},
		{"make the account", w.makeAccount},
		{"start the peers", w.startPeers},
		{"fill the tables", w.fill},
	} {
		began := time.Now()
		if err := step.run(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
		o.say("%s: %.1f s", step.what, time.Since(began).Seconds())
	}
	return w, nil
}

// serverOptions make the proxy what is measured, not the disk or a limit. The
// lines that make a server a member of a ring are demo's; the binlog stays on.
func serverOptions(o options) []string {
	return []string{
		"sync_binlog=0", "innodb_flush_log_at_trx_commit=2", "innodb_fast_shutdown=2",
		fmt.Sprintf("innodb_buffer_pool_size=%dM", o.PoolMiB), "innodb_log_file_size=512M",
		"max_connections=16000", "back_log=4096", "table_open_cache=400", "thread_cache_size=256",
		"max_connect_errors=1000000",
		// A long run writes gigabytes of binlog.
		"max_binlog_size=64M", "binlog_expire_logs_seconds=60",
	}
}

func (w *world) startServers(ctx context.Context) error {
	bin, err := demo.FindBinaries()
	if err != nil {
		return err
	}
	template := filepath.Join(w.dir, "template")
	if err := demo.InstallDataDir(ctx, bin, template); err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	for name, into := range map[string]**demo.Server{"m1": &w.owner, "m2": &w.second} {
		group.Go(func() (err error) {
			*into, err = demo.StartServer(gctx, demo.ServerConfig{
				Name: name, Dir: filepath.Join(w.dir, name), Binaries: bin, Template: template, RootPassword: rootPassword,
				ManagerUser: managerUser, ManagerPassword: managerPassword, Options: serverOptions(w.o),
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	w.servers.owner, w.servers.second = w.owner.PID(), w.second.PID()
	return nil
}

// root is the administrator of a server.
func root(s *demo.Server) login {
	return login{Addr: s.Addr, User: s.RootUser, Password: rootPassword}
}

// user is the account that makes the load, at an address.
func user(addr string) login {
	return login{Addr: addr, User: benchUser, Password: benchPassword, Database: benchSchema}
}

// makeAccount makes the schema and the account of the load at the owner, and waits
// until it can log in through the node.
func (w *world) makeAccount(ctx context.Context) error {
	for _, statement := range []string{
		"CREATE DATABASE " + benchSchema + " CHARACTER SET utf8mb4",
		"CREATE USER " + benchUser + "@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('" + benchPassword + "')",
		"GRANT ALL ON " + benchSchema + ".* TO " + benchUser + "@'%'",
	} {
		if _, err := root(w.owner).once(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return w.node.await(ctx)
}

// fill makes the tables of sysbench and the big one, and waits until the second
// server has them.
func (w *world) fill(ctx context.Context) error {
	host, port, err := net.SplitHostPort(w.owner.Addr)
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "sysbench", w.o.sysbenchArgs("oltp_read_write", host, port, "prepare", "--threads=2")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("sysbench prepare: %w: %s", err, lastLines(string(out)))
	}
	for _, statement := range []string{
		"CREATE TABLE big (id INT PRIMARY KEY, c VARCHAR(1000) CHARACTER SET latin1 NOT NULL)",
		fmt.Sprintf("INSERT INTO big SELECT seq, REPEAT('x',1000) FROM seq_1_to_%d", w.o.BigRows),
	} {
		if _, err := user(w.owner.Addr).once(ctx, statement); err != nil {
			return fmt.Errorf("%.40s: %w", statement, err)
		}
	}
	return w.caughtUp(ctx)
}

// caughtUp returns once the second server has applied what the owner has
// committed: what it does must not fall into another peer's measurement.
func (w *world) caughtUp(ctx context.Context) error {
	row, err := root(w.owner).once(ctx, "SELECT @@gtid_binlog_pos")
	if err != nil || len(row) == 0 {
		return fmt.Errorf("position of the owner: %w", err)
	}
	row, err = root(w.second).once(ctx, fmt.Sprintf("SELECT MASTER_GTID_WAIT('%s', 50)", row[0]))
	switch {
	case err != nil:
		return fmt.Errorf("wait for the second server: %w", err)
	case len(row) == 0 || row[0] != "0":
		return errors.New("the second server has not applied within 50 s what the owner has committed")
	}
	return nil
}

// pids returns all our processes but those that a meter names itself.
func (w *world) pids(except ...int) []int {
	all := []int{w.servers.second, os.Getpid()}
	for _, p := range w.peers {
		if p.proc != nil {
			all = append(all, p.PID())
		}
	}
	var others []int
	for _, pid := range all {
		mine := pid != 0
		for _, e := range except {
			mine = mine && pid != e
		}
		if mine {
			others = append(others, pid)
		}
	}
	return others
}

// stop ends all processes and removes the directory; the logs of the proxies are
// kept beside the results.
func (w *world) stop() error {
	for _, p := range w.peers {
		w.keepLog(p.proc)
		p.proc.stop()
	}
	if w.node != nil { // it may run without being a peer yet
		w.keepLog(w.node.proc)
		w.node.proc.stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	for _, s := range []*demo.Server{w.owner, w.second} {
		if s != nil {
			s.Kill() // nothing in them is kept
			errs = append(errs, s.Stop(ctx))
		}
	}
	if w.starter != nil {
		w.starter.close()
	}
	w.peers, w.node, w.owner, w.second, w.starter = nil, nil, nil, nil, nil // it may be called again
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

func (w *world) keepLog(p *process) {
	if p == nil || w.o.Out == "" {
		return
	}
	if text, err := os.ReadFile(p.log); err == nil {
		_ = os.WriteFile(filepath.Join(filepath.Dir(w.o.Out), p.Name+".log"), text, 0o644)
	}
}

// lastLines returns the end of a program's output.
func lastLines(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	return strings.Join(lines[max(0, len(lines)-4):], "\n")
}
