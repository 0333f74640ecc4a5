package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// How long things may take that are not a test.
const (
	dialTimeout  = 5 * time.Second
	adminTimeout = 60 * time.Second
	startTimeout = 90 * time.Second
)

// program is one run of a client.
type program struct {
	Args    []string
	Dir     string
	Env     []string // beyond our own
	Stdin   []byte
	Timeout time.Duration
	Split   bool // what it writes to standard error does not count
}

// outcome is what a client printed, and how it ended.
type outcome struct {
	Output []byte
	Errors []byte // standard error, if it was split off
	Status string // "exit 0"; "timeout"
}

// How a program ends that a shell or the loader could not run: a library is missing,
// say. Two of these are no equal results.
const (
	notExecutable = 126
	notFound      = 127
)

// maxOutput bounds what is kept of one run; more is a fault of its own.
const maxOutput = 256 << 20

// run runs the program with the processes that it starts, and ends all of them at
// its timeout. It returns an error only if the program could not be run.
func (p program) run(ctx context.Context) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Args[0], p.Args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin = p.Dir, append(os.Environ(), p.Env...), bytes.NewReader(p.Stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if p.Split {
		cmd.Stderr = &errs
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second // for the pipes of processes that have left the group
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it has left behind
	}
	o := outcome{Output: out.Bytes(), Errors: errs.Bytes()}
	var exit *exec.ExitError
	switch {
	case len(o.Output) > maxOutput:
		return o, fmt.Errorf("%s printed %d bytes", p.Args[0], len(o.Output))
	case ctx.Err() == context.DeadlineExceeded:
		o.Status = "timeout"
	case ctx.Err() != nil:
		return o, ctx.Err()
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		o.Status = exit.String()
	case errors.As(err, &exit) && (exit.ExitCode() == notFound || exit.ExitCode() == notExecutable):
		return o, fmt.Errorf("%s could not be loaded (exit %d): %s", p.Args[0], exit.ExitCode(), lastLine(append(o.Output, o.Errors...)))
	case errors.As(err, &exit):
		o.Status = fmt.Sprintf("exit %d", exit.ExitCode())
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return o, fmt.Errorf("run %s: %w", p.Args[0], err)
	default:
		o.Status = "exit 0"
	}
	return o, nil
}
