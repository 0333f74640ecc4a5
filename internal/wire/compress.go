package wire

import "fmt"

// Compression is how the bytes of a connection are compressed (protocol manual,
// "Compression"). The zero value is none.
type Compression uint8

// The ways of compression.
const (
	CompressionNone Compression = iota
	CompressionZlib             // CLIENT_COMPRESS
	CompressionZstd             // CLIENT_ZSTD_COMPRESSION_ALGORITHM, MySQL 8.0.18 and later
)

// String returns the name that servers have for it.
func (c Compression) String() string {
	switch c {
	case CompressionNone:
		return "none"
	case CompressionZlib:
		return "zlib"
	case CompressionZstd:
		return "zstd"
	}
	return fmt.Sprintf("compression_%d", uint8(c))
}

// Bit returns the capability by which c is agreed on; 0 for none.
func (c Compression) Bit() Capability {
	switch c {
	case CompressionZlib:
		return Compress
	case CompressionZstd:
		return ZstdCompress
	case CompressionNone:
	}
	return 0
}

// Compression returns what two peers use that agreed on c: zlib if on both, as
// servers have it.
func (c Capability) Compression() Compression {
	switch {
	case c.Has(Compress):
		return CompressionZlib
	case c.Has(ZstdCompress):
		return CompressionZstd
	}
	return CompressionNone
}

// The levels of compression. A client says its own for zstd; servers take 6 for
// zlib, whatever the client.
const (
	ZstdLevel    = 3
	maxZstdLevel = 22
	zlibLevel    = 6
)

const (
	// compressedHeader is the size of a compressed packet's header: its length, its
	// number, and the length of what it holds, 0 if that is not compressed.
	compressedHeader = 7
	// minCompress is the fewest bytes that are worth it (MIN_COMPRESS_LENGTH).
	minCompress = 50
)

// Packer puts the packets of a connection into compressed packets. Its fields say
// how, and do not change. Safe for one goroutine at a time.
type Packer struct {
	Codecs *Codecs
	By     Compression // not none
	Level  int         // of zstd, 1 to 22; others count as the nearest, 0 as ZstdLevel
}

// Append appends data in compressed packets, numbered from seq, and returns the
// number of the next one. What does not become shorter stays as it is.
func (p *Packer) Append(dst []byte, seq byte, data []byte) ([]byte, byte) {
	for len(data) > 0 {
		n := min(len(data), MaxPayload)
		dst = p.one(dst, seq, data[:n])
		data = data[n:]
		seq++
	}
	return dst, seq
}

func (p *Packer) one(dst []byte, seq byte, data []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, seq, 0, 0, 0)
	whole := len(data)
	if whole >= minCompress {
		dst = p.Codecs.deflate(dst, data, p)
	}
	if packed := len(dst) - start - compressedHeader; packed == 0 || packed >= whole {
		dst, whole = append(dst[:start+compressedHeader], data...), 0
	}
	putUint24(dst[start:], len(dst)-start-compressedHeader)
	putUint24(dst[start+HeaderSize:], whole)
	return dst
}

func putUint24(b []byte, n int) { b[0], b[1], b[2] = byte(n), byte(n>>8), byte(n>>16) }

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// Numbers follows the packets inside of compressed ones. Servers number their
// answers on from the compressed packets that a command came in, so that the
// numbers that the peers of a proxy expect have to be written anew. The zero value
// stands before a packet.
type Numbers struct {
	have   int // bytes of the header that have been seen
	length int
	skip   int // of the packet
}

// Count goes through b, the next bytes that are sent, and sets next to the number
// after that of the last packet that began in it.
func (n *Numbers) Count(b []byte, next *byte) { n.walk(b, next, false) }

// Renumber goes through b, the next bytes that were received, and gives the packets
// that begin in it the numbers from next on.
func (n *Numbers) Renumber(b []byte, next *byte) { n.walk(b, next, true) }

func (n *Numbers) walk(b []byte, next *byte, anew bool) {
	for i := 0; i < len(b); {
		if n.skip > 0 {
			pass := min(n.skip, len(b)-i)
			n.skip -= pass
			i += pass
			continue
		}
		if n.have < HeaderSize-1 {
			n.length |= int(b[i]) << (8 * n.have)
			n.have++
			i++
			continue
		}
		if anew {
			b[i] = *next
		}
		*next = b[i] + 1
		n.have, n.skip, n.length = 0, n.length, 0
		i++
	}
}
