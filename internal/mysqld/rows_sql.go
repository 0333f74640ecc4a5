package mysqld

import (
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// The statements that read and write rows for a comparison. Nothing depends on the
// character set of the connection: texts are compared by the digest of their bytes, and
// written as hexadecimal with the character set of their column. Times are in UTC: see
// [Comparer]. CONCAT gives NULL beyond max_allowed_packet, so what may be long is
// digested before.

// valueExpr is what the server gives for a value: see rowcheck.Kind.
func valueExpr(c rowcheck.Column) string {
	name := identifier(c.Name)
	switch c.Kind {
	case rowcheck.KindFloat:
		return "CAST(" + name + " AS DOUBLE)"
	case rowcheck.KindQuoted:
		return "CAST(" + name + " AS CHAR)"
	case rowcheck.KindText, rowcheck.KindBinary:
		return "HEX(" + name + ")"
	case rowcheck.KindJSON:
		return "HEX(CAST(" + name + " AS CHAR CHARACTER SET utf8mb4))"
	case rowcheck.KindGeometry:
		return "CONCAT(ST_SRID(" + name + "), ':', HEX(ST_AsWKB(" + name + ")))"
	case rowcheck.KindNumber:
	}
	if c.ByNumber {
		return "CAST(" + name + "+0 AS UNSIGNED)"
	}
	return "CAST(" + name + " AS CHAR)"
}

// sizeExpr tells NULL from a value, and how long a text is, so that one that the server
// cuts off, or can not give, is noticed.
func sizeExpr(c rowcheck.Column) string {
	name := identifier(c.Name)
	if c.Kind == rowcheck.KindText || c.Kind == rowcheck.KindBinary {
		return fmt.Sprintf("IFNULL(OCTET_LENGTH(%s), 'N')", name)
	}
	return fmt.Sprintf("IF(%s IS NULL, 'N', 'Y')", name)
}

// digestExpr is the digest of a row: each value with its length before it, so that no two
// rows give one text.
func digestExpr(t rowcheck.Table) string {
	var parts []string
	for _, c := range t.Compared() {
		name, value := identifier(c.Name), valueExpr(c)
		switch c.Kind {
		case rowcheck.KindText, rowcheck.KindBinary:
			value = hashed(t, name)
		case rowcheck.KindJSON:
			value = hashed(t, "CAST("+name+" AS CHAR CHARACTER SET utf8mb4)")
		case rowcheck.KindGeometry:
			value = "CONCAT(ST_SRID(" + name + "), ':', " + hashed(t, "ST_AsWKB("+name+")") + ")"
		case rowcheck.KindNumber, rowcheck.KindFloat, rowcheck.KindQuoted:
		}
		parts = append(parts, fmt.Sprintf("IF(%s IS NULL, '-', CONCAT(OCTET_LENGTH(%s), ':', %s))", name, value, value))
	}
	return hashed(t, "CONCAT("+strings.Join(parts, ", ")+")")
}

// hashed is the digest of an expression's bytes. MD5 is twice as fast where it is there.
func hashed(t rowcheck.Table, expression string) string {
	if t.SHA2 {
		return "SHA2(" + expression + ", 256)"
	}
	return "MD5(" + expression + ")"
}

// literal writes a value so that the server reads the same one.
func literal(c rowcheck.Column, v rowcheck.Value) string {
	if v.Null {
		return "NULL"
	}
	switch c.Kind {
	case rowcheck.KindQuoted:
		return quote(v.Text)
	case rowcheck.KindText:
		return fmt.Sprintf("_%s X'%s'", c.Charset, v.Text)
	case rowcheck.KindBinary:
		return "X'" + v.Text + "'"
	case rowcheck.KindJSON:
		return fmt.Sprintf("CAST(CONVERT(X'%s' USING utf8mb4) AS JSON)", v.Text)
	case rowcheck.KindGeometry:
		srid, wkb, _ := strings.Cut(v.Text, ":")
		return fmt.Sprintf("ST_GeomFromWKB(X'%s', %s)", wkb, srid)
	case rowcheck.KindFloat:
		if !strings.ContainsAny(v.Text, "eE") {
			return v.Text + "e0" // else it is read as DECIMAL
		}
	case rowcheck.KindNumber:
	}
	return v.Text
}

// keyLiteral is literal for comparing, in the collation of the column.
func keyLiteral(c rowcheck.Column, value string) string {
	text := literal(c, rowcheck.Value{Text: value})
	if c.Kind == rowcheck.KindText {
		return text + " COLLATE " + c.Collation
	}
	return text
}

func keyColumns(t rowcheck.Table) []rowcheck.Column {
	columns := make([]rowcheck.Column, len(t.Key))
	for i, at := range t.Key {
		columns[i] = t.Columns[at]
	}
	return columns
}

func keyNames(t rowcheck.Table) string {
	var names []string
	for _, c := range keyColumns(t) {
		names = append(names, identifier(c.Name))
	}
	return strings.Join(names, ", ")
}

// beyond compares the key with a bound, spelled out so that servers use the index:
// a>=1 AND (a>1 OR (a=1 AND (b>2))).
func beyond(t rowcheck.Table, bound rowcheck.Key, strict, last string) string {
	columns := keyColumns(t)
	text := ""
	for i := len(columns) - 1; i >= 0; i-- {
		name, value := identifier(columns[i].Name), keyLiteral(columns[i], bound[i])
		if text == "" {
			text = fmt.Sprintf("%s%s%s", name, last, value)
		} else {
			text = fmt.Sprintf("(%s%s%s OR (%s=%s AND %s))", name, strict, value, name, value, text)
		}
	}
	first := columns[0]
	return fmt.Sprintf("%s%s=%s AND %s", identifier(first.Name), strict, keyLiteral(first, bound[0]), text)
}

// within is the condition of a range; TRUE for a whole table.
func within(t rowcheck.Table, r rowcheck.Range) string {
	var conditions []string
	if r.After != nil {
		conditions = append(conditions, beyond(t, r.After, ">", ">"))
	}
	if r.Upto != nil {
		conditions = append(conditions, beyond(t, r.Upto, "<", "<="))
	}
	if len(conditions) == 0 {
		return "TRUE"
	}
	return strings.Join(conditions, " AND ")
}

// among is the condition of single rows; of a table without a key, of their digests.
func among(t rowcheck.Table, keys []rowcheck.Key) string {
	conditions := make([]string, len(keys))
	for i, key := range keys {
		if len(t.Key) == 0 {
			conditions[i] = digestExpr(t) + "=" + quote(key[0])
			continue
		}
		parts := make([]string, len(key))
		for j, c := range keyColumns(t) {
			parts[j] = identifier(c.Name) + "=" + keyLiteral(c, key[j])
		}
		conditions[i] = "(" + strings.Join(parts, " AND ") + ")"
	}
	return strings.Join(conditions, " OR ")
}

func from(t rowcheck.Table) string {
	name := identifier(t.Schema) + "." + identifier(t.Name)
	if t.Index == "" {
		return name
	}
	return name + " FORCE INDEX (" + identifier(t.Index) + ")"
}

// sumStatement digests a range: how many rows, the XOR of both halves of their digests,
// and a sum, since doubled rows vanish from a XOR.
func sumStatement(t rowcheck.Table, r rowcheck.Range) string {
	half := func(of string) string { return "CAST(CONV(" + of + ", 16, 10) AS UNSIGNED)" }
	return fmt.Sprintf("SELECT COUNT(*), CONCAT_WS('-', COUNT(*), BIT_XOR(%s), BIT_XOR(%s), IFNULL(SUM(%s), 0)) FROM (SELECT %s AS h FROM %s WHERE %s) AS chunk",
		half("LEFT(h, 16)"), half("RIGHT(h, 16)"), half("LEFT(h, 8)"), digestExpr(t), from(t), within(t, r))
}

// rowsStatement lists keys and digests; of a table without a key, digests and how many
// rows have each.
func rowsStatement(t rowcheck.Table, condition string, limit int) string {
	if len(t.Key) == 0 {
		return fmt.Sprintf("SELECT %s AS h, COUNT(*) FROM %s WHERE %s GROUP BY h ORDER BY h LIMIT %d", digestExpr(t), from(t), condition, limit)
	}
	return fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s ORDER BY %s LIMIT %d", keyValues(t), digestExpr(t), from(t), condition, keyNames(t), limit)
}

func keyValues(t rowcheck.Table) string {
	var values []string
	for _, c := range keyColumns(t) {
		values = append(values, valueExpr(c))
	}
	return strings.Join(values, ", ")
}

// boundStatement finds the key of the last of the next n rows.
func boundStatement(t rowcheck.Table, r rowcheck.Range, n int) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT 1 OFFSET %d", keyValues(t), from(t), within(t, r), keyNames(t), n-1)
}

// valuesStatement reads the values of one row, with the size of each before it.
func valuesStatement(t rowcheck.Table, key rowcheck.Key) string {
	var values []string
	for _, c := range t.Compared() {
		values = append(values, sizeExpr(c), valueExpr(c))
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s LIMIT 2", strings.Join(values, ", "), from(t), among(t, []rowcheck.Key{key}))
}

// writeStatement makes a row have these values; nil: not be there. exists says whether it
// is there now.
func writeStatement(t rowcheck.Table, key rowcheck.Key, values []rowcheck.Value, exists bool) string {
	name := identifier(t.Schema) + "." + identifier(t.Name)
	where := among(t, []rowcheck.Key{key})
	if values == nil {
		return fmt.Sprintf("DELETE FROM %s WHERE %s", name, where)
	}
	var names, literals, sets []string
	for i, c := range t.Compared() {
		if c.Generated {
			continue
		}
		text := literal(c, values[i])
		names, literals = append(names, identifier(c.Name)), append(literals, text)
		sets = append(sets, identifier(c.Name)+"="+text)
	}
	if exists {
		return fmt.Sprintf("UPDATE %s SET %s WHERE %s", name, strings.Join(sets, ", "), where)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", name, strings.Join(names, ", "), strings.Join(literals, ", "))
}
