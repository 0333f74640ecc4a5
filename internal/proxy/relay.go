package proxy

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// pass sends a command to the member and its response to the client.
func (s *session) pass(c command) error {
	s.p.count.queries.Add(1)
	s.delivered, s.midway = false, true
	s.response.Begin(c.code, s.caps, s)
	var err error
	switch {
	case !c.whole:
		err = s.passLarge(c)
	case s.response.Done():
		err = s.link.stream.write(c.packet)
		s.in.consume(len(c.packet))
		if err != nil {
			err = s.lost(c, true, err)
		}
	default:
		err = s.passSmall(c)
	}
	if err == nil {
		s.midway = false
	}
	return err
}

// passSmall sends a command that is whole in the buffer and passes the response.
// The response uses the command's memory, unless more commands are behind it.
func (s *session) passSmall(c command) error {
	alone := s.in.len() == len(c.packet)
	if alone {
		s.out.inherit(&s.in)
	}
	sent, err := s.link.stream.exchange(c.packet, &s.out)
	if !alone {
		s.in.consume(len(c.packet))
	}
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
		if first && len(payload) > 0 {
			payload, first = payload[1:], false // the command's byte
		}
		if isText && scan.Feed(payload) {
			s.dropLink()
			return s.tellLast(reserved())
		}
		if isText {
			s.current.Mentions |= balancer.Mention(payload) &^ balancer.MentionsNext
		}
		err := s.link.stream.write(s.in.bytes()[:n])
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
		if len(forward) > 0 {
			if err := s.client.write(forward); err != nil {
				return fmt.Errorf("write to the client: %w", err)
			}
			s.delivered = true
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
			if err := s.passFile(); err != nil {
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
func (s *session) passFile() error {
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
				return memberError(s.link.route.Member.ID, err)
			}
			s.in.consume(n)
		}
		if packet.Size() == 0 {
			return nil
		}
	}
}
