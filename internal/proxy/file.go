package proxy

import (
	"github.com/sqlring/sqlring/internal/wire"
)

// The file of LOAD DATA LOCAL is asked for by the member and sent by the client, in
// packets of any size, the last of which is empty. It passes through the buffer piece
// by piece: a client that is faster than the member waits for it. Nothing is done
// before the last packet, and a connection that ends before it undoes what was read
// (seen on MariaDB 10.11 and MySQL 9.7); so that packet is held back until the lease
// was looked at once more.

// passFile passes the file. If the link is lost in the midst of it, the client is
// listened to up to the end, since it does not look for an answer before; told says
// that it has got one.
func (s *session) passFile(c command) (told bool, err error) {
	s.delivered = false // an error may stand in place of what follows
	if s.packed != nil {
		s.packed.answered = true
		defer func() { s.packed.answered = false }()
	}
	var broken error
	for more := false; ; {
		for s.in.len() < wire.HeaderSize {
			if err := s.fromClient(); err != nil {
				return false, err
			}
		}
		length, seq := wire.Header(s.in.bytes())
		s.next = seq + 1
		if length == 0 && !more {
			return s.endFile(c, broken)
		}
		more = length == wire.MaxPayload
		for left := wire.HeaderSize + length; left > 0; {
			if s.in.len() == 0 {
				if err := s.fromClient(); err != nil {
					return false, err
				}
			}
			n := min(left, s.in.len())
			if broken == nil {
				broken = s.link.stream.write(s.in.bytes()[:n])
			}
			s.in.consume(n)
			left -= n
		}
	}
}

// endFile passes the last packet, if the member may still do what it was sent for.
func (s *session) endFile(c command, broken error) (told bool, err error) {
	last := [wire.HeaderSize]byte(s.in.bytes())
	s.in.consume(wire.HeaderSize)
	if broken == nil && !(s.confirm(s.p.view.Load()) && s.holds()) {
		broken = errNotOwner
	}
	if broken != nil {
		return true, s.lost(c, false, broken)
	}
	if err := s.link.stream.write(last[:]); err != nil {
		return true, s.lost(c, true, err)
	}
	return false, nil
}
