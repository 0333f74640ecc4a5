package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/app"
)

// The flags of TestProfile, behind -args.
func profileFlags() (dir, kind *string, clients, seconds *int) {
	return flag.String("profile.dir", "", "write cpu.pprof and its top here; empty: no profile is taken"),
		flag.String("profile.case", "ps_text", "what runs: a case of the benchmark"),
		flag.Int("profile.clients", 16, "how many clients"),
		flag.Int("profile.seconds", 10, "how long")
}

var profileDir, profileCase, profileClients, profileSeconds = profileFlags()

// TestProfile writes a CPU profile of a node under load, taken in its own process:
//
//	go test ./bench -run TestProfile -v -args -profile.dir=/tmp/profile
func TestProfile(t *testing.T) {
	if *profileDir == "" {
		t.Skip("no -profile.dir: nothing is asked for")
	}
	o := testOptions(t)
	o.Rows, o.PoolMiB, o.Events, o.Seconds, o.Window, o.Peers = 100_000, 512, 0, *profileSeconds, 0, []string{sqlring}
	dir, err := filepath.Abs(*profileDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "cpu.pprof")
	o.NodeCommand, o.NodeEnv = []string{os.Args[0]}, []string{envProfile + "=" + path}
	ctx, cancel := context.WithTimeout(t.Context(), o.seconds()+2*time.Minute)
	defer cancel()
	w, err := startWorld(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	}()
	signalNode(t, w, syscall.SIGUSR1)
	s := w.profiled(ctx, t)
	w.node.proc.stop() // the profiles are whole now
	if s.Status != measured {
		t.Fatal(s.Note)
	}
	t.Logf("%.0f queries/s, %.1f us of CPU per query, %.1f of them user; foreign %.2f cores", s.Rate, s.Proxy, s.ProxyUser, s.Foreign)
	for _, order := range []string{"-flat", "-cum"} {
		out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", order, "-nodecount=40", path).CombinedOutput()
		if err != nil {
			t.Fatalf("pprof: %v\n%s", err, out)
		}
		t.Logf("%s\n%s", order, out)
	}
}

// profiled runs the case, and ends the profile when it is over: with idle clients
// while they are still there.
func (w *world) profiled(ctx context.Context, t *testing.T) sample {
	if *profileCase != "idle" {
		if *profileCase == "busy" {
			go w.profileRestarted(w.node.proc.PID()) // that case takes a new process
		}
		s := w.measure(ctx, cell{*profileCase, *profileClients}, w.peers[0], 1)
		signalNode(t, w, syscall.SIGUSR2)
		return s
	}
	clients, refused, first := w.connectMany(ctx, *profileClients, w.peers[0].Addr)
	defer closeAll(clients)
	if refused > 0 {
		t.Fatalf("%d could not log in: %v", refused, first)
	}
	time.Sleep(w.o.Settle)
	signalNode(t, w, syscall.SIGUSR2)
	return newSample(cell{*profileCase, *profileClients}, w.peers[0], 1)
}

// profileRestarted begins a profile of the process that takes the place of another one, once
// its clients are there.
func (w *world) profileRestarted(old int) {
	for range 1000 {
		time.Sleep(50 * time.Millisecond)
		if pid := w.node.proc.PID(); pid != old {
			time.Sleep(w.o.Ramp)
			_ = syscall.Kill(pid, syscall.SIGUSR1) // without it the profile is empty, which fails
			return
		}
	}
}

func signalNode(t *testing.T, w *world, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(w.node.proc.PID(), sig); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // until it is followed
}

// profiledNode is `sqlring serve` that begins a profile on SIGUSR1 and ends it on
// SIGUSR2. It returns the exit code.
func profiledNode(path, config string) int {
	runtime.MemProfileRate = 16 << 10
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	orders := make(chan os.Signal, 4) // no order may be lost
	signal.Notify(orders, syscall.SIGUSR1, syscall.SIGUSR2)
	cfg, err := app.LoadConfig(config)
	if err != nil {
		return complain(err)
	}
	node, err := app.New(cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return complain(err)
	}
	if err := node.Start(ctx); err != nil {
		return complain(err)
	}
	go followOrders(orders, path)
	err = node.Wait(ctx)
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if err = errors.Join(err, node.Stop(sctx)); err != nil {
		return complain(err)
	}
	return 0
}

func followOrders(orders <-chan os.Signal, path string) {
	var f *os.File
	for order := range orders {
		if order == syscall.SIGUSR2 {
			pprof.StopCPUProfile()
			if err := errors.Join(f.Close(), writeHeap(path+".heap")); err != nil {
				complain(err)
			}
			continue
		}
		var err error
		if f, err = os.Create(path); err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			complain(err)
			return
		}
	}
}

// writeHeap writes what is in use, and beside it what the stacks need, which no profile shows.
func writeHeap(path string) error {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	words := fmt.Sprintf("in use: heap %d, spans of it %d, stacks %d, all from the system %d bytes; %d goroutines\n",
		m.HeapAlloc, m.HeapInuse, m.StackInuse, m.Sys, runtime.NumGoroutine())
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(f), f.Close(), os.WriteFile(path+".txt", []byte(words), 0o666))
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "profiled node:", err)
	return 1
}
