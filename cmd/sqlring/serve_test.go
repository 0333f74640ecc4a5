package main

import (
	"runtime"
	"testing"
)

// TestCores: a number of cores is what the file says, else what it was.
func TestCores(t *testing.T) {
	were := runtime.GOMAXPROCS(8)
	defer runtime.GOMAXPROCS(were)
	for _, tt := range []struct{ file, is int }{{0, 8}, {3, 3}, {0, 3}} {
		useCores(tt.file)
		if got := runtime.GOMAXPROCS(0); got != tt.is {
			t.Errorf("%d in the file: %d are used, want %d", tt.file, got, tt.is)
		}
	}
}
