package proxy

import (
	"errors"
	"os"
	"runtime"

	"github.com/sqlring/sqlring/internal/wire"
)

// inflateLimit bounds what large packets of zstd take while they are read, on all
// connections together.
const inflateLimit = 256 << 20

// packedStream is a stream with compression, over one that has the bytes as they
// travel. Both sides of an exchange number their compressed packets on and on, and
// begin anew with the next command: restart.
//
// The packets inside of an answer are numbered on from the compressed ones, and so
// are those of a client's file: they are numbered anew. Commands are left as they are,
// since several may come in one compressed packet, each numbered from 0: libmariadb
// sends a COM_STMT_CLOSE, which has no answer, together with the next command.
type packedStream struct {
	under  stream
	codecs *wire.Codecs
	packer wire.Packer
	reader wire.Unpacker
	in     buffer // received, still compressed

	sent, got wire.Numbers
	next      byte // number of the next packet inside, sent or received
	answered  bool // what is received goes on with what was sent, and is numbered so

	arrived, inflated int64 // bytes of the client's present command, as they travel and as they are

	// stay decides whether to go on when the deadline has passed in the midst of a
	// compressed packet, where reading can not be broken off. nil: it does not.
	stay func(error) error
}

// newPackedStream returns a stream over under that begins with early, if that was
// received already.
func newPackedStream(under stream, by wire.Packer, buffers *pool, early []byte) *packedStream {
	s := &packedStream{under: under, codecs: by.Codecs, packer: by}
	s.in.pool = buffers
	s.in.append(early)
	s.reader = wire.Unpacker{From: s, Codecs: by.Codecs, By: by.By}
	return s
}

// restart begins with the next command. here says that some of it was received
// already: then compressed packets are numbered on, as servers do.
func (s *packedStream) restart(here bool) {
	s.next, s.arrived, s.inflated = 0, 0, 0
	if !here && !s.reader.Within() {
		s.reader.Next = 0
	}
}

func (s *packedStream) fill(b *buffer) error {
	if s.reader.Within() { // it waits for nothing: a client with much to inflate takes turns with the others
		runtime.Gosched()
	}
	if err := s.reader.Open(); err != nil { // waits without memory
		b.release()
		return err
	}
	space := b.space()
	n, err := s.reader.Read(space)
	if s.answered {
		s.got.Renumber(space[:n], &s.next)
	} else {
		s.got.Count(space[:n], &s.next)
	}
	b.filled(n)
	if s.inflated += int64(n); n > 0 {
		return nil
	}
	b.release()
	return err
}

// A command that is larger than bombSize, and was more than bombRatio times smaller on
// its way, is made to keep us and the member busy: zlib's best is 1030 to 1. What
// people send in such amounts (dumps, pictures) does not come near.
const (
	bombSize  = 64 << 20
	bombRatio = 100
)

// bomb reports whether the present command is one.
func (s *packedStream) bomb() bool {
	return s.inflated > bombSize && s.inflated > bombRatio*(s.arrived+1)
}

func (s *packedStream) write(p []byte) error {
	packed := s.pack(p)
	defer s.codecs.Return(packed)
	return s.under.write(*packed)
}

func (s *packedStream) exchange(p []byte, b *buffer) (bool, error) {
	packed := s.pack(p)
	defer s.codecs.Return(packed)
	if s.in.len() > 0 {
		if err := s.under.write(*packed); err != nil {
			return true, err
		}
		return true, s.fill(b)
	}
	if sent, err := s.under.exchange(*packed, &s.in); err != nil {
		return sent, err
	}
	return true, s.fill(b)
}

func (s *packedStream) pack(p []byte) *[]byte {
	s.sent.Count(p, &s.next)
	packed := s.codecs.Scratch()
	*packed, s.reader.Next = s.packer.Append(*packed, s.reader.Next, p)
	return packed
}

func (s *packedStream) peek() (pending, gone bool) { return s.under.peek() }

// Read is fill for the proxy's own exchanges, whose packets keep their numbers.
func (s *packedStream) Read(p []byte) (int, error) { return s.reader.Read(p) }

// Write writes commands of the proxy's own: each is an exchange, and has compressed
// packets of its own.
func (s *packedStream) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		rest := p[written:]
		length, _ := wire.Header(rest)
		n := min(wire.HeaderSize+length, len(rest))
		s.restart(false)
		if err := s.write(rest[:n]); err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// close gives back what is held. The stream is of no use then.
func (s *packedStream) close() {
	s.reader.Close()
	s.in.drop()
}

// Held returns what was received and is still compressed.
func (s *packedStream) Held() []byte { return s.in.bytes() }

// Use drops the first n bytes of it.
func (s *packedStream) Use(n int) { s.in.consume(n) }

// More waits for more.
func (s *packedStream) More() error {
	for {
		had := s.in.len()
		err := s.under.fill(&s.in)
		s.arrived += int64(max(s.in.len()-had, 0))
		if err == nil || s.stay == nil || !s.reader.Within() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err := s.stay(err); err != nil {
			return err
		}
	}
}
