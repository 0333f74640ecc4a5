package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestUintRoundTrip(t *testing.T) {
	for _, v := range []uint64{0, 1, 0xFA, 0xFB, 0xFC, 0xFF, 0x100, 0xFFFF, 0x10000, 0xFFFFFF, 0x1000000, 1<<64 - 1} {
		r := NewReader(AppendUint(nil, v))
		if got := r.Uint(); got != v || r.Bad() || r.Len() != 0 {
			t.Errorf("%d came back as %d (bad %v, %d left)", v, got, r.Bad(), r.Len())
		}
	}
}

func TestReaderTellsShortFields(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		read func(*Reader)
	}{
		{"no integer", nil, func(r *Reader) { r.Uint() }},
		{"NULL is no integer", []byte{0xFB}, func(r *Reader) { r.Uint() }},
		{"an error's mark is no integer", []byte{0xFF}, func(r *Reader) { r.Uint() }},
		{"two bytes of which one", []byte{0xFC, 1}, func(r *Reader) { r.Uint() }},
		{"three bytes of which two", []byte{0xFD, 1, 2}, func(r *Reader) { r.Uint() }},
		{"eight bytes of which seven", []byte{0xFE, 1, 2, 3, 4, 5, 6, 7}, func(r *Reader) { r.Uint() }},
		{"a string longer than all", []byte{5, 'a'}, func(r *Reader) { r.Bytes() }},
		{"a string longer than memory", []byte{0xFE, 255, 255, 255, 255, 255, 255, 255, 255}, func(r *Reader) { r.Bytes() }},
		{"a short", []byte{1}, func(r *Reader) { r.Uint16() }},
		{"an int", []byte{1, 2, 3}, func(r *Reader) { r.Uint32() }},
		{"less than nothing", []byte{1}, func(r *Reader) { r.Take(-1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(tt.in)
			if tt.read(&r); !r.Bad() {
				t.Error("not bad")
			}
			if r.Byte() != 0 || !r.Bad() {
				t.Error("good again")
			}
		})
	}
}

func TestCString(t *testing.T) {
	r := NewReader([]byte("ab\x00\x00last"))
	for _, want := range []string{"ab", "", "last", ""} {
		if got := string(r.CString()); got != want || r.Bad() {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAppendPacketSplits(t *testing.T) {
	for _, size := range []int{0, 1, MaxPayload - 1, MaxPayload, MaxPayload + 1, 2 * MaxPayload} {
		payload := bytes.Repeat([]byte{7}, size)
		packets, next := AppendPacket(nil, 254, payload)
		if want := byte(254 + size/MaxPayload + 1); next != want {
			t.Errorf("%d bytes: next is %d, want %d", size, next, want)
		}
		var got []byte
		var f Frames
		for ended := false; !ended; {
			n, piece, end := f.Feed(packets)
			if n == 0 && !end {
				t.Fatalf("%d bytes: no end", size)
			}
			got, packets, ended = append(got, piece...), packets[n:], end
		}
		if !bytes.Equal(got, payload) || len(packets) != 0 || f.Seq() != byte(254+size/MaxPayload) {
			t.Errorf("%d bytes: %d came back, %d are left, the last is %d", size, len(got), len(packets), f.Seq())
		}
	}
}

func TestConnReadsWhatIsAllowed(t *testing.T) {
	packet := func(n int, seq byte) []byte { return append(AppendHeader(nil, n, seq), bytes.Repeat([]byte{1}, n)...) }
	tests := []struct {
		name   string
		in     []byte
		budget int
		want   error
	}{
		{"fits exactly", packet(100, 0), 104, nil},
		{"one too many", packet(100, 0), 103, ErrTooLarge},
		{"declared only", AppendHeader(nil, MaxPayload, 0), 1 << 16, ErrTooLarge},
		{"wrong number", packet(3, 1), 100, ErrSequence},
		{"half a header", []byte{1, 0}, 100, io.ErrUnexpectedEOF},
		{"half a packet", packet(100, 0)[:50], 200, io.ErrUnexpectedEOF},
		{"nothing", nil, 100, io.EOF},
		{"empty packet", packet(0, 0), 100, nil},
		{"large", packet(100000, 0), 1 << 20, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := NewConn(&pipe{in: tt.in}, tt.budget)
			payload, err := c.Read()
			if !errors.Is(err, tt.want) || (err == nil && !bytes.Equal(payload, tt.in[HeaderSize:])) {
				t.Errorf("%d bytes, %v; want %v", len(payload), err, tt.want)
			}
		})
	}
}

func TestConnKeepsWhatCameEarly(t *testing.T) {
	first, _ := AppendPacket(nil, 0, []byte("one"))
	c := NewConn(&pipe{in: append(first, "early"...)}, 100)
	if payload, err := c.Read(); err != nil || string(payload) != "one" {
		t.Fatalf("%q, %v", payload, err)
	}
	c.Shrink()
	if string(c.Rest()) != "early" {
		t.Errorf("rest %q", c.Rest())
	}
}

func FuzzConn(f *testing.F) {
	two, _ := AppendPacket(nil, 0, []byte("SELECT 1"))
	two, _ = AppendPacket(two, 1, nil)
	f.Add(two, 1<<16)
	f.Add([]byte{255, 255, 255, 0, 1}, 1<<16)
	f.Fuzz(func(t *testing.T, in []byte, budget int) {
		budget %= 1 << 20
		c := NewConn(&pipe{in: in}, budget)
		total := 0
		for {
			payload, err := c.Read()
			if err != nil {
				break
			}
			total += HeaderSize + len(payload)
		}
		if total > max(budget, 0) || total > len(in) {
			t.Errorf("%d bytes read with a budget of %d, of %d", total, budget, len(in))
		}
	})
}

// pipe gives in piece by piece, and keeps what is written.
type pipe struct {
	in  []byte
	out []byte
}

func (p *pipe) Read(b []byte) (int, error) {
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), 777)], p.in)
	p.in = p.in[n:]
	return n, nil
}

func (p *pipe) Write(b []byte) (int, error) {
	p.out = append(p.out, b...)
	return len(b), nil
}
