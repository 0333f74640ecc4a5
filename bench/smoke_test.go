package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/demo"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// require skips a test loudly, or fails it where everything must be there.
func require(t *testing.T, o options) {
	t.Helper()
	var missing []string
	if _, err := demo.FindBinaries(); err != nil {
		missing = append(missing, "MariaDB")
	}
	if _, err := exec.LookPath("sysbench"); err != nil {
		missing = append(missing, "sysbench")
	}
	if findProgram([]string{haproxy, o.Unpacked}) == "" {
		missing = append(missing, "haproxy")
	}
	required := os.Getenv(mysqltest.EnvRequire) == "1"
	switch {
	case testing.Short() && !required:
		t.Skip("SKIPPED-NO-SERVER: -short leaves out the tests on real servers")
	case len(missing) > 0 && required:
		t.Fatalf("missing: %v, and %s=1 asks for them; scripts/install-bench.sh gets them", missing, mysqltest.EnvRequire)
	case len(missing) > 0:
		t.Skipf("SKIPPED-NO-SERVER: missing: %v; scripts/install-bench.sh gets them", missing)
	}
}

// testOptions are those of a quick run with a binary built from this tree.
func testOptions(t *testing.T) options {
	t.Helper()
	o := standard().quick()
	o.Messages, o.Out = t.Output(), filepath.Join(t.TempDir(), "out.json")
	for _, b := range cases(o) {
		o.Cases = append(o.Cases, b.Name)
	}
	var err error
	if o.Unpacked, err = unpackedHAProxy(); err != nil {
		t.Fatal(err)
	}
	require(t, o)
	o.Binary = filepath.Join(t.TempDir(), "sqlring")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", o.Binary, "../cmd/sqlring").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return o
}

// TestSmoke runs every case once against all that is installed: each has figures,
// or says in words why not.
func TestSmoke(t *testing.T) {
	o := testOptions(t)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	began := time.Now()
	r, err := run(ctx, o, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d samples in %v", len(r.Samples), time.Since(began).Round(100*time.Millisecond))
	for _, c := range plan(o) {
		for _, name := range []string{direct, sqlring, haproxy} {
			found := of(r.Samples, c, name)
			want := 1
			if skips(o, c, &peer{Name: name}) != "" {
				want = 0
			}
			if len(found) != want {
				t.Errorf("%v %s: %d samples, want %d", c, name, len(found), want)
			}
			for _, s := range found {
				checkSample(t, s)
			}
		}
	}
}

// checkSample fails the test if a sample has neither figures nor a reason.
func checkSample(t *testing.T, s sample) {
	t.Helper()
	at := s.Case + " " + s.Peer
	switch s.Status {
	case failed:
		t.Errorf("%s %d: %s", at, s.Clients, s.Note)
	case notBuilt, partial:
		if s.Note == "" {
			t.Errorf("%s %d: %s without a reason", at, s.Clients, s.Status)
		}
	case measured:
		if s.Rate <= 0 || s.Window <= 0 {
			t.Errorf("%s %d: rate %v in a window of %v s", at, s.Clients, s.Rate, s.Window)
		}
	}
	if s.Status == notBuilt && (s.Case != "busy" || s.Clients <= backends || s.Peer != sqlring) {
		t.Errorf("%s %d: %s", at, s.Clients, s.Note)
	}
	if strings.HasPrefix(s.Case, "ps_") && s.P99 <= 0 {
		t.Errorf("%s: no latency", at)
	}
}
