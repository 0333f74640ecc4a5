package balancer

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"
)

// Comparison is how a column compares its values, as far as it has to be known to tell
// whether two statements are about one row.
type Comparison uint8

// The comparisons. The zero value is that of a column of which nothing is to be said.
const (
	CompareUnknown Comparison = iota // times, decimals, floating point: two texts may be one value
	CompareInteger                   // integers
	CompareBytes                     // binary strings, and collations that tell everything apart (…_bin, …_cs)
	CompareFolded                    // collations that do not tell upper from lower case, nor accents
	CompareCased                     // collations that tell upper from lower case only, or accents only
	CompareDate                      // dates, of which only the usual way to write one is known: 2026-01-31
)

// KeyColumn is a column of a unique key.
type KeyColumn struct {
	Name    string
	Compare Comparison
}

// UniqueKey is a key of which no two rows have the same.
type UniqueKey struct{ Columns []KeyColumn }

// ComparisonOf returns how a column of a type with a collation compares, by their names in
// information_schema.columns (DATA_TYPE, COLLATION_NAME).
func ComparisonOf(dataType, collation string) Comparison {
	switch strings.ToLower(dataType) {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return CompareInteger
	case "binary", "varbinary":
		return CompareBytes
	case "date":
		return CompareDate
	case "char", "varchar", "enum", "tinytext", "text", "mediumtext", "longtext":
	default:
		return CompareUnknown
	}
	collation = strings.ToLower(collation)
	switch {
	case collation == "binary" || strings.HasSuffix(collation, "_bin") || strings.HasSuffix(collation, "_as_cs"):
		return CompareBytes
	case strings.HasSuffix(collation, "_cs"):
		return CompareCased
	}
	return CompareFolded
}

// AppendComparable appends a value in a form that is equal for all that the column takes
// for equal, or ok is false: it is not known which that are. It may be equal for some that
// the column tells apart (padding, signs, letters that have no simple form), so it is for
// keeping statements apart in time, not for telling rows.
func AppendComparable(dst, value []byte, c Comparison) (out []byte, ok bool) {
	switch c {
	case CompareInteger:
		v := bytes.Trim(value, " \t")
		v = bytes.TrimLeft(v, "+")
		digits := bytes.TrimLeft(bytes.TrimPrefix(v, []byte("-")), "0")
		for _, d := range digits {
			if d < '0' || d > '9' {
				return dst, false
			}
		}
		if len(v) == 0 || len(v) > 30 {
			return dst, false
		}
		return append(dst, digits...), true
	case CompareBytes:
		return append(dst, bytes.TrimRight(value, " ")...), true
	case CompareFolded, CompareCased:
		return appendFolded(dst, bytes.TrimRight(value, " ")), true
	case CompareDate:
		if len(value) != len(time.DateOnly) {
			return dst, false
		}
		for i, c := range value {
			if dash := i == 4 || i == 7; dash != (c == '-') || !dash && !isDigit(c) {
				return dst, false
			}
		}
		return append(dst, value...), true
	case CompareUnknown:
	}
	return dst, false
}

// plain are the letters from U+00C0 on without accents, in lower case.
const plain = "aaaaaaaceeeeiiiidnooooo*ouuuuyts" + "aaaaaaaceeeeiiiidnooooo/ouuuuyty"

// appendFolded appends text without case and without the accents of Latin letters.
func appendFolded(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r >= 'A' && r <= 'Z':
			dst = append(dst, byte(r)+'a'-'A')
		case r >= 0xC0 && r <= 0xFF:
			dst = append(dst, plain[r-0xC0])
		case r == utf8.RuneError:
			dst = append(dst, text[:n]...)
		default:
			dst = append(dst, bytes.ToLower(text[:n])...)
		}
		text = text[n:]
	}
	return dst
}

// Literal returns the value that a literal of a statement's text stands for: a number's
// digits, or what is between the quotes of a string. ok is false for what is neither, or
// has escapes in it.
func Literal(text []byte) (value []byte, ok bool) {
	if len(text) == 0 {
		return nil, false
	}
	switch q := text[0]; {
	case q >= '0' && q <= '9':
		return text, !bytes.ContainsAny(text, "xXbB.eE")
	case q == '\'' || q == '"':
		if len(text) < 2 || text[len(text)-1] != q {
			return nil, false
		}
		value = text[1 : len(text)-1]
		return value, bytes.IndexByte(value, '\\') < 0 && bytes.IndexByte(value, q) < 0
	}
	return nil, false
}
