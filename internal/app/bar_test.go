package app_test

import (
	"os"
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
