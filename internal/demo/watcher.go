package demo

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// startWatcher starts the process that kills the server when we are gone
// (watch.sh). The returned function ends it in order: it sees the end of its
// input, finds nothing to kill, and is reaped. It may be called again.
func startWatcher(ctx context.Context, st serverState) (stop func() error, err error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), // it outlives the call
		"/bin/sh", filepath.Join(st.Dir, watchScript))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	input, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start watcher of server %s: %w", st.Name, err)
	}
	return sync.OnceValue(func() error {
		_ = input.Close() // an error means that it has ended already; Wait says how
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("end watcher of server %s: %w", st.Name, err)
		}
		return nil
	}), nil
}
