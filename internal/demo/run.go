package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// The names of what a demo makes.
const (
	ringName    = "demo"
	managerUser = "sqlring"
	appUser     = "cards"
	appDatabase = "greetings"
	stride      = 16
)

// How long the parts of a demo may take.
const (
	openTimeout = 30 * time.Second // from the order to make a ring until it is open
	stopTimeout = 30 * time.Second // everything together
)

// Options says what [Run] starts. Out and StartNode are required.
type Options struct {
	Masters     int    // 2 or 3
	Dir         string // empty or missing; kept. "": a temporary one, removed at the end
	Listen      string // host:port of the proxy
	API         string // host:port of the API
	LoadQPS     int    // queries per second of the load; 0: none
	ReadyFile   string // where to write what was started, as JSON; "": nowhere
	Out         io.Writer
	Interactive bool // Out is a terminal: the status is drawn over itself
	// StartNode starts one sqlring node from its configuration file.
	StartNode func(ctx context.Context, config string) (Node, error)
}

// Node is one sqlring node that runs.
type Node interface {
	ProxyAddr() string
	APIAddr() string
	// Wait returns nil when ctx ends, or why the node failed.
	Wait(ctx context.Context) error
	Stop(ctx context.Context) error
}

func (o Options) validate() error {
	if o.Masters < 2 || o.Masters > 3 {
		return fmt.Errorf("--masters %d: a demo has 2 or 3 masters", o.Masters)
	}
	if o.LoadQPS < 0 || o.LoadQPS > 5000 {
		return fmt.Errorf("--load %d: use 0 (none) to 5000 queries per second", o.LoadQPS)
	}
	for flag, addr := range map[string]string{"--listen": o.Listen, "--api": o.API} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("%s %q: use host:port, such as 127.0.0.1:3406", flag, addr)
		}
	}
	if o.Dir == "" {
		return nil
	}
	entries, err := os.ReadDir(o.Dir)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("--dir %s: it is not empty; a demo starts from an empty directory", o.Dir)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--dir: %w", err)
	}
	return nil
}

// demo is one run: what was started, last in, first out.
type demo struct {
	Options

	home     string
	servers  []*Server
	node     Node
	socket   string // of the proxy
	apiPath  string // of the API's unix socket
	manager  string // password of the manager
	root     string // password of root
	password string // password of the application
	cleanups []func(context.Context) error
}

// Run starts a ring of local servers with a node in front, and a light load,
// shows how it is doing, and stops all of it when ctx ends. It returns nil then,
// or why something could not be started, or failed. What it had started is
// stopped in every case, and nothing else is touched.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	d := &demo{Options: o, manager: rand.Text(), root: rand.Text(), password: rand.Text()}
	defer func() {
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, d.stop(sctx))
	}()
	began := time.Now()
	if err := d.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // interrupted while starting
		}
		return err
	}
	d.say("ready after %.1f s", time.Since(began).Seconds())
	return d.watch(ctx)
}

func (d *demo) start(ctx context.Context) error {
	if err := EnsureServer(ctx, d.Out); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"make a home", d.makeHome},
		{"start the servers", d.startServers},
		{"start the node", d.startNode},
		{"make the ring", d.makeRing},
		{"create the application", d.createApplication},
		{"write the ready file", d.writeReady},
	} {
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// stop ends everything that was started, last in, first out.
func (d *demo) stop(ctx context.Context) error {
	var errs []error
	for i := len(d.cleanups) - 1; i >= 0; i-- {
		errs = append(errs, d.cleanups[i](ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop the demo: %w", err)
	}
	d.say("everything that the demo started is stopped")
	return nil
}

func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.Out, format+"\n", args...) // a closed terminal must not keep us from stopping
}

func (d *demo) onStop(run func(context.Context) error) { d.cleanups = append(d.cleanups, run) }

func (d *demo) makeHome(context.Context) error {
	if d.Dir != "" {
		d.home = d.Dir
		return os.MkdirAll(d.Dir, 0o700)
	}
	home, err := os.MkdirTemp("", "sqlring-demo-")
	if err != nil {
		return err
	}
	d.home = home
	d.onStop(func(context.Context) error { return os.RemoveAll(home) })
	return nil
}

// startServers starts all servers side by side.
func (d *demo) startServers(ctx context.Context) error {
	d.say("starting %d MariaDB servers in %s", d.Masters, d.home)
	d.servers = make([]*Server, d.Masters)
	d.onStop(func(ctx context.Context) error {
		var group errgroup.Group
		for _, s := range d.servers {
			if s != nil {
				group.Go(func() error { return s.Stop(ctx) })
			}
		}
		return group.Wait()
	})
	group, gctx := errgroup.WithContext(ctx)
	for i := range d.servers {
		group.Go(func() (err error) {
			name := fmt.Sprintf("m%d", i+1)
			d.servers[i], err = StartServer(gctx, ServerConfig{
				Name: name, Dir: filepath.Join(d.home, name), RootPassword: d.root,
				ManagerUser: managerUser, ManagerPassword: d.manager,
			})
			return err
		})
	}
	return group.Wait()
}
