package main

import (
	"flag"
	"os"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqltest"
)

// envProfile makes the test binary a node that can be profiled: see TestProfile.
const envProfile = "SQLRING_BENCH_PROFILE"

func TestMain(m *testing.M) {
	flag.Parse()
	if path := os.Getenv(envProfile); path != "" {
		os.Exit(profiledNode(path, flag.Arg(0)))
	}
	mysqltest.Main(m)
}
