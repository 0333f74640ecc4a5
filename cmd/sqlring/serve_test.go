package main

import (
	"runtime"
	"testing"
)

// TestCores: a number of cores is what the file says, else what the environment does, else
// half of those that there are.
func TestCores(t *testing.T) {
	were := runtime.GOMAXPROCS(8)
	defer runtime.GOMAXPROCS(were)
	for _, tt := range []struct {
		environment   string
		has, file, is int
	}{{"", 8, 0, 4}, {"", 1, 0, 1}, {"", 8, 3, 3}, {"8", 8, 0, 8}, {"8", 8, 2, 2}} {
		t.Setenv("GOMAXPROCS", tt.environment)
		runtime.GOMAXPROCS(tt.has)
		useCores(tt.file)
		if got := runtime.GOMAXPROCS(0); got != tt.is {
			t.Errorf("of %d cores, %d in the file, GOMAXPROCS=%q: %d are used, want %d", tt.has, tt.file, tt.environment, got, tt.is)
		}
	}
}
