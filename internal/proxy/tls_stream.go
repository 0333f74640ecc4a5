package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// carrier is the connection below TLS. It belongs to the goroutine of the session;
// deadlines and the end are set on the connection itself, by anybody.
type carrier struct {
	net.Conn
	raw   syscall.RawConn // nil: the connection has none
	early []byte          // received before TLS was begun; it is TLS's all the same
	left  int             // bytes that the handshake may still take
	lazy  bool            // Read does not wait

	into []byte
	n    int
	err  error
	read func(fd uintptr) bool
	wait func(fd uintptr) bool
}

func newCarrier(conn net.Conn, early []byte, budget int) *carrier {
	c := &carrier{Conn: conn, raw: rawOf(conn), early: early, left: budget}
	c.read, c.wait = c.tryRead, c.tryWait
	return c
}

var (
	errHandshakeBytes = errors.New("the TLS handshake takes more bytes than it may")
	errWouldBlock     = wouldBlock{}
)

// wouldBlock is an error after which crypto/tls can be asked again.
type wouldBlock struct{}

// Error says that there is nothing to read.
func (wouldBlock) Error() string { return "nothing to read at the moment" }

// Timeout is true: it makes this a net.Error.
func (wouldBlock) Timeout() bool { return true }

// Temporary is true: crypto/tls does not keep the error.
func (wouldBlock) Temporary() bool { return true }

// Read reads what came early, then what comes. In the handshake it waits; after it,
// it does not: fill waits without memory then.
func (c *carrier) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	if c.lazy {
		return c.readNow(p)
	}
	if c.left <= 0 {
		return 0, errHandshakeBytes
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func (c *carrier) readNow(p []byte) (int, error) {
	c.into, c.n, c.err = p, 0, nil
	err := c.raw.Read(c.read)
	c.into = nil
	if err != nil {
		return 0, err
	}
	return c.n, c.err
}

func (c *carrier) tryRead(fd uintptr) bool {
	for {
		n, err := sysRead(fd, c.into)
		switch {
		case err == 0 && n > 0:
			c.n = n
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.err = errWouldBlock
		case err == 0:
			c.err = io.EOF
		default:
			c.err = err
		}
		return true
	}
}

// tryWait returns false, which is to wait, as long as there is nothing to read.
func (c *carrier) tryWait(fd uintptr) bool {
	_, err := sysPeek(fd)
	return err != syscall.EAGAIN && err != syscall.EINTR
}

// SetDeadline does nothing: crypto/tls sets deadlines of its own, and the session's
// count.
func (c *carrier) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, as SetDeadline.
func (c *carrier) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, as SetDeadline.
func (c *carrier) SetWriteDeadline(time.Time) error { return nil }

// tlsStream is a stream with TLS over a socket.
type tlsStream struct {
	conn  *tls.Conn
	below *carrier
}

// newTLSStream returns a stream over conn, whose handshake is done. The carrier must
// have a raw connection.
func newTLSStream(conn *tls.Conn, below *carrier) *tlsStream {
	below.lazy = true
	return &tlsStream{conn, below}
}

func (s *tlsStream) fill(b *buffer) error {
	for {
		n, err := s.conn.Read(b.space())
		b.filled(n)
		if n > 0 {
			return nil
		}
		b.release()
		if err == nil {
			continue
		}
		if !errors.Is(err, errWouldBlock) {
			return err
		}
		if err := s.below.raw.Read(s.below.wait); err != nil {
			return err
		}
	}
}

func (s *tlsStream) write(p []byte) error {
	_, err := s.conn.Write(p)
	return err
}

// exchange says that nothing was sent if no record of TLS was: a part of one is of
// no use to the peer.
func (s *tlsStream) exchange(p []byte, b *buffer) (bool, error) {
	if n, err := s.conn.Write(p); err != nil {
		return n > 0, err
	}
	return true, s.fill(b)
}

func (s *tlsStream) peek() (pending, gone bool) { return peekTLS(s.below.raw) }

// Read is fill into p.
func (s *tlsStream) Read(p []byte) (int, error) {
	for {
		n, err := s.conn.Read(p)
		if n > 0 || !errors.Is(err, errWouldBlock) {
			return n, err
		}
		if err := s.below.raw.Read(s.below.wait); err != nil {
			return 0, err
		}
	}
}

// Write writes all of p.
func (s *tlsStream) Write(p []byte) (int, error) { return s.conn.Write(p) }

// A record of TLS that holds an alert, by its header (RFC 8446 §5.1, RFC 5246
// §6.2.1). TLS 1.3 hides what a record holds, but not that it is two bytes, the
// kind and the tag of an alert long: no packet of the protocol is that short.
const (
	recordHeader    = 5
	recordAlert     = 21
	recordHidden    = 23
	hiddenAlertSize = 2 + 1 + 16
	longestAlert    = 64 // more than any cipher makes of two bytes
)

// peekTLS looks at the socket. A peer that takes its leave of TLS before it closes
// is gone, although there is something to read.
func peekTLS(raw syscall.RawConn) (pending, gone bool) {
	var head [recordHeader + longestAlert]byte
	var n int
	var errno syscall.Errno
	err := raw.Control(func(fd uintptr) { n, errno = sysPeekAt(fd, head[:]) })
	if err != nil {
		return false, true
	}
	pending, gone = judgePeek(n, errno)
	if pending && isAlert(head[:n]) {
		return false, true
	}
	return pending, gone
}

// isAlert reports whether b, all that there is to read, is one alert. It may begin
// anywhere in a record: of those of a client that sends much, some bytes have been
// read. So it has to look like an alert in each respect.
func isAlert(b []byte) bool {
	if len(b) < recordHeader || b[1] != 3 || b[2] != 3 {
		return false
	}
	size := int(b[3])<<8 | int(b[4])
	return size == len(b)-recordHeader && size <= longestAlert &&
		(b[0] == recordAlert || b[0] == recordHidden && size == hiddenAlertSize)
}

// rawOf returns the socket that conn is, or has below it; nil for none.
func rawOf(conn net.Conn) syscall.RawConn {
	for {
		if sc, ok := conn.(syscall.Conn); ok {
			if raw, err := sc.SyscallConn(); err == nil {
				return raw
			}
			return nil
		}
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = over.NetConn()
	}
}
