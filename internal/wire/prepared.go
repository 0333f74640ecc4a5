package wire

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// Prepared is what a server says of a statement that it has prepared.
type Prepared struct {
	ID         uint32
	Columns    uint16
	Parameters uint16
	Bare       bool // the definitions of both do not follow
}

// LastPrepared is the id by which MariaDB lets a client name the statement that
// it prepared last, before it knows its id (MariaDB manual, "COM_STMT_EXECUTE").
const LastPrepared = 1<<32 - 1

// ParsePrepared reads the head of the response to COM_STMT_PREPARE: header, id,
// columns, parameters (protocol manual, "COM_STMT_PREPARE_OK").
func ParsePrepared(payload []byte, p *Prepared) error {
	f := NewReader(payload)
	header, id := f.Byte(), f.Uint32()
	*p = Prepared{ID: id, Columns: f.Uint16(), Parameters: f.Uint16()}
	if f.Bad() || header != headerOK {
		return fmt.Errorf("%w: prepared statement", ErrMalformed)
	}
	if f.Take(1 + 2); f.Len() > 0 { // filler, warnings; what follows is there with OptionalMetadata alone
		p.Bare = f.Byte() == 0
	}
	return nil
}

// putID writes the id into a head that ParsePrepared has read.
func (p *Prepared) putID(payload []byte) { binary.LittleEndian.PutUint32(payload[1:], p.ID) }

// Prepare reads the response to a COM_STMT_PREPARE of the proxy's own, on a
// connection of caps; the definitions, of at most budget bytes, are passed over. A
// server's error is an *Error.
func (c *Conn) Prepare(caps Capability, budget int) (Prepared, error) {
	var p Prepared
	c.Restart(1, budget)
	payload, err := c.Read()
	if err != nil {
		return p, err
	}
	if len(payload) > 0 && payload[0] == headerErr {
		return p, ParseError(payload)
	}
	if err := ParsePrepared(payload, &p); err != nil {
		return p, err
	}
	for _, n := range []uint16{p.Parameters, p.Columns} {
		packets := int(n)
		if p.Bare && caps.Has(OptionalMetadata) {
			packets = 0
		}
		if n > 0 && !caps.Has(DeprecateEOF) {
			packets++
		}
		for range packets {
			if _, err := c.Read(); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// Binding is what a COM_STMT_EXECUTE says before the values of its parameters
// (protocol manual, "COM_STMT_EXECUTE").
type Binding struct {
	Cursor bool   // rows may be asked for by COM_STMT_FETCH
	Count  uint64 // of values: those of parameters, and of attributes behind them
	At     int    // where in the payload types stand, or would; 0: no values, or it was cut short
	Bound  bool   // types follow
	Types  []byte // of the statement's own parameters; nil: those of the execution before, or cut short
	Values int    // where in the payload values stand; 0: cut short
}

const (
	executeHead = 9    // id, flags, number of iterations
	flagCursors = 0x07 // of the flags: the kinds of cursor
	flagCounted = 0x08 // of the flags, PARAMETER_COUNT_AVAILABLE: the number of values is given
)

// AsksForCursor reports whether the payload of a COM_STMT_EXECUTE, the command's byte
// aside, asks for a cursor.
func AsksForCursor(payload []byte) bool { return len(payload) > 4 && payload[4]&flagCursors != 0 }

// ParseExecute reads the beginning of the payload of a COM_STMT_EXECUTE, the
// command's byte aside, of a statement with so many parameters, on a connection of
// caps. Types alias the payload.
//
// With QueryAttributes the number of values and the name of each are there for every
// statement with parameters, whatever the flags say (seen on MySQL 9.7).
func ParseExecute(payload []byte, parameters uint16, caps Capability) Binding {
	b := Binding{Count: uint64(parameters)}
	if len(payload) < executeHead {
		return b
	}
	b.Cursor = AsksForCursor(payload)
	r := NewReader(payload)
	r.Take(executeHead)
	named := caps.Has(QueryAttributes)
	if named && (parameters > 0 || payload[4]&flagCounted != 0) {
		b.Count = r.Uint()
	}
	if b.Count == 0 || b.Count > uint64(len(payload)) || r.Bad() {
		return b
	}
	r.Take(int(b.Count+7) / 8)
	b.Bound = r.Byte() == 1
	if r.Bad() {
		b.Bound = false
		return b
	}
	b.At = len(payload) - r.Len()
	if !b.Bound {
		b.Values = b.At
		return b
	}
	own := b.At
	for i := range b.Count {
		if r.Take(2); named {
			r.Bytes()
		}
		if i < uint64(parameters) {
			own = len(payload) - r.Len()
		}
	}
	if !r.Bad() {
		b.Types, b.Values = payload[b.At:own:own], len(payload)-r.Len()
	}
	return b
}

// Bind appends to dst the payload, from which b was read and which has no types,
// with types.
func (b *Binding) Bind(dst, payload, types []byte) []byte {
	start := len(dst)
	dst = append(append(dst, payload[:b.At]...), types...)
	dst[start+b.At-1] = 1
	return append(dst, payload[b.At:]...)
}

// Renumber changes the integers among the parameters of an execution in place. types
// are the parameters' where the execution leaves them out. It stops at what it can not
// read.
func (b *Binding) Renumber(payload, types []byte, parameters uint16, to func(uint64) uint64) {
	if b.Bound {
		types = b.Types
	}
	if b.Values == 0 || b.Count < uint64(parameters) {
		return
	}
	nulls := payload[b.At-1-int(b.Count+7)/8 : b.At-1]
	r := NewReader(payload[b.Values:])
	for i := range int(parameters) {
		if len(types) < 2 {
			return
		}
		kind := types[0]
		types = types[2:]
		if nulls[i/8]&(1<<(i%8)) != 0 {
			continue
		}
		rest := r.rest
		if !r.value(kind) || r.Bad() {
			return
		}
		renumberInteger(kind, rest, to)
	}
}

// Number returns the value of the only parameter of an execution, if it is an
// integer, or text of one. types are the parameter's where the execution leaves them
// out. ok is false if that can not be read.
func (b *Binding) Number(payload, types []byte) (n uint64, ok bool) {
	if b.Bound {
		types = b.Types
	}
	const null = 1 // of the null bitmap, the byte before the flag of types
	if b.Count != 1 || b.Values == 0 || len(types) < 2 || payload[b.At-2]&null != 0 {
		return 0, false
	}
	r := NewReader(payload[b.Values:])
	size := 0
	switch types[0] {
	case typeLonglong:
		size = 8
	case typeLong, typeInt24:
		size = 4
	case typeShort:
		size = 2
	case typeTiny:
		size = 1
	case typeVarchar, typeVarString, typeString, typeBlob:
		n, err := strconv.ParseUint(string(r.Bytes()), 10, 64)
		return n, err == nil && !r.Bad()
	default:
		return 0, false
	}
	for i, digit := range r.Take(size) {
		n |= uint64(digit) << (8 * i)
	}
	return n, !r.Bad()
}
