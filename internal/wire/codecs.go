package wire

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// ErrMemory: what is inflated at the moment on all connections takes as much memory
// as it may. The remedy is to try again, or to send less at once.
var ErrMemory = errors.New("too much is being decompressed at once")

// Codecs keeps the tools of compression that no connection needs at the moment.
// Make it with NewCodecs. It is safe for concurrent use.
type Codecs struct {
	limit int64 // bytes; see NewCodecs
	used  atomic.Int64

	zlibWriters, zlibReaders, zstdReaders, scratch sync.Pool

	mu          sync.Mutex
	zstdWriters map[zstd.EncoderLevel]*zstd.Encoder
}

// NewCodecs returns tools that hold at most limit bytes for the windows of large
// packets of zstd, on all connections together. (Smaller packets, and all of
// zlib's, take less than 512 KiB each, while they are read.)
func NewCodecs(limit int64) *Codecs {
	return &Codecs{limit: limit, zstdWriters: map[zstd.EncoderLevel]*zstd.Encoder{}}
}

// Scratch returns an empty buffer, for packets that are compressed.
func (c *Codecs) Scratch() *[]byte {
	if b, ok := c.scratch.Get().(*[]byte); ok {
		return b
	}
	const usual = 18 << 10 // a piece of a response that can not be compressed
	b := make([]byte, 0, usual)
	return &b
}

// Return takes back a buffer of Scratch. Large ones are let go.
func (c *Codecs) Return(b *[]byte) {
	const large = 64 << 10
	if cap(*b) <= large {
		*b = (*b)[:0]
		c.scratch.Put(b)
	}
}

// smallWindow is up to where a window is not counted.
const smallWindow = 128 << 10

// deflate appends data, compressed as p says.
func (c *Codecs) deflate(dst, data []byte, p *Packer) []byte {
	if p.By == CompressionZstd {
		return c.zstdWriter(p.Level).EncodeAll(data, dst)
	}
	out := &appender{dst}
	w, ok := c.zlibWriters.Get().(*zlib.Writer)
	if ok {
		w.Reset(out)
	} else {
		w, _ = zlib.NewWriterLevel(out, zlibLevel) // it errs about the level only
	}
	_, _ = w.Write(data) // an appender does not fail
	_ = w.Close()
	c.zlibWriters.Put(w)
	return out.b
}

type appender struct{ b []byte }

// Write appends p.
func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// zstdWriter returns the one encoder of a level, of which any number of goroutines
// may use EncodeAll.
func (c *Codecs) zstdWriter(level int) *zstd.Encoder {
	if level == 0 {
		level = ZstdLevel
	}
	l := zstd.EncoderLevelFromZstd(min(max(level, 1), maxZstdLevel))
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.zstdWriters[l]
	if w == nil {
		w, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(l), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(smallWindow), zstd.WithLowerEncoderMem(true)) // the options are right
		c.zstdWriters[l] = w
	}
	return w
}

// inflater reads what one compressed packet holds.
type inflater struct {
	io.Reader
	pool     *sync.Pool // where the reader goes afterwards; nil: nowhere
	reserved int64
}

// inflateZlib returns an inflater of what src holds.
func (c *Codecs) inflateZlib(src io.Reader) (inflater, error) {
	if r, ok := c.zlibReaders.Get().(io.Reader); ok {
		err := r.(zlib.Resetter).Reset(src, nil)
		return inflater{Reader: r, pool: &c.zlibReaders}, err
	}
	r, err := zlib.NewReader(src)
	return inflater{Reader: r, pool: &c.zlibReaders}, err
}

// inflateZstd returns an inflater of what src holds, which begins with head. The
// decoder takes the memory that the head asks for at once: it is compared with what
// the packet is said to hold, and counted.
func (c *Codecs) inflateZstd(src io.Reader, head []byte, size int) (inflater, error) {
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return inflater{}, err
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	switch {
	case h.Skippable || h.HasFCS && h.FrameContentSize > uint64(size):
		return inflater{}, fmt.Errorf("a frame of %d bytes where %d were announced", h.FrameContentSize, size)
	case window > MaxPayload+1:
		return inflater{}, fmt.Errorf("%w: a window of %d bytes", ErrTooLarge, window)
	case window <= smallWindow:
		r, ok := c.zstdReaders.Get().(*zstd.Decoder)
		if ok {
			return inflater{Reader: r, pool: &c.zstdReaders}, r.Reset(src)
		}
		r, err := newZstdReader(src, smallWindow)
		return inflater{Reader: r, pool: &c.zstdReaders}, err
	}
	reserved := int64(window) + 1<<20
	if c.used.Add(reserved) > c.limit {
		c.used.Add(-reserved)
		return inflater{}, ErrMemory
	}
	r, err := newZstdReader(src, window)
	if err != nil {
		c.used.Add(-reserved)
	}
	return inflater{Reader: r, reserved: reserved}, err
}

// newZstdReader returns a decoder without goroutines.
func newZstdReader(src io.Reader, window uint64) (*zstd.Decoder, error) {
	return zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(max(window, smallWindow)))
}

// done takes back an inflater; sound says that it came to its end and can be used
// again.
func (c *Codecs) done(i inflater, sound bool) {
	c.used.Add(-i.reserved)
	if sound && i.pool != nil {
		i.pool.Put(i.Reader)
	}
}
