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

// grantTable is one of them, with the columns that name the account of a row.
type grantTable struct{ table, user, host string }

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
	return fmt.Sprintf("(`%[1]s` IN (%[3]s,%[4]s) OR `%[1]s` IN ('%[5]s') AND `%[2]s`='localhost')",
		user, host, quote(c.ours[0]), quote(c.ours[1]), strings.Join(c.copying().installed, "','"))
}

func readAccounts(ctx context.Context, c *conn) (accountRows, error) {
	all := accountRows{}
	for _, g := range c.copying().grants {
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
			b = appendLiteral(b, v, writingOf(rows, i))
		}
		found.values = append(found.values, string(append(b, ')')))
	}
	slices.Sort(found.values)
	return found, c.note(ctx, rows.Close())
}

// writingOf says how a column of a grant table is written: JSON is not taken as bytes.
func writingOf(rows driver.Rows, i int) writing {
	if typed, ok := rows.(driver.RowsColumnTypeDatabaseTypeName); ok && typed.ColumnTypeDatabaseTypeName(i) == "JSON" {
		return asUTF8
	}
	return asBytes
}

// copyAccounts gives the member the accounts of the snapshot, and takes those away
// that are not there: one that is made later in the ring must not be there already.
func (w *copyWork) copyAccounts(ctx context.Context) error {
	for _, g := range w.target.copying().grants {
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
