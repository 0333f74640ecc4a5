package mysqld

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// replayStatement is one statement of a transaction that is replayed.
type replayStatement struct {
	sql   string
	want  int    // the number that it has to answer; -1: none
	else_ string // the conflict if it does not
	what  string // for people: "insert into shop.t"
}

// statements returns how the rows of a change are locked, looked at, and written (S54).
func (t replayTable) statements(c replayChange) ([]replayStatement, error) {
	if c.partial {
		return nil, conflicts("%s in %s does not tell every column (binlog_row_image)", c.kind, t.name)
	}
	var list []replayStatement
	step := 1
	if c.kind == "update" {
		step = 2
	}
	for i := 0; i+step <= len(c.rows); i += step {
		more, err := t.row(c.kind, c.rows[i], c.rows[i+step-1])
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// row returns the statements of one row; of an insert before is after.
func (t replayTable) row(kind string, before, after []any) ([]replayStatement, error) {
	if len(before) != len(t.columns) || len(after) != len(t.columns) {
		return nil, conflicts("%s in %s is of %d columns, the table has %d", kind, t.name, len(before), len(t.columns))
	}
	schema, name, _ := strings.Cut(t.name, ".")
	table := identifier(schema) + "." + identifier(name)
	var key, all, names, values, sets []string
	for i, c := range t.columns {
		old, err := c.literal(before[i])
		if err != nil {
			return nil, err
		}
		fresh, err := c.literal(after[i])
		if err != nil {
			return nil, err
		}
		if c.key {
			key = append(key, identifier(c.name)+"="+old)
		}
		all = append(all, c.equals(before[i], old))
		names, values = append(names, identifier(c.name)), append(values, fresh)
		sets = append(sets, identifier(c.name)+"="+fresh)
	}
	where := strings.Join(key, " AND ")
	look := func(conditions string, want int, conflict string) replayStatement {
		return replayStatement{
			sql:  fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s WHERE %s FOR UPDATE) x", table, conditions),
			want: want, else_: fmt.Sprintf("%s in %s of %s: %s", kind, t.name, shortened(where), conflict), what: "look at " + t.name,
		}
	}
	do := func(sql string) replayStatement {
		return replayStatement{sql: sql, want: -1, what: fmt.Sprintf("%s in %s of %s", kind, t.name, shortened(where))}
	}
	was := look(where+" AND "+strings.Join(all, " AND "), 1, "the ring has not the row that it was before")
	switch kind {
	case "insert":
		return []replayStatement{
			look(where, 0, "the ring has such a row"),
			do(fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(names, ","), strings.Join(values, ","))),
		}, nil
	case "update":
		return []replayStatement{was, do(fmt.Sprintf("UPDATE %s SET %s WHERE %s", table, strings.Join(sets, ","), where))}, nil
	case "delete":
		return []replayStatement{was, do(fmt.Sprintf("DELETE FROM %s WHERE %s", table, where))}, nil
	}
	return nil, conflicts("%s in %s is not known", kind, t.name)
}

// shortened keeps a key that is told within a line.
func shortened(text string) string {
	const longest = 120
	if len(text) > longest {
		return text[:longest] + "…"
	}
	return text
}

// decimalText is a number as row events have DECIMAL.
var decimalText = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// timeText is a date or time as row events have it.
var timeText = regexp.MustCompile(`^-?[0-9: .-]+$`)

// literal returns a value of a row event as SQL, that is the value itself and no other.
func (c replayColumn) literal(v any) (string, error) {
	if v == nil {
		return "NULL", nil
	}
	odd := func() error { return conflicts("column %s of type %s has a value of kind %T", c.name, c.dataType, v) }
	switch c.dataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit", "enum", "set":
		return c.integer(v, odd)
	case "decimal":
		text, ok := v.(string)
		if !ok || !decimalText.MatchString(text) {
			return "", odd()
		}
		return text, nil
	case "float", "double":
		switch f := v.(type) {
		case float32:
			return strconv.FormatFloat(float64(f), 'e', -1, 64), nil
		case float64:
			return strconv.FormatFloat(f, 'e', -1, 64), nil
		}
		return "", odd()
	case "date", "time", "datetime", "timestamp":
		text, ok := v.(string)
		if !ok || !timeText.MatchString(text) {
			return "", odd()
		}
		return "'" + text + "'", nil
	}
	var raw []byte
	switch s := v.(type) {
	case string:
		raw = []byte(s)
	case []byte:
		raw = s
	default:
		return "", odd()
	}
	for len(raw) < c.width { // the event has no zero bytes at the end
		raw = append(raw, 0)
	}
	text := "X'" + hex.EncodeToString(raw) + "'"
	if c.dataType == "json" {
		return "CAST(_utf8mb4 " + text + " AS JSON)", nil
	}
	if c.charset != "" {
		text = "_" + c.charset + " " + text + " COLLATE " + c.collation
	}
	return text, nil
}

// integer reads a number. The event does not say whether it has a sign; the column does.
func (c replayColumn) integer(v any, odd func() error) (string, error) {
	unsigned := strings.Contains(c.columnType, "unsigned") || c.dataType == "bit" || c.dataType == "set" || c.dataType == "enum" || c.dataType == "year"
	switch n := v.(type) {
	case int8:
		if unsigned {
			return strconv.FormatUint(uint64(uint8(n)), 10), nil //nolint:gosec // the bits are meant
		}
		return strconv.FormatInt(int64(n), 10), nil
	case int16:
		if unsigned {
			return strconv.FormatUint(uint64(uint16(n)), 10), nil //nolint:gosec // the bits are meant
		}
		return strconv.FormatInt(int64(n), 10), nil
	case int32:
		if unsigned && c.dataType == "mediumint" {
			return strconv.FormatUint(uint64(uint32(n)&0xffffff), 10), nil //nolint:gosec // the bits are meant
		}
		if unsigned {
			return strconv.FormatUint(uint64(uint32(n)), 10), nil //nolint:gosec // the bits are meant
		}
		return strconv.FormatInt(int64(n), 10), nil
	case int64:
		if unsigned {
			return strconv.FormatUint(uint64(n), 10), nil //nolint:gosec // the bits are meant
		}
		return strconv.FormatInt(n, 10), nil
	case int:
		return strconv.Itoa(n), nil
	case uint8, uint16, uint32, uint64:
		return fmt.Sprint(n), nil
	}
	return "", odd()
}

// equals returns the condition that a column has that very value: of text its bytes, not
// what a collation takes for equal.
func (c replayColumn) equals(v any, literal string) string {
	name := identifier(c.name)
	switch {
	case v == nil:
		return name + " IS NULL"
	case c.dataType == "enum" || c.dataType == "set" || c.dataType == "bit":
		return name + "+0=" + literal
	case c.charset != "":
		return "HEX(" + name + ")=HEX(" + literal + ")"
	}
	return name + "=" + literal
}
