package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/controller"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The test binary runs a node instead of tests if these are set: so a node can
// be killed like any process.
const (
	envNode = "SQLRING_TEST_NODE" // its configuration file
	envTrap = "SQLRING_TEST_TRAP" // a trap's file
	envDie  = "SQLRING_TEST_DIE"  // kill -9 after that many steps of a heal, a removal, a dissolution, an adoption, or a copy from when its source is chosen; 0: never
)

// dieFile is the same as envDie, for a node that runs: a number in its directory, which
// is taken away before it dies.
const dieFile = "die"

// runNode runs a node until SIGTERM. It kills itself between two steps of a
// takeover if it is told to: nothing is flushed, closed or said.
func runNode(config string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := func() error {
		cfg, err := app.LoadConfig(config)
		if err != nil {
			return err
		}
		node, err := app.New(cfg, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		if err != nil {
			return err
		}
		last, _ := strconv.Atoi(os.Getenv(envDie))
		healing, steps := false, 0
		caught := trap{file: os.Getenv(envTrap), spring: killed}
		held := trap{file: holdOf(caught.file)}
		held.spring = func() { stands(held.file) }
		node.OnDecision(func(d controller.Decision) {
			caught.step(d.Step)
			held.step(d.Step)
			switch d.Step.Change.(type) {
			case topology.BeginHeal, topology.BeginMove, topology.BeginLeave, topology.ChooseSource, topology.TakeUnits:
				healing = true
			case topology.AdvanceOperation: // the first step of an adoption
				a, _ := d.Step.Change.(topology.AdvanceOperation)
				healing = healing || a.To == topology.AdoptSchema
			}
			if !healing {
				return
			}
			steps++
			limit, file := last, filepath.Join(cfg.Dir, dieFile)
			if text, err := os.ReadFile(file); err == nil {
				limit, _ = strconv.Atoi(string(text))
			}
			if steps == limit {
				_ = os.Remove(file)
				killed()
			}
		})
		if err := node.Start(ctx); err != nil {
			return err
		}
		err = node.Wait(ctx)
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		return errors.Join(err, node.Stop(sctx))
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// killed ends the process: nothing is flushed, closed or said.
func killed() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until the signal has been delivered
}

// holdOf is the file of a trap's second one, in which whoever leads is held; "": none.
func holdOf(trap string) string {
	if trap == "" {
		return ""
	}
	return trap + ".hold"
}

// heldOf is the file that is there while somebody is held.
func heldOf(trap string) string { return trap + ".held" }

// stands holds the controller, and nothing else of the node, until its file is taken away.
func stands(hold string) {
	file := heldOf(strings.TrimSuffix(hold, ".hold"))
	if os.WriteFile(file, nil, 0o600) != nil {
		return
	}
	for range 2000 { // 20 s
		if _, err := os.Stat(file); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = os.Remove(file)
}

// trap is sprung after a number of steps that the controller takes since a file says so:
// "round number"; with a kind of change behind it, from the first of that kind on. Whoever
// leads steps into it; it is sprung once.
type trap struct {
	file   string
	spring func()
	round  string
	steps  int
}

func (c *trap) step(s topology.Step) {
	if c.file == "" {
		return
	}
	text, _ := os.ReadFile(c.file)
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return
	}
	round, number := words[0], words[1]
	if round != c.round {
		c.round, c.steps = round, 0
	}
	if len(words) > 2 && c.steps == 0 && fmt.Sprintf("%T", s.Change) != words[2] {
		return
	}
	if c.steps++; strconv.Itoa(c.steps) == number && os.Remove(c.file) == nil {
		c.spring()
	}
}

// nodeProcess is a node in a process of its own, started again when it dies.
type nodeProcess struct {
	file  string
	trap  string           // file of a trap; "": none
	sites *mysqltest.Sites // nil: it runs here
	site  int
	log   *os.File

	mu    sync.Mutex // guards what follows
	cmd   *exec.Cmd
	over  bool
	died  int
	ended sync.WaitGroup
}

// startProcess starts the rig's node as a process that dies after `die` steps of
// the first heal. A supervisor starts it again, and then it lives.
func (r *rig) startProcess(t *testing.T, die int) *nodeProcess {
	t.Helper()
	r.cfg.Proxy.Listen = r.addrAt(t, r.site)
	text, err := r.cfg.YAML()
	if err != nil {
		t.Fatal(err)
	}
	p := &nodeProcess{file: filepath.Join(r.cfg.Dir, "node.yaml"), trap: r.trap, sites: r.sites, site: r.site}
	if err := os.WriteFile(p.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if p.log, err = os.Create(filepath.Join(r.cfg.Dir, "node.log")); err != nil {
		t.Fatal(err)
	}
	p.start(t, die)
	t.Cleanup(func() { p.stop(t) })
	if r.client, err = api.NewClient("unix:" + r.cfg.API.Socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	return p
}

func (p *nodeProcess) start(t *testing.T, die int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.cmd = exec.Command(os.Args[0]) //nolint:noctx // it is ended by stop
	p.cmd.Env = append(os.Environ(), envNode+"="+p.file, envDie+"="+strconv.Itoa(die), envTrap+"="+p.trap)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if p.sites != nil {
		if err := p.sites.Enter(p.cmd, p.site); err != nil {
			t.Error(err)
			return
		}
	}
	if err := p.cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	cmd := p.cmd
	p.ended.Go(func() {
		_ = cmd.Wait()
		p.mu.Lock()
		p.died++
		p.mu.Unlock()
		time.Sleep(300 * time.Millisecond) // a supervisor takes a moment
		p.start(t, 0)
	})
}

func (p *nodeProcess) deaths() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.died
}

func (p *nodeProcess) stop(t *testing.T) {
	p.mu.Lock()
	p.over = true
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	p.mu.Unlock()
	p.ended.Wait()
	if t.Failed() || os.Getenv("SQLRING_NODE_LOGS") != "" {
		text, _ := os.ReadFile(p.log.Name())
		t.Logf("log of the node:\n%s", text)
	}
	_ = p.log.Close()
}

// signal sends the process a signal.
func (p *nodeProcess) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}
