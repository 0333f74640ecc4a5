package proxy

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// maxRuns is how often one command is sent to a member, if it can be sent again.
const maxRuns = 4

// pass sends a command to the member and its response to the client. The bytes of
// a command that is whole stay until some of the response has been delivered, so
// that it can be run elsewhere if its link is lost.
func (s *session) pass(c command) error {
	s.p.count.queries.Add(1)
	s.delivered, s.midway = false, true
	if c.whole {
		s.held = len(c.packet)
	}
	var err error
	for s.runs = 1; ; s.runs++ {
		if err = s.runOnce(c); !errors.Is(err, errElsewhere) {
			break
		}
		s.p.count.again.Add(1)
		var told *wire.Error
		if told, err = s.ready(); err == nil && told != nil {
			err = s.tellInstead(c, told, false)
		}
		if err != nil || told != nil {
			break
		}
	}
	s.discharge()
	if err == nil {
		s.midway = false
	}
	return err
}

// discharge drops the bytes of the command that were kept.
func (s *session) discharge() {
	if s.held > 0 {
		s.in.consume(s.held)
		s.held = 0
	}
}

// runOnce sends the command to the member that the session's link leads to.
func (s *session) runOnce(c command) error {
	if told, err := s.settle(); err != nil {
		return s.lost(c, false, err)
	} else if told != nil {
		return s.tellInstead(c, told, false)
	}
	s.response.Begin(c.code, s.caps, s)
	switch {
	case !c.whole:
		return s.passLarge(c)
	case s.response.Done():
		if err := s.link.stream.write(s.outgoing(c)); err != nil {
			return s.lost(c, true, err)
		}
		return nil
	}
	sent, err := s.link.stream.exchange(s.outgoing(c), &s.out)
	if err != nil {
		return s.lost(c, sent, err)
	}
	return s.answer(c)
}

// passLarge streams a command that the buffer can not hold, looking at its SQL on
// the way. The member runs it when it has all of it; so it is enough to hold back
// the piece that shows that it may not run.
func (s *session) passLarge(c command) error {
	var frames wire.Frames
	scan, first := s.scanner(), true
	isText := c.code == wire.ComQuery || c.code == wire.ComStmtPrepare
	for {
		n, payload, ended := frames.Feed(s.in.bytes())
		piece := s.in.bytes()[:n]
		if first && len(payload) > 0 {
			payload, first = payload[1:], false // the command's byte
			if s.target != nil {
				piece = s.outgoing(command{code: c.code, packet: piece})
			}
		}
		if isText && scan.Feed(payload) {
			s.dropLink()
			return s.tellLast(reserved())
		}
		if isText {
			s.current.Mentions |= balancer.Mention(payload) &^ balancer.MentionsNext
		}
		if c.code == wire.ComStmtPrepare && s.preparing != nil {
			if s.preparing = append(s.preparing, payload...); len(s.preparing) > keptBytes {
				s.preparing = nil
			}
		}
		err := s.link.stream.write(piece)
		s.in.consume(n)
		if err != nil {
			return s.lost(c, false, err)
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
	if err := s.link.stream.fill(&s.out); err != nil {
		return s.lost(c, true, err)
	}
	return s.answer(c)
}

// fromClient reads on in the midst of what the client sends.
func (s *session) fromClient() error {
	held := s.in.len()
	err := s.client.fill(&s.in)
	for errors.Is(err, os.ErrDeadlineExceeded) && s.ctx.Err() == nil {
		until := time.Time{}
		if s.p.draining.Load() { // what has begun may end
			until = time.Unix(0, s.p.drainEnd.Load())
		}
		if !until.IsZero() && !time.Now().Before(until) {
			return errDraining
		}
		_ = s.conn.SetReadDeadline(until)
		err = s.client.fill(&s.in)
	}
	if err != nil {
		return fmt.Errorf("read from the client: %w", err)
	}
	s.p.count.bytesIn.Add(uint64(s.in.len() - held))
	return nil
}

// answer passes the response on in the pieces in which it comes.
func (s *session) answer(c command) error {
	for {
		forward, rest, err := s.response.Feed(s.out.bytes())
		if s.expired {
			return s.withhold(c)
		}
		if len(forward) > 0 {
			if err := s.client.write(forward); err != nil {
				return fmt.Errorf("write to the client: %w", err)
			}
			s.delivered = true
			s.discharge()
			s.p.count.bytesOut.Add(uint64(len(forward)))
		}
		if err != nil {
			return memberError(s.link.route.Member.ID, err)
		}
		s.out.consume(s.out.len() - len(rest))
		switch {
		case s.response.Done():
			if len(rest) > 0 {
				return errSurplus
			}
			return nil
		case s.response.WantsFile():
			if err := s.passFile(c); err != nil {
				return err
			}
			s.response.FileSent()
		case s.out.full() && !s.out.grow(wire.HeaderSize+wire.MaxInspect):
			return fmt.Errorf("%w: response", wire.ErrTooLarge)
		}
		if err := s.link.stream.fill(&s.out); err != nil {
			return s.lost(c, true, err)
		}
	}
}

// passFile passes the file of LOAD DATA LOCAL, which ends with an empty packet.
func (s *session) passFile(c command) error {
	for {
		var packet wire.Frames
		for ended := false; !ended; {
			if s.in.len() == 0 {
				if err := s.fromClient(); err != nil {
					return err
				}
			}
			var n int
			n, _, ended = packet.Feed(s.in.bytes())
			if err := s.link.stream.write(s.in.bytes()[:n]); err != nil {
				return s.lost(c, true, err)
			}
			s.in.consume(n)
		}
		if packet.Size() == 0 {
			return nil
		}
	}
}
