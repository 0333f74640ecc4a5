package autoinc

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// Column is one AUTO_INCREMENT column, as a server shows it. The zero value is a
// column that has no room.
type Column struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Column string `json:"column"`
	Type   string `json:"type"` // as declared, such as "int(10) unsigned"
	Max    uint64 `json:"max"`  // the largest value that the type holds
	Next   uint64 `json:"next"` // the next value is this or larger
}

// Name returns schema.table.column.
func (c Column) Name() string { return c.Schema + "." + c.Table + "." + c.Column }

// MaxOf returns the largest value of a column's type, as the servers write types
// in information_schema.COLUMNS ("int(10) unsigned", "bigint"); false for a type
// that has no AUTO_INCREMENT (MySQL 9.7 manual, 13.1.2: integer types). FLOAT and
// DOUBLE, which MariaDB takes, count as far as they tell neighbours apart.
func MaxOf(columnType string) (uint64, bool) {
	words := strings.FieldsFunc(strings.ToLower(columnType), func(r rune) bool { return r == ' ' || r == '(' })
	if len(words) == 0 {
		return 0, false
	}
	bits := map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}[words[0]]
	switch {
	case words[0] == "float":
		return 1 << 24, true
	case words[0] == "double":
		return 1 << 53, true
	case bits == 0:
		return 0, false
	case !slices.Contains(words, "unsigned"):
		bits--
	}
	return math.MaxUint64 >> (64 - bits), true
}

// Used returns which share of the column's key space is gone, 0 to 1. At any
// stride that is the share of the values below the next one: the values of other
// slots that were passed by do not come back.
func (c Column) Used() float64 {
	if c.Max == 0 || c.Next > c.Max {
		return 1
	}
	return float64(max(c.Next, 1)-1) / float64(c.Max)
}

// Left returns how many values of layout l are left: those from next on, up to and
// with max. It is 0 for a layout that is not valid.
func (c Column) Left(l Layout) uint64 {
	e := l.Effective()
	if e.Validate() != nil {
		return 0
	}
	first := uint64(e.Offset)
	if c.Next > first {
		stride := uint64(e.Stride)
		steps := (c.Next - first) / stride
		if (c.Next-first)%stride != 0 {
			steps++
		}
		if steps > (math.MaxUint64-first)/stride {
			return 0
		}
		first += steps * stride
	}
	if first > c.Max {
		return 0
	}
	return (c.Max-first)/uint64(e.Stride) + 1
}

// Runway returns how long the key space of a column lasts at rate rows per second
// that are all given out by l. It returns 0 if nothing is left, and
// math.MaxInt64 (292 years) if rate is not positive, or if it lasts longer.
func Runway(c Column, l Layout, rate float64) time.Duration {
	left := c.Left(l)
	if left == 0 {
		return 0
	}
	if !(rate > 0) { // not a number counts as none
		return math.MaxInt64
	}
	seconds := float64(left) / rate
	if seconds >= float64(math.MaxInt64)/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds * float64(time.Second))
}

// HeadroomLevel is how urgent the shortage of keys is.
type HeadroomLevel uint8

// The levels. A column at HeadroomFull has no further value.
const (
	HeadroomFine   HeadroomLevel = iota
	HeadroomWatch                // 70 % are used
	HeadroomAct                  // 85 %
	HeadroomUrgent               // 95 %
	HeadroomFull
)

// String returns the level in one word.
func (h HeadroomLevel) String() string {
	return [...]string{"fine", "watch", "act", "urgent", "full"}[min(h, HeadroomFull)]
}

// Level returns how urgent it is for a member that gives out by l.
func (c Column) Level(l Layout) HeadroomLevel {
	used := c.Used()
	switch {
	case c.Left(l) == 0:
		return HeadroomFull
	case used >= 0.95:
		return HeadroomUrgent
	case used >= 0.85:
		return HeadroomAct
	case used >= 0.70:
		return HeadroomWatch
	}
	return HeadroomFine
}

// Compare orders columns for people: what is used most first, ties by name.
func (c Column) Compare(other Column) int {
	return cmp.Or(cmp.Compare(other.Used(), c.Used()), cmp.Compare(c.Name(), other.Name()))
}
