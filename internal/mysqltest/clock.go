package mysqltest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/demo"
)

// fakeTime is Debian's libfaketime, as preloaded into programs with threads.
const fakeTime = "/usr/lib/*/faketime/libfaketimeMT.so.1"

// StartRingWithClocks is StartRing of as many servers as there are clocks: each
// server's clock is wrong by so much. It needs libfaketime where one is; elsewhere the
// test is skipped loudly, or fails if servers are required.
func StartRingWithClocks(t testing.TB, wrong ...time.Duration) []*Server {
	t.Helper()
	OnlyMariaDB(t, "libfaketime is not loaded into the MySQL beside the system, which has its own libc")
	bin := binaries(t)
	found, _ := filepath.Glob(fakeTime)
	if len(found) == 0 {
		missing(t, "wrong clocks need libfaketime (apt-get install libfaketime)")
	}
	wrappers := t.TempDir()
	return start(t, bin, len(wrong), func(cfg *demo.ServerConfig, i int) {
		if wrong[i] == 0 {
			return
		}
		// The monotonic clock stays: an hour's change of the time of day changes no timeout.
		script := fmt.Sprintf("#!/bin/sh\nLD_PRELOAD=%s FAKETIME=%+d FAKETIME_DONT_FAKE_MONOTONIC=1 exec %s \"$@\"\n",
			found[0], int(wrong[i].Seconds()), bin.Server)
		cfg.Binaries.Server = filepath.Join(wrappers, cfg.Name)
		if err := os.WriteFile(cfg.Binaries.Server, []byte(script), 0o700); err != nil {
			t.Error(err)
		}
	})
}
