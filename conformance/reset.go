package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// state is what a suite's file may leave changed on a server.
type state struct {
	variables map[string]string
	accounts  map[string]string // user@host, quoted: what it may
	plugins   []string
}

// look reads the state of the endpoint's server.
func (e endpoint) look(ctx context.Context) (*state, error) {
	variables, err := e.variables(ctx)
	if err != nil {
		return nil, err
	}
	s := &state{variables: variables, accounts: map[string]string{}}
	db, err := e.open("mysql")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	err = errors.Join(
		each(ctx, db, "SELECT User, Host, Priv FROM mysql.global_priv", func(row []string) {
			s.accounts[quoteText(row[0])+"@"+quoteText(row[1])] = row[2]
		}),
		each(ctx, db, "SELECT plugin_name FROM information_schema.plugins ORDER BY 1", func(row []string) {
			s.plugins = append(s.plugins, row[0])
		}))
	return s, err
}

// errDirty is returned for a server that can not be made as it was.
var errDirty = errors.New("the file has left the server changed")

// reset makes an endpoint as it was before the first file: an empty schema test,
// no other schemas and accounts, the global variables of the beginning.
func (w *world) reset(ctx context.Context, e endpoint) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	if err := clearDir(e.Temp()); err != nil {
		return err
	}
	db, err := e.open("")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx) // one session, so that what it sets holds
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	now, err := e.look(ctx)
	if err != nil {
		return err
	}
	base := w.base[e.Name]
	if !slices.Equal(now.plugins, base.plugins) {
		return fmt.Errorf("%w: plugins", errDirty)
	}
	if err := restoreVariables(ctx, conn, base, now, e.Name == w.Proxy.Name); err != nil {
		return err
	}
	if err := restoreAccounts(ctx, conn, base, now); err != nil {
		return err
	}
	return emptySchemas(ctx, conn)
}

// restoreVariables sets the global variables of the beginning. Those of the slot have not been
// changed where a ring keeps them; on a server alone a file may have.
func restoreVariables(ctx context.Context, conn *sql.Conn, base, now *state, ring bool) error {
	for name, value := range base.variables {
		if now.variables[name] == value || apart(name) || ring && strings.HasPrefix(name, "auto_increment_") {
			continue
		}
		if _, err := conn.ExecContext(ctx, assignment(name, value)); err != nil {
			return fmt.Errorf("%w: %s is %q, was %q: %w", errDirty, name, now.variables[name], value, err)
		}
	}
	return nil
}

func restoreAccounts(ctx context.Context, conn *sql.Conn, base, now *state) error {
	for account, rights := range base.accounts {
		if now.accounts[account] != rights {
			return fmt.Errorf("%w: account %s", errDirty, account)
		}
	}
	for account, rights := range now.accounts {
		if _, was := base.accounts[account]; was {
			continue
		}
		drop := "DROP USER IF EXISTS " + account
		if strings.Contains(rights, `"is_role":true`) || strings.HasSuffix(account, "@''") {
			drop = "DROP ROLE IF EXISTS " + quoteName(strings.Trim(strings.TrimSuffix(account, "@''"), "'"))
		}
		if _, err := conn.ExecContext(ctx, drop); err != nil {
			return fmt.Errorf("%w: %w", errDirty, err)
		}
	}
	return nil
}

// leftovers are statements for what a file may leave in the server's own schema.
const leftovers = `DELETE FROM mysql.table_stats; DELETE FROM mysql.column_stats; DELETE FROM mysql.index_stats;
DELETE FROM mysql.servers; DELETE FROM mysql.event; DELETE FROM mysql.proc WHERE db NOT IN ('mtr','sys','mysql');
DELETE FROM mysql.db WHERE user NOT IN ('sqlring','sqlring_repl','app','root','mariadb.sys'); DELETE FROM mysql.tables_priv WHERE user NOT IN ('mariadb.sys');
DELETE FROM mysql.columns_priv; DELETE FROM mysql.procs_priv WHERE user NOT IN ('mariadb.sys'); FLUSH PRIVILEGES; FLUSH TABLES`

func emptySchemas(ctx context.Context, conn *sql.Conn) error {
	kept := []string{"mysql", "information_schema", "performance_schema", "sys", "sqlring", "mtr"}
	var schemas []string
	err := each(ctx, conn, "SHOW DATABASES", func(row []string) {
		if !slices.Contains(kept, row[0]) {
			schemas = append(schemas, row[0])
		}
	})
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "SET foreign_key_checks=0"); err != nil {
		return err
	}
	for _, schema := range schemas {
		if _, err := conn.ExecContext(ctx, "DROP DATABASE "+quoteName(schema)); err != nil {
			return fmt.Errorf("%w: %w", errDirty, err)
		}
	}
	if _, err := conn.ExecContext(ctx, leftovers); err != nil {
		return fmt.Errorf("%w: %w", errDirty, err)
	}
	_, err = conn.ExecContext(ctx, "CREATE DATABASE test CHARACTER SET latin1 COLLATE latin1_swedish_ci")
	return err
}

// clearDir removes what is in dir.
func clearDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return errors.Join(errs...)
}

// check returns why the ring can not serve on, or nil: its second master stopped
// applying, or the proxy does not answer.
func (w *world) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	select {
	case <-w.ended:
		return fmt.Errorf("the node has ended: %s", w.nodeLog())
	default:
	}
	for i, m := range w.members {
		db, err := endpoint{Socket: m.Socket}.open("")
		if err != nil {
			return err
		}
		var stopped string
		err = each(ctx, db, "SELECT VARIABLE_VALUE FROM information_schema.global_status WHERE VARIABLE_NAME='Slave_running'",
			func(row []string) { stopped = row[0] })
		_ = db.Close()
		if err != nil {
			return fmt.Errorf("master m%d: %w", i+1, err)
		}
		if stopped != "ON" {
			return fmt.Errorf("master m%d does not replicate any more: %s", i+1, lastErrors(ctx, m.Socket))
		}
	}
	return nil
}

// lastErrors returns what SHOW SLAVE STATUS says of why replication stopped.
func lastErrors(ctx context.Context, socket string) string {
	o, err := program{
		Args:    []string{"mariadb", "--no-defaults", "--user=root", "--socket=" + socket, "-e", "SHOW SLAVE STATUS\\G"},
		Timeout: adminTimeout,
	}.run(ctx)
	if err != nil {
		return err.Error()
	}
	var found []string
	for _, line := range strings.Split(string(o.Output), "\n") {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if value != "" && (name == "Last_SQL_Error" || name == "Last_IO_Error") {
			found = append(found, value)
		}
	}
	return strings.Join(found, "; ")
}
