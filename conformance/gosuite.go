package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// goModule is the driver whose own tests are run. Its tests stand in the module
// cache.
const goModule = "github.com/go-sql-driver/mysql"

var (
	goTiming = regexp.MustCompile(`\([0-9.]+s\)`)    //nolint:gochecknoglobals // a constant
	goSource = regexp.MustCompile(`\w+_test.go:\d+`) //nolint:gochecknoglobals // a constant
)

// goSuite runs the driver's own tests, by TCP and by the unix socket.
func (b *bench) goSuite(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.o.Work, "sqlring-go-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	exe, err := b.buildGoSuite(ctx, dir)
	if err != nil {
		return err
	}
	o, err := program{Args: []string{exe, "-test.list", "^Test"}, Dir: dir, Timeout: adminTimeout}.run(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, line := range strings.Fields(string(o.Output)) {
		names = append(names, "tcp/"+line, "unix/"+line)
	}
	return b.each(ctx, names, b.ready, func(name string) client {
		protocol, test, _ := strings.Cut(name, "/")
		return func(ctx context.Context, e endpoint) (outcome, error) {
			env := []string{
				"MYSQL_TEST_USER=" + appUser, "MYSQL_TEST_PASS=" + appPassword, "MYSQL_TEST_PROT=" + protocol, "MYSQL_TEST_ADDR=" + e.Addr(),
				"MYSQL_TEST_DBNAME=test", "MYSQL_TEST_CONCURRENT=1",
			}
			if protocol == "unix" {
				env[3] = "MYSQL_TEST_ADDR=" + e.Socket
			}
			o, err := program{
				Args: []string{exe, "-test.run", "^" + test + "$", "-test.v", "-test.timeout", "60s"},
				Dir:  filepath.Join(dir, "src"), Env: env, Timeout: 70 * time.Second,
			}.run(ctx)
			o.Output = goSource.ReplaceAll(goTiming.ReplaceAll(o.Output, nil), []byte("FILE"))
			return o, err
		}
	})
}

// buildGoSuite copies the module with its tests and builds them.
func (b *bench) buildGoSuite(ctx context.Context, dir string) (string, error) {
	root := filepath.Dir(b.o.Source)
	list, err := program{Args: []string{"go", "list", "-m", "-f", "{{.Dir}}", goModule}, Dir: root, Timeout: adminTimeout, Split: true}.run(ctx)
	if err != nil {
		return "", err
	}
	source := filepath.Join(dir, "src")
	if err := os.CopyFS(source, os.DirFS(strings.TrimSpace(string(list.Output)))); err != nil {
		return "", fmt.Errorf("copy %s: %w", goModule, err)
	}
	exe := filepath.Join(dir, "mysql.test")
	built, err := program{
		Args: []string{"go", "test", "-c", "-o", exe, "."}, Dir: source, Env: []string{"GOFLAGS=-mod=mod", "GOWORK=off"}, Timeout: 5 * time.Minute,
	}.run(ctx)
	if err == nil && built.Status != "exit 0" {
		err = fmt.Errorf("build the tests of %s: %s", goModule, built.Output)
	}
	return exe, err
}
