package mysqltest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Main runs the tests of a package and ends the process; TestMain calls it. The
// run fails if a child process is left.
func Main(m *testing.M) {
	code := m.Run()
	if left := childrenAfter(2 * time.Second); len(left) > 0 && code == 0 {
		fmt.Fprintf(os.Stderr, "the tests have left child processes:\n%s\n", strings.Join(left, "\n"))
		code = 1
	}
	os.Exit(code)
}

// childrenAfter returns the command lines of our child processes, once there is
// none or after grace.
func childrenAfter(grace time.Duration) []string {
	const interval = 10 * time.Millisecond
	for deadline := time.Now().Add(grace); ; time.Sleep(interval) {
		left := children()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// children returns the processes whose parent is this one (proc(5),
// /proc/pid/stat: pid (name) state ppid …), zombies included.
func children() []string {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var lines []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		stat := string(text)
		fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // a name may hold anything
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			lines = append(lines, stat[:strings.LastIndexByte(stat, ')')+1]+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return lines
}
