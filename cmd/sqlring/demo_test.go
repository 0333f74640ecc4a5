package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/demo"
)

// output collects what a process prints while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// TestDemo runs the program as a newcomer does: it is ready within 20 s, survives
// the kill -9 of a member, says how to bring it back, and Ctrl-C ends everything
// that it started.
func TestDemo(t *testing.T) {
	if testing.Short() && os.Getenv("SQLRING_REQUIRE_SERVERS") != "1" {
		t.Skip("SKIPPED-NO-SERVER: -short leaves out the tests on real servers")
	}
	if _, err := demo.FindBinaries(); err != nil {
		if os.Getenv("SQLRING_REQUIRE_SERVERS") == "1" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED-NO-SERVER: %v", err)
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "sqlring")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, text)
	}
	readyFile := filepath.Join(dir, "ready.json")
	out := &output{}
	began := time.Now()
	cmd := exec.CommandContext(t.Context(), binary, "demo", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--load", "100", "--ready-file", readyFile)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	var ready demo.Ready
	await(t, 20*time.Second, out, func() error {
		text, err := os.ReadFile(readyFile)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &ready)
	})
	t.Logf("ready after %s", time.Since(began).Round(time.Millisecond))
	if len(ready.Members) != 2 || ready.Stride != 16 || ready.Members[1].Offset != 2 || ready.Database == "" {
		t.Fatalf("ready file: %+v", ready)
	}
	client, err := api.NewClient(ready.API)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	healthy := func() error {
		status, err := client.Status(t.Context())
		if err == nil && (status.Health != "ok" || status.Operation != nil) {
			err = fmt.Errorf("health %s: %v", status.Health, status.Reasons)
		}
		return err
	}
	await(t, 10*time.Second, out, healthy)

	owner := ready.Members[0]
	if err := syscall.Kill(owner.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, 10*time.Second, out, func() error {
		status, err := client.Status(t.Context())
		if err == nil && status.Units[0].Owner != "m2" {
			err = fmt.Errorf("owner %q", status.Units[0].Owner)
		}
		return err
	})
	hint := "to bring it back: " + strings.Join(owner.Restart, " ")
	await(t, 10*time.Second, out, func() error {
		if !strings.Contains(out.String(), hint) {
			return errors.New("the hint is not printed: " + hint)
		}
		return nil
	})
	if text, err := exec.CommandContext(t.Context(), owner.Restart[0], owner.Restart[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", owner.Restart, err, text)
	}
	await(t, 30*time.Second, out, healthy)

	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("after Ctrl-C: %v\n%s", err, out)
	}
	for _, m := range ready.Members {
		if _, err := os.Stat(m.Socket); err == nil {
			t.Errorf("the socket of %s is left", m.Name)
		}
	}
	if left := processesOf(t, filepath.Dir(filepath.Dir(owner.Socket))); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// processesOf returns the command lines that name a directory.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("no processes to be seen: %v", err)
	}
	var found []string
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(dir)) {
			found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}

func await(t *testing.T, limit time.Duration, out *output, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v; the demo says:\n%s", limit, err, out)
		}
	}
}
