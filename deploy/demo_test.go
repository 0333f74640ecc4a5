package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/demo"
)

// build makes the program for this test, with further flags of go build.
func build(t *testing.T, flags ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sqlring")
	cmd := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"build", "-o", binary}, flags, []string{"./cmd/sqlring"})...)
	cmd.Dir = ".."
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, text)
	}
	return binary
}

// startDemo runs `sqlring demo` until the test ends, and returns what it started.
func startDemo(t *testing.T, masters, load string) demo.Ready {
	t.Helper()
	readyFile := filepath.Join(t.TempDir(), "ready.json")
	start(t, build(t), "demo", "--masters", masters, "--load", load, "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--ready-file", readyFile)
	var ready demo.Ready
	eventually(t, time.Minute, "the demo is ready", func() error {
		text, err := os.ReadFile(readyFile)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &ready)
	})
	return ready
}

// start runs a program until the test ends: then it is interrupted, and killed if
// it does not end within 40 s. What it prints is shown if the test fails.
func start(t *testing.T, program string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(program)+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...) //nolint:noctx // its end is awaited below
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill := time.AfterFunc(40*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		kill.Stop()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s says:\n%s", program, text[max(0, len(text)-4000):])
		}
		_ = log.Close()
	})
}

func eventually(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s: %v", limit, what, err)
		}
	}
}
