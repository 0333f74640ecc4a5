package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// phpResult is how run-tests.php says how a test ended.
var phpResult = regexp.MustCompile(`(?m)^(PASS|FAIL|SKIP|BORK|XFAIL|WARN|LEAK)\b.*$`) //nolint:gochecknoglobals // a constant

// phpt runs the tests of PHP's mysqli and pdo_mysql, each endpoint on a copy of
// its own: a test leaves files beside itself.
func (b *bench) phpt(ctx context.Context) error {
	root, err := os.MkdirTemp(b.o.Work, "sqlring-php-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	source := filepath.Join(b.o.Cache, "php")
	for _, name := range []string{"direct", "proxy_"} { // of the same length
		if err := os.CopyFS(filepath.Join(root, name), os.DirFS(source)); err != nil {
			return err
		}
	}
	var names []string
	for _, extension := range []string{"mysqli", "pdo_mysql"} {
		files, err := filepath.Glob(filepath.Join(source, "ext", extension, "tests", "*.phpt"))
		if err != nil {
			return err
		}
		slices.Sort(files)
		for _, f := range files {
			names = append(names, extension+"/"+strings.TrimSuffix(filepath.Base(f), ".phpt"))
		}
	}
	return b.each(ctx, names, b.ready, func(name string) client {
		return func(ctx context.Context, e endpoint) (outcome, error) {
			tree := filepath.Join(root, "direct")
			if e.Name == "proxy" {
				tree = filepath.Join(root, "proxy_")
			}
			return runPHPT(ctx, e, tree, name)
		}
	})
}

// runPHPT runs one test. What counts is how it ended, what it printed, and how
// that differs from what PHP expects.
func runPHPT(ctx context.Context, e endpoint, tree, name string) (outcome, error) {
	extension, test, _ := strings.Cut(name, "/")
	base := filepath.Join(tree, "ext", extension, "tests", test)
	for _, suffix := range []string{".out", ".diff", ".log", ".exp", ".php", ".sh"} {
		_ = os.Remove(base + suffix) // of the last run
	}
	o, err := program{
		Args: []string{
			"php", "-n", "run-tests.php", "-q", "-n", "--no-color", "--no-progress", "-p", "/usr/bin/php", "--set-timeout", "30",
			"-d", "extension=mysqlnd", "-d", "extension=pdo", "-d", "extension=" + extension, base + ".phpt",
		},
		Dir: tree, Timeout: time.Minute,
		Env: []string{
			"NO_INTERACTION=1", "TZ=UTC", "MYSQL_TEST_HOST=" + loopback, fmt.Sprintf("MYSQL_TEST_PORT=%d", e.Port), "MYSQL_TEST_USER=" + appUser,
			"MYSQL_TEST_PASSWD=" + appPassword, "MYSQL_TEST_DB=test", "MYSQL_TEST_SOCKET=" + e.Socket, "MYSQL_TEST_SKIP_CONNECT_FAILURE=0",
			fmt.Sprintf("PDO_MYSQL_TEST_DSN=mysql:host=%s;port=%d;dbname=test", loopback, e.Port), "PDO_MYSQL_TEST_USER=" + appUser, "PDO_MYSQL_TEST_PASS=" + appPassword,
			"PDO_MYSQL_TEST_HOST=" + loopback, fmt.Sprintf("PDO_MYSQL_TEST_PORT=%d", e.Port), "PDO_MYSQL_TEST_DB=test", "PDO_MYSQL_TEST_SOCKET=" + e.Socket,
			"PDO_MYSQL_TEST_CHARSET=utf8",
		},
	}.run(ctx)
	if err != nil {
		return o, err
	}
	result := phpResult.Find(bytes.ReplaceAll(o.Output, []byte("\r"), []byte("\n")))
	said := append(result, '\n')
	for _, suffix := range []string{".out", ".diff"} {
		if text, err := os.ReadFile(base + suffix); err == nil {
			said = append(said, strings.ReplaceAll(string(text), tree, "TREE")...)
		}
	}
	said = []byte(strings.ReplaceAll(string(said), tree, "TREE"))
	status := "no result"
	switch {
	case strings.HasPrefix(string(result), "PASS"):
		status = "exit 0"
	case strings.HasPrefix(string(result), "SKIP"):
		return outcome{Output: said, Errors: said, Status: skipped}, nil
	case len(result) > 0:
		status = strings.ToLower(string(result[:4]))
	}
	return outcome{Output: said, Errors: result, Status: status}, nil
}
