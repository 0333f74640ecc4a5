package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// pieces is a Source that receives its bytes in pieces, with an error before each
// if it is to be interrupted.
type pieces struct {
	held, rest  []byte
	size        int
	interrupted bool
	skip        bool
}

func (p *pieces) Held() []byte { return p.held }
func (p *pieces) Use(n int)    { p.held = p.held[n:] }
func (p *pieces) More() error {
	if p.skip = !p.skip; p.skip && p.interrupted {
		return os.ErrDeadlineExceeded
	}
	if len(p.rest) == 0 {
		return io.EOF
	}
	n := min(p.size, len(p.rest))
	p.held = append(p.held[:len(p.held):len(p.held)], p.rest[:n]...)
	p.rest = p.rest[n:]
	return nil
}

const testMemory = 64 << 20

func unpacker(by Compression, b []byte, size int) *Unpacker {
	return &Unpacker{From: &pieces{rest: b, size: size}, Codecs: NewCodecs(testMemory), By: by, Strict: true}
}

var compressions = []Compression{CompressionZlib, CompressionZstd}

// What is packed comes out again, in whatever pieces it goes and comes.
func TestCompressionRoundTrip(t *testing.T) {
	noise := make([]byte, 300<<10)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(noise)
	text := bytes.Repeat([]byte("INSERT INTO cards VALUES (1, 'a greeting'); "), 8000)
	for _, by := range compressions {
		for _, tt := range []struct {
			name string
			data []byte
			cut  int // size of the pieces that it is written in
		}{
			{"one byte", []byte("x"), 1},
			{"49 bytes", text[:49], 49},
			{"50 bytes", text[:50], 50},
			{"a query", text[:120], 120},
			{"text", text, 16 << 10},
			{"text at once", text, len(text)},
			{"noise", noise, 16 << 10},
			{"17 MiB of zeros", make([]byte, 17<<20), 17 << 20},
		} {
			for _, received := range []int{1, 7, 1000, 64 << 10} {
				if received < 1000 && len(tt.data) > 1<<20 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s in %d", by, tt.name, received), func(t *testing.T) {
					p := &Packer{Codecs: NewCodecs(testMemory), By: by}
					var packed []byte
					seq := byte(250) // and over the end
					for rest := tt.data; len(rest) > 0; {
						n := min(tt.cut, len(rest))
						packed, seq = p.Append(packed, seq, rest[:n])
						rest = rest[n:]
					}
					u := unpacker(by, packed, received)
					u.Next = 250
					got, err := io.ReadAll(u)
					if err != nil || !bytes.Equal(got, tt.data) {
						t.Errorf("%d bytes came back as %d, %v", len(tt.data), len(got), err)
					}
					if u.Next != seq {
						t.Errorf("next number %d, want %d", u.Next, seq)
					}
					if used := u.Codecs.used.Load(); used != 0 {
						t.Errorf("%d bytes stay reserved", used)
					}
				})
			}
		}
	}
}

func TestPackerLeavesShortPacketsAlone(t *testing.T) {
	for _, by := range compressions {
		p := &Packer{Codecs: NewCodecs(testMemory), By: by}
		got, _ := p.Append(nil, 3, []byte("\x01\x00\x00\x00\x0e"))
		if want := "\x05\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x0e"; string(got) != want {
			t.Errorf("%s: %q, want %q", by, got, want)
		}
	}
}

// Reading breaks off only where it can go on.
func TestUnpackerGoesOnAfterADeadline(t *testing.T) {
	p := &Packer{Codecs: NewCodecs(testMemory), By: CompressionZlib}
	packed, seq := p.Append(nil, 0, []byte("short"))
	packed, _ = p.Append(packed, seq, bytes.Repeat([]byte("longer "), 100))
	u := unpacker(CompressionZlib, packed[:12+3], 4)
	u.From.(*pieces).interrupted = true
	var got []byte
	for range 100 {
		b := make([]byte, 3)
		n, err := u.Read(b)
		got = append(got, b[:n]...)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || u.Within() && u.packed) {
			t.Fatal(err)
		}
	}
	if string(got) != "short" {
		t.Errorf("got %q", got)
	}
}

// frame is a compressed packet by hand.
func frame(seq byte, body []byte, size int) []byte {
	b := make([]byte, compressedHeader)
	putUint24(b, len(body))
	b[3] = seq
	putUint24(b[4:], size)
	return append(b, body...)
}

func zlibOf(data []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func zstdOf(t testing.TB, data []byte, options ...zstd.EOption) []byte {
	w, err := zstd.NewWriter(nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

func TestUnpackerRefuses(t *testing.T) {
	text := []byte(strings.Repeat("all is well ", 50))
	z, s := zlibOf(text), zstdOf(t, text)
	flipped := bytes.Clone(z)
	flipped[len(flipped)-1] ^= 1
	streamed := func() []byte { // a window of 64 MiB, of a stream whose size is not told
		var b bytes.Buffer
		w, _ := zstd.NewWriter(&b, zstd.WithWindowSize(64<<20))
		_, _ = w.Write(make([]byte, 1<<20))
		_ = w.Flush()
		_ = w.Close()
		return b.Bytes()
	}()
	for _, tt := range []struct {
		name string
		by   Compression
		in   []byte
		want error
	}{
		{"an empty packet", CompressionZlib, frame(0, nil, 0), ErrMalformed},
		{"an empty packet of zstd", CompressionZstd, frame(0, nil, 5), ErrMalformed},
		{"another number", CompressionZlib, frame(1, z, len(text)), ErrSequence},
		{"no header", CompressionZlib, frame(0, z, len(text))[:5], io.ErrUnexpectedEOF},
		{"truncated", CompressionZlib, frame(0, z, len(text))[:20], io.ErrUnexpectedEOF},
		{"zstd truncated", CompressionZstd, frame(0, s, len(text))[:30], io.ErrUnexpectedEOF},
		{"plain truncated", CompressionZlib, frame(0, []byte("abc"), 0)[:9], io.ErrUnexpectedEOF},
		{"more than announced", CompressionZlib, frame(0, z, len(text)-1), ErrMalformed},
		{"zstd: more than announced", CompressionZstd, frame(0, s, len(text)-1), ErrMalformed},
		{"less than announced", CompressionZlib, frame(0, z, len(text)+1), ErrMalformed},
		{"zstd: less than announced", CompressionZstd, frame(0, s, len(text)+1), ErrMalformed},
		{"something behind", CompressionZlib, frame(0, append(bytes.Clone(z), 1), len(text)), ErrMalformed},
		{"zstd: something behind", CompressionZstd, frame(0, append(bytes.Clone(s), 1), len(text)), ErrMalformed},
		{"wrong sum", CompressionZlib, frame(0, flipped, len(text)), ErrMalformed},
		{"not zlib", CompressionZlib, frame(0, text, 2*len(text)), ErrMalformed},
		{"not zstd", CompressionZstd, frame(0, text, 2*len(text)), ErrMalformed},
		{"the other one", CompressionZstd, frame(0, z, len(text)), ErrMalformed},
		{"a bomb", CompressionZlib, frame(0, zlibOf(make([]byte, 64<<20)), 1000), ErrMalformed},
		{"a bomb of zstd", CompressionZstd, frame(0, zstdOf(t, make([]byte, 64<<20)), 1000), ErrMalformed},
		{"a window of 64 MiB", CompressionZstd, frame(0, streamed, 1<<20), ErrMalformed},
		{"a skippable frame", CompressionZstd, frame(0, append([]byte("\x50\x2a\x4d\x18\xff\xff\xff\xff"), s...), len(text)), ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := unpacker(tt.by, tt.in, 11)
			got, err := io.ReadAll(u)
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if _, again := u.Read(make([]byte, 1)); again == nil {
				t.Error("it goes on")
			}
			if len(got) > len(text) && tt.name != "a bomb" {
				t.Errorf("%d bytes came out", len(got))
			}
			u.Close()
			if used := u.Codecs.used.Load(); used != 0 {
				t.Errorf("%d bytes stay reserved", used)
			}
		})
	}
}

// A packet that says that it holds 16 MiB and does not costs nothing like it; one of
// zstd that needs a large window counts, and is refused when there are too many.
func TestUnpackerBelievesNoLength(t *testing.T) {
	const many = 200
	before := heap()
	var open []*Unpacker
	for range many {
		u := unpacker(CompressionZlib, frame(0, zlibOf([]byte("little")), MaxPayload)[:12], 100)
		_, _ = u.Read(make([]byte, 10))
		open = append(open, u)
	}
	if each := (heap() - before) / many; each > 128<<10 {
		t.Errorf("%d bytes for each of them", each)
	}
	runtime.KeepAlive(open)

	large := frame(0, zstdOf(t, make([]byte, 8<<20), zstd.WithWindowSize(8<<20)), 8<<20)
	codecs, refused := NewCodecs(30<<20), 0
	for range 10 {
		u := &Unpacker{From: &pieces{rest: large, size: 1 << 20}, Codecs: codecs, By: CompressionZstd}
		if _, err := u.Read(make([]byte, 10)); errors.Is(err, ErrMemory) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused != 7 {
		t.Errorf("%d of 10 were refused, want 7: three take 9 MiB each", refused)
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

func TestNumbersGoOn(t *testing.T) {
	var packets []byte
	for seq := range 300 {
		packets, _ = AppendPacket(packets, byte(seq*7), bytes.Repeat([]byte("x"), seq%5))
	}
	for _, size := range []int{1, 2, 3, 5, 1000, len(packets)} {
		got := bytes.Clone(packets)
		var n Numbers
		next := byte(5)
		for rest := got; len(rest) > 0; {
			k := min(size, len(rest))
			n.Renumber(rest[:k], &next)
			rest = rest[k:]
		}
		rest, counted := got, byte(0)
		var c Numbers
		c.Count(got, &counted)
		for want := byte(5); len(rest) > 0; want++ {
			length, seq := Header(rest)
			if seq != want {
				t.Fatalf("pieces of %d: number %d, want %d", size, seq, want)
			}
			rest = rest[HeaderSize+length:]
		}
		if next != 49 || counted != 49 { // 5+300 of 256
			t.Errorf("pieces of %d: next %d, counted %d, want 49", size, next, counted)
		}
	}
}

func TestAsksForTLS(t *testing.T) {
	request := make([]byte, 32)
	request[1], request[0] = byte(SSL>>8), 0
	request[1] |= byte(Protocol41 >> 8)
	for _, tt := range []struct {
		name  string
		in    []byte
		asks  bool
		valid bool
	}{
		{"the request", request, true, true},
		{"a login in the clear that claims TLS", append(bytes.Clone(request), "root\x00"...), false, false},
		{"half of it", request[:20], false, false},
		{"without", make([]byte, 32), false, true},
		{"nothing", nil, false, true},
		{"three bytes", request[:3], false, true},
	} {
		asks, err := AsksForTLS(tt.in)
		if asks != tt.asks || (err == nil) != tt.valid || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", tt.name, asks, err)
		}
	}
}

// Whatever comes, nothing panics, no more comes out than was announced in all, and
// what was reserved is given back.
func FuzzCompressed(f *testing.F) {
	text := []byte(strings.Repeat("SELECT c FROM sbtest1 WHERE id=4711 ", 20))
	for _, by := range compressions {
		p := &Packer{Codecs: NewCodecs(testMemory), By: by}
		two, seq := p.Append(nil, 0, text)
		two, _ = p.Append(two, seq, []byte("short"))
		f.Add(two, uint8(by), uint8(3))
		f.Add(two[:20], uint8(by), uint8(1))
	}
	f.Add(frame(0, zstdOf(f, make([]byte, 300<<10)), 300<<10), uint8(CompressionZstd), uint8(9))
	f.Add(frame(0, zlibOf(make([]byte, 1<<20)), 100), uint8(CompressionZlib), uint8(200))
	codecs := NewCodecs(testMemory)
	f.Fuzz(func(t *testing.T, in []byte, by, size uint8) {
		u := &Unpacker{From: &pieces{rest: in, size: int(size) + 1}, Codecs: codecs, By: compressions[int(by)%2], Strict: true}
		announced := 0
		for b := in; len(b) >= compressedHeader; {
			length, packed := uint24(b), uint24(b[4:])
			announced += max(packed, min(length, len(b)))
			b = b[min(compressedHeader+length, len(b)):]
		}
		n, err := io.Copy(io.Discard, u)
		if n > int64(announced) {
			t.Errorf("%d bytes out of %d announced", n, announced)
		}
		if err == nil && len(u.From.Held()) > 0 {
			t.Errorf("%d bytes are left", len(u.From.Held()))
		}
		u.Close()
		if used := codecs.used.Load(); used != 0 {
			t.Errorf("%d bytes stay reserved", used)
		}
	})
}

// What a stranger can make of packets inside does not matter to how they are
// counted: each of them is seen once.
func FuzzNumbers(f *testing.F) {
	packets, _ := AppendPacket(nil, 3, []byte("abc"))
	packets, _ = AppendPacket(packets, 0, nil)
	f.Add(packets, uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		whole, cut := bytes.Clone(in), bytes.Clone(in)
		var a, b Numbers
		var atOnce, inPieces byte
		a.Renumber(whole, &atOnce)
		for rest := cut; len(rest) > 0; {
			k := min(int(size)+1, len(rest))
			b.Renumber(rest[:k], &inPieces)
			rest = rest[k:]
		}
		if !bytes.Equal(whole, cut) || atOnce != inPieces {
			t.Errorf("%x in pieces is %x", whole, cut)
		}
	})
}
