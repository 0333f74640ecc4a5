package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// peer is one way to the owner.
type peer struct {
	Name    string
	Version string
	Addr    string // where clients connect
	// PoolAddr leads to at most backends connections at the server; "": Addr does.
	PoolAddr string
	proc     *process // nil: there is no proxy
	again    func(context.Context) error
}

// The names of the peers, in the order of the tables.
const (
	direct   = "direct"
	sqlring  = "sqlring"
	haproxy  = "haproxy"
	router   = "router"
	proxysql = "proxysql"
)

func peerNames() []string { return []string{direct, sqlring, haproxy, router, proxysql} }

// PID returns the process id of the proxy, 0 if there is none.
func (p *peer) PID() int { return p.proc.PID() }

// restart gives the peer a new process, whose memory nobody has used yet.
func (p *peer) restart(ctx context.Context) error {
	if p.again == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return p.again(ctx)
}

// startPeers starts what is installed. What is not is noted, and not an error
// unless it was asked for by name.
func (w *world) startPeers(ctx context.Context) error {
	for _, name := range w.o.Peers {
		p, err := w.newPeer(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if p != nil {
			w.peers = append(w.peers, p)
		}
	}
	return nil
}

func (w *world) newPeer(ctx context.Context, name string) (*peer, error) {
	switch name {
	case direct:
		row, err := root(w.owner).once(ctx, "SELECT VERSION()")
		if err != nil {
			return nil, err
		}
		return &peer{Name: direct, Version: row[0], Addr: w.owner.Addr}, nil
	case sqlring:
		p := &peer{Name: sqlring, Version: version(w.o.Binary, "version") + ", sha256 " + fingerprint(w.o.Binary), Addr: w.node.addr, proc: w.node.proc}
		p.again = func(ctx context.Context) error {
			w.node.proc.stop()
			err := w.node.start()
			p.proc = w.node.proc
			if err != nil {
				return err
			}
			return w.node.await(ctx)
		}
		return p, nil
	case haproxy:
		return w.program(ctx, recipe{Name: haproxy, Names: []string{haproxy, w.o.Unpacked}, VersionArg: "-v", Config: haproxyConfig, Args: []string{"-db", "-f"}})
	case router:
		return w.program(ctx, recipe{Name: router, Names: []string{"mysqlrouter"}, VersionArg: "--version", Config: routerConfig, Args: []string{"-c"}})
	case proxysql:
		return w.program(ctx, recipe{Name: proxysql, Names: []string{proxysql}, VersionArg: "--version", Config: proxysqlConfig, Args: []string{"-f", "--initial", "-c"}})
	}
	return nil, fmt.Errorf("there is no such peer; there are %s", strings.Join(peerNames(), ", "))
}

// recipe is how a proxy that is not ours is started.
type recipe struct {
	Name       string
	Names      []string // of the program: on PATH, or a path
	VersionArg string
	Args       []string // before the path of its configuration
	Config     func(places) string
}

// places are what a configuration is filled with.
type places struct {
	Dir, Port, PoolPort, AdminPort string
	OwnerHost, OwnerPort           string
	Files                          int // how many files a process may have open
}

// program starts a proxy by its recipe; it returns nil if it is not installed.
func (w *world) program(ctx context.Context, r recipe) (*peer, error) {
	path := findProgram(r.Names)
	if path == "" {
		w.notes = append(w.notes, r.Name+" is not installed and was not measured")
		return nil, nil
	}
	dir := filepath.Join(w.dir, r.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	at := places{Dir: dir, Port: ports[0], PoolPort: ports[1], AdminPort: ports[2], Files: openFiles()}
	if at.OwnerHost, at.OwnerPort, err = net.SplitHostPort(w.owner.Addr); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, r.Name+".cfg")
	if err := os.WriteFile(config, []byte(r.Config(at)), 0o600); err != nil {
		return nil, err
	}
	p := &peer{
		Name: r.Name, Version: version(path, r.VersionArg),
		Addr: net.JoinHostPort(loopback, at.Port), PoolAddr: net.JoinHostPort(loopback, at.PoolPort),
	}
	p.again = func(ctx context.Context) error {
		p.proc.stop()
		var err error
		if p.proc, err = w.starter.run(dir, r.Name, append(append([]string{path}, r.Args...), config), nil); err != nil {
			return err
		}
		return p.proc.await(ctx, func(ctx context.Context) error {
			_, err := user(p.Addr).once(ctx, "DO 1")
			return err
		})
	}
	if err := p.restart(ctx); err != nil {
		p.proc.stop()
		return nil, err
	}
	return p, nil
}

// findProgram returns the first of names that can be started: on PATH, in the
// directories of daemons, or as a path.
func findProgram(names []string) string {
	for _, name := range names {
		for _, dir := range []string{"", "/usr/sbin/", "/usr/local/sbin/"} {
			if path, err := exec.LookPath(dir + name); err == nil && (dir == "" || !filepath.IsAbs(name)) {
				return path
			}
		}
	}
	return ""
}

// version returns the first line that a program says of itself.
func version(path, arg string) string {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, arg).CombinedOutput()
	if err != nil {
		return "unknown: " + err.Error()
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// fingerprint tells one build from another.
func fingerprint(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))[:12]
}

// openFiles returns how many files a process that asks for them may have open.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Max, 1<<20))
}
