package proxy

import (
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// A statement that the buffer can not hold is held nevertheless up to heldText, while
// there is memory for it (heldTexts): then it is as well known as a small one, what it
// touches and what it leaves behind. All else that the buffer can not hold is streamed, in
// any number of packets, with no more memory than a small command. How large it may be is for the member to judge, by
// its own max_allowed_packet: servers answer 1153 as soon as they have seen enough,
// and close the connection (MariaDB 10.11 and MySQL 9.7). So does this side.

// lingerTime is how long a client that was refused in the midst of a command may go on
// with it, so that it gets to read why.
const lingerTime = time.Second

// makesRoom makes room for the rest of a statement of which the buffer is full; false if it is
// to be streamed.
func (s *session) makesRoom(c command) bool {
	if c.code != wire.ComQuery && c.code != wire.ComStmtPrepare {
		return false
	}
	length, _ := wire.Header(c.packet)
	return length <= heldText && s.in.extend(wire.HeaderSize+length)
}

// passHeld sends a command that is whole, and so large that the member may refuse it
// before it has all of it.
func (s *session) passHeld(c command) error {
	l := large{session: s, c: c}
	if err := s.link.stream.write(s.outgoing(c)); err != nil {
		return l.broken(true, err)
	}
	if err := s.link.stream.fill(&s.out); err != nil {
		return s.lost(c, true, err)
	}
	return l.answer()
}

// passLarge streams a command, looking at its SQL on the way. The member runs it when
// it has all of it; so it is enough to hold back the piece that shows that it may not
// run.
func (s *session) passLarge(c command) error {
	l := large{session: s, c: c, scan: s.scanner(), first: true}
	for {
		n, payload, ended := l.frames.Feed(s.in.bytes())
		s.next = l.frames.Seq() + 1
		begins := l.first
		piece, ok := l.look(s.in.bytes()[:n], payload)
		switch {
		case !ok:
			return l.refuse(n, ended, reserved())
		case l.told != nil:
			return l.refuse(n, ended, l.told)
		case s.packed != nil && s.packed.bomb():
			s.p.count.refuse(RefusedBomb)
			return l.refuse(n, ended, wire.NewError(wire.PacketTooLarge,
				"sqlring: more than %d MiB in one command, compressed by more than %d to 1; send it without compression", bombSize>>20, bombRatio))
		}
		if s.wider != nil && !begins {
			piece = s.wider.Feed(nil, piece)
		}
		var err error
		if len(piece) > 0 {
			err = s.link.stream.write(piece)
		}
		s.in.consume(n)
		if err != nil {
			return l.broken(ended, err)
		}
		if ended {
			break
		}
		if s.in.len() > 0 {
			continue
		}
		if err := s.fromClient(); err != nil {
			s.dropLink() // it has not all of the command: nothing runs there
			return err
		}
	}
	if s.response.Done() {
		return nil
	}
	if s.wider != nil {
		s.counted, s.recounts = s.next, s.wider.Seq() != s.next
	}
	if err := s.link.stream.fill(&s.out); err != nil {
		return s.lost(c, true, err)
	}
	return l.answer()
}

// scanner returns a scanner for this session's SQL.
func (s *session) scanner() *balancer.Scanner {
	return &balancer.Scanner{NoBackslashEscapes: s.mem.noBackslash()}
}

// large is a command that is passed on piece by piece.
type large struct {
	*session
	c      command
	frames wire.Frames
	scan   *balancer.Scanner
	first  bool // nothing of it was looked at yet
	seen   int  // bytes of its text that were looked at
	told   *wire.Error
}

// look looks at the next piece, and what it holds of the command's payload. It returns
// the piece as it is to be sent; not ok, if it shows that the command may not run.
func (l *large) look(piece, payload []byte) (send []byte, ok bool) {
	if l.first && len(payload) > 0 {
		payload, l.first = payload[1+l.c.before:], false // the command's byte, attributes
		if l.target != nil {
			piece = l.outgoing(command{code: l.c.code, packet: piece})
		}
	}
	if l.c.code != wire.ComQuery && l.c.code != wire.ComStmtPrepare {
		return piece, true
	}
	if l.scan.Feed(payload) {
		return nil, false
	}
	l.followRows(payload)
	l.current.Mentions |= balancer.Mention(payload) &^ balancer.MentionsNext
	if l.c.code == wire.ComStmtPrepare && l.preparing != nil {
		if l.preparing = append(l.preparing, payload...); len(l.preparing) > keptBytes {
			l.preparing = nil
		}
	}
	return piece, true
}

// followRows looks whether a statement that is taken for an INSERT of rows is one.
func (l *large) followRows(text []byte) {
	if skip := l.rowsFrom - l.seen; l.rows != nil && skip < len(text) && !l.rows.Feed(text[max(skip, 0):]) {
		l.told = l.notRows()
	}
	l.seen += len(text)
}

// refuse ends the session in the midst of a command, of which n bytes are held.
func (l *large) refuse(n int, ended bool, told *wire.Error) error {
	l.dropLink() // it has not all of the command: nothing runs there
	err := l.tellLast(told)
	l.in.consume(n)
	l.linger(ended)
	return err
}

// broken finds out why the member does not take the command: it may have refused it,
// which is no loss of a link, or be gone.
func (l *large) broken(ended bool, cause error) error {
	l.link.until(time.Now().Add(pauseForOneWrite))
	if l.link.stream.fill(&l.out) != nil {
		return l.lost(l.c, false, cause)
	}
	forward, _, err := l.response.Feed(l.out.bytes())
	if err != nil || l.refused == 0 {
		return l.lost(l.c, false, cause)
	}
	if err := l.deliver(forward); err != nil {
		return err
	}
	l.linger(ended)
	return errRefused
}

// answer passes the response. A refusal because of the command's size is the end.
func (l *large) answer() error {
	err := l.session.answer(l.c)
	if tooLarge, _ := wire.PacketTooLarge.Code(); err == nil && l.refused == tooLarge {
		return errRefused
	}
	return err
}

// linger lets the client send the rest of the command, for a while: what it has sent
// compressed, a gigabyte in a megabyte, is no reason to read for longer.
func (l *large) linger(ended bool) {
	end := time.Now().Add(lingerTime)
	l.leaving = true
	_ = l.conn.SetReadDeadline(end)
	for !ended && time.Now().Before(end) {
		if l.in.len() == 0 && l.client.fill(&l.in) != nil {
			return
		}
		var n int
		n, _, ended = l.frames.Feed(l.in.bytes())
		l.in.consume(n)
	}
}
