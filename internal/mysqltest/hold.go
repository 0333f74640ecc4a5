package mysqltest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Hold gives the server a share of a core, in percent, until the test ends: then it is what
// is short of, and not the machine that it shares with clients and proxy. It needs root and
// the kernel's cpu controller (cgroup v1).
func (s *Server) Hold(t testing.TB, percent int) {
	t.Helper()
	pid := strconv.Itoa(s.PID())
	dir := filepath.Join("/sys/fs/cgroup/cpu", "sqlring-test-"+pid)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatalf("the kernel has no cpu controller of cgroup v1: %v", err)
	}
	t.Cleanup(func() {
		// A group goes when its last process has gone.
		_ = os.WriteFile("/sys/fs/cgroup/cpu/cgroup.procs", []byte(pid), 0o644)
		_ = os.Remove(dir)
	})
	const period = 10_000 // microseconds: short, for the sake of percentiles
	for _, set := range [][2]string{{"cpu.cfs_period_us", fmt.Sprint(period)}, {"cpu.cfs_quota_us", fmt.Sprint(period * percent / 100)}, {"cgroup.procs", pid}} {
		if err := os.WriteFile(filepath.Join(dir, set[0]), []byte(set[1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
