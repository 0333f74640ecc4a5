package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// fileTimeout bounds one mysqltest file.
const fileTimeout = 30 * time.Second

// mysqlTest runs the files of mariadb-test. The suite's name tells the protocol.
func (b *bench) mysqlTest(ctx context.Context) error {
	mode, suites := "", fileSuites
	switch b.suite {
	case "mysqltest-ps":
		mode, suites = "--ps-protocol", protocolSuites
	case "mysqltest-cursor":
		mode, suites = "--cursor-protocol", protocolSuites
	}
	files, err := testFiles(b.o.MysqlTest, suites)
	if err != nil {
		return err
	}
	var names []string
	for _, f := range files {
		if f.why == "" {
			names = append(names, f.name)
			continue
		}
		if !b.journal.settled(f.name) && b.o.wants(f.name) {
			if err := b.journal.add(record{Suite: b.suite, Case: f.name, Verdict: notRunnable, Why: f.why}); err != nil {
				return err
			}
		}
	}
	err = b.each(ctx, names, b.ready, func(name string) client {
		return func(ctx context.Context, e endpoint) (outcome, error) { return b.runFile(ctx, e, name, mode) }
	})
	return err
}

// runFile runs a file on an endpoint. What it prints is the result that
// mysqltest would record.
func (b *bench) runFile(ctx context.Context, e endpoint, name, mode string) (outcome, error) {
	suite, file, _ := strings.Cut(name, ".")
	dir := "main"
	if suite != "main" {
		dir = suiteDir(b.o.MysqlTest, suite)
	}
	args := []string{
		filepath.Join(b.o.Cache, "mariadb-test/usr/bin/mariadb-test"), "--no-defaults", "--silent", "--skip-ssl",
		"--user=root", "--host=localhost", "--port=" + strconv.Itoa(e.Port), "--socket=" + e.Socket,
		"--tmpdir=" + e.Temp(), "--logdir=" + filepath.Join(e.Dir, "log"), "--database=test",
		"--character-sets-dir=" + filepath.Join(b.o.Share, "charsets"),
		"--suite-dir=" + dir + "/", "--test-file=" + dir + "/" + file + ".test", "--tail-lines=5", "--wait-for-pos-timeout=10",
	}
	if mode != "" {
		args = append(args, mode)
	}
	env, err := b.fileEnv(e, args)
	if err != nil {
		return outcome{}, err
	}
	return program{Args: args, Dir: b.o.MysqlTest, Env: env, Timeout: fileTimeout, Split: true}.run(ctx)
}

// fileEnv is the environment that mysql-test-run.pl gives to files.
func (b *bench) fileEnv(e endpoint, mysqltest []string) ([]string, error) {
	options := filepath.Join(e.Dir, "my.cnf")
	text := fmt.Sprintf("[client]\nuser=root\nport=%d\nsocket=%s\nskip-ssl\ncharacter-sets-dir=%s\n[mysqldump]\nskip-comments\n",
		e.Port, e.Socket, filepath.Join(b.o.Share, "charsets"))
	if err := os.WriteFile(options, []byte(text), 0o644); err != nil {
		return nil, err
	}
	tool := func(name string) string { return "/usr/bin/" + name + " --defaults-file=" + options }
	port := strconv.Itoa(e.Port)
	env := []string{
		"MYSQL_TEST_DIR=" + b.o.MysqlTest, "MYSQLTEST_VARDIR=" + e.Dir, "MYSQLTEST_REAL_VARDIR=" + e.Dir,
		"MYSQL_TMP_DIR=" + e.Temp(), "MYSQL_BINDIR=/usr", "MYSQL_SHAREDIR=" + b.o.Share,
		"MYSQL_CHARSETSDIR=" + filepath.Join(b.o.Share, "charsets"), "CHARSETSDIR=" + filepath.Join(b.o.Share, "charsets"),
		"MASTER_MYPORT=" + port, "MASTER_MYSOCK=" + e.Socket, "DEFAULT_MASTER_PORT=" + port,
		"MYSQL_UNIX_PORT=" + e.Socket, "MYSQL_TCP_PORT=" + port,
		"MYSQL_CHECK=" + tool("mariadb-check"), "MYSQL_DUMP=" + tool("mariadb-dump"), "MYSQL_SLAP=" + tool("mariadb-slap"),
		"MYSQL_IMPORT=" + tool("mariadb-import"), "MYSQL_SHOW=" + tool("mariadb-show"), "MYSQL=" + tool("mariadb"),
		"MYSQLADMIN=" + tool("mariadb-admin"), "MYSQL_BINLOG=/usr/bin/mariadb-binlog --no-defaults",
		"EXE_MYSQL=/usr/bin/mariadb", "MYSQL_MY_PRINT_DEFAULTS=/usr/bin/my_print_defaults", "MY_PERROR=/usr/bin/perror",
		"MYSQL_TEST=" + strings.Join(mysqltest[:12], " "), "MYSQLD_DATADIR=" + e.DataDir, "TZ=GMT-3", "LC_ALL=C", "LC_CTYPE=C",
		"UMASK=0660", "UMASK_DIR=0770", "MTR_PARALLEL=1", "PROTOCOL=",
		"MYSQL_TEST_LOGIN_FILE=" + filepath.Join(e.Dir, "none"), "MARIADB_HOME=" + e.Temp(), "NO_DBUG=1",
		"MTR_SUITE_DIR=" + b.o.MysqlTest + "/main", "MARIADB_GROUP_SUFFIX=", "MYSQL_INSTALL_DB_EXE=/bin/false",
	}
	return env, nil
}
