package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/demo"
)

// appUser is an account with a password and all rights, for drivers.
const (
	appUser     = "app"
	appPassword = "conformance-app"
	appSchema   = "test"
)

// setUp makes the two endpoints alike: root without a password, time zones, the
// global variables of the owner, and what every suite finds there.
func (w *world) setUp(ctx context.Context) error {
	for _, s := range append([]*demo.Server{w.plain}, w.members...) {
		if err := w.openRoot(ctx, s); err != nil {
			return fmt.Errorf("server %s: %w", s.Name, err)
		}
	}
	if err := w.mirror(ctx); err != nil {
		return err
	}
	if err := w.copySchema(ctx); err != nil {
		return err
	}
	for _, e := range []endpoint{w.Direct, w.Proxy} {
		if err := e.fill(ctx); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		base, err := e.look(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		w.base[e.Name] = base
	}
	return nil
}

// openRoot takes root's password away and loads the suites' time zones, on this
// server only.
func (w *world) openRoot(ctx context.Context, s *demo.Server) error {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = s.RootUser, s.RootPassword, "unix", s.Socket, "mysql"
	cfg.Timeout, cfg.ReadTimeout, cfg.MultiStatements = dialTimeout, adminTimeout, true
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	zones, err := os.ReadFile(filepath.Join(w.o.Share, "mysql_test_data_timezone.sql"))
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"SET SESSION sql_log_bin=0", string(zones),
		"CREATE USER IF NOT EXISTS root@localhost IDENTIFIED BY ''",
		"ALTER USER root@localhost IDENTIFIED BY ''", "ALTER USER root@'127.0.0.1' IDENTIFIED BY ''",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", firstWords(statement), err)
		}
	}
	s.RootPassword = ""
	return nil
}

// fill makes what every suite finds: the schema test, mtr's procedures, and the
// account of the drivers.
func (e endpoint) fill(ctx context.Context) error {
	db, err := e.open("")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, statement := range []string{
		"CREATE DATABASE mtr",
		"CREATE PROCEDURE mtr.add_suppression(pattern TEXT) BEGIN END",
		"CREATE PROCEDURE mtr.check_warnings(OUT result INT) SET result=0",
		"CREATE DATABASE test CHARACTER SET latin1 COLLATE latin1_swedish_ci",
		"CREATE USER " + appUser + "@localhost IDENTIFIED BY " + quoteText(appPassword),
		"CREATE USER " + appUser + "@'127.0.0.1' IDENTIFIED BY " + quoteText(appPassword),
		"GRANT ALL ON *.* TO " + appUser + "@localhost WITH GRANT OPTION",
		"GRANT ALL ON *.* TO " + appUser + "@'127.0.0.1' WITH GRANT OPTION",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", firstWords(statement), err)
		}
	}
	return nil
}

// apart are global variables in which two servers may differ.
func apart(name string) bool {
	exact := []string{
		"hostname", "port", "socket", "datadir", "tmpdir", "slave_load_tmpdir", "pid_file", "general_log_file", "slow_query_log_file",
		"log_error", "secure_file_priv", "server_uid", "last_insert_id", "timestamp", "identity", "relay_log_basename", "relay_log_index",
		"log_bin_basename", "log_bin_index", "init_file", "read_only", "debug_no_thread_alarm",
	}
	return slices.Contains(exact, name) || strings.HasPrefix(name, "rpl_semi_sync") || strings.HasPrefix(name, "gtid_") && name != "gtid_domain_id"
}

// mirror gives the server alone the values that the controller has given to the
// owner: identity, slot, and whatever else can be set.
func (w *world) mirror(ctx context.Context) error {
	owner, err := endpoint{Socket: w.members[0].Socket}.variables(ctx)
	if err != nil {
		return err
	}
	own, err := w.Direct.variables(ctx)
	if err != nil {
		return err
	}
	db, err := w.Direct.open("")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for name, value := range owner {
		same := bytes.Equal(w.Direct.neutral([]byte(own[name])), w.Proxy.neutral([]byte(value)))
		if same || apart(name) {
			continue
		}
		if _, err := db.ExecContext(ctx, assignment(name, value)); err != nil {
			return fmt.Errorf("the servers differ in %s (%q, %q): %w", name, own[name], value, err)
		}
	}
	_, err = db.ExecContext(ctx, "SET GLOBAL read_only=0")
	return err
}

// copySchema gives the server alone what the controller has made on the members:
// its schema and the account of replication.
func (w *world) copySchema(ctx context.Context) error {
	tool := func(name, socket string, more ...string) program {
		args := append([]string{name, "--no-defaults", "--user=root", "--socket=" + socket}, more...)
		return program{Args: args, Timeout: adminTimeout, Split: true}
	}
	dump, err := tool("mariadb-dump", w.members[0].Socket, "--databases", "sqlring").run(ctx)
	if err != nil || dump.Status != "exit 0" {
		return fmt.Errorf("dump sqlring's schema: %w: %s", err, dump.Errors)
	}
	load := tool("mariadb", w.plain.Socket)
	account := tool("mariadb", w.members[0].Socket, "--skip-column-names", "-e", "SHOW GRANTS FOR sqlring_repl@'%'")
	grant, err := account.run(ctx)
	if err != nil || grant.Status != "exit 0" {
		return fmt.Errorf("read the account of replication: %w: %s", err, grant.Errors)
	}
	load.Stdin = slices.Concat(dump.Output, []byte("SET sql_mode='';\n"), grant.Output, []byte(";\n"))
	o, err := load.run(ctx)
	if err != nil || o.Status != "exit 0" {
		return fmt.Errorf("copy sqlring's schema: %w: %s", err, o.Errors)
	}
	return nil
}

// assignment returns the statement that sets a global variable to a value that
// SHOW has printed.
func assignment(name, value string) string {
	number := value != "" && strings.Trim(value, "0123456789.-") == ""
	if !number && value != "NULL" {
		value = quoteText(value)
	}
	return "SET GLOBAL " + quoteName(name) + "=" + value
}

// variables returns the server's global variables.
func (e endpoint) variables(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	db, err := e.open("")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	found := map[string]string{}
	err = each(ctx, db, "SHOW GLOBAL VARIABLES", func(row []string) { found[row[0]] = row[1] })
	return found, err
}

// caughtUp returns once the second master has applied what the owner has
// committed, or an error at the deadline or if its applier has stopped.
func (w *world) caughtUp(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	owner, err := endpoint{Socket: w.members[0].Socket}.open("")
	if err != nil {
		return err
	}
	defer func() { _ = owner.Close() }()
	second, err := endpoint{Socket: w.members[1].Socket}.open("")
	if err != nil {
		return err
	}
	defer func() { _ = second.Close() }()
	var position string
	if err := owner.QueryRowContext(ctx, "SELECT @@gtid_binlog_pos").Scan(&position); err != nil {
		return err
	}
	var waited int
	err = second.QueryRowContext(ctx, "SELECT MASTER_GTID_WAIT(?, ?)", position, limit.Seconds()).Scan(&waited)
	if err == nil && waited != 0 {
		err = fmt.Errorf("the second master has not applied %s after %v", position, limit)
	}
	return err
}
