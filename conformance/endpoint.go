package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// endpoint is one of the two addresses that clients are run against.
type endpoint struct {
	Name   string // direct or proxy
	Dir    string // vardir; std_data, tmp and the server's data are below
	Port   int    // on 127.0.0.1
	Socket string
	// DataDir is that of the server that answers.
	DataDir string
}

const loopback = "127.0.0.1"

// Addr is its host and port.
func (e endpoint) Addr() string { return loopback + ":" + strconv.Itoa(e.Port) }

// Temp is where a client may leave files.
func (e endpoint) Temp() string { return filepath.Join(e.Dir, "tmp") }

// neutral replaces what is the endpoint's own in an output by names. A port is one
// only where it is not a part of a longer word, such as the number of an issue.
func (e endpoint) neutral(output []byte) []byte {
	for _, own := range []struct{ text, name string }{{e.Socket, "SOCKET"}, {e.Dir, "VARDIR"}} {
		output = bytes.ReplaceAll(output, []byte(own.text), []byte(own.name))
	}
	port := []byte(strconv.Itoa(e.Port))
	var out []byte
	for {
		i := bytes.Index(output, port)
		if i < 0 {
			return append(out, output...)
		}
		end := i + len(port)
		apart := (i == 0 || !partOfWord(output[i-1])) && (end == len(output) || !partOfWord(output[end]))
		out = append(out, output[:i]...)
		if apart {
			out = append(out, "PORT"...)
		} else {
			out = append(out, port...)
		}
		output = output[end:]
	}
}

func partOfWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.' || c >= 0x80
}

// open returns a pool for root, by the unix socket.
func (e endpoint) open(schema string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = "root", "unix", e.Socket, schema
	cfg.Timeout, cfg.ReadTimeout = dialTimeout, adminTimeout
	cfg.InterpolateParams, cfg.MultiStatements = true, true
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// each runs f with every row of a query, as strings; NULL is "NULL".
func each(ctx context.Context, db querier, query string, f func(row []string)) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", firstWords(query), err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		row := make([]string, len(values))
		for i, v := range values {
			if row[i] = v.String; !v.Valid {
				row[i] = "NULL"
			}
		}
		f(row)
	}
	return rows.Err()
}

// querier is a connection or a pool of them.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func firstWords(query string) string {
	words := strings.Fields(query)
	return strings.Join(words[:min(len(words), 6)], " ")
}

// quoteName returns name as an SQL identifier.
func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// quoteText returns text as an SQL string literal.
func quoteText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'"
}
