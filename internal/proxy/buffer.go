package proxy

import (
	"sync"
	"sync/atomic"
)

// bufferSize is enough for nearly every statement and result; larger ones pass
// through it piece by piece. Larger buffers brought nothing measurable.
const bufferSize = 16 << 10

// A statement is held up to heldText, so that it can be looked at before any of it is
// sent, as long as all sessions together hold no more than heldTexts beyond their buffers.
const (
	heldText  = 4 << 20
	heldTexts = 64 << 20
)

// pool keeps buffers that no session needs at the moment.
type pool struct {
	free sync.Pool
	held atomic.Int64 // bytes that are reserved by extend
}

func (p *pool) take() *[bufferSize]byte {
	if b, ok := p.free.Get().(*[bufferSize]byte); ok {
		return b
	}
	return new([bufferSize]byte)
}

// buffer holds bytes between two system calls. It has memory only while it has
// bytes to hold.
type buffer struct {
	pool  *pool
	lent  *[bufferSize]byte // nil: none, or mem has outgrown it
	mem   []byte
	start int // mem[start:end] is held
	end   int

	reserved int // of the pool's held: the size of mem, if extend has made it
}

func (b *buffer) bytes() []byte { return b.mem[b.start:b.end] }
func (b *buffer) len() int      { return b.end - b.start }

// space returns room to read into, taking memory if there is none.
func (b *buffer) space() []byte {
	if b.mem == nil {
		b.lent = b.pool.take()
		b.mem = b.lent[:]
	}
	if b.end == len(b.mem) && b.start > 0 {
		b.end = copy(b.mem, b.bytes())
		b.start = 0
	}
	return b.mem[b.end:]
}

func (b *buffer) filled(n int) { b.end += n }

// append holds p behind the rest, in as much memory as that takes.
func (b *buffer) append(p []byte) {
	for len(p) > 0 {
		n := copy(b.space(), p)
		b.filled(n)
		if p = p[n:]; len(p) > 0 {
			b.grow(b.end + len(p))
		}
	}
}

// consume drops the first n bytes, and the memory with the last of them.
func (b *buffer) consume(n int) {
	b.start += n
	if b.reserved > 0 && b.len() <= bufferSize {
		b.shrink()
	}
	b.release()
}

// shrink moves what is left of a large text into a buffer of the usual size.
func (b *buffer) shrink() {
	rest := b.bytes()
	lent := b.pool.take()
	n := copy(lent[:], rest)
	b.unreserve()
	b.lent, b.mem, b.start, b.end = lent, lent[:], 0, n
}

func (b *buffer) unreserve() {
	if b.reserved > 0 {
		b.pool.held.Add(int64(-b.reserved))
		b.reserved = 0
	}
}

// extend makes the memory larger, for need bytes in all, by and by as they come. It
// reports false if the sessions hold too much together already.
func (b *buffer) extend(need int) bool {
	size := min(need, 4*len(b.mem))
	more := size - b.reserved
	if b.pool.held.Add(int64(more)) > heldTexts {
		b.pool.held.Add(int64(-more))
		return false
	}
	b.reserved = size
	larger := make([]byte, size)
	held := copy(larger, b.bytes())
	if b.lent != nil {
		b.pool.free.Put(b.lent)
	}
	b.lent, b.mem, b.start, b.end = nil, larger, 0, held
	return true
}

// release gives the memory back if nothing is held.
func (b *buffer) release() {
	if b.start < b.end {
		return
	}
	if b.lent != nil {
		b.pool.free.Put(b.lent)
	}
	b.unreserve()
	b.lent, b.mem, b.start, b.end = nil, nil, 0, 0
}

// drop forgets what is held and gives the memory back.
func (b *buffer) drop() {
	b.start = b.end
	b.release()
}

// grow doubles the memory, up to limit; it reports false if it is as large.
func (b *buffer) grow(limit int) bool {
	if len(b.mem) >= limit {
		return false
	}
	larger := make([]byte, min(limit, 2*len(b.mem)))
	held := copy(larger, b.bytes())
	if b.lent != nil {
		b.pool.free.Put(b.lent)
	}
	b.lent, b.mem, b.start, b.end = nil, larger, 0, held
	return true
}

// full reports whether there is no room left to read into.
func (b *buffer) full() bool { return b.start == 0 && b.end == len(b.mem) && b.mem != nil }
