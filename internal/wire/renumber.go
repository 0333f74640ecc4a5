package wire

import (
	"encoding/binary"
	"strconv"
)

// Renumber changes the numbers in the first column of a result on their way to the
// client: connection ids. It takes what [Response.Feed] forwards, in whatever pieces.
// Whatever does not look as it should passes unchanged from there on. Begin starts
// it. Not safe for concurrent use.
type Renumber struct {
	to      func(uint64) uint64
	caps    Capability
	binary  bool
	state   renumberState
	left    uint64 // definitions
	columns uint64
	width   int    // of a binary number
	held    []byte // the beginning of a packet
	skip    int    // bytes that pass unread
}

type renumberState uint8

const (
	renumberNothing renumberState = iota
	renumberHead
	renumberDefs
	renumberDefsEnd
	renumberRows
)

// numberPrefix is what has to be seen of a packet to find a number at the front of a
// row: its length and twenty digits, or header, null bitmap and eight bytes. Results
// with so many columns that it is more pass unchanged.
const numberPrefix = 64

// Begin starts on the response to a statement, of the text protocol, or to the
// execution of a prepared one, on a connection of caps.
func (r *Renumber) Begin(prepared bool, caps Capability, to func(uint64) uint64) {
	*r = Renumber{to: to, caps: caps, binary: prepared, state: renumberHead}
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
		if need > MaxInspect || length == MaxPayload {
			r.state = renumberNothing
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
	if r.state == renumberRows {
		return min(length, numberPrefix)
	}
	return length
}

// packet appends a packet, of which b is what was needed, and moves on.
func (r *Renumber) packet(dst, b []byte, length int) []byte {
	payload := b[HeaderSize:]
	switch r.state {
	case renumberHead:
		r.head(payload)
	case renumberDefs:
		if r.left == r.columns && r.binary {
			r.width = widthOf(payload, r.caps)
		}
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
	columns, defs, err := parseHead(payload, r.caps)
	if err != nil || !defs || payload[0] == headerErr || payload[0] == headerLocal {
		r.state = renumberNothing // an OK, an error; or the number's type is not known
		return
	}
	r.state, r.columns, r.left = renumberDefs, columns, columns
}

// widthOf returns the size of binary values of the column that a definition is of,
// if it is of numbers (protocol manual, "Column Definition"); else 0.
func widthOf(definition []byte, caps Capability) int {
	f := NewReader(definition)
	for range 6 { // catalog, schema, table, original table, name, original name
		f.Bytes()
	}
	if caps.Has(ExtendedMetadata) {
		f.Bytes()
	}
	f.Take(1 + 2 + 4) // size of what follows, character set, length
	switch f.Byte() {
	case typeLonglong:
		return 8
	case typeLong, typeInt24:
		return 4
	}
	return 0
}

// row appends the beginning b of a row of length, or ends at what is none.
func (r *Renumber) row(dst, b []byte, length int) []byte {
	payload := b[HeaderSize:]
	if len(payload) == 0 || payload[0] == headerErr || payload[0] == headerEOF {
		r.state = renumberNothing
		return append(dst, b...)
	}
	if r.binary {
		return append(dst, r.binaryRow(b)...)
	}
	f := NewReader(payload)
	number, err := strconv.ParseUint(string(f.Bytes()), 10, 64)
	if f.Bad() || err != nil {
		return append(dst, b...)
	}
	var digits [20]byte
	column := AppendBytes(nil, strconv.AppendUint(digits[:0], r.to(number), 10))
	longer := length - len(payload) + len(column) + f.Len()
	if longer >= MaxPayload {
		return append(dst, b...)
	}
	dst = append(AppendHeader(dst, longer, b[3]), column...)
	return append(dst, f.Rest()...)
}

// binaryRow changes the number in b in place, if it is there.
func (r *Renumber) binaryRow(b []byte) []byte {
	const first = 1 << 2 // the null bitmap begins with two bits that mean nothing
	at := HeaderSize + 1 + int(r.columns+9)/8
	if r.width == 0 || len(b) < at+r.width || b[HeaderSize+1]&first != 0 {
		return b
	}
	if r.width == 4 {
		binary.LittleEndian.PutUint32(b[at:], uint32(r.to(uint64(binary.LittleEndian.Uint32(b[at:])))))
		return b
	}
	binary.LittleEndian.PutUint64(b[at:], r.to(binary.LittleEndian.Uint64(b[at:])))
	return b
}
