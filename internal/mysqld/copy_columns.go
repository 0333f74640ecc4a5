package mysqld

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// writing is how a value is written as SQL.
type writing uint8

const (
	asNumber writing = iota // digits
	asBytes                 // quoted, byte for byte
	asLatin                 // quoted text of a type that would take bytes for its inner form
	asUTF8                  // the same, of a type that may hold any character
)

// column is how one column of a table is copied.
type column struct {
	name    string
	charset string
	read    string // the expression that is selected
	sum     string // the expression that is compared
	write   writing
	ordered bool // rows can be read in the order of its values, from one value on
}

// columnOf says how a type is copied so that nothing of it is lost: text that is
// sent for a FLOAT has six digits, an ENUM or SET may hold what its text does not
// tell, bits are bytes.
func columnOf(called, dataType, charset string) column {
	quoted := name(called)
	c := column{name: called, charset: charset, read: quoted, sum: quoted, write: asBytes, ordered: true}
	switch dataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal":
		c.write = asNumber
	case "float", "double":
		c.read = "CAST(" + quoted + " AS DOUBLE)"
		c.sum, c.write, c.ordered = c.read, asNumber, false
	case "bit", "enum", "set", "year":
		c.read = quoted + "+0"
		c.sum, c.write, c.ordered = c.read, asNumber, false
	case "uuid", "inet4", "inet6":
		c.write = asLatin
	case "json": // of MySQL; MariaDB calls its own a text
		c.sum, c.write, c.ordered = "CRC32("+quoted+")", asUTF8, false
	case "vector":
		c.sum, c.ordered = "CRC32(HEX("+quoted+"))", false
	case "date", "time", "datetime", "timestamp":
	case "char", "varchar", "binary", "varbinary":
		c.sum = "CRC32(" + quoted + ")"
	default: // texts, blobs, geometries, and what comes with later releases
		c.sum, c.ordered = "CRC32("+quoted+")", false
	}
	return c
}

// shape is how a table is copied.
type shape struct {
	object

	columns []column
	key     []int // columns of the primary key, if rows can be read in its order
}

// readShape asks for the columns; those that the server computes are left out: it
// computes them again.
func (s *snapshot) readShape(ctx context.Context, o object) (shape, error) {
	t, err := s.look.query(ctx, `SELECT column_name, data_type, IFNULL(character_set_name,''), `+s.look.copying().generated+` FROM information_schema.columns
		WHERE table_schema=`+quote(o.schema)+` AND table_name=`+quote(o.name)+` ORDER BY ordinal_position`)
	if err != nil {
		return shape{}, err
	}
	sh := shape{object: o}
	for _, row := range t.rows {
		if row[3] != "1" {
			sh.columns = append(sh.columns, columnOf(row[0], strings.ToLower(row[1]), row[2]))
		}
	}
	if len(sh.columns) == 0 {
		return shape{}, person("every column of %s is computed: there is nothing to copy it by", o.full())
	}
	k, err := s.look.query(ctx, `SELECT column_name, sub_part IS NULL AND collation='A' FROM information_schema.statistics
		WHERE table_schema=`+quote(o.schema)+` AND table_name=`+quote(o.name)+` AND index_name='PRIMARY' ORDER BY seq_in_index`)
	if err != nil {
		return shape{}, err
	}
	for _, row := range k.rows {
		i := slices.IndexFunc(sh.columns, func(c column) bool { return c.name == row[0] })
		if i < 0 || !sh.columns[i].ordered || row[1] != "1" {
			sh.key = nil
			break
		}
		sh.key = append(sh.key, i)
	}
	return sh, nil
}

func (s shape) reads() string {
	var b []string
	for _, c := range s.columns {
		b = append(b, c.read)
	}
	return strings.Join(b, ",")
}

func (s shape) into() string {
	var b []string
	for _, c := range s.columns {
		b = append(b, name(c.name))
	}
	return "INSERT INTO " + s.full() + " (" + strings.Join(b, ",") + ") VALUES "
}

// sums is what two servers that hold the same rows answer alike, in whatever order:
// how many there are, and two foldings of a checksum of each.
func (s shape) sums() string {
	var values, nulls []string
	for _, c := range s.columns {
		values, nulls = append(values, c.sum), append(nulls, "ISNULL("+name(c.name)+")")
	}
	row := "CRC32(CONCAT_WS('#'," + strings.Join(values, ",") + ",CONCAT(" + strings.Join(nulls, ",") + ")))"
	return "COUNT(*), IFNULL(BIT_XOR(" + row + "),0), IFNULL(SUM(" + row + "),0)"
}

// beyond is the condition for the rows after a place in the order of the key: "" is
// the beginning. With upTo it is the one for those up to it.
func (s shape) beyond(place []string, upTo bool) string {
	if len(place) == 0 {
		return ""
	}
	sign, last := ">", ">"
	if upTo {
		sign, last = "<", "<="
	}
	text := ""
	for i := len(s.key) - 1; i >= 0; i-- {
		column := name(s.columns[s.key[i]].name)
		if text == "" {
			text = column + last + place[i]
			continue
		}
		text = fmt.Sprintf("%[1]s%[2]s=%[3]s AND (%[1]s%[2]s%[3]s OR %[4]s)", column, sign, place[i], text)
	}
	return text
}

// place writes the key of a row as literals that its columns compare with in their
// own order.
func (s shape) place(values []driver.Value) []string {
	place := make([]string, len(s.key))
	for i, k := range s.key {
		c, v := s.columns[k], values[k]
		text, isBytes := v.([]byte)
		if c.charset != "" && isBytes {
			place[i] = "_" + c.charset + " X'" + hex.EncodeToString(text) + "'"
			continue
		}
		place[i] = string(appendLiteral(nil, v, c.write))
	}
	return place
}

// appendLiteral writes a value as SQL, for a session whose charset is binary.
func appendLiteral(b []byte, v driver.Value, as writing) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "NULL"...)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case float64:
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	case float32: // of a server that sends one for a DOUBLE there is none
		return strconv.AppendFloat(b, float64(v), 'e', -1, 32)
	case []byte:
		if as == asNumber {
			return append(b, v...)
		}
		return appendQuoted(b, v, as)
	case string:
		return appendQuoted(b, []byte(v), as)
	}
	return append(b, fmt.Sprint(v)...)
}

func appendQuoted(b, text []byte, as writing) []byte {
	switch as {
	case asLatin:
		b = append(b, "_latin1"...)
	case asUTF8:
		b = append(b, "_utf8mb4"...)
	case asNumber, asBytes:
	}
	b = append(b, '\'')
	for _, c := range text {
		switch c {
		case '\'', '\\':
			b = append(b, '\\', c)
		case 0:
			b = append(b, '\\', '0')
		default:
			b = append(b, c)
		}
	}
	return append(b, '\'')
}
