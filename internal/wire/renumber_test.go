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

const (
	defInfo = "\x03def\x00\x00\x00\x04INFO\x00\x0c?\x00\x0a\x00\x00\x00\xfd\xa1\x00\x00\x00\x00"
	defTime = "\x03def\x00\x00\x00\x04TIME\x00\x0c?\x00\x0a\x00\x00\x00\x0c\xa1\x00\x00\x00\x00"
	defID   = "\x03def\x12information_schema\x01p\x0bPROCESSLIST\x01x\x02ID\x0c?\x00\x04\x00\x00\x00\x08\x01\x10\x00\x00\x00" // MariaDB 10.11
)

// Columns are picked by what they are in the server, wherever they stand.
func TestRenumberColumns(t *testing.T) {
	const big, modern = "\x0a1073741824", DeprecateEOF
	long := string(AppendBytes(nil, bytes.Repeat([]byte{'q'}, 70000)))
	huge := string(AppendBytes(nil, bytes.Repeat([]byte{'q'}, MaxInspect)))
	more := "\xfe\x00\x00\x0a\x00\x00\x00" // more results
	tests := []struct {
		name     string
		prepared bool
		caps     Capability
		in, want []byte
	}{
		{"behind others", false, modern, packets("\x03", defInfo, defID, defInfo, "\xfb\x017\x017", long+"\x017\xfb", endRows), packets("\x03", defInfo, defID, defInfo, "\xfb"+big+"\x017", long+big+"\xfb", endRows)},
		{"twice", false, 0, packets("\x02", defID, defID, eof, "\x017\x017", "\xfb\x018", eof), packets("\x02", defID, defID, eof, big+big, "\xfb\x018", eof)},
		{"nowhere", false, modern, packets("\x01", defInfo, "\x017", endRows), packets("\x01", defInfo, "\x017", endRows)},
		{"behind what is too long", false, modern, packets("\x02", defInfo, defID, huge+"\x017", "\xfb\x017", endRows), packets("\x02", defInfo, defID, huge+"\x017", "\xfb"+big, endRows)},
		{"cut short", false, modern, packets("\x02", defInfo, defID, "\x05abc", endRows), packets("\x02", defInfo, defID, "\x05abc", endRows)},
		{"of the second result", false, modern, packets("\x01", defInfo, "\x017", more, "\x01", defID, "\x017", endRows), packets("\x01", defInfo, "\x017", more, "\x01", defID, big, endRows)},
		{"behind an OK", false, modern, packets("\x00\x00\x00\x0a\x00\x00\x00", "\x01", defID, "\x017", endRows), packets("\x00\x00\x00\x0a\x00\x00\x00", "\x01", defID, big, endRows)},
		{
			"binary", true, modern,
			packets("\x03", defInfo, defTime, defID, "\x00\x00\x02ab\x04\xe8\x07\x01\x02\x07\x00\x00\x00\x00\x00\x00\x00", "\x00\x0c\x07\x00\x00\x00\x00\x00\x00\x00", "\x00\x10\x01a\x00", endRows),
			packets("\x03", defInfo, defTime, defID, "\x00\x00\x02ab\x04\xe8\x07\x01\x02\x00\x00\x00\x40\x00\x00\x00\x00", "\x00\x0c\x00\x00\x00\x40\x00\x00\x00\x00", "\x00\x10\x01a\x00", endRows),
		},
		{"binary, cut short", true, modern, packets("\x02", defInfo, defID, "\x00\x00\x02ab\x07", endRows), packets("\x02", defInfo, defID, "\x00\x00\x02ab\x07", endRows)},
	}
	pick := func(c Column) bool { return string(c.Table) == "PROCESSLIST" && string(c.Name) == "ID" }
	for _, tt := range tests {
		for size := 1; size < len(tt.in)+2; size += 1 + size*2 {
			var r Renumber
			var got []byte
			r.Begin(tt.prepared, tt.caps, pick, sevenIsBig)
			for piece := range chunks(bytes.Clone(tt.in), size) {
				got = r.Feed(got, piece)
			}
			if got = append(got, r.held...); !bytes.Equal(got, tt.want) {
				t.Errorf("%s, in pieces of %d:\n got %.200q\nwant %.200q", tt.name, size, got, tt.want)
				break
			}
		}
	}
}

func TestRenumberKill(t *testing.T) {
	for in, want := range map[string]string{
		"\xff\x47\x04#HY000You are not owner of thread 105": "\xff\x47\x04#HY000You are not owner of thread 1073741831",
		"\xff\x46\x04#HY000Unknown thread id: 105":          "\xff\x46\x04#HY000Unknown thread id: 1073741831",
		"\xff\x46\x04#HY000Unknown thread id: 10":           "\xff\x46\x04#HY000Unknown thread id: 10",
		"\xff\x28\x04#42000You have an error at line 105":   "\xff\x28\x04#42000You have an error at line 105",
		okPlain: okPlain,
	} {
		for size := 1; size < 100; size += 3 {
			var r Renumber
			var got []byte
			r.BeginKill(105, 1<<30+7)
			for piece := range chunks(packets(in), size) {
				got = r.Feed(got, piece)
			}
			if !bytes.Equal(got, packets(want)) {
				t.Errorf("%q became %q", in, got)
			}
		}
	}
}

func TestBindingRenumber(t *testing.T) {
	const head = "\x01\x00\x00\x00\x00\x01\x00\x00\x00"
	const types = "\xfe\x00\x0c\x00\x03\x00\x08\x00" // text, time, four bytes, eight
	values := func(a, b string) string { return "\x017" + "\x04\xe8\x07\x01\x02" + a + b }
	was, is := values("\x07\x00\x00\x00", "\x07\x00\x00\x00\x00\x00\x00\x00"), values("\x00\x00\x00\x40", "\x00\x00\x00\x40\x00\x00\x00\x00")
	tests := []struct{ name, in, want string }{
		{"with types", head + "\x00\x01" + types + was, head + "\x00\x01" + types + is},
		{"without", head + "\x00\x00" + was, head + "\x00\x00" + is},
		{"NULLs", head + "\x07\x01" + types + was[len(was)-8:], head + "\x07\x01" + types + is[len(is)-8:]},
		{"cut short", head + "\x00\x01" + types + was[:len(was)-1], head + "\x00\x01" + types + is[:len(is)-8] + was[len(was)-8:len(was)-1]},
		{"no values", head, head},
	}
	for _, tt := range tests {
		payload := []byte(tt.in)
		b := ParseExecute(payload, 4, 0)
		b.Renumber(payload, []byte(types), 4, sevenIsBig)
		if string(payload) != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, payload, tt.want)
		}
	}
	payload := []byte(head + "\x00\x00" + was)
	b := ParseExecute(payload, 4, 0)
	if b.Renumber(payload, nil, 4, sevenIsBig); string(payload) != head+"\x00\x00"+was {
		t.Errorf("types not known: %q", payload)
	}
}

func renumbered(in []byte, size int, prepared bool, caps Capability) (out []byte) {
	var r Renumber
	r.Begin(prepared, caps, First, sevenIsBig)
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
		r.Begin(prepared, Capability(caps), First, func(n uint64) uint64 { return n })
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
