package wire

import (
	"fmt"
	"strings"
)

// Send writes commands in one piece, each a packet of its own; their responses
// are read one after the other by Result. A command must be smaller than
// MaxPayload. Where statements can have attributes, they are sent with none.
func (c *Conn) Send(commands ...[]byte) error {
	var packets []byte
	for _, command := range commands {
		if c.attributes {
			command = WithoutAttributes(command)
		}
		packets, _ = AppendPacket(packets, 0, command)
	}
	_, err := c.rw.Write(packets)
	return err
}

// Query returns the command that runs statement.
func Query(statement string) []byte { return append([]byte{byte(ComQuery)}, statement...) }

// Result reads the response to one command of the proxy's own: an OK, or the EOF
// that stands for one, of which the payload is returned, or a single result of few rows, of which the first is
// returned as text, NULL being empty. caps are those of the connection, budget is
// how many bytes the response may have. A server's error is an *Error.
func (c *Conn) Result(caps Capability, budget int) (row []string, ok []byte, err error) {
	c.Restart(1, budget)
	payload, err := c.Read()
	switch {
	case err != nil:
		return nil, nil, err
	case len(payload) == 0:
		return nil, nil, fmt.Errorf("%w: empty packet in a response", ErrMalformed)
	case payload[0] == headerOK, payload[0] == headerEOF && len(payload) < 9:
		return nil, append([]byte(nil), payload...), nil
	case payload[0] == headerErr:
		return nil, nil, ParseError(payload)
	}
	columns, defs, err := parseHead(payload, caps)
	if err != nil {
		return nil, nil, err
	}
	skip := columns
	if !defs {
		skip = 0
	}
	if !caps.Has(DeprecateEOF) {
		skip++
	}
	for ; skip > 0; skip-- {
		if _, err := c.Read(); err != nil {
			return nil, nil, err
		}
	}
	row, err = c.rows(columns)
	return row, nil, err
}

// rows reads rows up to their end and returns the first.
func (c *Conn) rows(columns uint64) (first []string, err error) {
	for {
		payload, err := c.Read()
		switch {
		case err != nil:
			return nil, err
		case len(payload) > 0 && payload[0] == headerErr:
			return nil, ParseError(payload)
		case len(payload) > 0 && payload[0] == headerEOF:
			return first, nil
		case first != nil:
			continue
		}
		r := NewReader(payload)
		for range min(columns, 64) {
			if r.Len() > 0 && r.rest[0] == headerLocal { // NULL, in a row
				r.Take(1)
				first = append(first, "")
				continue
			}
			first = append(first, ascii(string(r.Bytes())))
		}
		if r.Bad() {
			return nil, fmt.Errorf("%w: row", ErrMalformed)
		}
	}
}

// ascii returns a value without its zeros. What the proxy asks for itself is ASCII, in the
// character set that the session wants its results in: that may be UCS-2, UTF-16 or UTF-32.
func ascii(value string) string { return strings.ReplaceAll(value, "\x00", "") }
