package mysqltest

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

const queryTimeout = 20 * time.Second

// client is root's connections to a server.
type client struct {
	name string
	db   *sql.DB
}

// newClient returns root's connections over the unix socket; none is opened yet.
func newClient(name, password, socket string) (client, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = "root", password, "unix", socket
	cfg.MultiStatements, cfg.InterpolateParams = true, true
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return client{}, err
	}
	return client{name, sql.OpenDB(connector)}, nil
}

// DB returns root's connections to the server. They end with the test.
func (c client) DB() *sql.DB { return c.db }

// Exec runs one or more statements as root, or fails the test.
func (c client) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), queryTimeout)
	defer cancel()
	if _, err := c.db.ExecContext(ctx, statement, args...); err != nil {
		t.Fatalf("%s: %s: %v", c.name, statement, err)
	}
}

// Query returns the first value of the first row as text, "" for NULL and for
// no row, or fails the test.
func (c client) Query(t testing.TB, statement string, args ...any) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), queryTimeout)
	defer cancel()
	var value sql.NullString
	err := c.db.QueryRowContext(ctx, statement, args...).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatalf("%s: %s: %v", c.name, statement, err)
	}
	return value.String
}
