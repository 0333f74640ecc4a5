package wire

import (
	"encoding/binary"
	"fmt"
)

// MaxInspect is the largest packet that is looked into whole: OK, EOF and error
// packets and the heads of results. Real ones have some hundred bytes.
const MaxInspect = 1 << 20

// An Observer is told what the packets of a response say. Byte slices that it is
// given are valid during the call only.
type Observer interface {
	// ObserveOK is called for each OK and EOF packet that ends a result. It may
	// change ok.Changes to what the client shall see of it.
	ObserveOK(ok *OK)
	// ObserveError is called for an error packet, with the error's number.
	ObserveError(number uint16)
	// ObservePrepared is called when a statement was prepared. It may change p.ID
	// to what the client shall know the statement by.
	ObservePrepared(p *Prepared)
}

// state is what the next packet of a response is.
type state uint8

const (
	stateDone      state = iota
	stateSimple          // OK, EOF or error, and nothing after it
	stateText            // whatever it is, it is the last
	stateHead            // the head of a result
	stateDefs            // column definitions, left of them
	stateDefsEnd         // the EOF behind column definitions
	stateRows            // rows, up to OK, EOF or error
	stateFile            // nothing: the client sends a file
	statePrepared        // the head of a prepared statement
	stateParams          // definitions of its parameters
	stateParamsEnd       // the EOF behind them
	stateFields          // definitions of its columns
	stateFieldsEnd       // the EOF behind them
)

// Response follows a member's response to one command and finds where it ends.
// It reads the packets' headers and those few packets that steer; rows pass
// through it unread. It keeps no bytes: what it can not judge yet stays with the
// caller. The zero value is done; Begin starts it. Not safe for concurrent use.
type Response struct {
	state   state
	cursor  bool // the command may open a cursor instead of sending rows
	classic bool // the connection has EOF packets behind definitions
	caps    Capability
	begun   bool // something has passed that is no report of progress
	seq     byte // number of the packet that comes next
	skip    int  // bytes of the current packet that are still to pass
	more    bool // the current packet is continued by the next one
	left    uint64
	rows    uint64 // of the result under way
	columns uint64 // of a prepared statement, until its parameters have passed
	ok      OK
	made    Prepared
	see     Observer
}

// Begin starts on the response to command on a connection of caps, told to see.
func (r *Response) Begin(command Command, caps Capability, see Observer) {
	*r = Response{classic: !caps.Has(DeprecateEOF), caps: caps, see: see}
	switch command.Shape() {
	case ShapeSimple:
		r.state = stateSimple
	case ShapeText:
		r.state = stateText
	case ShapeResult:
		r.state = stateHead
	case ShapeExecute:
		r.state, r.cursor = stateHead, true
	case ShapeRows:
		r.state = stateRows
	case ShapePrepare:
		r.state = statePrepared
	case ShapeNone, ShapeUnknown:
	}
}

// NoCursor says that the command has not asked for a cursor. Then rows follow
// whatever the status says: a cursor inside of a routine shows in it too (seen on
// MariaDB 10.11).
func (r *Response) NoCursor() { r.cursor = false }

// Done reports whether the response has ended.
func (r *Response) Done() bool { return r.state == stateDone && r.skip == 0 && !r.more }

// WantsFile reports whether the server waits for the client to send a file (LOAD
// DATA LOCAL). After the file has passed, FileSent lets the response go on.
func (r *Response) WantsFile() bool { return r.state == stateFile && r.skip == 0 && !r.more }

// FileSent says that the client has sent its file, the empty packet included.
func (r *Response) FileSent() { r.state = stateHead }

// Begun reports whether something of the response has been passed on that can not
// be followed by an error in its place: anything but reports of progress.
func (r *Response) Begun() bool { return r.begun }

// Seq returns the sequence number of the packet that the client expects after what
// was passed on. It is not defined before the first packet.
func (r *Response) Seq() byte { return r.seq }

// Feed reads b, which begins with the rest of an earlier call. It returns what
// can be passed on to the client, at the front of b, and the rest, at its end:
// the beginning of a packet that is to be seen whole. OK packets may become
// shorter on the way, so b is changed. An error means that the server does not
// speak the protocol; what was passed on before can not be called back.
//
// It returns when b is used up, the response is done or the server wants a file;
// only in the last two cases rest may hold whole packets, which a server should
// not have sent.
func (r *Response) Feed(b []byte) (forward, rest []byte, err error) {
	read, write := 0, 0
	for {
		if r.skip > 0 {
			n := min(r.skip, len(b)-read)
			if read != write {
				copy(b[write:], b[read:read+n])
			}
			read, write, r.skip = read+n, write+n, r.skip-n
		}
		if r.Done() || r.WantsFile() || len(b)-read < HeaderSize {
			return b[:write], b[read:], nil
		}
		length, seq := Header(b[read:])
		if r.more { // continues a packet that was judged by its beginning
			r.skip, r.more, r.seq = HeaderSize+length, length == MaxPayload, seq+1
			continue
		}
		whole := r.whole(length)
		if whole < 0 && len(b)-read == HeaderSize {
			return b[:write], b[read:], nil // its first byte decides
		}
		if whole < 0 {
			whole = r.wholeBy(b[read+HeaderSize], length)
		}
		if whole == 0 {
			if err := r.pass(length); err != nil {
				return b[:write], b[read:], err
			}
			r.begun, r.seq = true, seq+1
			continue
		}
		if length > MaxInspect {
			return b[:write], b[read:], fmt.Errorf("%w: %d bytes where a server says how it ended", ErrTooLarge, length)
		}
		if len(b)-read < HeaderSize+length {
			return b[:write], b[read:], nil
		}
		n, err := r.inspect(b[read:read+HeaderSize+length], b[write:])
		if err != nil {
			return b[:write], b[read:], err
		}
		read, write, r.seq = read+HeaderSize+length, write+n, seq+1
	}
}

// whole says whether a packet of length has to be seen whole: 0 no, 1 yes, -1 if
// its first byte decides.
func (r *Response) whole(length int) int {
	switch r.state {
	case stateDefs, stateParams, stateFields, stateText:
		return 0
	case stateRows:
		if length == 0 || length == MaxPayload {
			return 0 // a row whose first column has 16 MiB begins as an EOF does
		}
		return -1
	case stateHead:
		if length > 0 {
			return -1
		}
	}
	return 1
}

// wholeBy is whole for a packet that begins with first.
func (r *Response) wholeBy(first byte, length int) int {
	if r.state == stateHead {
		if first == headerLocal {
			return 0
		}
		return 1
	}
	end := first == headerEOF && (!r.classic || length < 9)
	if end || first == headerErr {
		return 1
	}
	return 0
}

// pass lets a packet of length through unread and moves on to what follows it.
func (r *Response) pass(length int) error {
	r.skip, r.more = HeaderSize+length, length == MaxPayload
	switch r.state {
	case stateText:
		r.state = stateDone
	case stateHead:
		if !r.caps.Has(LocalFiles) {
			return fmt.Errorf("%w: a file is asked for that the client has not offered", ErrMalformed)
		}
		r.state = stateFile
	case stateDefs:
		r.next(stateDefsEnd)
	case stateParams:
		r.next(stateParamsEnd)
	case stateFields:
		r.next(stateFieldsEnd)
	case stateRows:
		r.rows++
	default:
		return fmt.Errorf("%w: response", ErrMalformed)
	}
	return nil
}

// next counts a definition; after the last one comes end, which exists on a
// classic connection only.
func (r *Response) next(end state) {
	if r.left--; r.left > 0 {
		return
	}
	r.state = end
	if !r.classic {
		r.endOfDefs()
	}
}

// endOfDefs moves on from the end of a list of definitions.
func (r *Response) endOfDefs() {
	switch r.state {
	case stateDefsEnd:
		r.state = stateRows
	case stateParamsEnd:
		r.fields()
	default:
		r.state = stateDone
	}
}

// fields moves on to the columns of a prepared statement, if it has any.
func (r *Response) fields() {
	r.state, r.left = stateFields, r.columns
	switch {
	case r.left == 0:
		r.state = stateDone
	case r.made.Bare:
		r.undefined(stateFieldsEnd)
	}
}

// inspect reads a whole packet, writes what the client shall get of it to the
// front of dst, which may overlap it from below, and returns how much that is.
func (r *Response) inspect(packet, dst []byte) (int, error) {
	payload := packet[HeaderSize:]
	if len(payload) == 0 {
		return 0, fmt.Errorf("%w: empty packet in a response", ErrMalformed)
	}
	if payload[0] == headerErr {
		return copy(dst, packet), r.failed(payload)
	}
	r.begun = true
	switch first := payload[0]; {
	case r.state == statePrepared:
		err := r.prepared(payload)
		return copy(dst, packet), err
	case r.state == stateDefsEnd, r.state == stateParamsEnd, r.state == stateFieldsEnd:
		err := r.defsEnd(payload)
		return copy(dst, packet), err
	case first == headerOK, first == headerEOF && r.state != stateHead:
		return r.ended(packet, dst)
	case r.state == stateHead:
		return copy(dst, packet), r.columnCount(payload)
	}
	return 0, fmt.Errorf("%w: packet %#x in a response", ErrMalformed, payload[0])
}

// failed reads an error packet. One with an impossible number is a report of
// progress, to a client that asked for such (MariaDB manual, "Progress reporting").
func (r *Response) failed(payload []byte) error {
	const progress = 0xFFFF
	if len(payload) < 3 {
		return fmt.Errorf("%w: error packet", ErrMalformed)
	}
	number := binary.LittleEndian.Uint16(payload[1:])
	if number == progress && r.caps.Has(Progress) {
		return nil
	}
	r.begun, r.state = true, stateDone
	r.see.ObserveError(number)
	return nil
}

// columnCount reads the head of a result set.
func (r *Response) columnCount(payload []byte) error {
	columns, defs, err := parseHead(payload, r.caps)
	if err != nil {
		return err
	}
	r.left, r.state, r.rows = columns, stateDefs, 0
	if !defs {
		r.undefined(stateDefsEnd)
	}
	return nil
}

// parseHead reads how many columns a result has, and whether their definitions
// follow (MySQL manual, "Optional Result Set Metadata").
func parseHead(payload []byte, caps Capability) (columns uint64, defs bool, err error) {
	f := NewReader(payload)
	columns, defs = f.Uint(), true
	if caps.Has(OptionalMetadata) {
		defs = f.Byte() != 0
	}
	if f.Bad() || f.Len() > 0 || columns == 0 {
		return 0, false, fmt.Errorf("%w: column count", ErrMalformed)
	}
	return columns, defs, nil
}

// prepared reads the head of a prepared statement, and writes to it what the
// client shall know it by.
func (r *Response) prepared(payload []byte) error {
	if err := ParsePrepared(payload, &r.made); err != nil {
		return err
	}
	r.made.Bare = r.made.Bare && r.caps.Has(OptionalMetadata)
	r.columns, r.left = uint64(r.made.Columns), uint64(r.made.Parameters)
	r.see.ObservePrepared(&r.made)
	r.made.putID(payload)
	r.state = stateParams
	switch {
	case r.left == 0:
		r.fields()
	case r.made.Bare:
		r.undefined(stateParamsEnd)
	}
	return nil
}

// undefined moves on over definitions that the client has asked not to get. The EOF
// behind them is there all the same.
func (r *Response) undefined(end state) {
	r.left = 1
	r.next(end)
}

// defsEnd reads the EOF packet behind definitions. Its status may say that a
// cursor was opened: then no rows follow.
func (r *Response) defsEnd(payload []byte) error {
	if payload[0] != headerEOF || len(payload) != 5 {
		return fmt.Errorf("%w: end of definitions", ErrMalformed)
	}
	status := classicStatus(payload)
	if r.state == stateDefsEnd && r.cursor && status.Has(StatusCursorExists) {
		r.ok = OK{Status: status, Mute: true}
		r.see.ObserveOK(&r.ok)
		r.state = stateDone
		return nil
	}
	r.endOfDefs()
	return nil
}
