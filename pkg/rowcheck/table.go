package rowcheck

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is how a column's values are compared, shown and written.
type Kind uint8

// The kinds. A value of a column is the text that the server gives for it: for KindText,
// KindBinary, KindJSON and KindGeometry the hexadecimal of its bytes.
const (
	KindNumber   Kind = iota // integers and decimals, ENUM, SET and BIT by their numbers
	KindFloat                // as DOUBLE, in the shortest form that reads back the same
	KindQuoted               // times, UUID, INET: a text that the server reads back
	KindText                 // bytes in the column's character set
	KindBinary               // bytes
	KindJSON                 // MySQL's own type: its text
	KindGeometry             // SRID:WKB
)

// Column is one that is stored, or virtual.
type Column struct {
	Name      string
	Type      string // as the server writes it: "varchar(20)"
	Charset   string // of KindText
	Collation string // of KindText
	Kind      Kind
	ByNumber  bool // ENUM, SET, BIT: the number is asked for
	Nullable  bool
	Generated bool // it follows from other columns: compared if it is stored, and never written
	Virtual   bool // it is not stored: left out
}

// KindOf returns how values of a data type (DATA_TYPE of information_schema) are dealt
// with. mysql: JSON is a type of its own there, in MariaDB it is a text.
func KindOf(dataType string, mysql bool) (kind Kind, byNumber bool) {
	switch strings.ToLower(dataType) {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year":
		return KindNumber, false
	case "enum", "set", "bit":
		return KindNumber, true
	case "float", "double":
		return KindFloat, false
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return KindText, false
	case "json":
		if mysql {
			return KindJSON, false
		}
		return KindText, false
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector":
		return KindBinary, false
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		return KindGeometry, false
	}
	return KindQuoted, false
}

// Table is what a comparison has to know of a table.
type Table struct {
	Schema, Name string
	Columns      []Column // in the order of the table
	Key          []int    // indexes of the columns of its key, in the key's order; none: it has no key
	Index        string   // the key's name: PRIMARY, or a unique key without NULL
	Rows         uint64   // about how many, as the server estimates
	Definition   string   // equal for equal tables
	Triggers     bool     // it has triggers: rows can not be written without running them
	Unfit        string   // why it is not compared; empty: it is
	SHA2         bool     // digests are SHA-256, not MD5, which MySQL has no more from 9.6 on
}

// FullName is schema.table.
func (t Table) FullName() string { return t.Schema + "." + t.Name }

// Compared returns the columns whose values are compared.
func (t Table) Compared() []Column {
	var columns []Column
	for _, c := range t.Columns {
		if !c.Virtual {
			columns = append(columns, c)
		}
	}
	return columns
}

// Key is the values of a key's columns.
type Key []string

// ID returns a text that no other key of the table has.
func (k Key) ID() string {
	quoted := make([]string, len(k))
	for i, v := range k {
		quoted[i] = strconv.Quote(v)
	}
	return strings.Join(quoted, ",")
}

// Range is the rows after After, up to Upto, by the table's key. A nil bound is none.
type Range struct {
	After Key `json:"after,omitempty"`
	Upto  Key `json:"upto,omitempty"`
}

// Value is a value of one column; the zero value is an empty text.
type Value struct {
	Text string
	Null bool
}

// maxShown is how many bytes of a value are shown.
const maxShown = 200

// Show returns a value for people, on one line and of bounded length.
func (c Column) Show(v Value) string {
	if v.Null {
		return "NULL"
	}
	switch c.Kind {
	case KindText, KindJSON:
		raw, ok := unhex(v.Text)
		if ok && utf8.ValidString(raw) {
			return strconv.Quote(cut(raw))
		}
		return "0x" + cut(v.Text)
	case KindBinary:
		return "0x" + cut(v.Text)
	case KindQuoted:
		return strconv.Quote(cut(v.Text))
	case KindNumber, KindFloat, KindGeometry:
	}
	return cut(v.Text)
}

func cut(text string) string {
	if len(text) <= maxShown {
		return text
	}
	end := maxShown
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:end], len(text))
}

func unhex(text string) (string, bool) {
	if len(text)%2 != 0 {
		return "", false
	}
	b := make([]byte, len(text)/2)
	for i := range b {
		n, err := strconv.ParseUint(text[2*i:2*i+2], 16, 8)
		if err != nil {
			return "", false
		}
		b[i] = byte(n)
	}
	return string(b), true
}

// ShowKey returns a key for people: "id=7, lang="en"".
func (t Table) ShowKey(k Key) string {
	parts := make([]string, 0, len(k))
	for i, column := range t.Key {
		if i < len(k) {
			c := t.Columns[column]
			parts = append(parts, c.Name+"="+c.Show(Value{Text: k[i]}))
		}
	}
	return strings.Join(parts, ", ")
}
