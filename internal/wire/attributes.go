package wire

import "strings"

// Since MySQL 8.0.23 a statement may carry named values (MySQL manual, "Query
// Attributes"). On a connection with QueryAttributes they stand in front of every
// COM_QUERY's text, their number first, which mostly is 0; and among the parameters
// of a COM_STMT_EXECUTE.

// noAttributes stands in front of a statement without attributes: none of them, in
// one set.
const noAttributes = "\x00\x01"

// WithoutAttributes returns a command as it goes over a connection with
// QueryAttributes: a COM_QUERY with none, other commands as they are.
func WithoutAttributes(command []byte) []byte {
	if len(command) == 0 || Command(command[0]) != ComQuery {
		return command
	}
	whole := make([]byte, 0, len(command)+len(noAttributes))
	return append(append(append(whole, command[0]), noAttributes...), command[1:]...)
}

// The types of values that do not say their length, and those that do (MySQL
// manual, "Column Type Definition"). From JSON up all do.
const (
	typeDecimal   = 0x00
	typeTiny      = 0x01
	typeShort     = 0x02
	typeLong      = 0x03
	typeFloat     = 0x04
	typeDouble    = 0x05
	typeNull      = 0x06
	typeTimestamp = 0x07
	typeLonglong  = 0x08
	typeInt24     = 0x09
	typeDate      = 0x0A
	typeTime      = 0x0B
	typeDatetime  = 0x0C
	typeYear      = 0x0D
	typeVarchar   = 0x0F
	typeBit       = 0x10
	typeJSON      = 0xF5
	typeBlob      = 0xFC
	typeVarString = 0xFD
	typeString    = 0xFE
)

// Attributes returns how many bytes of the payload of a COM_QUERY, the command's
// byte aside, stand before its statement on a connection with QueryAttributes. ok is
// false if that can not be said: they are malformed, of an unknown type, or payload
// is only their beginning.
func Attributes(payload []byte) (size int, ok bool) {
	r := NewReader(payload)
	n, sets := r.Uint(), r.Uint()
	switch {
	case r.Bad() || sets != 1 || n > uint64(len(payload)):
		return 0, false
	case n == 0:
		return len(payload) - r.Len(), true
	}
	nulls := r.Take(int(n+7) / 8)
	if r.Byte() != 1 { // their types have to follow, there is no time before
		return 0, false
	}
	types := make([]byte, 0, min(n, 64))
	for range n {
		types = append(types, byte(r.Uint16()))
		r.Bytes() // name
		if r.Bad() {
			return 0, false
		}
	}
	for i, t := range types {
		if nulls[i/8]&(1<<(i%8)) == 0 && !r.value(t) {
			return 0, false
		}
	}
	return len(payload) - r.Len(), !r.Bad()
}

// Attribute is what a command says under one name.
type Attribute struct {
	Text  string
	There bool // it says something
	// Unread says that what it says can not be told: it is no text, said twice, cut short, or
	// behind values of which nobody can say how long they are.
	Unread bool
}

// QueryAttribute returns the attribute with a name, in whatever case, that stands in front
// of the statement of a COM_QUERY, of whose payload Attributes could say where that begins.
func QueryAttribute(payload []byte, name string) Attribute {
	r := NewReader(payload)
	n, _ := r.Uint(), r.Uint()
	if n == 0 || n > uint64(len(payload)) {
		return Attribute{Unread: r.Bad()}
	}
	nulls := r.Take(int(n+7) / 8)
	r.Byte() // types follow
	return r.attribute(n, 0, nulls, name)
}

// Attribute returns the attribute with a name, in whatever case, of the execution that b
// was read from, of a statement with so many parameters. Values of parameters that were
// sent ahead are not there: ahead says that there may be some.
func (b *Binding) Attribute(payload []byte, parameters uint16, ahead bool, name string) Attribute {
	if b.Count <= uint64(parameters) {
		return Attribute{}
	}
	size := int(b.Count+7) / 8
	if !b.Bound || b.At < 1+size || b.At > len(payload) { // their names were said before, if at all
		return Attribute{Unread: true}
	}
	r := NewReader(payload[b.At:])
	a := r.attribute(b.Count, uint64(parameters), payload[b.At-1-size:b.At-1], name)
	if a.There && ahead {
		a.Unread = true
	}
	return a
}

// attribute finds a value by its name among n, those before from aside. r stands where the
// types and names begin; nulls says which have no value.
func (r *Reader) attribute(n, from uint64, nulls []byte, name string) Attribute {
	types, at := make([]byte, 0, min(n, 64)), -1
	for i := range n {
		types = append(types, byte(r.Uint16()))
		called := r.Bytes()
		if r.Bad() {
			return Attribute{Unread: true}
		}
		if i < from || !strings.EqualFold(string(called), name) {
			continue
		}
		if at >= 0 {
			return Attribute{There: true, Unread: true}
		}
		at = int(i)
	}
	if at < 0 {
		return Attribute{}
	}
	isNull := func(i int) bool { return i/8 >= len(nulls) || nulls[i/8]&(1<<(i%8)) != 0 }
	for i := range at {
		if !isNull(i) && !r.value(types[i]) {
			return Attribute{There: true, Unread: true}
		}
	}
	const firstBlob = 0xF9 // TINY_BLOB, up to STRING
	if t := types[at]; isNull(at) || t != typeVarchar && (t < firstBlob || t > typeString) {
		return Attribute{There: true, Unread: true}
	}
	text := string(r.Bytes())
	return Attribute{Text: text, There: true, Unread: r.Bad()}
}

// value takes a value of a type in the binary protocol. It reports false if it does
// not know the type.
func (r *Reader) value(t byte) bool {
	switch t {
	case typeNull:
	case typeTiny:
		r.Take(1)
	case typeShort, typeYear:
		r.Take(2)
	case typeLong, typeInt24, typeFloat:
		r.Take(4)
	case typeLonglong, typeDouble:
		r.Take(8)
	case typeDate, typeTime, typeDatetime, typeTimestamp:
		r.Take(int(r.Byte()))
	default:
		if t != typeDecimal && t != typeVarchar && t != typeBit && t < typeJSON {
			return false
		}
		r.Bytes()
	}
	return true
}
