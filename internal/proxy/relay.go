package proxy

import (
	"errors"
	"fmt"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// maxRuns is how often one command is sent to a member, if it can be sent again.
const maxRuns = 4

// pass sends a command to the member and its response to the client. The bytes of
// a command that is whole stay until some of the response has been delivered, so
// that it can be run elsewhere if its link is lost.
func (s *session) pass(c command) error {
	if told, err := s.awaitLease(c); told != nil || err != nil {
		if err != nil {
			return err
		}
		return s.refuse(c, told)
	}
	if ends := s.current.Kind == balancer.KindCommit || s.current.Kind == balancer.KindRollback; !ends && c.whole && s.strikes.calledOff() {
		return s.refuse(c, interruption())
	}
	s.p.count.queries.Add(1)
	s.delivered, s.midway = false, true
	if s.account != nil {
		s.vague = s.account.vague.Load()
	}
	if c.whole {
		s.held = len(c.packet)
	}
	if s.current.Kind == balancer.KindCommit {
		defer s.strikes.commit()()
	}
	var err error
	for s.runs = 1; ; s.runs++ {
		if err = s.runOnce(c); !errors.Is(err, errElsewhere) {
			break
		}
		s.p.count.again.Add(1)
		var told *wire.Error
		if told, err = s.ready(); err == nil && told == nil {
			s.leavesAgain()
			told, err = s.awaitLease(c)
		}
		if err == nil && told != nil {
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
	if err := s.settleDebt(c); err != nil {
		return s.lost(c, false, err)
	}
	if told := s.unknownInsertID(c); told != nil {
		return s.tellInstead(c, told, false)
	}
	if told, err := s.settle(); err != nil {
		return s.lost(c, false, err)
	} else if told != nil {
		return s.tellInstead(c, told, false)
	}
	if told, err := s.fillsRows(c); err != nil {
		return s.lost(c, false, err)
	} else if told != nil {
		return s.tellInstead(c, told, false)
	}
	if s.own.tracking {
		if err := s.showTracking(); err != nil {
			return s.lost(c, false, err)
		}
	}
	s.response.Begin(c.code, s.caps, s)
	if c.code == wire.ComStmtExecute && s.target != nil && !s.binding.Cursor {
		s.response.NoCursor()
	}
	s.link.begin()
	switch {
	case !c.whole:
		return s.passLarge(c)
	case s.response.Done():
		if err := s.link.stream.write(s.outgoing(c)); err != nil {
			return s.lost(c, true, err)
		}
		return nil
	case len(c.packet) > bufferSize:
		return s.passHeld(c)
	}
	began, measured := s.timed()
	sent, err := s.link.stream.exchange(s.outgoing(c), &s.out)
	switch {
	case err != nil:
	case measured:
		s.measure(began, s.sampled-s.weighed)
	default:
		s.measureLong()
	}
	if err != nil {
		return s.lost(c, sent, err)
	}
	return s.answer(c)
}

// fromClient reads on in the midst of what the client sends.
func (s *session) fromClient() error {
	held := s.in.len()
	err := s.client.fill(&s.in)
	for err != nil {
		if err = s.goOn(err); err != nil {
			break
		}
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
		switch {
		case s.expired:
			return s.withhold(c)
		case s.refused != 0 && s.link != nil && s.link.reading.Load() && !s.delivered && refusesToWrite(s.refused):
			s.elsewhere, s.refused = true, 0
			s.out.drop()
			s.midway = false
			s.rest()
			s.midway = true
			return errElsewhere
		case err == nil && len(rest) == 0 && s.response.Done():
			if s.mem.askStatus || s.mem.askWritten {
				if s.learnAfter(); s.expired {
					return s.withhold(c)
				}
			}
			if s.readsBackFirst() {
				if err := s.readBack(); err != nil {
					return s.lost(c, true, err)
				}
			}
			s.restEarly(c)
		}
		if len(forward) > 0 {
			if err := s.deliver(forward); err != nil {
				return err
			}
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
			if told, err := s.passFile(c); told || err != nil {
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

// deliver gives the client a piece of the response.
func (s *session) deliver(piece []byte) error {
	if s.next = s.response.Seq(); s.recounts {
		s.numbers.Renumber(piece, &s.counted)
		s.next = s.counted
	}
	if s.renumber != nil {
		piece = s.renumber.Feed(nil, piece)
	}
	if s.retell != nil {
		piece = s.retell.Feed(nil, piece)
	}
	if err := s.client.write(piece); err != nil {
		return fmt.Errorf("write to the client: %w", err)
	}
	s.p.count.bytesOut.Add(uint64(len(piece)))
	if s.response.Begun() { // a report of progress takes nothing back
		s.delivered = true
		s.discharge()
	}
	return nil
}
