package proxy

import (
	"io"
	"net"
	"syscall"
)

// stream moves bytes on one connection for one goroutine. It is the seam between
// a session's logic and how bytes are moved: rawStream where the connection is a
// socket, tlsStream where TLS is above it, plainStream otherwise, and packedStream
// above any of them where there is compression. All are woken by deadlines on the
// connection.
type stream interface {
	// fill waits for bytes and reads them behind those that b holds. It takes
	// memory for b only when there are bytes, if the connection can tell.
	fill(b *buffer) error
	// write writes all of p.
	write(p []byte) error
	// exchange writes all of p and then fills b. It is for the side that never
	// speaks first. sent is false if nothing of p can have left.
	exchange(p []byte, b *buffer) (sent bool, err error)
	// peek reports whether the peer has sent something that was not read yet, and
	// whether it has closed. It never blocks, and may be called beside any other
	// method. A peer that has sent something and then closed is pending, not gone.
	peek() (pending, gone bool)
}

// newStream returns the fastest stream that conn can have.
func newStream(conn net.Conn) stream {
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			return newRawStream(raw)
		}
	}
	return &plainStream{conn, rawOf(conn)}
}

// plainStream is a stream over any connection.
type plainStream struct {
	conn net.Conn
	raw  syscall.RawConn // the socket below; nil: none
}

func (s *plainStream) fill(b *buffer) error {
	n, err := s.conn.Read(b.space())
	b.filled(n)
	if n > 0 {
		return nil
	}
	b.release()
	return err
}

func (s *plainStream) write(p []byte) error {
	_, err := s.conn.Write(p)
	return err
}

func (s *plainStream) exchange(p []byte, b *buffer) (bool, error) {
	if n, err := s.conn.Write(p); err != nil {
		return n > 0, err
	}
	return true, s.fill(b)
}

func (s *plainStream) peek() (pending, gone bool) {
	if s.raw == nil {
		return false, false
	}
	return peekRaw(s.raw)
}

// rawStream makes the system calls itself, inside the poller's callbacks. Against
// net.Conn's Read and Write this saves a futile read for each query and the
// scheduler's bookkeeping around each call, about a fifth of the whole price of
// relaying. RawSyscall is fair because the calls never block.
//
// The poller's callback is made once; what it does, and works on, is in the fields.
type rawStream struct {
	raw syscall.RawConn
	try func(fd uintptr) bool // one of those below

	into *buffer
	out  []byte
	err  error
	at   trial
	sent bool
}

// trial is what a rawStream is at.
type trial uint8

const (
	trialRead trial = iota
	trialWrite
	trialExchange
)

func newRawStream(raw syscall.RawConn) *rawStream {
	s := &rawStream{raw: raw}
	s.try = s.tries
	return s
}

// tries does what can be done now; false means to wait until more can be.
func (s *rawStream) tries(fd uintptr) bool {
	switch s.at {
	case trialWrite:
		return s.tryWrite(fd)
	case trialExchange:
		return s.tryExchange(fd)
	case trialRead:
	}
	return s.tryRead(fd)
}

func (s *rawStream) fill(b *buffer) error {
	s.at, s.into, s.err = trialRead, b, nil
	err := s.raw.Read(s.try)
	s.into = nil
	if err != nil {
		b.release()
		return err
	}
	return s.err
}

// tryRead reads once; false means to wait until there is something to read.
func (s *rawStream) tryRead(fd uintptr) bool {
	for {
		n, err := sysRead(fd, s.into.space())
		switch {
		case err == 0 && n > 0:
			s.into.filled(n)
			return true
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			s.into.release()
			return false
		case err == 0:
			s.err = io.EOF
		default:
			s.err = err
		}
		s.into.release()
		return true
	}
}

func (s *rawStream) write(p []byte) error {
	s.at, s.out, s.err = trialWrite, p, nil
	err := s.raw.Write(s.try)
	s.out = nil
	if err != nil {
		return err
	}
	return s.err
}

// tryWrite writes until all is written; false means to wait for room.
func (s *rawStream) tryWrite(fd uintptr) bool {
	for len(s.out) > 0 {
		n, err := sysWrite(fd, s.out)
		switch {
		case err == 0:
			s.out, s.sent = s.out[n:], s.sent || n > 0
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return false
		default:
			s.err = err
			return true
		}
	}
	return true
}

func (s *rawStream) exchange(p []byte, b *buffer) (bool, error) {
	s.at, s.into, s.out, s.sent, s.err = trialExchange, b, p, false, nil
	err := s.raw.Read(s.try)
	rest := s.out
	s.into, s.out = nil, nil
	switch {
	case err != nil:
		b.release()
		return s.sent, err
	case s.err != nil:
		b.release()
		return s.sent, s.err
	case len(rest) == 0:
		return true, nil
	}
	// The socket's buffer was too small for p.
	if err := s.write(rest); err != nil {
		b.release()
		return true, err
	}
	return true, s.fill(b)
}

// tryExchange writes inside the read's callback: the answer's wake-up then comes
// after the poller was told to look out for it, and the read that would find
// nothing is saved. It stops, with some of s.out left, if that does not fit.
func (s *rawStream) tryExchange(fd uintptr) bool {
	if len(s.out) == 0 {
		return s.tryRead(fd)
	}
	if !s.tryWrite(fd) || s.err != nil {
		return true
	}
	s.into.release()
	return false
}

func (s *rawStream) peek() (pending, gone bool) { return peekRaw(s.raw) }

func peekRaw(raw syscall.RawConn) (pending, gone bool) {
	err := raw.Control(func(fd uintptr) { pending, gone = judgePeek(sysPeek(fd)) })
	return pending, gone || err != nil
}

func judgePeek(n int, err syscall.Errno) (pending, gone bool) {
	switch err {
	case 0:
		return n > 0, n == 0
	case syscall.EAGAIN, syscall.EINTR:
		return false, false
	}
	return false, true
}
