package main

import (
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// goDriver runs the scenario by Go's driver, on one connection.
func (b *bench) goDriver(ctx context.Context, e endpoint, scenario string) (outcome, error) {
	steps, err := readScenario(scenario)
	if err != nil {
		return outcome{}, err
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = appUser, appPassword, "tcp", e.Addr(), appSchema
	cfg.MultiStatements, cfg.MaxAllowedPacket, cfg.Timeout, cfg.ReadTimeout = true, 64<<20, dialTimeout, adminTimeout
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return outcome{}, err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return outcome{Output: []byte(err.Error()), Status: "no connection"}, nil
	}
	defer func() { _ = conn.Close() }()
	var out strings.Builder
	for _, f := range steps {
		fmt.Fprintf(&out, "%q\n", f)
		if err := goStep(ctx, conn, &out, f); err != nil {
			var server *mysql.MySQLError
			if errors.As(err, &server) {
				fmt.Fprintf(&out, "  error %d %s %s\n", server.Number, server.SQLState, server.Message)
			} else {
				fmt.Fprintf(&out, "  error %v\n", err)
			}
		}
	}
	return outcome{Output: []byte(out.String()), Status: "exit 0"}, nil
}

func goStep(ctx context.Context, conn *sql.Conn, out io.Writer, f []string) error {
	if f[0] == "Q" {
		rows, err := conn.QueryContext(ctx, f[1])
		if err != nil {
			return err
		}
		return goRows(out, rows)
	}
	statement, err := conn.PrepareContext(ctx, f[1])
	if err != nil {
		return err
	}
	defer func() { _ = statement.Close() }()
	fields, count := f[2:], 1
	if f[0] == "B" {
		if count, err = strconv.Atoi(f[2]); err != nil {
			return err
		}
		fields = f[3:]
	}
	width := len(fields) / count
	for i := range count {
		var values []any
		for _, p := range fields[i*width : (i+1)*width] {
			values = append(values, goParameter(p))
		}
		if f[0] == "B" {
			result, err := statement.ExecContext(ctx, values...)
			if err != nil {
				return err
			}
			affected, _ := result.RowsAffected()
			id, _ := result.LastInsertId()
			_, _ = fmt.Fprintf(out, "  affected %d id %d\n", affected, id)
			continue
		}
		rows, err := statement.QueryContext(ctx, values...)
		if err != nil {
			return err
		}
		if err := goRows(out, rows); err != nil {
			return err
		}
	}
	return nil
}

func goRows(out io.Writer, rows *sql.Rows) error {
	defer func() { _ = rows.Close() }()
	for {
		types, err := rows.ColumnTypes()
		if err != nil {
			return err
		}
		for _, t := range types {
			length, hasLength := t.Length()
			nullable, _ := t.Nullable()
			precision, scale, _ := t.DecimalSize()
			_, _ = fmt.Fprintf(out, "  column %s %s %v %d %v %v %d %d\n", t.Name(), t.DatabaseTypeName(), t.ScanType(), length, hasLength, nullable, precision, scale)
		}
		values, targets := make([]any, len(types)), make([]any, len(types))
		for i := range values {
			targets[i] = &values[i]
		}
		n := 0
		for rows.Next() {
			if err := rows.Scan(targets...); err != nil {
				return err
			}
			if n++; n > 20 {
				continue
			}
			for _, v := range values {
				_, _ = fmt.Fprintf(out, "  | %s", goShow(v))
			}
			_, _ = fmt.Fprintln(out)
		}
		_, _ = fmt.Fprintf(out, "  %d rows\n", n)
		if rows.Err() != nil || !rows.NextResultSet() {
			return rows.Err()
		}
	}
}

func goShow(v any) string {
	if raw, ok := v.([]byte); ok {
		if len(raw) > 200 {
			sum := md5.Sum(raw)
			return fmt.Sprintf("bytes %d %x", len(raw), sum)
		}
		return fmt.Sprintf("bytes %q", raw)
	}
	return fmt.Sprintf("%T %v", v, v)
}

func goParameter(p string) any {
	kind, value, _ := strings.Cut(p, ":")
	switch kind {
	case "i":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return n
		}
	case "d":
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			return n
		}
	case "x":
		if raw, err := hex.DecodeString(value); err == nil {
			return raw
		}
	case "r":
		count, char, _ := strings.Cut(value, ":")
		if n, err := strconv.Atoi(count); err == nil {
			return strings.Repeat(char, n)
		}
	case "n":
		return nil
	}
	return value
}
