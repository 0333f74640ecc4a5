package wire

import (
	"encoding/binary"
	"strconv"
)

// typeUnsigned is a flag of a type's second byte; from typeFirstText on types are strings.
const typeUnsigned, typeFirstText = 0x80, 247

// Value returns the value of parameter i of the payload that b was read from, as text: an
// integer's digits, or a string's bytes. types are those of the statement's parameters. ok
// is false for NULL, for what is neither, and for what was cut short. It copies no string.
func (b *Binding) Value(payload, types []byte, i int) (value []byte, ok bool) {
	if b.Values == 0 || i < 0 || uint64(i) >= b.Count || len(types) < 2*(i+1) || b.Values > len(payload) {
		return nil, false
	}
	nulls := payload[executeNulls(b, payload):]
	r := NewReader(payload[b.Values:])
	for n := range i + 1 {
		if n/8 < len(nulls) && nulls[n/8]>>(n%8)&1 == 1 {
			if n == i {
				return nil, false
			}
			continue
		}
		kind, unsigned := types[2*n], types[2*n+1]&typeUnsigned != 0
		if value, ok = valueOf(&r, kind, unsigned); r.Bad() {
			return nil, false
		}
	}
	return value, ok
}

// executeNulls returns where the bitmap of NULLs begins: before the byte that says whether
// types follow.
func executeNulls(b *Binding, payload []byte) int {
	return max(0, min(len(payload), b.At-1-int(b.Count+7)/8))
}

// valueOf takes a value off r.
func valueOf(r *Reader, kind byte, unsigned bool) (value []byte, ok bool) {
	integer := func(size int) ([]byte, bool) {
		raw := r.Take(size)
		if len(raw) < size {
			return nil, false
		}
		var wide [8]byte
		copy(wide[:], raw)
		n := binary.LittleEndian.Uint64(wide[:])
		if !unsigned {
			shift := 64 - 8*size
			return strconv.AppendInt(nil, int64(n<<shift)>>shift, 10), true
		}
		return strconv.AppendUint(nil, n, 10), true
	}
	switch kind {
	case typeTiny:
		return integer(1)
	case typeShort, typeYear:
		return integer(2)
	case typeLong, typeInt24:
		return integer(4)
	case typeLonglong:
		return integer(8)
	case typeFloat:
		r.Take(4)
	case typeDouble:
		r.Take(8)
	case typeNull:
	case typeTimestamp, typeDate, typeTime, typeDatetime:
		r.Take(int(r.Byte()))
	case typeDecimal, 0xF6: // NEWDECIMAL
		r.Bytes()
	case typeVarchar:
		return r.Bytes(), true
	default:
		value = r.Bytes()
		return value, kind >= typeFirstText
	}
	return nil, false
}
