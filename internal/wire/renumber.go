package wire

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// Renumber changes numbers in a response on their way to the client: connection ids,
// in the columns of a result that are picked, or in the error that refuses a KILL. It
// takes what [Response.Feed] forwards, in whatever pieces. Whatever does not look as it
// should passes unchanged. Begin, or BeginKill, starts it. Not safe for concurrent use.
type Renumber struct {
	to         func(uint64) uint64
	pick       func(Column) bool
	caps       Capability
	binary     bool
	state      renumberState
	left       uint64 // definitions
	shape      []columnShape
	last       int    // of shape, that is picked
	was, asked []byte // digits of the id in a KILL
	held       []byte // the beginning of a packet
	skip       int    // bytes that pass unread
}

type renumberState uint8

const (
	renumberNothing renumberState = iota
	renumberKill
	renumberHead
	renumberDefs
	renumberDefsEnd
	renumberRows
)

// Column is a column of a result, as its definition has it (protocol manual, "Column
// Definition"). Valid during the call only.
type Column struct {
	At            int    // 0 for the first
	Table, Name   []byte // in the server; empty for an expression
	Alias, Called []byte // of the table, and of the column
}

// First picks the first column.
func First(c Column) bool { return c.At == 0 }

// columnShape is what has to be known of a column to find what is in it.
type columnShape struct {
	kind   byte
	picked bool
}

// maxColumns is the most columns that a result of a server has.
const maxColumns = 4096

// numberPrefix is what has to be seen of a packet to find a number at the front of a
// row: its length and twenty digits, or header, null bitmap and eight bytes, if it has
// few columns.
const numberPrefix = 64

// Begin starts on the response to a statement, of the text protocol, or to the
// execution of a prepared one, on a connection of caps. The numbers in columns that
// pick wants become what to makes of them.
func (r *Renumber) Begin(prepared bool, caps Capability, pick func(Column) bool, to func(uint64) uint64) {
	*r = Renumber{to: to, pick: pick, caps: caps, binary: prepared, state: renumberHead}
}

// BeginKill starts on the response to a KILL of the connection was: an error that names
// it names the one that the client has asked for.
func (r *Renumber) BeginKill(was, asked uint32) {
	*r = Renumber{
		state: renumberKill, was: strconv.AppendUint(nil, uint64(was), 10), asked: strconv.AppendUint(nil, uint64(asked), 10),
	}
}

// Feed appends to dst what becomes of b and of what was held back before. What is
// held at the end of a response is empty.
func (r *Renumber) Feed(dst, b []byte) []byte {
	if len(r.held) > 0 {
		b = append(r.held, b...)
		r.held = nil
	}
	for len(b) > 0 {
		if r.state == renumberNothing {
			return append(dst, b...)
		}
		if r.skip > 0 {
			n := min(r.skip, len(b))
			dst, b, r.skip = append(dst, b[:n]...), b[n:], r.skip-n
			continue
		}
		if len(b) < HeaderSize {
			break
		}
		length, _ := Header(b)
		need := HeaderSize + r.needs(length)
		switch {
		case length == MaxPayload, need > MaxInspect && r.state != renumberRows:
			r.state = renumberNothing
			continue
		case need > MaxInspect: // this row only
			r.skip = HeaderSize + length
			continue
		}
		if len(b) < need {
			break
		}
		dst = r.packet(dst, b[:need], length)
		b, r.skip = b[need:], HeaderSize+length-need
	}
	r.held = append([]byte(nil), b...)
	return dst
}

// needs returns how much of a packet of length has to be seen.
func (r *Renumber) needs(length int) int {
	if r.state == renumberRows && r.last == 0 && len(r.shape) <= 8*numberPrefix/2 {
		return min(length, numberPrefix)
	}
	return length
}

// packet appends a packet, of which b is what was needed, and moves on.
func (r *Renumber) packet(dst, b []byte, length int) []byte {
	payload := b[HeaderSize:]
	switch r.state {
	case renumberKill:
		r.state = renumberNothing
		return r.refusal(dst, b)
	case renumberHead:
		r.head(payload)
	case renumberDefs:
		r.define(payload)
		if r.left--; r.left == 0 {
			r.state = renumberDefsEnd
			if r.caps.Has(DeprecateEOF) {
				r.state = renumberRows
			}
		}
	case renumberDefsEnd:
		r.state = renumberRows
	case renumberRows:
		return r.row(dst, b, length)
	case renumberNothing:
	}
	return append(dst, b...)
}

func (r *Renumber) head(payload []byte) {
	if len(payload) > 0 && payload[0] == headerOK {
		r.ended(payload)
		return
	}
	columns, defs, err := parseHead(payload, r.caps)
	if err != nil || !defs || columns > maxColumns || payload[0] == headerErr || payload[0] == headerLocal {
		r.state = renumberNothing // an error; or nobody says what the columns are
		return
	}
	r.state, r.left, r.shape, r.last = renumberDefs, columns, r.shape[:0], -1
}

// ended moves on from the end of a result: of several statements, to the next one's.
func (r *Renumber) ended(payload []byte) {
	r.state = renumberNothing
	var ok OK
	status := Status(0)
	if !r.caps.Has(DeprecateEOF) && len(payload) == 5 && payload[0] == headerEOF {
		status = Status(binary.LittleEndian.Uint16(payload[3:]))
	} else if ParseOK(payload, &ok) == nil {
		status = ok.Status
	}
	if status.Has(StatusMoreResults) {
		r.state = renumberHead
	}
}

// define reads a column's definition.
func (r *Renumber) define(definition []byte) {
	f := NewReader(definition)
	f.Bytes() // catalog
	f.Bytes() // schema
	c := Column{At: len(r.shape)}
	c.Alias, c.Table, c.Called, c.Name = f.Bytes(), f.Bytes(), f.Bytes(), f.Bytes()
	if r.caps.Has(ExtendedMetadata) {
		f.Bytes()
	}
	f.Take(1 + 2 + 4) // size of what follows, character set, length
	shape := columnShape{kind: f.Byte()}
	if shape.picked = !f.Bad() && r.pick(c); shape.picked {
		r.last = c.At
	}
	r.shape = append(r.shape, shape)
}

// row appends the beginning b of a row of length, or ends at what is none.
func (r *Renumber) row(dst, b []byte, length int) []byte {
	payload := b[HeaderSize:]
	switch {
	case len(payload) == 0 || payload[0] == headerErr:
		r.state = renumberNothing
		return append(dst, b...)
	case payload[0] == headerEOF && (r.caps.Has(DeprecateEOF) || length < 9):
		r.ended(payload)
		return append(dst, b...)
	case r.last < 0:
		return append(dst, b...)
	case r.binary:
		r.binaryRow(payload)
		return append(dst, b...)
	}
	start := len(dst)
	dst = append(dst, b[:HeaderSize]...)
	f := NewReader(payload)
	for _, column := range r.shape[:r.last+1] {
		if f.Len() > 0 && f.rest[0] == headerLocal { // NULL, in a row
			dst = append(dst, f.Take(1)...)
			continue
		}
		value := f.Bytes()
		if number, err := strconv.ParseUint(string(value), 10, 64); column.picked && err == nil {
			var digits [20]byte
			value = strconv.AppendUint(digits[:0], r.to(number), 10)
		}
		dst = AppendBytes(dst, value)
	}
	longer := len(dst) - start - HeaderSize + f.Len() + length - len(payload)
	if f.Bad() || longer >= MaxPayload {
		return append(dst[:start], b...)
	}
	AppendHeader(dst[:start], longer, b[3])
	return append(dst, f.Rest()...)
}

// binaryRow changes the numbers in a row in place, if they are there.
func (r *Renumber) binaryRow(payload []byte) {
	const unused = 2 // bits at the beginning of the null bitmap
	bitmap := 1 + (len(r.shape)+unused+7)/8
	if len(payload) < bitmap {
		return
	}
	f := NewReader(payload[bitmap:])
	for i, column := range r.shape[:r.last+1] {
		if bit := i + unused; payload[1+bit/8]&(1<<(bit%8)) != 0 {
			continue
		}
		rest := f.rest
		if !f.value(column.kind) || f.Bad() {
			return
		}
		if column.picked {
			renumberInteger(column.kind, rest, r.to)
		}
	}
}

// renumberInteger changes a binary number of four or eight bytes, which value begins
// with, in place.
func renumberInteger(kind byte, value []byte, to func(uint64) uint64) {
	switch kind {
	case typeLonglong:
		binary.LittleEndian.PutUint64(value, to(binary.LittleEndian.Uint64(value)))
	case typeLong, typeInt24:
		binary.LittleEndian.PutUint32(value, uint32(to(uint64(binary.LittleEndian.Uint32(value)))))
	}
}

// refusal appends an error that says that a connection is not there, or not the
// client's to kill, with the number that was asked for.
func (r *Renumber) refusal(dst, b []byte) []byte {
	const notOwner = 1095 // ER_KILL_DENIED_ERROR
	payload := b[HeaderSize:]
	missing, _ := NoSuchThread.Code()
	if len(payload) < 3 || payload[0] != headerErr {
		return append(dst, b...)
	}
	if number := binary.LittleEndian.Uint16(payload[1:]); number != missing && number != notOwner {
		return append(dst, b...)
	}
	at := bytes.LastIndex(payload, r.was)
	if at < 3 {
		return append(dst, b...)
	}
	dst = AppendHeader(dst, len(payload)-len(r.was)+len(r.asked), b[3])
	dst = append(append(dst, payload[:at]...), r.asked...)
	return append(dst, payload[at+len(r.was):]...)
}
