package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/sqlring/sqlring/internal/wire"
)

// squeezed is a client that makes its compressed packets itself, and takes the proxy's apart
// by another decompressor: none of this is the proxy's own code.
type squeezed struct {
	*raw
	by    wire.Compression
	plain bool // what it sends is in compressed packets that hold it as it is
	piece int  // bytes in each compressed packet that it sends; the first one has three, half a header
	outer byte // number of the next compressed packet
	held  []byte
	early bool // the answer may have come before all of the command was read: then it is numbered so
}

func (f *fronted) squeezed(t *testing.T, addr string, by wire.Compression) *squeezed {
	t.Helper()
	c, _ := f.raw(t, addr, rawCaps|by.Bit())
	_ = c.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	return &squeezed{raw: c, by: by, piece: wire.MaxPayload}
}

// begins begins an exchange.
func (c *squeezed) begins() { c.outer, c.held = 0, nil }

// sends sends packets.
func (c *squeezed) sends(packets []byte) {
	c.t.Helper()
	for size := 3; len(packets) > 0; size = c.piece {
		n := min(size, len(packets))
		body, whole := packets[:n], 0
		if !c.plain {
			if body = c.squeeze(body); len(body) < n {
				whole = n
			} else {
				body = packets[:n]
			}
		}
		head := append(wire.AppendHeader(nil, len(body), c.outer), byte(whole), byte(whole>>8), byte(whole>>16))
		if _, err := c.conn.Write(append(head, body...)); err != nil {
			c.t.Fatal(err)
		}
		c.outer++
		packets = packets[n:]
	}
}

func (c *squeezed) squeeze(b []byte) []byte {
	var out bytes.Buffer
	if c.by == wire.CompressionZlib {
		w, _ := zlib.NewWriterLevel(&out, 1)
		_, _ = w.Write(b)
		_ = w.Close()
		return out.Bytes()
	}
	w, _ := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// command sends a command.
func (c *squeezed) command(code wire.Command, payload []byte) {
	c.t.Helper()
	c.begins()
	packets, _ := wire.AppendPacket(nil, 0, append([]byte{byte(code)}, payload...))
	c.sends(packets)
}

// take returns the next n bytes.
func (c *squeezed) take(n int) []byte {
	c.t.Helper()
	for len(c.held) < n {
		head := make([]byte, 7)
		if _, err := io.ReadFull(c.conn, head); err != nil {
			c.t.Fatalf("%d of %d bytes: %v", len(c.held), n, err)
		}
		length, seq := wire.Header(head)
		if seq != c.outer && !c.early {
			c.t.Fatalf("compressed packet %d, not %d", seq, c.outer)
		}
		c.outer++
		body := make([]byte, length)
		if _, err := io.ReadFull(c.conn, body); err != nil {
			c.t.Fatal(err)
		}
		if whole, _ := wire.Header(append(head[4:7:7], 0)); whole > 0 {
			if body = c.unsqueeze(body); len(body) != whole {
				c.t.Fatalf("%d bytes in a compressed packet of %d", len(body), whole)
			}
		}
		c.held = append(c.held, body...)
	}
	b := c.held[:n:n]
	c.held = c.held[n:]
	return b
}

func (c *squeezed) unsqueeze(b []byte) []byte {
	c.t.Helper()
	var r io.Reader
	var err error
	if c.by == wire.CompressionZlib {
		r, err = zlib.NewReader(bytes.NewReader(b))
	} else {
		r, err = zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1))
	}
	if err != nil {
		c.t.Fatal(err)
	}
	whole, err := io.ReadAll(r)
	if err != nil {
		c.t.Fatal(err)
	}
	return whole
}

// next returns the next payload, however many packets it is in.
func (c *squeezed) next() (payload []byte) {
	c.t.Helper()
	for {
		length, _ := wire.Header(c.take(wire.HeaderSize))
		payload = append(payload, c.take(length)...)
		if length < wire.MaxPayload {
			if payload == nil {
				payload = []byte{}
			}
			return payload
		}
	}
}

// row returns the payload of the only row of a result of one column, or an error as text.
func (c *squeezed) row() []byte {
	c.t.Helper()
	if head := c.next(); head[0] == 0xFF {
		return []byte(wire.ParseError(head).Error())
	}
	c.next() // definition
	row := bytes.Clone(c.next())
	if end := c.next(); end[0] != 0xFE || len(end) >= wire.MaxPayload {
		c.t.Fatalf("behind the only row: %.100q", end)
	}
	if len(c.held) > 0 {
		c.t.Fatalf("%d bytes behind the result", len(c.held))
	}
	return row
}

// value is the only column of a text row.
func value(row []byte) string {
	r := wire.NewReader(row)
	v := r.Bytes()
	if r.Bad() || r.Len() > 0 {
		return fmt.Sprintf("%.100q", row)
	}
	return string(v)
}

// borders are payloads at which packets are continued, by an empty one or not.
var borders = []int{wire.MaxPayload - 1, wire.MaxPayload, wire.MaxPayload + 1, 2 * wire.MaxPayload}

// letters are n letters, that compress to little or to nothing much.
func letters(n int, noise bool) []byte {
	b, rnd := bytes.Repeat([]byte{'x'}, n), rand.NewPCG(1, uint64(n))
	if noise {
		for i := range b {
			b[i] = 'a' + byte(rnd.Uint64()&15)
		}
	}
	return b
}

func sumOf(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

// Compressed clients pass payloads of each size at which packets are continued, in both
// directions, in compressed packets that are cut anywhere, and are the same bytes at the
// member, and at the client, as they were.
func TestRealCompressedBorders(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "SET GLOBAL local_infile=1; CREATE TABLE shop.lines (v LONGBLOB)")
		for _, way := range []struct {
			name         string
			by           wire.Compression
			plain, noise bool
			piece        int
			sizes        []int
		}{
			{"zlib, cut within headers", wire.CompressionZlib, false, false, wire.MaxPayload - 1, borders},
			{"zlib, noise in full packets", wire.CompressionZlib, false, true, wire.MaxPayload, borders[1:2]},
			{"not compressed", wire.CompressionZlib, true, true, 1<<20 + 3, borders[1:3]},
			{"zstd, full packets", wire.CompressionZstd, false, false, wire.MaxPayload, borders},
			{"zstd, noise, cut within headers", wire.CompressionZstd, false, true, wire.MaxPayload - 1, borders[1:2]},
		} {
			t.Run(way.name, func(t *testing.T) {
				if raceDetector && way.noise {
					t.Skip("compressing takes minutes")
				}
				c := f.squeezed(t, f.Addr(), way.by)
				c.plain, c.piece = way.plain, way.piece
				for _, size := range way.sizes {
					c.passes(t, f, size, way.noise)
				}
			})
		}
	}, "max_allowed_packet=64M")
}

// A compressed client that sends more than the member takes is told so as one that is not
// compressed, and its connection ends; what is just small enough passes.
func TestRealCompressedTooLarge(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		links := f.Stats().LinksLost
		for _, by := range []wire.Compression{wire.CompressionZlib, wire.CompressionZstd} {
			for _, size := range []int{4<<20 - 100, 5 << 20, wire.MaxPayload, 17 << 20, 40 << 20} {
				c := f.squeezed(t, f.Addr(), by)
				packets, _ := wire.AppendPacket(nil, 0, []byte("\x03SELECT LENGTH('"+string(letters(size, false))+"')"))
				c.early = true
				c.begins()
				c.sends(packets)
				if size < 4<<20 {
					if got := value(c.row()); got != strconv.Itoa(size) {
						t.Errorf("%s, %d bytes: %q", by, size, got)
					}
					continue
				}
				if got := c.next(); errorOf(append(make([]byte, 4), got...)) != 1153 {
					t.Errorf("%s, %d bytes: %.100q", by, size, got)
				}
				if n, err := c.conn.Read(make([]byte, 100)); err == nil {
					t.Errorf("%s, %d bytes: the connection goes on with %d bytes", by, size, n)
				}
			}
		}
		if lost := f.Stats().LinksLost - links; lost != 0 {
			t.Errorf("%d links were taken for lost", lost)
		}
	}, "max_allowed_packet=4M")
}

// passes has payloads of a size pass in all the ways in which clients send, and get, some.
func (c *squeezed) passes(t *testing.T, f *fronted, size int, noise bool) {
	t.Helper()
	const front, back = "SELECT SHA2('", "', 256)"
	text := letters(size-1-len(front)-len(back), noise)
	c.command(wire.ComQuery, append(append([]byte(front), text...), back...))
	if got, want := value(c.row()), sumOf(text); got != want {
		t.Errorf("a statement of %d: %s, want %s", size, got, want)
	}
	lenenc := 4
	if size-4 >= 1<<24 {
		lenenc = 9
	}
	c.command(wire.ComQuery, []byte("SELECT REPEAT('y', "+strconv.Itoa(size-lenenc)+")"))
	if row := c.row(); len(row) != size || len(value(row)) != size-lenenc || bytes.Count(row[lenenc:], []byte{'y'}) != size-lenenc {
		t.Errorf("a row of %d: %d bytes, %.60q", size, len(row), row)
	}
	c.prepared(t, size, noise)
	c.command(wire.ComQuery, []byte("LOAD DATA LOCAL INFILE 'x' INTO TABLE shop.lines FIELDS ESCAPED BY ''"))
	if got := c.next(); string(got) != "\xfbx" {
		t.Fatalf("%q", got)
	}
	file := append(letters(size-1, noise), '\n')
	packets, seq := wire.AppendPacket(nil, 2, file)
	packets, seq = wire.AppendPacket(packets, seq, []byte("the end\n"))
	packets, _ = wire.AppendPacket(packets, seq, nil)
	c.sends(packets)
	if got := c.next(); got[0] != 0 {
		t.Fatalf("a file of %d: %.100q", size, got)
	}
	if got, want := f.query(t, "SELECT GROUP_CONCAT(SHA2(v, 256) ORDER BY LENGTH(v)) FROM shop.lines"), sumOf([]byte("the end"))+","+sumOf(file[:size-1]); got != want {
		t.Errorf("a file of %d: %s, want %s", size, got, want)
	}
	f.exec(t, "TRUNCATE shop.lines")
}

// prepared sends an execution of that size, a parameter ahead in a command of that size,
// and gets a binary row of it.
func (c *squeezed) prepared(t *testing.T, size int, noise bool) {
	t.Helper()
	c.command(wire.ComStmtPrepare, []byte("SELECT SHA2(?, 256)"))
	made := c.next()
	if made[0] != 0 {
		t.Fatalf("prepare: %q", made)
	}
	id := bytes.Clone(made[1:5])
	c.next() // parameter
	c.next() // column
	head := append(bytes.Clone(id), 0, 1, 0, 0, 0, 0, 1, 0xFC, 0)
	room := size - 1 - len(head)
	lenenc := 4
	if room-4 >= 1<<24 {
		lenenc = 9
	}
	blob := letters(room-lenenc, noise)
	c.command(wire.ComStmtExecute, wire.AppendBytes(head, string(blob)))
	if row := c.row(); value(row[min(2, len(row)):]) != sumOf(blob) {
		t.Errorf("an execution of %d: %.100q", size, row)
	}
	blob = letters(size-1-6, noise)
	c.command(wire.ComStmtSendLongData, append(append(bytes.Clone(id), 0, 0), blob...))
	c.command(wire.ComStmtSendLongData, append(append(bytes.Clone(id), 0, 0), "more"...))
	c.command(wire.ComStmtExecute, append(bytes.Clone(id), 0, 1, 0, 0, 0, 0, 1, 0xFC, 0))
	if row := c.row(); value(row[min(2, len(row)):]) != sumOf(append(blob, "more"...)) {
		t.Errorf("a parameter of %d sent ahead: %.100q", size, row)
	}
	c.command(wire.ComStmtClose, id)
	c.command(wire.ComStmtPrepare, []byte("SELECT REPEAT('z', ?)"))
	made = c.next()
	id = bytes.Clone(made[1:5])
	c.next()
	c.next()
	lenenc = 4
	if size-2-4 >= 1<<24 {
		lenenc = 9
	}
	value := binary.LittleEndian.AppendUint32(append(bytes.Clone(id), 0, 1, 0, 0, 0, 0, 1, 3, 0), uint32(size-2-lenenc))
	c.command(wire.ComStmtExecute, value)
	if row := c.row(); len(row) != size || bytes.Count(row[min(2+lenenc, len(row)):], []byte{'z'}) != size-2-lenenc {
		t.Errorf("a binary row of %d: %d bytes, %.60q", size, len(row), row)
	}
	c.command(wire.ComStmtClose, id)
}
