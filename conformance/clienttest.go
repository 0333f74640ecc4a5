package main

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clientTest runs the tests of the C API, each in a process of its own: the
// program ends at its first failure.
func (b *bench) clientTest(ctx context.Context) error {
	exe := filepath.Join(b.o.Cache, "mariadb-test/usr/bin/mariadb-client-test")
	o, err := program{Args: []string{exe, "--no-defaults", "--show-tests"}, Timeout: adminTimeout}.run(ctx)
	if err != nil {
		return err
	}
	var names []string
	_, list, _ := strings.Cut(string(o.Output), "All possible test names:")
	for _, line := range strings.Split(list, "\n") {
		if name := strings.TrimSpace(line); name != "" && !strings.Contains(name, " ") {
			names = append(names, name)
		}
	}
	return b.each(ctx, names, b.ready, func(name string) client {
		return func(ctx context.Context, e endpoint) (outcome, error) {
			return program{
				Args: []string{
					exe, "--no-defaults", "--user=root", "--host=" + loopback, "--port=" + strconv.Itoa(e.Port), "--socket=" + e.Socket,
					"--database=test", "--vardir=" + e.Dir, "--testcase", name,
				},
				Dir: e.Temp(), Env: []string{"MYSQL_TMP_DIR=" + e.Temp(), "MYSQL_TEST_DIR=" + b.o.MysqlTest}, Timeout: 60 * time.Second,
			}.run(ctx)
		}
	})
}
