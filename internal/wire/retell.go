package wire

// Retell replaces values in a response whose rows are a name and a value (SHOW STATUS)
// on their way to the client. It takes what [Response.Feed] forwards, in whatever
// pieces. Whatever does not look as it should passes unchanged. NewRetell starts it.
// Not safe for concurrent use.
type Retell struct {
	values map[string]string // by name
	caps   Capability
	binary bool
	state  renumberState
	left   uint64 // definitions
	held   []byte // the beginning of a packet
}

// NewRetell starts on the response to a statement, of the text protocol, or to the
// execution of a prepared one, on a connection of caps. The values of those names that
// values has are replaced.
func NewRetell(prepared bool, caps Capability, values map[string]string) *Retell {
	return &Retell{values: values, caps: caps, binary: prepared, state: renumberHead}
}

// Feed appends to dst what becomes of b and of what was held back before. What is
// held at the end of a response is empty.
func (r *Retell) Feed(dst, b []byte) []byte {
	b = append(r.held, b...)
	for r.held = nil; len(b) > 0; {
		if r.state == renumberNothing {
			return append(dst, b...)
		}
		if len(b) < HeaderSize {
			break
		}
		length, _ := Header(b)
		if length > MaxInspect {
			r.state = renumberNothing
			continue
		}
		if len(b) < HeaderSize+length {
			break
		}
		dst, b = r.packet(dst, b[:HeaderSize+length]), b[HeaderSize+length:]
	}
	r.held = append([]byte(nil), b...)
	return dst
}

// packet appends a packet, and moves on.
func (r *Retell) packet(dst, b []byte) []byte {
	payload := b[HeaderSize:]
	switch r.state {
	case renumberHead:
		columns, defs, err := parseHead(payload, r.caps)
		r.state, r.left = renumberDefs, columns
		switch {
		case err != nil || columns != 2 || payload[0] == headerErr:
			r.state = renumberNothing
		case !defs && r.caps.Has(DeprecateEOF):
			r.state = renumberRows
		case !defs:
			r.state = renumberDefsEnd
		}
	case renumberDefs:
		if r.left--; r.left == 0 {
			r.state = renumberDefsEnd
			if r.caps.Has(DeprecateEOF) {
				r.state = renumberRows
			}
		}
	case renumberDefsEnd:
		r.state = renumberRows
	case renumberRows:
		return r.row(dst, b)
	default:
	}
	return append(dst, b...)
}

// row appends a row, with the value that is told of its name, or ends at what is none.
func (r *Retell) row(dst, b []byte) []byte {
	payload, front := b[HeaderSize:], 0
	if len(payload) == 0 || payload[0] == headerErr || payload[0] == headerEOF {
		r.state = renumberNothing
		return append(dst, b...)
	}
	if r.binary {
		front = 2 // the row's own byte, and which columns are NULL
		if len(payload) < front || payload[1] != 0 {
			return append(dst, b...)
		}
	}
	f := NewReader(payload[front:])
	value, known := r.values[string(f.Bytes())]
	at := len(payload) - f.Len()
	f.Bytes() // what the server has
	if f.Bad() || f.Len() > 0 || !known {
		return append(dst, b...)
	}
	column := AppendBytes(nil, []byte(value))
	dst = append(AppendHeader(dst, at+len(column), b[3]), payload[:at]...)
	return append(dst, column...)
}
