package wire

import (
	"errors"
	"fmt"
	"io"
)

const (
	// HeaderSize is the size of a packet's header: three bytes of length, one
	// of sequence number.
	HeaderSize = 4
	// MaxPayload is the largest payload of one packet. A payload of exactly
	// this size is continued by the next packet.
	MaxPayload = 1<<24 - 1
)

// Errors of framing. The remedy is to close the connection: the two sides no
// longer agree where a packet begins.
var (
	// ErrTooLarge: a peer declared more than it may send at this point.
	ErrTooLarge = errors.New("packet is larger than allowed here")
	// ErrSequence: a packet is not numbered as the next one.
	ErrSequence = errors.New("packets out of order")
	// ErrMalformed: a payload does not have the form that its place demands.
	ErrMalformed = errors.New("malformed packet")
)

// Header returns the payload length and the sequence number of the packet that
// b, of at least HeaderSize bytes, begins with.
func Header(b []byte) (length int, seq byte) {
	_ = b[3]
	return int(b[0]) | int(b[1])<<8 | int(b[2])<<16, b[3]
}

// AppendHeader appends a header. length must not exceed MaxPayload.
func AppendHeader(dst []byte, length int, seq byte) []byte {
	return append(dst, byte(length), byte(length>>8), byte(length>>16), seq)
}

// AppendPacket appends payload with its header or headers: what is larger than
// MaxPayload is split, and a last piece of MaxPayload is closed by an empty one.
// It returns the sequence number that comes next.
func AppendPacket(dst []byte, seq byte, payload []byte) ([]byte, byte) {
	for {
		n := min(len(payload), MaxPayload)
		dst = append(AppendHeader(dst, n, seq), payload[:n]...)
		payload = payload[n:]
		seq++
		if n < MaxPayload {
			return dst, seq
		}
	}
}

// Conn reads and writes whole packets, for handshakes and for the proxy's own
// few statements; results are never read through it. Deadlines are the caller's,
// on the connection underneath. Not safe for concurrent use.
type Conn struct {
	rw     io.ReadWriter
	seq    byte
	budget int    // bytes that the peer may still send
	buf    []byte // received; buf[read:] is not consumed yet
	read   int

	attributes bool   // statements carry attributes: QueryAttributes was agreed on
	status     Status // that a login has left
}

// NewConn returns a Conn over rw whose peer may send at most budget bytes in all,
// headers included.
func NewConn(rw io.ReadWriter, budget int) *Conn {
	return &Conn{rw: rw, budget: budget}
}

// Restart begins a new exchange: sequence numbers count from seq again and the
// peer may send budget bytes more.
func (c *Conn) Restart(seq byte, budget int) { c.seq, c.budget = seq, budget }

// Seq returns the sequence number of the next packet, sent or received.
func (c *Conn) Seq() byte { return c.seq }

// Rest returns what was received and not read: the bytes of a peer that did not
// wait for an answer. They stay where they are.
func (c *Conn) Rest() []byte { return c.buf[c.read:] }

// Over goes on over rw, with the same numbers and budget. What was received and
// not read does not go along: it has come another way.
func (c *Conn) Over(rw io.ReadWriter) { c.rw, c.buf, c.read = rw, nil, 0 }

// Shrink gives back the memory of a Conn that will not be used for a while.
func (c *Conn) Shrink() {
	if len(c.Rest()) == 0 {
		c.buf, c.read = nil, 0
	}
}

// Read reads one packet. The payload is valid until the next Read. A header that
// declares more than the budget is refused before any of it is waited for, with
// ErrTooLarge; a wrong sequence number is ErrSequence.
func (c *Conn) Read() ([]byte, error) {
	if err := c.need(HeaderSize); err != nil {
		return nil, err
	}
	length, seq := Header(c.buf[c.read:])
	if c.budget -= HeaderSize + length; c.budget < 0 {
		return nil, fmt.Errorf("%w: %d bytes declared", ErrTooLarge, length)
	}
	if seq != c.seq {
		return nil, fmt.Errorf("%w: got %d, want %d", ErrSequence, seq, c.seq)
	}
	c.seq++
	if err := c.need(HeaderSize + length); err != nil {
		return nil, err
	}
	payload := c.buf[c.read+HeaderSize : c.read+HeaderSize+length]
	c.read += HeaderSize + length
	return payload, nil
}

// Write writes one packet.
func (c *Conn) Write(payload []byte) error {
	packet, next := AppendPacket(make([]byte, 0, HeaderSize+len(payload)), c.seq, payload)
	c.seq = next
	_, err := c.rw.Write(packet)
	return err
}

// need reads until n unconsumed bytes are there. The buffer grows with what has
// arrived, not with what was declared.
func (c *Conn) need(n int) error {
	const step = 2048
	if c.read == len(c.buf) {
		c.buf, c.read = c.buf[:0], 0
	}
	for len(c.buf)-c.read < n {
		if cap(c.buf)-len(c.buf) < step {
			grown := make([]byte, len(c.buf)-c.read, 2*(len(c.buf)-c.read)+step)
			copy(grown, c.buf[c.read:])
			c.buf, c.read = grown, 0
		}
		got, err := c.rw.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+got]
		if err != nil && len(c.buf)-c.read < n {
			if errors.Is(err, io.EOF) && len(c.buf) > c.read {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}
