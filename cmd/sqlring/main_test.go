package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sqlring": main})
}

// TestScripts runs testdata/script/*.txtar. Each has a fake node whose API
// listens at $HTTP (read-only) and at $UNIX; the command `node` changes it.
// $NOBODY is a target at which nothing listens.
func TestScripts(t *testing.T) {
	update := os.Getenv("UPDATE_SCRIPTS") != ""
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: update, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error { return setup(t, env) },
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"node": changeNode, "exits": exits},
	})
}

type nodeKey struct{}

// fakeChecks has m1 right, and m2 and a candidate wrong.
func fakeChecks() apitest.Checks {
	return apitest.Checks{Settings: map[string]map[string]string{
		"m1": {"sync_binlog": "1"}, "m2": {"sync_binlog": "0"}, "db3:3306": {"sync_binlog": "0"},
	}}
}

func setup(t *testing.T, env *testscript.Env) error {
	dir, err := os.MkdirTemp("", "sqlring-cli-") // short: it holds a socket
	if err != nil {
		return err
	}
	node := apitest.NewRing()
	sock := filepath.Join(dir, "api.sock")
	cfg := api.Config{Listen: "127.0.0.1:0", Socket: sock, Propose: time.Second, Checks: fakeChecks(), Verifier: &apitest.Verifier{}}
	if filepath.Base(env.WorkDir) == "script-dry_run" { // the node has others; elsewhere it is on its own
		cfg.Cluster = &apitest.Cluster{}
	}
	s := api.New(cfg, node)
	if err := s.Listen(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	env.Defer(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the API ended with %v", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	env.Values[nodeKey{}] = node
	env.Setenv("HTTP", "http://"+s.Addr())
	env.Setenv("UNIX", "unix:"+sock)
	env.Setenv("NOBODY", "unix:"+filepath.Join(dir, "nobody.sock"))
	return nil
}

// changeNode is the command `node WHAT`: what becomes of the fake node.
func changeNode(ts *testscript.TestScript, _ bool, args []string) {
	node := ts.Value(nodeKey{}).(*apitest.Node)
	if len(args) != 1 {
		ts.Fatalf("usage: node WHAT")
	}
	change, ok := nodeChanges()[args[0]]
	if !ok {
		ts.Fatalf("node %s is not known", args[0])
	}
	node.Edit(change)
}

// exits is the command `exits CODE PROGRAM ARGS…`: it runs the program, whose
// output is then compared with stdout and stderr, and checks its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	code := "0"
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		code = fmt.Sprint(exit.ExitCode())
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}
