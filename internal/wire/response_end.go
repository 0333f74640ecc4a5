package wire

import (
	"encoding/binary"
	"fmt"
)

// ended reads the OK or EOF packet that ends a result, and says so.
func (r *Response) ended(packet, dst []byte) (int, error) {
	payload := packet[HeaderSize:]
	if payload[0] == headerEOF && r.classic {
		if len(payload) != 5 {
			return 0, fmt.Errorf("%w: EOF packet", ErrMalformed)
		}
		r.ok = OK{
			Warnings: binary.LittleEndian.Uint16(payload[1:]),
			Status:   classicStatus(payload),
			Mute:     true,
		}
		r.ok.Result, r.ok.Rows = r.state == stateRows, r.rows
		r.see.ObserveOK(&r.ok)
		r.result()
		return copy(dst, packet), nil
	}
	if err := ParseOK(payload, &r.ok); err != nil {
		return 0, err
	}
	r.ok.Result, r.ok.Rows = r.state == stateRows, r.rows
	had, info := len(r.ok.Changes), r.ok.Info
	r.see.ObserveOK(&r.ok)
	r.result()
	if len(r.ok.Changes) == had && !(had == 0 && r.ok.Status.Has(StatusSessionChanged)) {
		return copy(dst, packet), nil
	}
	return shorten(packet, dst, &r.ok, len(info)), nil
}

// classicStatus returns the status of an EOF packet, of five bytes, and takes out
// of it that the session has changed: it has no place to say how, and most of
// what the member is made to report does not concern the client.
func classicStatus(payload []byte) Status {
	status := Status(binary.LittleEndian.Uint16(payload[3:])) &^ StatusSessionChanged
	binary.LittleEndian.PutUint16(payload[3:], uint16(status))
	return status
}

// result moves on from the end of a result.
func (r *Response) result() {
	more := r.ok.Status.Has(StatusMoreResults) && r.state != stateSimple
	r.state = stateDone
	if more {
		r.state = stateHead
	}
}

// shorten writes packet to dst with ok's changes, which are fewer than the
// packet's own, and without their mark if none are left.
func shorten(packet, dst []byte, ok *OK, info int) int {
	seq, header := packet[3], packet[HeaderSize]
	var space [256]byte
	payload := space[:0]
	if room := 64 + info + len(ok.Changes); room > len(space) {
		payload = make([]byte, 0, room)
	}
	payload = ok.Append(payload, header)
	head := AppendHeader(dst[:0], len(payload), seq)
	return len(head) + copy(dst[len(head):], payload)
}
