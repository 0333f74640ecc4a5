package mysqld

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Accounts and grants are rows of the server's own tables; both servers are of one
// release series, so they are the same tables. They come as they are: applications'
// accounts, roles, grants. What stays as it is on the member: its manager's account,
// the account of replication, and those that an installation makes for itself.

// grantTables are the tables, with the columns that name the account of a row.
func grantTables() []struct{ table, user, host string } {
	return []struct{ table, user, host string }{
		{"global_priv", "User", "Host"},
		{"db", "User", "Host"},
		{"tables_priv", "User", "Host"},
		{"columns_priv", "User", "Host"},
		{"procs_priv", "User", "Host"},
		{"proxies_priv", "User", "Host"},
		{"roles_mapping", "User", "Host"},
	}
}

// accountRows are all rows that are copied: for each table the statements' VALUES.
type accountRows map[string]grantRows

type grantRows struct {
	columns []string
	values  []string // "(…)" each, sorted
}

func (a accountRows) same(b accountRows) bool {
	for table, rows := range a {
		if !slices.Equal(rows.values, b[table].values) {
			return false
		}
	}
	return len(a) == len(b)
}

// ownAccounts selects the rows that are each server's own business.
func ownAccounts(c *conn, user, host string) string {
	return fmt.Sprintf("(`%[1]s` IN (%[3]s,%[4]s) OR `%[1]s` IN ('root','mysql','mariadb.sys') AND `%[2]s`='localhost')",
		user, host, quote(c.ours[0]), quote(c.ours[1]))
}

func readAccounts(ctx context.Context, c *conn) (accountRows, error) {
	all := accountRows{}
	for _, g := range grantTables() {
		rows, err := readGrants(ctx, c, "SELECT * FROM mysql."+name(g.table)+" WHERE NOT "+ownAccounts(c, g.user, g.host))
		if err != nil {
			return nil, fmt.Errorf("read mysql.%s: %w", g.table, err)
		}
		all[g.table] = rows
	}
	return all, nil
}

func readGrants(ctx context.Context, c *conn, query string) (grantRows, error) {
	rows, err := c.driver.QueryContext(ctx, query, nil)
	if err != nil {
		return grantRows{}, c.note(ctx, err)
	}
	found := grantRows{columns: rows.Columns()}
	values := make([]driver.Value, len(found.columns))
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return found, c.note(ctx, errors.Join(err, rows.Close()))
		}
		b := []byte{'('}
		for i, v := range values {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendLiteral(b, v, asBytes)
		}
		found.values = append(found.values, string(append(b, ')')))
	}
	slices.Sort(found.values)
	return found, c.note(ctx, rows.Close())
}

// copyAccounts gives the member the accounts of the snapshot, and takes those away
// that are not there: one that is made later in the ring must not be there already.
func (w *copyWork) copyAccounts(ctx context.Context) error {
	for _, g := range grantTables() {
		rows := w.source.accounts[g.table]
		if err := w.target.execute(ctx, "DELETE FROM mysql."+name(g.table)+" WHERE NOT "+ownAccounts(w.target, g.user, g.host)); err != nil {
			return fmt.Errorf("empty mysql.%s: %w", g.table, err)
		}
		if len(rows.values) == 0 {
			continue
		}
		columns := make([]string, len(rows.columns))
		for i, column := range rows.columns {
			columns[i] = name(column)
		}
		into := "INSERT INTO mysql." + name(g.table) + " (" + strings.Join(columns, ",") + ") VALUES "
		for chunk := range slices.Chunk(rows.values, 500) {
			if err := w.target.execute(ctx, into+strings.Join(chunk, ",")); err != nil {
				return fmt.Errorf("fill mysql.%s: %w", g.table, err)
			}
		}
	}
	return w.target.execute(ctx, "FLUSH LOCAL PRIVILEGES")
}
