package wire

import (
	"bytes"
	"fmt"
	"testing"
)

const (
	defLong     = "\x03def\x00\x00\x00\x0fCONNECTION_ID()\x00\x0c?\x00\x0a\x00\x00\x00\x03\xa1\x00\x00\x00\x00"     // MariaDB 10.11
	defExtended = "\x03def\x00\x00\x00\x0fCONNECTION_ID()\x00\x00\x0c?\x00\x0a\x00\x00\x00\x03\xa1\x00\x00\x00\x00" // with ExtendedMetadata
	defLonglong = "\x03def\x00\x00\x00\x0fCONNECTION_ID()\x00\x0c?\x00\x15\x00\x00\x00\x08\xa1\x00\x00\x00\x00"     // MySQL 9.7
)

// sevenIsBig is what becomes of ids in these tests.
func sevenIsBig(n uint64) uint64 {
	if n == 7 {
		return 1 << 30
	}
	return n
}

func TestRenumber(t *testing.T) {
	const big, modern = "\x0a1073741824", DeprecateEOF
	info := "\x01x" + string(AppendBytes(nil, bytes.Repeat([]byte{'q'}, 70000)))
	tests := []struct {
		name     string
		prepared bool
		caps     Capability
		in, want []byte
	}{
		{"a list", false, modern, packets("\x02", defLong, def, "\x017\x01a", "\x018\x01b", endRows), packets("\x02", defLong, def, big+"\x01a", "\x018\x01b", endRows)},
		{"a list, classic", false, 0, packets("\x01", defLong, eof, "\x017", eof), packets("\x01", defLong, eof, big, eof)},
		{"a long row", false, modern, packets("\x03", defLong, def, def, "\x017"+info, endRows), packets("\x03", defLong, def, def, big+info, endRows)},
		{"no metadata", false, modern | OptionalMetadata, packets("\x01\x00", "\x017", endRows), packets("\x01\x00", "\x017", endRows)},
		{"metadata of both", false, modern | OptionalMetadata, packets("\x01\x01", defLong, "\x017", endRows), packets("\x01\x01", defLong, big, endRows)},
		{"NULL", false, modern, packets("\x01", defLong, "\xfb", endRows), packets("\x01", defLong, "\xfb", endRows)},
		{"no number", false, modern, packets("\x01", defLong, "\x01x", endRows), packets("\x01", defLong, "\x01x", endRows)},
		{"an OK", false, modern, packets(okPlain), packets(okPlain)},
		{"an error", false, modern, packets(errPlain), packets(errPlain)},
		{"an error among rows", false, modern, packets("\x01", defLong, "\x017", errPlain), packets("\x01", defLong, big, errPlain)},
		{"binary, four bytes", true, modern, packets("\x01", defLong, "\x00\x00\x07\x00\x00\x00", endRows), packets("\x01", defLong, "\x00\x00\x00\x00\x00\x40", endRows)},
		{"binary, extended", true, modern | ExtendedMetadata, packets("\x01", defExtended, "\x00\x00\x07\x00\x00\x00", endRows), packets("\x01", defExtended, "\x00\x00\x00\x00\x00\x40", endRows)},
		{"binary, eight bytes, classic", true, 0, packets("\x01", defLonglong, eof, "\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00", eof), packets("\x01", defLonglong, eof, "\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00", eof)},
		{"binary, NULL", true, modern, packets("\x01", defLong, "\x00\x04", endRows), packets("\x01", defLong, "\x00\x04", endRows)},
		{"binary, text", true, modern, packets("\x01", "\x03def\x00\x00\x00\x01a\x00\x0c?\x00\x0a\x00\x00\x00\xfd\xa1\x00\x00\x00\x00", "\x00\x00\x017", endRows), packets("\x01", "\x03def\x00\x00\x00\x01a\x00\x0c?\x00\x0a\x00\x00\x00\xfd\xa1\x00\x00\x00\x00", "\x00\x00\x017", endRows)},
	}
	for _, tt := range tests {
		for size := 1; size < len(tt.in)+2; size += 1 + size*2 {
			if got := renumbered(tt.in, size, tt.prepared, tt.caps); !bytes.Equal(got, tt.want) {
				t.Errorf("%s, in pieces of %d:\n got %.200q\nwant %.200q", tt.name, size, got, tt.want)
				break
			}
		}
	}
}

func renumbered(in []byte, size int, prepared bool, caps Capability) (out []byte) {
	var r Renumber
	r.Begin(prepared, caps, sevenIsBig)
	for piece := range chunks(bytes.Clone(in), size) {
		out = r.Feed(out, piece)
	}
	return append(out, r.held...)
}

func chunks(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for ; len(b) > 0; b = b[min(size, len(b)):] {
			if !yield(b[:min(size, len(b))]) {
				return
			}
		}
	}
}

// However a result is cut, the same becomes of it; and nothing but numbers changes.
func FuzzRenumber(f *testing.F) {
	f.Add(packets("\x02", defLong, def, "\x017\x01a", "\x018\x01b", endRows), uint8(3), false, uint64(DeprecateEOF))
	f.Add(packets("\x01", defLonglong, eof, "\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00", eof), uint8(1), true, uint64(0))
	f.Add(packets("\x01\x01", defLong, "\x017", endRows), uint8(1), false, uint64(DeprecateEOF|OptionalMetadata))
	f.Fuzz(func(t *testing.T, in []byte, size uint8, prepared bool, caps uint64) {
		whole := renumbered(in, len(in)+1, prepared, Capability(caps))
		cut := renumbered(in, int(size)+1, prepared, Capability(caps))
		if !bytes.Equal(whole, cut) {
			t.Fatalf("whole %q, in pieces %q", whole, cut)
		}
		var r Renumber
		r.Begin(prepared, Capability(caps), func(n uint64) uint64 { return n })
		same := append(r.Feed(nil, bytes.Clone(in)), r.held...)
		if len(same) > len(in)+len(in)/2 {
			t.Fatalf("%d bytes became %d", len(in), len(same))
		}
	})
}

// Progress reports are no end, and nothing that could not be followed by an error.
func TestResponseReportsProgress(t *testing.T) {
	const progress = "\xff\xff\xff\x01\x01\x02\x10\x27\x00\x11copy to tmp table"
	for _, caps := range []Capability{Protocol41 | DeprecateEOF | Progress, Protocol41 | Progress} {
		var r Response
		var seen transcript
		r.Begin(ComQuery, caps, &seen)
		stream := packets(progress, progress)
		out, _, err := feed(&r, stream, 7)
		if err != nil || r.Done() || r.Begun() || !bytes.Equal(out, stream) || r.Seq() != 3 || len(seen.events) != 0 {
			t.Fatalf("%q, %v, done %v, begun %v, next %d, %v", out, err, r.Done(), r.Begun(), r.Seq(), seen.events)
		}
		if _, _, err = feed(&r, packets(okPlain), 100); err != nil || !r.Done() || !r.Begun() {
			t.Errorf("%v, done %v, begun %v", err, r.Done(), r.Begun())
		}
	}
	var r Response
	var seen transcript
	r.Begin(ComQuery, Protocol41, &seen)
	if _, _, err := feed(&r, packets(progress), 100); err != nil || !r.Done() || fmt.Sprint(seen.events) != "[error 65535]" {
		t.Errorf("to a client that did not ask: %v, %v", err, seen.events)
	}
}
