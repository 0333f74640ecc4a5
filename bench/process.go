package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// starter starts child processes that die with this one. The kernel binds that to
// the thread which started them, so one thread starts them all and stays.
type starter struct{ work chan func() }

func newStarter() *starter {
	s := &starter{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

// close ends the thread, and with it what it started and nobody has stopped.
func (s *starter) close() { close(s.work) }

func (s *starter) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	done := make(chan error, 1)
	s.work <- func() { done <- cmd.Start() }
	return <-done
}

// process is a program that runs until it is stopped.
type process struct {
	Name string
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
}

// stopGrace is how long a program has from SIGTERM to SIGKILL.
const stopGrace = 8 * time.Second

// run starts a program that logs to DIR/NAME.log.
func (s *starter) run(dir, name string, argv, env []string) (*process, error) {
	p := &process{Name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.CommandContext(context.Background(), argv[0], argv[1:]...) // stop ends it
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = log, log, dir
	p.cmd.Env = append(os.Environ(), env...)
	if err := s.start(p.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended stands in its log
	}()
	return p, nil
}

// PID returns the process id, 0 of nil.
func (p *process) PID() int {
	if p == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// stop ends the process. It does nothing to nil, or if it has ended.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// errEnded is returned for a process that should run.
var errEnded = errors.New("the process has ended")

// await repeats try until it returns nil, the process ends, or ctx does.
func (p *process) await(ctx context.Context, try func(context.Context) error) error {
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s: %w; its log:\n%s", p.Name, errEnded, p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w; its log:\n%s", p.Name, err, p.logTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) logTail() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-2048):])
}
