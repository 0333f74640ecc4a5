package wire

import (
	"errors"
	"fmt"
	"io"
)

// Source is where an Unpacker finds what has been received. More waits for bytes
// behind those that are held; it never returns nil without any.
type Source interface {
	Held() []byte
	Use(n int) // takes the first n of what is held
	More() error
}

// Unpacker reads the packets that come in compressed packets. It keeps nothing but
// a decompressor while it is within a packet. No length is believed before it is
// seen: what is read never exceeds what was announced, and a packet that does not
// hold exactly that is malformed.
//
// An error of the Source between two packets, or in one that is not compressed, is
// passed on, and reading can go on later; every other one is for good. Not safe for
// concurrent use.
type Unpacker struct {
	From   Source
	Codecs *Codecs
	By     Compression // not none

	Next   byte // number of the next compressed packet, sent or received
	Strict bool // a packet with another number is an error, ErrSequence

	left   int // bytes of the packet's body that were not used yet
	size   int // bytes that it still holds; the same as left if it is not compressed
	packed bool
	body   inflater
	failed error
}

// Within reports whether a packet was begun and not all of it was read.
func (u *Unpacker) Within() bool { return u.size > 0 || u.left > 0 }

// Open waits for a packet that has something to be read.
func (u *Unpacker) Open() error {
	if u.failed != nil || u.size > 0 {
		return u.failed
	}
	if err := u.need(compressedHeader); err != nil {
		return err
	}
	held := u.From.Held()
	length, seq := Header(held)
	size := uint24(held[HeaderSize:])
	u.From.Use(compressedHeader)
	u.failed = u.begin(length, size, seq)
	return u.failed
}

// begin begins with a packet of length that holds size bytes, or as many as it is
// long if size is 0.
func (u *Unpacker) begin(length, size int, seq byte) error {
	if u.Strict && seq != u.Next {
		return fmt.Errorf("%w: compressed packet %d, want %d", ErrSequence, seq, u.Next)
	}
	if length == 0 {
		return fmt.Errorf("%w: empty compressed packet", ErrMalformed)
	}
	u.Next = seq + 1
	u.left, u.size, u.packed = length, size, size > 0
	if !u.packed {
		u.size = length
		return nil
	}
	var err error
	if u.By == CompressionZstd {
		const head = 18 // bytes of the longest head of a frame
		if err := u.need(min(head, length)); err != nil {
			return err
		}
		held := u.From.Held()
		u.body, err = u.Codecs.inflateZstd((*packedBody)(u), held[:min(head, length)], size)
	} else {
		u.body, err = u.Codecs.inflateZlib((*packedBody)(u))
	}
	return u.judge(err)
}

// Read reads what the packets hold. It waits for the first byte only.
func (u *Unpacker) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := u.Open(); err != nil {
		return 0, err
	}
	p = p[:min(len(p), u.size)]
	if !u.packed {
		if err := u.need(1); err != nil {
			return 0, err
		}
		n := copy(p, u.From.Held())
		u.From.Use(n)
		u.left, u.size = u.left-n, u.size-n
		return n, nil
	}
	n, err := u.body.Read(p)
	if u.size -= n; n > 0 {
		err = nil // it comes again
	}
	switch {
	case n == 0 && err == nil:
		err = io.ErrNoProgress
	case n == 0 && errors.Is(err, io.EOF) && u.failed == nil:
		err = fmt.Errorf("%d bytes less than announced", u.size)
	case u.size == 0:
		err = u.finish()
	}
	u.failed = u.judge(err)
	return n, u.failed
}

// finish makes sure that a packet holds no more than was announced.
func (u *Unpacker) finish() error {
	var more [1]byte
	n, err := u.body.Read(more[:])
	for range 2 { // an empty last block of its own
		if n == 0 && err == nil {
			n, err = u.body.Read(more[:])
		}
	}
	switch {
	case n > 0:
		return errors.New("more than announced")
	case !errors.Is(err, io.EOF):
		return err
	case u.left > 0:
		return fmt.Errorf("%d bytes behind the end", u.left)
	}
	u.Codecs.done(u.body, true)
	u.body = inflater{}
	return nil
}

// judge turns what a decompressor says into an error of the protocol, unless the
// source has failed.
func (u *Unpacker) judge(err error) error {
	switch {
	case u.failed != nil:
		return u.failed
	case err == nil:
		return nil
	case errors.Is(err, ErrMemory):
		return err
	}
	return fmt.Errorf("%w: compressed packet: %w", ErrMalformed, err)
}

// Close gives back what is held within a packet. The Unpacker is of no use then.
func (u *Unpacker) Close() {
	u.Codecs.done(u.body, false)
	u.body, u.failed = inflater{}, io.ErrClosedPipe
}

// packedBody is the body of the present packet, as the decompressors read it. They
// keep an error for good, and so does the Unpacker.
type packedBody Unpacker

// Read reads no further than the packet.
func (b *packedBody) Read(p []byte) (int, error) {
	if err := b.wait(); err != nil {
		return 0, err
	}
	n := copy(p[:min(len(p), b.left)], b.From.Held())
	b.From.Use(n)
	b.left -= n
	return n, nil
}

// ReadByte keeps zlib from putting a buffer of its own before this.
func (b *packedBody) ReadByte() (byte, error) {
	if err := b.wait(); err != nil {
		return 0, err
	}
	first := b.From.Held()[0]
	b.From.Use(1)
	b.left--
	return first, nil
}

func (b *packedBody) wait() error {
	if b.left == 0 {
		return io.EOF
	}
	if b.failed == nil {
		b.failed = (*Unpacker)(b).need(1)
	}
	return b.failed
}

// need waits until n bytes are held.
func (u *Unpacker) need(n int) error {
	for len(u.From.Held()) < n {
		if err := u.From.More(); err != nil {
			if errors.Is(err, io.EOF) && (u.Within() || len(u.From.Held()) > 0) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}
