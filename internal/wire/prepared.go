package wire

import (
	"encoding/binary"
	"fmt"
)

// Prepared is what a server says of a statement that it has prepared.
type Prepared struct {
	ID         uint32
	Columns    uint16
	Parameters uint16
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
	At     int    // where in the payload it says whether types follow; 0: no parameters, or it was cut short
	Types  []byte // two bytes for each parameter; nil: those of the execution before, or cut short
	Bound  bool   // types follow
}

// executeHead is the size of what a COM_STMT_EXECUTE begins with: id, flags,
// number of iterations.
const executeHead = 9

// ParseExecute reads the beginning of the payload of a COM_STMT_EXECUTE, the
// command's byte aside, of a statement with so many parameters. Types alias the
// payload.
func ParseExecute(payload []byte, parameters uint16) Binding {
	var b Binding
	if len(payload) < executeHead {
		return b
	}
	b.Cursor = payload[4] != 0
	at := executeHead + (int(parameters)+7)/8
	if parameters == 0 || len(payload) <= at {
		return b
	}
	b.At, b.Bound = at, payload[at] == 1
	if end := at + 1 + 2*int(parameters); b.Bound && len(payload) >= end {
		b.Types = payload[at+1 : end : end]
	}
	return b
}
