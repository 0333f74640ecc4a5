package wire

import "encoding/binary"

// AppendUint appends v as a length-encoded integer (protocol manual,
// "Protocol::LengthEncodedInteger"): 1, 3, 4 or 9 bytes.
func AppendUint(dst []byte, v uint64) []byte {
	switch {
	case v < 0xFB:
		return append(dst, byte(v))
	case v <= 0xFFFF:
		return append(dst, 0xFC, byte(v), byte(v>>8))
	case v <= 0xFFFFFF:
		return append(dst, 0xFD, byte(v), byte(v>>8), byte(v>>16))
	}
	return binary.LittleEndian.AppendUint64(append(dst, 0xFE), v)
}

// AppendBytes appends s behind its length as a length-encoded integer.
func AppendBytes[T ~[]byte | ~string](dst []byte, s T) []byte {
	return append(AppendUint(dst, uint64(len(s))), s...)
}

// A Reader takes fields off the front of a payload. The first field that the
// payload is too short for makes it Bad; from then on it yields zero values, so
// that a decoder checks once, at its end. What it returns aliases the payload.
// The zero value is an empty payload.
type Reader struct {
	rest []byte
	bad  bool
}

// NewReader returns a Reader over payload.
func NewReader(payload []byte) Reader { return Reader{rest: payload} }

// Bad reports whether a field was cut short or malformed.
func (r *Reader) Bad() bool { return r.bad }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return len(r.rest) }

// Rest takes all that is left.
func (r *Reader) Rest() []byte { return r.Take(len(r.rest)) }

// Take takes n bytes, or nil if there are fewer.
func (r *Reader) Take(n int) []byte {
	if r.bad || n < 0 || n > len(r.rest) {
		r.bad = true
		return nil
	}
	field := r.rest[:n:n]
	r.rest = r.rest[n:]
	return field
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if b := r.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 takes a little-endian number of two bytes.
func (r *Reader) Uint16() uint16 {
	if b := r.Take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// Uint32 takes a little-endian number of four bytes.
func (r *Reader) Uint32() uint32 {
	if b := r.Take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Uint takes a length-encoded integer. 0xFB (NULL in a row) and 0xFF (the mark
// of an error packet) are no integers and make the reader bad.
func (r *Reader) Uint() uint64 {
	first := r.Byte()
	width := 0
	switch first {
	case 0xFB, 0xFF:
		r.bad = true
		return 0
	case 0xFC:
		width = 2
	case 0xFD:
		width = 3
	case 0xFE:
		width = 8
	default:
		return uint64(first)
	}
	v := uint64(0)
	for i, b := range r.Take(width) {
		v |= uint64(b) << (8 * i)
	}
	return v
}

// Bytes takes a string behind its length-encoded length.
func (r *Reader) Bytes() []byte {
	n := r.Uint()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	return r.Take(int(n))
}

// CString takes a string that ends with a NUL. A last string without its NUL is
// taken too: old clients send such a database name.
func (r *Reader) CString() []byte {
	for i, b := range r.rest {
		if b == 0 {
			field := r.Take(i)
			r.Take(1)
			return field
		}
	}
	return r.Rest()
}
