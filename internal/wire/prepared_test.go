package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// canned is a peer that has said all already.
type canned struct {
	io.Reader
	io.Writer
}

func TestPrepareReadsOneResponse(t *testing.T) {
	def, eof := []byte("\x03def"), []byte{0xFE, 0, 0, 2, 0}
	head := func(columns, params byte) []byte { return []byte(prepareOK(columns, params)) }
	tests := []struct {
		name     string
		caps     Capability
		payloads [][]byte
		want     Prepared
		number   uint16
	}{
		{"nothing", DeprecateEOF, [][]byte{head(0, 0)}, Prepared{ID: 7}, 0},
		{"both", DeprecateEOF, [][]byte{head(1, 2), def, def, def}, Prepared{ID: 7, Columns: 1, Parameters: 2}, 0},
		{"both, with EOF packets", 0, [][]byte{head(1, 2), def, def, eof, def, eof}, Prepared{ID: 7, Columns: 1, Parameters: 2}, 0},
		{"refused", 0, [][]byte{(&Error{Number: 1146, State: "42S02"}).Append(nil)}, Prepared{}, 1146},
	}
	for _, tt := range tests {
		var stream []byte
		seq := byte(1)
		for _, p := range tt.payloads {
			stream, seq = AppendPacket(stream, seq, p)
		}
		stream, _ = AppendPacket(stream, 1, []byte{0, 0, 0, 2, 0, 0, 0}) // the next response
		c := NewConn(canned{bytes.NewReader(stream), io.Discard}, 0)
		got, err := c.Prepare(tt.caps, 1<<16)
		var refused *Error
		if errors.As(err, &refused) && refused.Number != tt.number || (err == nil) != (tt.number == 0) || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
		if _, _, err := c.Result(tt.caps, 1<<16); err != nil {
			t.Errorf("%s: the next response: %v", tt.name, err)
		}
	}
	for _, payload := range [][]byte{{}, {0}, {0, 7, 0, 0}, {1, 7, 0, 0, 0, 0, 0, 0, 0}} {
		stream, _ := AppendPacket(nil, 1, payload)
		if _, err := NewConn(canned{bytes.NewReader(stream), io.Discard}, 0).Prepare(0, 1<<16); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", payload, err)
		}
	}
}

// An EOF packet stands for an OK after COM_SET_OPTION.
func TestResultTakesEOFForOK(t *testing.T) {
	stream, _ := AppendPacket(nil, 1, []byte{0xFE, 0, 0, 2, 0})
	_, ok, err := NewConn(canned{bytes.NewReader(stream), io.Discard}, 0).Result(0, 1<<16)
	if err != nil || len(ok) != 5 {
		t.Errorf("%q, %v", ok, err)
	}
}

func TestParseExecute(t *testing.T) {
	const head = "\x07\x00\x00\x00" + "\x00" + "\x01\x00\x00\x00"
	tests := []struct {
		name       string
		payload    string
		parameters uint16
		want       Binding
	}{
		{"empty", "", 3, Binding{}},
		{"no parameters", head, 0, Binding{}},
		{"a cursor", "\x07\x00\x00\x00\x01\x01\x00\x00\x00", 0, Binding{Cursor: true}},
		{"types", head + "\x00\x01" + "\x08\x00\xfd\x00" + "values", 2, Binding{At: 11, Bound: true, Types: []byte("\x08\x00\xfd\x00")}},
		{"types of before", head + "\x00\x00" + "values", 2, Binding{At: 11}},
		{"nine parameters have two bytes of nulls", head + "\x00\x00\x00" + "values", 9, Binding{At: 12}},
		{"cut short before it says", head + "\x00", 2, Binding{}},
		{"types cut short", head + "\x00\x01\x08", 2, Binding{At: 11, Bound: true}},
	}
	for _, tt := range tests {
		got := ParseExecute([]byte(tt.payload), tt.parameters, 0)
		if got.Cursor != tt.want.Cursor || got.At != tt.want.At || got.Bound != tt.want.Bound || !bytes.Equal(got.Types, tt.want.Types) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// Responses to our own commands: whatever a server says, they end.
func FuzzOwnCommands(f *testing.F) {
	for _, s := range [][]byte{
		packets(okInsert), packets("\x01", def, eof, "\x011", eof), packets("\x01\x00", "\x011", endRows), packets(errPlain),
		packets(prepareOK(2, 1), def, eof, def, def, eof), packets(prepareOK(2, 1)+"\x00", eof, eof), packets("\x02", def, def, "\xfb\x011", endRows),
	} {
		f.Add(s, uint64(0))
		f.Add(s, uint64(DeprecateEOF|OptionalMetadata))
	}
	f.Fuzz(func(t *testing.T, stream []byte, agreed uint64) {
		caps := Capability(agreed)
		row, ok, err := NewConn(canned{bytes.NewReader(stream), io.Discard}, 0).Result(caps, 1<<16)
		if err == nil && row != nil && ok != nil || len(row) > 64 {
			t.Errorf("%q, %q", row, ok)
		}
		if ok != nil {
			var read OK
			_ = ParseOK(ok, &read)
		}
		_, _ = NewConn(canned{bytes.NewReader(stream), io.Discard}, 0).Prepare(caps, 1<<16)
	})
}

// However a stream is cut, its messages end at the same place.
func FuzzFrames(f *testing.F) {
	f.Add(packets(okPlain, "", "abc"), uint8(1))
	f.Add(AppendHeader(nil, MaxPayload, 0), uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		run := func(size int) (used int, ended bool, payload []byte) {
			var m Frames
			for piece := range chunks(stream, size) {
				for len(piece) > 0 && !ended {
					n, p, end := m.Feed(piece)
					used, ended, payload, piece = used+n, end, append(payload, p...), piece[n:]
				}
			}
			return used, ended, payload
		}
		used, ended, payload := run(len(stream) + 1)
		used2, ended2, payload2 := run(int(size) + 1)
		if used != used2 || ended != ended2 || !bytes.Equal(payload, payload2) {
			t.Errorf("whole: %d bytes, %v, %q; in pieces: %d, %v, %q", used, ended, payload, used2, ended2, payload2)
		}
	})
}
