package wire

import (
	"bytes"
	"testing"
)

func TestRetell(t *testing.T) {
	const modern = DeprecateEOF
	name := "\x01k"
	values := map[string]string{"k": "told", "empty": ""}
	tests := []struct {
		name     string
		prepared bool
		caps     Capability
		in, want []byte
	}{
		{"a list", false, modern, packets("\x02", def, def, name+"\x03was", "\x01l\x03was", "\x05empty\x01x", endRows), packets("\x02", def, def, name+"\x04told", "\x01l\x03was", "\x05empty\x00", endRows)},
		{"classic", false, 0, packets("\x02", def, def, eof, name+"\x00", eof), packets("\x02", def, def, eof, name+"\x04told", eof)},
		{"no metadata", false, modern | OptionalMetadata, packets("\x02\x00", name+"\x00", endRows), packets("\x02\x00", name+"\x04told", endRows)},
		{"binary", true, modern, packets("\x02", def, def, "\x00\x00"+name+"\x03was", endRows), packets("\x02", def, def, "\x00\x00"+name+"\x04told", endRows)},
		{"binary, NULL", true, modern, packets("\x02", def, def, "\x00\x08"+name, endRows), packets("\x02", def, def, "\x00\x08"+name, endRows)},
		{"three columns", false, modern, packets("\x03", def, def, def, name+"\x01a\x01b", endRows), packets("\x03", def, def, def, name+"\x01a\x01b", endRows)},
		{"cut short", false, modern, packets("\x02", def, def, name+"\x07x", endRows), packets("\x02", def, def, name+"\x07x", endRows)},
		{"an OK", false, modern, packets(okPlain), packets(okPlain)},
		{"an error", false, modern, packets(errPlain), packets(errPlain)},
		{"an error among rows", false, modern, packets("\x02", def, def, name+"\x00", errPlain), packets("\x02", def, def, name+"\x04told", errPlain)},
	}
	for _, tt := range tests {
		for size := 1; size < len(tt.in)+2; size += 1 + size {
			var got []byte
			r := NewRetell(tt.prepared, tt.caps, values)
			for in := tt.in; len(in) > 0; in = in[min(size, len(in)):] {
				got = r.Feed(got, in[:min(size, len(in))])
			}
			if !bytes.Equal(got, tt.want) {
				t.Errorf("%s, in pieces of %d:\n got %.200q\nwant %.200q", tt.name, size, got, tt.want)
				break
			}
		}
	}
}
