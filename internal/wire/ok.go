package wire

import (
	"encoding/binary"
	"fmt"
)

// First bytes that tell packets of a response apart.
const (
	headerOK    = 0x00
	headerLocal = 0xFB
	headerEOF   = 0xFE
	headerErr   = 0xFF
)

// Status is the set of SERVER_STATUS_… bits of an OK or EOF packet.
type Status uint16

// The bits that matter here (protocol manual, "SERVER_STATUS_flags_enum").
const (
	StatusInTransaction       Status = 0x0001
	StatusAutocommit          Status = 0x0002
	StatusMoreResults         Status = 0x0008
	StatusCursorExists        Status = 0x0040
	StatusLastRowSent         Status = 0x0080
	StatusNoBackslashEscapes  Status = 0x0200
	StatusReadOnlyTransaction Status = 0x2000
	StatusSessionChanged      Status = 0x4000
)

// Has reports whether all bits of want are in s.
func (s Status) Has(want Status) bool { return s&want == want }

// OK is what a server says at the end of a statement. Its byte slices alias the
// packet that it was read from. For an EOF packet only Status and Warnings are
// set.
type OK struct {
	Affected uint64
	InsertID uint64
	Status   Status
	Warnings uint16
	Info     []byte // human-readable, often empty
	Changes  []byte // session-state block, for NextChange; empty if nothing changed
	Result   bool   // it ends rows, of which there were Rows
	Rows     uint64 // unset by ParseOK
	Mute     bool   // a classic EOF packet, which has no place to say what changed
}

// ParseOK reads the payload of an OK packet, header 0x00 or 0xFE, of a connection
// with CLIENT_SESSION_TRACK.
//
// The info text is length-encoded on such a connection, and on any other too,
// whatever the protocol manual says of it (seen on MariaDB 10.11).
func ParseOK(payload []byte, ok *OK) error {
	*ok = OK{}
	r := NewReader(payload)
	r.Take(1)
	ok.Affected, ok.InsertID = r.Uint(), r.Uint()
	ok.Status, ok.Warnings = Status(r.Uint16()), r.Uint16()
	if r.Len() > 0 {
		ok.Info = r.Bytes()
	}
	if ok.Status.Has(StatusSessionChanged) {
		ok.Changes = r.Bytes()
	}
	if r.Bad() {
		return fmt.Errorf("%w: OK packet", ErrMalformed)
	}
	return nil
}

// Append appends ok as the payload of an OK packet with the given header byte.
// Without changes it is what the server would have sent to a client that did not
// ask for session tracking.
func (ok *OK) Append(dst []byte, header byte) []byte {
	status := ok.Status &^ StatusSessionChanged
	if len(ok.Changes) > 0 {
		status |= StatusSessionChanged
	}
	dst = AppendUint(AppendUint(append(dst, header), ok.Affected), ok.InsertID)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(status))
	dst = binary.LittleEndian.AppendUint16(dst, ok.Warnings)
	if len(ok.Info) > 0 || len(ok.Changes) > 0 {
		dst = AppendBytes(dst, ok.Info)
	}
	if len(ok.Changes) > 0 {
		dst = AppendBytes(dst, ok.Changes)
	}
	return dst
}

// ChangeType says what a session-state entry is about.
type ChangeType byte

// The types of entry (protocol manual, "enum_session_state_type").
const (
	ChangeVariable    ChangeType = 0
	ChangeSchema      ChangeType = 1
	ChangeState       ChangeType = 2 // "1": something that has no tracker of its own
	ChangeGTIDs       ChangeType = 3 // MySQL; MariaDB has the variable last_gtid
	ChangeTransaction ChangeType = 4
	ChangeIsolation   ChangeType = 5
)

// Change is one entry of a session-state block. Its slices alias the block.
type Change struct {
	Type  ChangeType
	Name  []byte // of a variable
	Value []byte // nil for a type that is not known here
	Raw   []byte // the entry as it stood, for passing on
}

// NextChange takes the first entry off a session-state block and returns the
// rest. Entries of unknown types are returned without a value. ok is false at
// the end of the block, and if it is malformed, which is the end of it too.
func NextChange(block []byte) (c Change, rest []byte, ok bool) {
	r := NewReader(block)
	c.Type = ChangeType(r.Byte())
	body := r.Bytes()
	if r.Bad() {
		return Change{}, nil, false
	}
	rest = r.Rest()
	c.Raw = block[:len(block)-len(rest)]
	b := NewReader(body)
	switch c.Type {
	case ChangeVariable:
		c.Name, c.Value = b.Bytes(), b.Bytes()
	case ChangeSchema, ChangeIsolation, ChangeTransaction:
		c.Value = b.Bytes()
	case ChangeState: // the only one without a length of its own
		c.Value = b.Rest()
	case ChangeGTIDs:
		b.Take(1) // encoding of the set: 0, text
		c.Value = b.Bytes()
	}
	if b.Bad() {
		return Change{}, nil, false
	}
	return c, rest, true
}
