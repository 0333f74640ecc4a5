package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// mark is the argument by which a server's process is told from all others.
func (st serverState) mark() string {
	return "--defaults-file=" + filepath.Join(st.Dir, optionFile)
}

// processes returns the ids of the live processes of this server: none or one,
// but for a moment in which it is started twice. A zombie has no command line,
// so it does not count.
func (st serverState) processes() []int {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil
	}
	var pids []int
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		for _, arg := range bytes.Split(line, []byte{0}) {
			if string(arg) == st.mark() {
				if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
					pids = append(pids, pid)
				}
				break
			}
		}
	}
	return pids
}

// signal sends sig to the processes of this server, and returns how many there
// were.
func (st serverState) signal(sig syscall.Signal) int {
	pids := st.processes()
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig) // an error means that it has ended
	}
	return len(pids)
}

// awaitEnd blocks until no process of this server is left, or ctx ends.
func (st serverState) awaitEnd(ctx context.Context) error {
	const interval = 10 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if len(st.processes()) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("server %s still runs: %w", st.Name, ctx.Err())
		case <-ticker.C:
		}
	}
}

// frozen reports whether every thread of this server is stopped (proc(5),
// /proc/pid/task/tid/stat: the state follows the name in brackets).
func (st serverState) frozen() bool {
	for _, pid := range st.processes() {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			return false
		}
		for _, file := range files {
			stat, err := os.ReadFile(file)
			if err != nil {
				continue // the thread has ended
			}
			if _, rest, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" ")); !ok || rest[0] != 'T' {
				return false
			}
		}
	}
	return true
}
