package app_test

import (
	"os"
	"testing"
	"time"
)

// bar is how long something may take. A bar is one of a quiet machine: the make targets that
// print figures hold it (SQLRING_FIGURES=1); beside all the other tests four times as much
// is a fault.
func bar(d time.Duration) time.Duration {
	if os.Getenv("SQLRING_FIGURES") == "1" {
		return d
	}
	return 4 * d
}

// beside lets a test run beside others that call it, on servers of its own: one that shows
// what becomes of the data and of the ring, by waits that a busy machine keeps. A test that
// holds a clock to a second or so, and one that makes network namespaces, which have the
// names of the process, runs alone. So do all of those that figures are taken of.
func beside(t *testing.T) {
	t.Helper()
	if os.Getenv("SQLRING_FIGURES") == "" && os.Getenv("SQLRING_FAULT_ROUNDS") == "" {
		t.Parallel()
	}
}
